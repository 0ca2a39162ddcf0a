"""Stations' configurations: read, drifted, brought in line."""

from __future__ import annotations

from shared.records.events.base import Event


class ConfigurationRead(Event, tag="configuration.read"):
    """A station's configuration was read whole; `snapshot` counts those that differed."""

    trigger: str
    snapshot: int
    keys: int
    changes: int = 0


class ConfigurationDrifted(Event, tag="configuration.drifted"):
    """A station's configuration has significant changes; `names` are the first twenty keys, codes or measurands."""

    drift_id: str
    snapshot: int
    changes: int
    names: tuple[str, ...] = ()


class DriftAcknowledged(Event, tag="configuration.acknowledged"):
    """An operator has acknowledged a drift."""

    drift_id: str
    by: str = ""


class LocalListChanged(Event, tag="local_list.changed"):
    """How a station holds its local authorization list: `wanted` and `held` are versions of the policy's list."""

    policy: str
    state: str
    wanted: int
    held: int
    detail: str = ""


class StationTuned(Event, tag="configuration.tuned"):
    """A station was brought in line with its templates, as far as it goes; `state` is that of all of them together."""

    state: str
    taken: tuple[str, ...] = ()
    """Keys that it took."""
    refused: tuple[str, ...] = ()
    reverting: tuple[str, ...] = ()
    """Keys that it keeps going back on; they are left alone now."""
