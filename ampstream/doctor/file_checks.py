"""Checks of where files lie that stations fetch and leave."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ampstream.doctor.finding import Finding, fail, ok, warn
from shared.records.files_links import base_url
from shared.settings import Settings

_LOOPBACK: Final = ("127.", "localhost", "::1")


def check(settings: Settings) -> Iterator[Finding]:
    """Yield the findings; none where no directory is set."""
    if not settings.transfer_dir:
        return
    yield _directory(settings)
    if settings.station_host.startswith(_LOOPBACK):
        return
    url = base_url(settings)
    if any(f"://{name}" in url or f"://[{name}" in url for name in _LOOPBACK):
        mend = "set AMPSTREAM_TRANSFER_HOST=0.0.0.0 and AMPSTREAM_TRANSFER_URL"
        yield warn("files' address", f"stations are sent to {url}, which is this machine alone", mend)


def _directory(settings: Settings) -> Finding:
    root = Path(settings.transfer_dir)
    if not root.is_dir() and root.resolve().parent.is_dir():
        root = root.resolve().parent
    try:
        with tempfile.TemporaryFile(dir=root):
            free = shutil.disk_usage(root).free
    except OSError as error:
        mend = "let edges write there, or set another AMPSTREAM_TRANSFER_DIR"
        return fail("files", f"cannot write to {root}: {error.strerror}", mend)
    text = f"{root} has {free / 1e9:.1f} GB free"
    if free <= settings.transfer_reserve_bytes:
        mend = "free some, or lower AMPSTREAM_TRANSFER_RESERVE_BYTES: nothing is stored until then"
        return fail("files", text, mend)
    if free < settings.transfer_reserve_bytes + settings.image_max_bytes:
        return warn("files", text, "the largest firmware image that is allowed would not fit")
    return ok("files", text)
