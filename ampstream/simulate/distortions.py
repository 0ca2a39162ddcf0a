"""What some stations do to everything they say: tags in another form, kWh labelled Wh, odd times, lower case.

Applied to a CALL right before it is written (`ampstream.simulate.behaviours`); the ledger keeps what is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from ampstream.simulate.behaviours import Distortion
from shared.ocpp.messages import Request

Distort = Callable[[dict[str, Any]], None]

_SUFFIX: Final = "_4711"
_ENERGY: Final = frozenset(("Energy.Active.Import.Register",))


def distorter(wanted: Iterable[Distortion]) -> Callable[[Request[Any]], dict[str, Any]] | None:
    """Return what makes a CALL's payload what the station says instead; None where that is the same."""
    steps = [_DISTORTIONS[name] for name in sorted(wanted)]
    if not steps:
        return None

    def distort(request: Request[Any]) -> dict[str, Any]:
        payload: dict[str, Any] = msgspec.to_builtins(request)
        for step in steps:
            step(payload)
        return payload

    return distort


def _tag_hex(payload: dict[str, Any]) -> None:
    if "idTag" in payload:
        payload["idTag"] = payload["idTag"].encode().hex().upper()


def _tag_suffix(payload: dict[str, Any]) -> None:
    if "idTag" in payload:
        payload["idTag"] += _SUFFIX


def _kwh_as_wh(payload: dict[str, Any]) -> None:
    for field in ("meterStart", "meterStop"):
        if field in payload:
            payload[field] //= 1000
    for sample in _samples(payload):
        if sample.get("measurand") in _ENERGY:
            sample["value"] = f"{int(sample['value']) / 1000:.3f}"


def _samples(payload: dict[str, Any]) -> list[dict[str, Any]]:
    readings = [*payload.get("meterValue", ()), *payload.get("transactionData", ())]
    return [sample for reading in readings for sample in reading["sampledValue"]]


def _timestamps(payload: dict[str, Any], change: Callable[[str], str]) -> None:
    for place in (payload, *payload.get("meterValue", ()), *payload.get("transactionData", ())):
        if "timestamp" in place:
            place["timestamp"] = change(place["timestamp"])


def _no_zone(payload: dict[str, Any]) -> None:
    _timestamps(payload, lambda time: time.removesuffix("Z"))


def _clock_1970(payload: dict[str, Any]) -> None:
    # The year alone: what lies between two times stays what it is.
    _timestamps(payload, lambda time: f"1970{time[4:]}")


def _lower_case(payload: dict[str, Any]) -> None:
    for field in ("status", "errorCode", "reason"):
        if field in payload:
            payload[field] = payload[field].lower()


def _main_meter(payload: dict[str, Any]) -> None:
    if "meterValue" in payload:
        payload["connectorId"] = 0
        payload.pop("transactionId", None)


_DISTORTIONS: Final[dict[Distortion, Distort]] = {
    "clock_1970": _clock_1970,
    "kwh_as_wh": _kwh_as_wh,
    "lower_case": _lower_case,
    "main_meter": _main_meter,
    "no_zone": _no_zone,
    "tag_hex": _tag_hex,
    "tag_suffix": _tag_suffix,
}
