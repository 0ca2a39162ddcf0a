"""What is known of a model: what its stations have shown, and what operators say of it.

    models                     hash: key -> `Model`, of those whose configuration was read
    model:{<key>}:measurands   set: measurands that stations of the model have sent
    models:overrides           hash: key -> `Overrides`

A model is a vendor, a model and a firmware as BootNotification names them. All of it follows from its stations but for
the overrides: the next snapshot says it again.
"""

from __future__ import annotations

import hashlib

import msgspec


def model_key(vendor: str, model: str, firmware: str) -> str:
    """Return the key of a model: sixteen hexadecimal digits, the same in any case of its texts."""
    text = f"{vendor}\n{model}\n{firmware}".lower()
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Capabilities(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a station can do, as far as its configuration tells. None and empty: not known."""

    profiles: tuple[str, ...] = ()
    """Feature profiles."""
    connectors: int | None = None
    limits: dict[str, int] = {}
    """Configuration key -> limit."""


class Model(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who a model is, and what the last of its stations that was read can do."""

    vendor: str
    model: str
    firmware: str = ""
    capabilities: Capabilities = Capabilities()
    read_at: int = 0
    station_id: str = ""


class Overrides(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What operators say of a model; it wins over what its stations say and over the profiles in files."""

    rules: dict[str, str] = {}
    """Rules of `shared.quirk_profiles`."""
    profiles: tuple[str, ...] | None = None
    connectors: int | None = None
    limits: dict[str, int] = {}
    note: str = ""
    updated_at: int = 0
    by: str = ""

    def of(self, told: Capabilities) -> Capabilities:
        """Return what a station tells with what operators say in its place."""
        return Capabilities(
            profiles=told.profiles if self.profiles is None else self.profiles,
            connectors=told.connectors if self.connectors is None else self.connectors,
            limits={**told.limits, **self.limits},
        )
