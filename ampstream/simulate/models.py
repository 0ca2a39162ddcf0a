"""The vendors and models of the fleet (made up), and what their outlets deliver."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from ampstream.simulate.keys import EVERY_PROFILE, Changes, Key, Keys, keys_of
from ampstream.simulate.physics import Outlet


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of station."""

    vendor: str
    name: str
    firmware: str
    meter_type: str
    outlets: tuple[Outlet, ...]
    boots_on_reconnect: bool
    """Sends BootNotification after every reconnect, as many do; the standard asks for it after a reboot only (§4.2)."""
    share: int
    """How many of the fleet, relative to the others."""
    keys: Keys
    """Its configuration keys."""
    measurands: frozenset[str]
    """What it can measure."""


_AC_MEASURANDS: Final = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage")
_DC_MEASURANDS: Final = (*_AC_MEASURANDS, "SoC", "Temperature")
_MORE: Final = ("Power.Offered", "Current.Offered", "Frequency")


def _keys(measurands: tuple[str, ...], profiles: tuple[str, ...] = EVERY_PROFILE, **changes: Key) -> Keys:
    """Return a model's keys; it comes with all of the basic measurands switched on."""
    sampled: Changes = {"MeterValuesSampledData": Key(",".join(measurands), "measurands")}
    return keys_of(profiles, {**sampled, **changes})


_AC7 = Outlet("AC", 7360.0, 1)
_AC11 = Outlet("AC", 11040.0, 3)
_AC22 = Outlet("AC", 22080.0, 3)
_DC50 = Outlet("DC", 50000.0, 3)
_DC150 = Outlet("DC", 150000.0, 3)

MODELS: Final = (
    Model(
        vendor="Nordwall",
        name="Home 7",
        firmware="2.4.1",
        meter_type="NW-S1",
        outlets=(_AC7,),
        boots_on_reconnect=False,
        share=3,
        # The small one: neither reservations nor lists, and short lists of measurands.
        keys=_keys(
            _AC_MEASURANDS,
            ("Core", "FirmwareManagement", "SmartCharging", "RemoteTrigger"),
            MeterValuesSampledDataMaxLength=Key("4", "number", readonly=True),
            StopTxnSampledDataMaxLength=Key("2", "number", readonly=True),
        ),
        measurands=frozenset(_AC_MEASURANDS),
    ),
    Model(
        vendor="Nordwall",
        name="Home 11",
        firmware="2.4.1",
        meter_type="NW-S3",
        outlets=(_AC11,),
        boots_on_reconnect=False,
        share=4,
        keys=_keys(_AC_MEASURANDS),
        measurands=frozenset(_AC_MEASURANDS),
    ),
    Model(
        vendor="Lindenbaum",
        name="Pole Duo 22",
        firmware="5.0.17",
        meter_type="LB-MID2",
        outlets=(_AC22, _AC22),
        boots_on_reconnect=True,
        share=5,
        keys=_keys(_AC_MEASURANDS),
        measurands=frozenset((*_AC_MEASURANDS, *_MORE)),
    ),
    Model(
        vendor="Lindenbaum",
        name="Rapid 50",
        firmware="5.1.3",
        meter_type="LB-DC1",
        outlets=(_DC50,),
        boots_on_reconnect=True,
        share=2,
        keys=_keys((*_AC_MEASURANDS, "SoC")),
        measurands=frozenset(_DC_MEASURANDS),
    ),
    Model(
        vendor="Voltaire",
        name="Hyper 150",
        firmware="v1.12.0-r3",
        meter_type="VT-DCM",
        outlets=(_DC150, _DC150),
        boots_on_reconnect=True,
        share=1,
        keys=_keys((*_AC_MEASURANDS, "SoC")),
        measurands=frozenset((*_DC_MEASURANDS, *_MORE)),
    ),
)


BY_NAME: Final = {model.name: model for model in MODELS}


def choose(random: Random) -> Model:
    """Choose a model by its share of the fleet."""
    return random.choices(MODELS, [model.share for model in MODELS])[0]
