"""Makes the simulated stations known where unknown ones are rejected: through the API, as an operator would.

Their keys are kept in `<data>/stations.passwords`, one `STATION:PASSWORD` a line, the form that `ampstream simulate
--password-file` reads.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import aiohttp
import click
import msgspec

FILE_NAME: Final = "stations.passwords"


class _Made(msgspec.Struct):
    key: str | None = None


class Provisioner:
    """Creates stations with keys, once each."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str, token: str, path: Path) -> None:
        self._http = http
        self._base_url = f"{base_url}/api/v1/stations"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._path = path

    async def ensure(self, station_ids: Iterable[str]) -> int:
        """Create the stations that the file does not hold yet; returns how many. Raises `click.ClickException`."""
        known = self._known()
        missing = [station_id for station_id in station_ids if station_id not in known]
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            for station_id in missing:
                out.write(f"{station_id}:{await self._create(station_id)}\n")
        return len(missing)

    def _known(self) -> set[str]:
        if not self._path.exists():
            return set()
        return {line.partition(":")[0] for line in self._path.read_text(encoding="utf-8").splitlines()}

    async def _create(self, station_id: str) -> str:
        key = await self._post("", {"station_id": station_id, "make_key": True})
        # It exists already and its key is not in the file: it gets a new one.
        return key or await self._post(f"/{station_id}/key", {}) or ""

    async def _post(self, path: str, body: dict[str, object]) -> str | None:
        """Return the key that was made, or None where the station exists already."""
        try:
            async with self._http.post(f"{self._base_url}{path}", json=body, headers=self._headers) as answer:
                if answer.status == 409:
                    return None
                if answer.status not in (200, 201):
                    raise click.ClickException(f"cannot create station: {answer.status} {await answer.text()}")
                return msgspec.json.decode(await answer.read(), type=_Made).key
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise click.ClickException(f"cannot create station: {error}") from None
