"""Events in plain words, one line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ampstream.operator.show import cell, kwh, moment, span

Words = Callable[[dict[str, Any]], str]

COLOURS: Final = {
    "station": "cyan",
    "connector": "white",
    "transaction": "green",
    "authorization": "yellow",
    "quarantine": "red",
    "command": "magenta",
    "configuration": "blue",
    "job": "blue",
    "reservation": "cyan",
    "file": "white",
    "firmware": "blue",
    "campaign": "blue",
}
"""Colour by the part of the type before the dot."""


def sentence(kind: str, event: dict[str, Any]) -> str:
    """Return an event in words with markup; a type that is not known shows its fields."""
    words = _WORDS.get(kind)
    if words is None:
        known = {"id", "type", "version", "station_id", "at"}
        return f"{cell(kind)} " + cell({name: value for name, value in event.items() if name not in known})
    return words(event)


def _optional(text: str, value: Any) -> str:
    return text.format(cell(value)) if value else ""


def _connected(event: dict[str, Any]) -> str:
    return f"connected, {cell(event['protocol'])}" + _optional(" from {}", event["address"])


def _created(event: dict[str, Any]) -> str:
    return "dialled in unknown, and was accepted" if event["by"] == "connect" else f"created by {cell(event['by'])}"


def _booted(event: dict[str, Any]) -> str:
    previous = event["previous_firmware"]
    firmware = _optional(", firmware {}", event["firmware"]) + _optional(" (was {})", previous)
    return f"booted: {cell(event['vendor'])} {cell(event['model'])}{firmware}, answered {cell(event['status'])}"


def _status(event: dict[str, Any]) -> str:
    error = "" if event["error_code"] == "NoError" else f", {cell(event['error_code'])} {cell(event['info'])}"
    return (
        f"connector {event['connector_id']}: {cell(event['status'])}"
        + _optional(" (was {})", event["previous"])
        + error
    )


def _started(event: dict[str, Any]) -> str:
    accepted = "" if event["authorization"] == "Accepted" else f", answered {cell(event['authorization'])}"
    where = f"connector {event['connector_id']}, tag {cell(event['id_tag'])}"
    return f"transaction {event['transaction_id']} started on {where}{accepted}"


def _updated(event: dict[str, Any]) -> str:
    power = f", {event['power_w'] / 1000:.1f} kW" if event["power_w"] is not None else ""
    charge = f", {event['soc_percent']:g} %" if event["soc_percent"] is not None else ""
    return f"transaction {event['transaction_id']}: {kwh(event['energy_wh'])}{power}{charge}"


def _ended(event: dict[str, Any]) -> str:
    begun, stopped = event["started_at"], event["stopped_at"]
    lasted = f" in {span(begun, stopped)}" if begun and stopped else ""
    assumed = ", end assumed" if event["estimated"] else ""
    reason = _optional(", {}", event["reason"])
    return f"transaction {event['transaction_id']} ended: {kwh(event['energy_wh'])}{lasted}{reason}{assumed}"


def _corrected(event: dict[str, Any]) -> str:
    return (
        f"transaction {event['transaction_id']} corrected by the station's own stop: "
        f"{kwh(event['previous_energy_wh'])} → {kwh(event['energy_wh'])}"
    )


def _disconnected(event: dict[str, Any]) -> str:
    return f"disconnected: {cell(event['reason'])}" + (", expected back" if event["reconnecting"] else "")


def _reserved(event: dict[str, Any]) -> str:
    where = f"connector {event['connector_id']}" if event["connector_id"] else "any connector"
    return f"{where} reserved ({event['number']})"


_WORDS: Final[dict[str, Words]] = {
    "station.created": _created,
    "station.updated": lambda event: f"settings changed: {cell(event['fields'])}",
    "station.deleted": lambda _: "deleted",
    "station.connected": _connected,
    "station.disconnected": _disconnected,
    "station.offline": lambda event: f"offline ({cell(event['cause'])})",
    "station.booted": _booted,
    "station.flagged": lambda event: f"showed a deviation: {cell(event['flag'])}",
    "connector.status": _status,
    "transaction.started": _started,
    "transaction.updated": _updated,
    "transaction.ended": _ended,
    "transaction.corrected": _corrected,
    "transaction.orphan_stop": lambda event: f"a stop that fits no transaction (it names {event['transaction_id']})",
    "transaction.reconciling": lambda event: f"transaction {event['transaction_id']} is being looked at",
    "transaction.unauthorized": lambda event: (
        f"transaction {event['transaction_id']} began{' offline' if event['offline'] else ''} without leave: "
        f"{cell(event['status'])}"
    ),
    "transaction.unauthorized_ended": lambda event: (
        f"transaction {event['transaction_id']}, which had been refused, ended with {kwh(event['energy_wh'])}"
    ),
    "transaction.start_failed": lambda event: (
        f"a remote start was accepted, and nothing began ({cell(event['reason'])}){_optional(': {}', event['detail'])}"
    ),
    "transaction.stop_failed": lambda event: (
        f"a remote stop was accepted, and transaction {event['transaction_id']} goes on "
        f"({cell(event['reason'])}){_optional(': {}', event['detail'])}"
    ),
    "authorization.refused": lambda event: f"an id tag was refused: {cell(event['status'])} at {cell(event['where'])}",
    "station.firmware_status": lambda event: f"firmware: {cell(event['status'])}",
    "station.diagnostics_status": lambda event: f"diagnostics: {cell(event['status'])}",
    "station.security_event": lambda event: f"security event {cell(event['kind'])} at {moment(event['reported_at'])}",
    "station.certificate_requested": lambda event: (
        f"asked for a certificate{_optional(', and was refused: {}', event['problem'])}"
    ),
    "station.certificate": lambda event: (
        f"certificate {cell(event['state'])}{_optional(', counts until {}', moment(event['not_after'] or None))}"
        f"{_optional(': {}', event['problem'])}"
    ),
    "station.key_rotation": lambda event: f"new key: {cell(event['state'])}{_optional(' ({})', event['answer'])}",
    "station.data_transfer": lambda event: (
        f"data of {cell(event['vendor_id'])}{_optional(', {}', event['message_id'])}"
    ),
    "configuration.tuned": lambda event: (
        f"brought in line with its templates: {cell(event['state'].replace('_', ' '))}"
        f"{_optional(', set {}', event['taken'])}{_optional(', refused {}', event['refused'])}"
        f"{_optional(', keeps reverting {}', event['reverting'])}"
    ),
    "local_list.changed": lambda event: (
        f"local list of {cell(event['policy'] or 'nobody')}: {cell(event['state'].replace('_', ' '))}, "
        f"version {event['held']} of {event['wanted']}{_optional(' ({})', event['detail'])}"
    ),
    "transaction.data_incomplete": lambda event: (
        f"transaction {event['transaction_id']} lacks meter data: {cell(event['missing'])}"
    ),
    "configuration.read": lambda event: (
        f"configuration read ({cell(event['trigger'])}): {event['keys']} keys"
        + (f", {event['changes']} changes" if event["changes"] else "")
    ),
    "configuration.drifted": lambda event: f"configuration drifted: {cell(event['names'])}",
    "configuration.acknowledged": lambda event: f"a drift was acknowledged by {cell(event['by'])}",
    "profile.changed": lambda event: (
        f"charging profile {event['profile_id']}{_optional(' ({})', event['name'])}: {cell(event['state'])}"
        f"{_optional(', {}', event['detail'])}"
    ),
    "profile.exceeded": lambda event: (
        f"draws {event['measured']:g} {cell(event['unit'])}, charging profile {event['profile_id']} allows "
        f"{event['allowed']:g} {cell(event['unit'])}"
    ),
    "quarantine.added": lambda event: (
        f"a frame was not understood: {cell(event['reason'])}{_optional(' ({})', event['action'])}"
    ),
    "reservation.made": lambda event: f"{_reserved(event)} until {moment(event['expires_at'])}",
    "reservation.used": lambda event: f"{_reserved(event)}: used by transaction {event['transaction_id']}",
    "reservation.expired": lambda event: f"{_reserved(event)}: expired, nobody came",
    "reservation.cancelled": lambda event: f"{_reserved(event)}: cancelled{_optional(' ({})', event['reason'])}",
    "reservation.refused": lambda event: f"{_reserved(event)}: refused{_optional(' ({})', event['reason'])}",
    "probe.changed": lambda event: (
        f"probe of smart charging: {cell(event['state'])}{_optional(' ({})', event['detail'])}"
    ),
    "demand.started": lambda event: (
        f"demand response {cell(event['name'] or event['event_id'])} began: {cell(event['kind'])}, "
        f"{event['stations']} stations, {event['baseline_w'] / 1000:.1f} kW before"
    ),
    "demand.ended": lambda event: (
        f"demand response {cell(event['name'] or event['event_id'])} {cell(event['state'])}: {event['complied']} of "
        f"{event['stations']} stations complied{_optional(' ({})', event['detail'])}"
    ),
    "job.created": lambda event: (
        f"{cell(event['by'])} made a job: {cell(event['action'])} to {event['total']} stations, {cell(event['state'])}"
    ),
    "job.changed": lambda event: (
        f"job {cell(event['state'])}{_optional(' by {}', event['by'])}: {event['ended']} of {event['total']} ended"
    ),
    "job.done": lambda event: f"job {cell(event['state'])}, all stations ended: {cell(event['outcomes'])}",
    "file.stored": lambda event: f"left {cell(event['name'])}, {event['size']:,} bytes",
    "file.failed": lambda event: f"could not leave its {cell(event['kind'])}: {cell(event['reason'])}",
    "file.fetched": lambda event: f"fetched {cell(event['name'])}, {event['size']:,} bytes",
    "firmware.update": lambda event: (
        f"update to {cell(event['firmware'])}, attempt {event['attempt']}: {cell(event['stage'].replace('_', ' '))}"
        f"{_optional(' ({})', event['detail'])}"
    ),
    "campaign.created": lambda event: (
        f"{cell(event['by'])} made a campaign: firmware {cell(event['firmware'])} for {event['total']} stations, "
        f"{cell(event['state'])}"
    ),
    "campaign.changed": lambda event: (
        f"campaign {cell(event['state'])}{_optional(' by {}', event['by'])}{_optional(': {}', event['reason'])}: "
        f"{event['ended']} of {event['total']} ended"
    ),
    "campaign.done": lambda event: f"campaign {cell(event['state'])}, all stations ended: {cell(event['outcomes'])}",
    "command.changed": lambda event: f"command {cell(event['action'])}: {cell(event['state'])}",
}
