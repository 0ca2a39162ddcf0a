"""Makes of stations that are known to be particular: `makes.toml`, each a behaviour with the names it boots under.

They are the other end of the quirk profiles that Ampstream ships: what those rules are for can be played and tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from ampstream.simulate.behaviours import BEHAVIOURS, Behaviour, combined

FILE: Final = Path(__file__).with_suffix(".toml")


class _Make(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    vendor: str
    model: str
    firmware: str
    why: str
    behaviours: list[str]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    make: list[_Make]


def _behaviour(make: _Make) -> Behaviour:
    return msgspec.structs.replace(
        combined(BEHAVIOURS[name] for name in make.behaviours),
        name=make.name,
        summary=make.why,
        vendor=make.vendor,
        model=make.model,
        version=make.firmware,
    )


MAKES: Final[Mapping[str, Behaviour]] = {
    make.name: _behaviour(make) for make in msgspec.toml.decode(FILE.read_bytes(), type=_File).make
}
"""Name -> how such a station behaves, and what it calls itself."""
EVERYTHING: Final[Mapping[str, Behaviour]] = {**BEHAVIOURS, **MAKES}
"""What `--behaviour` knows."""
