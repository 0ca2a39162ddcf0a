"""Models: what their stations told, and what operators say of them."""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.models import Model, Overrides
from shared.records.packing import pack, unpack
from shared.records.probes import Abilities

from .reading import replies


class ModelNow(msgspec.Struct, frozen=True):
    """A model with all that is known of it."""

    key: str
    model: Model
    measurands: tuple[str, ...]
    overrides: Overrides
    abilities: Abilities | None = None
    """What probes have shown of its smart charging."""


async def every(lane: Lane) -> list[ModelNow]:
    """Return every model that booted, by vendor, model and firmware."""
    found, held = await replies(lane, [("HGETALL", keys.MODELS), ("HGETALL", keys.MODEL_OVERRIDES)])
    models = {found[n].decode(): unpack(found[n + 1], Model) for n in range(0, len(found), 2)}
    overridden = {held[n].decode(): unpack(held[n + 1], Overrides) for n in range(0, len(held), 2)}
    shown = await replies(lane, [("SMEMBERS", keys.model_measurands(key)) for key in models]) if models else []
    made = [
        ModelNow(key, model, tuple(sorted(one.decode() for one in some)), overridden.get(key, Overrides()))
        for (key, model), some in zip(models.items(), shown, strict=True)
    ]
    return sorted(made, key=lambda one: (one.model.vendor.lower(), one.model.model.lower(), one.model.firmware))


async def one(lane: Lane, key: str) -> ModelNow | None:
    """Return a model, or None where none of this key booted."""
    found, held, shown, tried = await replies(
        lane,
        [
            ("HGET", keys.MODELS, key),
            ("HGET", keys.MODEL_OVERRIDES, key),
            ("SMEMBERS", keys.model_measurands(key)),
            ("HGET", keys.MODELS_CHARGING, key),
        ],
    )
    if found is None:
        return None
    overridden = unpack(held, Overrides) if held is not None else Overrides()
    abilities = unpack(tried, Abilities) if tried is not None else None
    return ModelNow(key, unpack(found, Model), tuple(sorted(one.decode() for one in shown)), overridden, abilities)


async def overrides(lane: Lane) -> dict[str, Overrides]:
    """Return what operators say, by model key."""
    held = await lane.one("HGETALL", keys.MODEL_OVERRIDES)
    return {held[n].decode(): unpack(held[n + 1], Overrides) for n in range(0, len(held), 2)}


async def overrides_of(lane: Lane, key: str) -> Overrides:
    """Return what operators say of one model."""
    held = await lane.one("HGET", keys.MODEL_OVERRIDES, key)
    return unpack(held, Overrides) if held is not None else Overrides()


async def put_overrides(lane: Lane, key: str, said: Overrides) -> None:
    """Write what operators say of a model; nothing said removes it."""
    if said.rules or said.limits or said.profiles is not None or said.connectors is not None or said.note:
        await lane.one("HSET", keys.MODEL_OVERRIDES, key, pack(said))
    else:
        await lane.one("HDEL", keys.MODEL_OVERRIDES, key)
