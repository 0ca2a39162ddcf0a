"""The rules at the door that belong to no other test here, and that the page on security names tests that exist."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

from shared import credentials
from shared.ocpp.errors import ErrorCode, read_code
from shared.ocpp.versions import OCPP16, OCPP21, OCPP201
from shared.settings import load
from tests.edge.stations.rig import Rig, basic

DOCS = Path(__file__).resolve().parents[3] / "docs"
PEPPER = b"p" * 32


def test_every_rule_names_a_test_that_exists() -> None:
    """Each row of the table has a link, and the function that it names is in that file."""
    table = (DOCS / "security.md").read_text(encoding="utf-8").partition("## At the door")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| rule")]
    assert len(rows) > 20
    for row in rows:
        links = re.findall(r"\[([^\]]+)\]\(([^)]+)\)", row)
        assert any(target.split("#")[0].endswith(".py") for _, target in links), f"no test: {row}"
        for name, target in links:
            text = (DOCS / target).resolve().read_text(encoding="utf-8")
            assert not name.startswith("test_") or name.endswith(".py") or f"def {name}(" in text, name


def test_the_library_is_new_enough_and_compiled() -> None:
    """aiohttp 3.14.3 mends CVE-2026-69243 and CVE-2026-54274; its C parts read what strangers send."""
    version = tuple(int(part) for part in importlib.metadata.version("aiohttp").split(".")[:3])
    assert version >= (3, 14, 3)
    from aiohttp import http_parser
    from aiohttp._websocket import reader

    assert http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy
    assert reader.WebSocketReader.__module__ == "aiohttp._websocket.reader_c"


def test_unknown_stations_are_rejected_unless_told_otherwise() -> None:
    """The default is `reject`, and loopback."""
    settings = load({})
    assert (settings.unknown_stations, settings.station_host) == ("reject", "127.0.0.1")


def test_the_codes_of_each_version() -> None:
    """1.6 writes FormationViolation and OccurenceConstraintViolation; 2.x the right spellings; all four are read."""
    wanted = {"FormationViolation", "OccurenceConstraintViolation", "FormatViolation", "OccurrenceConstraintViolation"}
    codes = (ErrorCode.FORMAT_VIOLATION, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION)
    assert [OCPP16.spell(code) for code in codes] == ["FormationViolation", "OccurenceConstraintViolation"]
    for version in (OCPP201, OCPP21):
        assert [version.spell(code) for code in codes] == ["FormatViolation", "OccurrenceConstraintViolation"]
    assert {read_code(name) for name in wanted} == set(codes)


@pytest.mark.parametrize("size", [16, 19, 20])
async def test_a_key_of_sixteen_to_twenty_bytes_opens_as_bytes(rig: Rig, size: int) -> None:
    """A key from elsewhere, set in hexadecimal: its bytes open, which are no UTF-8, and its digits in any case."""
    raw = bytes(range(256 - size, 256))
    pepper = await credentials.load_pepper(rig.worker.lane)
    await rig.provision("CP1", key=credentials.hash_key(raw.hex(), pepper))
    for password in (raw, raw.hex(), raw.hex().upper()):
        await rig.dial("CP1", headers=basic("CP1", password))
    assert (await rig.refused("CP1", headers=basic("CP1", raw[:-1]))).status == 401
