"""Which series a process has, and the text that it shows for them."""

import asyncio
import importlib.metadata
from collections.abc import Iterable
from platform import python_version
from typing import TYPE_CHECKING, Final, Literal

from shared.metrics.base import ACTIONS, ENTRIES, REGISTRY
from shared.metrics.edge import EDGE_ACK_SECONDS, EDGE_FRAMES
from shared.metrics.platform import BUILD_INFO
from shared.metrics.workers import WORKER_MESSAGES

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_EDGE_ONLY: Final = ("edge_", "http_", "audit_entries_", "operator_auth_", "transfer", "files_expired_")
_EVERYWHERE: Final = ("event_loop_", "redis_", "build_info", "security_events_", "security_alarms_")
"""Prefixes of names; all other families are shown by workers. A test holds them to who counts what."""

_process: "CollectorRegistry | None" = None
_role = ""


def register_actions(inbound: Iterable[str], outbound: Iterable[str]) -> None:
    """Name the actions that may be label values, and let their series start at 0; called once per version at start.

    `inbound` are the actions of stations' CALLs, `outbound` those of ours.
    """
    from_station, to_station = sorted(inbound), sorted(outbound)
    ACTIONS.update(from_station, to_station)
    ENTRIES.update(from_station)
    answers = ("callresult", "callerror")
    EDGE_FRAMES.seed(("in", "call", action) for action in from_station)
    EDGE_FRAMES.seed(("out", kind, action) for kind in answers for action in from_station)
    EDGE_FRAMES.seed(("out", "call", action) for action in to_station)
    EDGE_FRAMES.seed(("in", kind, action) for kind in answers for action in to_station)
    EDGE_ACK_SECONDS.seed((action,) for action in from_station)
    results = WORKER_MESSAGES.label_sets["result"] or ()
    WORKER_MESSAGES.seed((action, result) for action in from_station for result in results)


def set_build_info(loop: str) -> None:
    """Publish version, Python and event loop of this process."""
    version = importlib.metadata.version("ampstream")
    BUILD_INFO.labels(version, python_version(), loop).set(1)


def shows(name: str) -> bool:
    """Tell whether this process shows a family: a gauge that only workers know would be a wrong 0 from an edge."""
    if _role == "" or name.startswith(_EVERYWHERE):
        return True
    return name.startswith(_EDGE_ONLY) == (_role == "edge")


def show_as(role: Literal["", "edge", "worker"]) -> None:
    """Say what this process is; until then it shows every family."""
    global _role
    _role = role


async def exposition() -> bytes:
    """Return the text for `/metrics`, rendered on a thread: a thousand lines would hold the loop for 2 ms."""
    return await asyncio.to_thread(render)


def render() -> bytes:
    """Return Ampstream's families and the process's own (CPU, memory, descriptors, garbage collection)."""
    # Takes 30 ms to import, and only a process that serves needs it.
    from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest

    global _process
    if _process is None:
        _process = CollectorRegistry()
        ProcessCollector(registry=_process)
        GCCollector(registry=_process)
    return REGISTRY.render(shows).encode() + generate_latest(_process)
