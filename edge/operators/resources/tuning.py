"""How a station stands to what is wanted of it; and its templates, applied at once."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Accepted
from edge.operators.models.tuning import Tuning
from edge.operators.problems import missing
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.stations import StationPath, known
from edge.operators.routes import Table
from shared.ocpp.standard_keys import METER_INTERVALS, METER_LISTS
from shared.records.authorization import Policies, policy_of, template_of
from shared.records.queries import authorization as policies
from shared.records.queries import templates
from shared.records.requests import ApplyTemplates
from shared.records.templates import MeterKeys, desired

TABLE: Final = Table("tuning")
_route = TABLE.route
METER_KEYS: Final = MeterKeys(METER_LISTS, METER_INTERVALS)


class Application(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How templates are applied."""

    retry: Annotated[bool, Meta(description="Also what the station refused, or kept going back on.")] = False


@_route(
    "GET", "/stations/{station_id}/tuning", "Show a station's tuning", scope="read", params=StationPath,
    response=Tuning, errors=("not_found",),
)  # fmt: skip
async def show_tuning(call: Call[StationPath, None]) -> Tuning:
    """Return what the templates want of a station, what it holds, how each key stands, and what is under way."""
    found = await templates.tuning(call.lane, call.params.station_id)
    if found is None:
        raise missing("station", call.params.station_id)
    every = list((await templates.REGISTER.every(call.lane)).values())
    policy = policy_of(Policies(await policies.REGISTER.every(call.lane)), found.station)
    if policy is not None:
        every.append(template_of(policy))
    return Tuning.of(found, desired(every, METER_KEYS, found.station))


@_route(
    "POST", "/stations/{station_id}/configuration/apply", "Apply templates to a station", scope="operate",
    params=StationPath, body=Application, response=Accepted, status=202,
    errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def apply_templates(call: Call[StationPath, Application]) -> Accepted:
    """Read the station's configuration now, or when it is back, and set what differs from its templates."""
    station_id = call.params.station_id
    await known(call, station_id)
    asked = ApplyTemplates(request_id=request_id(call), by=call.token.name, retry=call.body.retry)
    await ask(call, station_id, asked)
    return Accepted(request_id=asked.request_id, detail="its configuration is read, and what differs is set")
