"""What a station and its model can do, by the configuration that was read, the rules and the operators' word."""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.records.configuration import Change, Snapshot
from shared.records.models import Capabilities, Model, model_key
from shared.records.packing import pack
from workers.services.quirks import overrides_of, quirks_of
from workers.store.draft import Draft

from .hooks import when_read
from .words import WORDS


def of_station(draft: Draft, snapshot: Snapshot) -> Capabilities:
    """Return what the station can do: what it tells, its model's rules, then what operators say of the model."""
    words = WORDS.get(draft.session.subprotocol)
    told = words.capabilities(snapshot.keys) if words is not None else Capabilities()
    connectors = quirks_of(draft.station).connectors  # quirk 21
    if connectors:
        told = msgspec.structs.replace(told, connectors=connectors)
    return overrides_of(snapshot.vendor, snapshot.model, snapshot.firmware).of(told)


@when_read
def learn(draft: Draft, snapshot: Snapshot, _previous: Snapshot | None, _changes: tuple[Change, ...]) -> None:
    """Remember for the model what one of its stations told."""
    words = WORDS.get(draft.session.subprotocol)
    if words is None or not snapshot.model:
        return
    told = words.capabilities(snapshot.keys)
    key = model_key(snapshot.vendor, snapshot.model, snapshot.firmware)
    model = Model(
        vendor=snapshot.vendor,
        model=snapshot.model,
        firmware=snapshot.firmware,
        capabilities=told,
        read_at=snapshot.read_at,
        station_id=draft.station_id,
    )
    draft.effect("HSET", keys.MODELS, key, pack(model))
    memory = draft.configured.firmware
    if memory.version == snapshot.firmware and memory.shown.measurands:
        draft.effect("SADD", keys.model_measurands(key), *memory.shown.measurands)
