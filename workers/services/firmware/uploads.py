"""How the upload of diagnostics or a log goes, as the station says: kept beside the file's record, for who waits."""

from __future__ import annotations

from typing import Final

from shared.bus import firmware_keys as keys
from shared.records.files import FileKind, FileTold
from shared.records.packing import pack
from workers.store.draft import Draft

KEPT_MS: Final = 24 * 3600 * 1000
IDLE: Final = "Idle"


def told(draft: Draft, kind: FileKind, status: str, request_id: int | None = None) -> None:
    """Keep what a station says of an upload."""
    if draft.station is None or draft.late or status == IDLE:
        return
    found = FileTold(status=status, at=draft.now, request_id=request_id)
    draft.write("SET", keys.file_told(draft.station_id, kind), pack(found), "PX", KEPT_MS)
