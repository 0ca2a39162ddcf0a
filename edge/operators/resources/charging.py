"""Connectors, transactions and their meter values."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page, StationId
from edge.operators.models.stations import Connector
from edge.operators.models.transactions import Reading, Transaction
from edge.operators.problems import ProblemError, missing
from edge.operators.resources import csvout
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.lists import STREAM_ID, member, page, position, shown
from edge.operators.resources.stations import StationPath, known
from edge.operators.routes import Table
from edge.operators.times import GivenInstant, milliseconds
from shared.bus.lane import Lane
from shared.records.queries import stations, transactions
from shared.records.queries.transactions import TransactionFilter
from shared.records.requests import CloseTransaction
from shared.records.transactions import TransactionState

TABLE: Final = Table("charging")
_route = TABLE.route

CSV_CHUNK: Final = 200
NUMBER: Final = re.compile(r"[0-9]{1,10}")
CONNECTOR: Final = re.compile(r".{1,48}/[0-9]{1,10}")
TransactionId = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Format = Literal["json", "csv"]


class ConnectorList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    status: Annotated[str, Meta(max_length=64, description="As the station reports it, e.g. `Charging`.")] = ""
    limit: Limit = 100
    cursor: Cursor | None = None


class StationConnectors(StationPath, frozen=True, kw_only=True):
    """Whose connectors, and how many of them."""

    limit: Limit = 100
    cursor: Cursor | None = None


class TransactionList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list; times are those of the start."""

    station_id: StationId | None = None
    state: TransactionState | None = None
    id_tag: Annotated[str, Meta(max_length=255, description="Whole, in any case.")] = ""
    since: Annotated[GivenInstant | None, Meta(description="Started at or after.")] = msgspec.field(
        name="from", default=None
    )
    until: Annotated[GivenInstant | None, Meta(description="Started before.")] = msgspec.field(name="to", default=None)
    limit: Limit = 100
    cursor: Cursor | None = None

    @property
    def filter(self) -> TransactionFilter:
        """The filter of the query."""
        return TransactionFilter(
            station_id=self.station_id or "",
            state=self.state,
            id_tag=self.id_tag,
            since=milliseconds(self.since) if self.since else None,
            until=milliseconds(self.until) if self.until else None,
        )


class TransactionPath(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction."""

    transaction_id: TransactionId


class MeterValues(msgspec.Struct, frozen=True, kw_only=True):
    """How meter values are wanted; CSV comes whole, without pages."""

    format: Annotated[Format | None, Meta(description="`csv`, as the header `Accept: text/csv` asks for too.")] = None
    limit: Limit = 100
    cursor: Cursor | None = None


class TransactionMeterValues(MeterValues, frozen=True, kw_only=True):
    """Whose, and how."""

    transaction_id: TransactionId


class StationMeterValues(MeterValues, frozen=True, kw_only=True):
    """Whose, and how."""

    station_id: StationId


@_route("GET", "/connectors", "List connectors", scope="read", params=ConnectorList, response=Page[Connector])
async def list_connectors(call: Call[ConnectorList, None]) -> Page[Connector]:
    """Return the connectors of all stations, by station and number, or those of one status."""
    query = ("connectors", call.params.status)
    after = member(call.params.cursor, *query, shape=CONNECTOR)
    found, after = await stations.connectors_page(call.lane, call.params.status, after, call.params.limit)
    return page(await shown(found, Connector.of_now), after, *query)


@_route(
    "GET", "/stations/{station_id}/connectors", "List a station's connectors", scope="read", params=StationConnectors,
    response=Page[Connector], errors=("not_found",),
)  # fmt: skip
async def list_station_connectors(call: Call[StationConnectors, None]) -> Page[Connector]:
    """Return the connectors that a station has reported; connector 0 is the station itself."""
    station_id, limit = call.params.station_id, call.params.limit
    query = ("connectors of", station_id)
    after = member(call.params.cursor, *query, shape=NUMBER)
    found = await known(call, station_id)
    left = [one for one in Connector.of_station(found) if not after or one.connector_id > int(after)]
    items = left[:limit]
    return page(items, str(items[-1].connector_id) if len(left) > limit else None, *query)


@_route("GET", "/transactions", "List transactions", scope="read", params=TransactionList, response=Page[Transaction])
async def list_transactions(call: Call[TransactionList, None]) -> Page[Transaction]:
    """Return transactions by their start, newest first."""
    wanted, query = call.params.filter, ("transactions", call.params.filter)
    after = position(call.params.cursor, *query)
    found, following = await transactions.page(call.lane, wanted, after, call.params.limit)
    return page(await shown(found, Transaction.of), following, *query)


@_route(
    "GET", "/transactions/{transaction_id}", "Show a transaction", scope="read", params=TransactionPath,
    response=Transaction, errors=("not_found",),
)  # fmt: skip
async def show_transaction(call: Call[TransactionPath, None]) -> Transaction:
    """Return a transaction, open or closed."""
    found = await transactions.transaction(call.lane, call.params.transaction_id)
    if found is None:
        raise missing("transaction", call.params.transaction_id)
    return Transaction.of(found)


@_route(
    "POST", "/transactions/{transaction_id}/close", "Close a transaction", scope="operate", params=TransactionPath,
    response=Transaction, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def close_transaction(call: Call[TransactionPath, None]) -> Transaction:
    """End an open transaction whose stop nobody will report, with its last known meter value, as an estimate.

    The station is asked nothing (RemoteStopTransaction does that). Should its own stop come after all, it replaces the
    estimate.
    """
    number = call.params.transaction_id
    found = await transactions.transaction(call.lane, number)
    if found is None:
        raise missing("transaction", number)
    asked = CloseTransaction(request_id=request_id(call), by=call.token.name, transaction_id=number)
    await ask(call, found.station_id, asked)
    closed = await transactions.transaction(call.lane, number)
    return Transaction.of(closed or found)


@_route(
    "GET", "/transactions/{transaction_id}/meter-values", "List a transaction's meter values", scope="read",
    params=TransactionMeterValues, response=Page[Reading], media=("text/csv",), errors=("not_found",),
)  # fmt: skip
async def list_meter_values(call: Call[TransactionMeterValues, None]) -> Page[Reading] | web.StreamResponse:
    """Return every sample of a transaction in the order of its arrival: pages of JSON, or one CSV."""
    found = await transactions.transaction(call.lane, call.params.transaction_id)
    if found is None:
        raise missing("transaction", call.params.transaction_id)
    return await _meter_values(call, found.station_id, found.transaction_id)


@_route(
    "GET", "/stations/{station_id}/meter-values", "List samples of no transaction", scope="read",
    params=StationMeterValues, response=Page[Reading], media=("text/csv",), errors=("not_found",),
)  # fmt: skip
async def list_station_meter_values(call: Call[StationMeterValues, None]) -> Page[Reading] | web.StreamResponse:
    """Return a station's newest samples that belong to no transaction, in the order of their arrival."""
    await known(call, call.params.station_id)
    return await _meter_values(call, call.params.station_id, 0)


async def _meter_values(
    call: Call[TransactionMeterValues, None] | Call[StationMeterValues, None], station_id: str, transaction_id: int
) -> Page[Reading] | web.StreamResponse:
    params = call.params
    accepts_csv = params.format is None and "text/csv" in call.request.headers.get("Accept", "")
    if params.format == "csv" or accepts_csv:
        if params.cursor is not None:
            raise ProblemError.of_field("bad_parameter", "query", "cursor", "does not go with CSV, which comes whole")
        name = f"transaction-{transaction_id}.csv" if transaction_id else "samples.csv"
        return await csvout.send(call.request, name, call.id, _all_readings(call.lane, station_id, transaction_id))
    query = ("meter-values", station_id, transaction_id)
    after = member(params.cursor, *query, shape=STREAM_ID)
    found, following = await transactions.readings(call.lane, station_id, transaction_id, after, params.limit)
    return page(await shown(found, Reading.of), following, *query)


async def _all_readings(lane: Lane, station_id: str, transaction_id: int) -> AsyncIterator[list[Reading]]:
    after = ""
    while True:
        found, after = await transactions.readings(lane, station_id, transaction_id, after, CSV_CHUNK)
        yield await shown(found, Reading.of)
        if not after:
            return
