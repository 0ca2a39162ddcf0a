"""Commands to stations, and jobs that send them to many."""

from __future__ import annotations

import msgspec

from shared.records.events.base import Event


class CommandChanged(Event, tag="command.changed"):
    """A command changed its state."""

    command_id: str
    action: str
    state: str
    error: str = ""


class JobCreated(Event, tag="job.created"):
    """An operator made a job over many stations; `station_id` is empty in all events of jobs."""

    job_id: str
    action: str
    """Of a job that sends commands."""
    total: int
    state: str
    by: str = ""
    kind: str = "command"


class JobChanged(Event, tag="job.changed"):
    """A job was paused, resumed or cancelled (`by` says by whom), or went on: at most every few seconds."""

    job_id: str
    state: str
    total: int
    ended: int
    by: str = ""


class JobDone(Event, tag="job.done"):
    """All stations of a job have ended, also where it was cancelled; `outcomes` counts them."""

    job_id: str
    state: str
    total: int
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
