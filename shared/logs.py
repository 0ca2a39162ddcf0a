"""Logging, set up once per process: one line per event, JSON for machines or coloured for people, on standard error.

`configure` first, then `get_logger(name)`; a call below the level costs a method call and nothing else. Libraries that
log through the standard library come out in the same shape, from WARNING up. Values under a telling key (password,
token, id_tag, ...) and what in URLs lets somebody in are masked by the last processor before rendering, whoever logged
them. Of an exception the traceback is written, but its text only where it can't be what a station or an operator sent.
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from shared.settings.secret import MASK, Secret
from shared.urls import redact as redact_urls

SECRET_KEYS: Final = frozenset(
    {"authorization", "auth", "password", "passwd", "secret", "token", "key", "api_key", "id_tag", "idtag", "id_token"}
    | {"idtoken", "parent_id_tag", "parentidtag", "tag", "authorizationkey", "cookie", "pepper", "credentials"}
)
"""Keys (lower case) whose values never reach a log line."""
_SECRET_ENDINGS: Final = ("password", "secret", "_token", "_key", "idtag", "id_tag")
_SPEAKING: Final = (OSError, AssertionError, ImportError, asyncio.CancelledError)
"""Exceptions whose text is the system's, not data."""
_OURS: Final = frozenset({"ampstream", "edge", "shared", "workers"})
_LEVELS: Final = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger whose lines carry `component=name`; binds late, so module level is fine."""
    return cast("FilteringBoundLogger", structlog.get_logger(component=name))


def configure(*, fmt: str = "json", level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging for this process; a second call replaces the first.

    `fmt` is `json` or `console`, `level` the least severity written, `stream` where lines go (standard error).
    """
    out = stream or sys.stderr
    renderers = _json_renderers() if fmt == "json" else _console_renderers(colors=out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    _configure_standard_library(out, [*shared, _name_logger], renderers)


def _json_renderers() -> list[Processor]:
    return [
        _format_exception,
        redact,
        structlog.processors.JSONRenderer(serializer=_to_json),
    ]


def _console_renderers(*, colors: bool) -> list[Processor]:
    return [
        _format_exception,
        redact,
        structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time", pad_event_to=30),
    ]


def _to_json(event: EventDict, **_ignored: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def _name_logger(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    if record is not None:
        event["component"] = record.name
    return event


def _configure_standard_library(out: TextIO, shared: list[Processor], renderers: list[Processor]) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _format_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write the traceback under `exception`."""
    found = event.pop("exc_info", None)
    if isinstance(found, BaseException):
        event["exception"] = _without_payloads(found)
    elif found:
        error = found[1] if isinstance(found, tuple) else sys.exception()
        if error is not None:
            event["exception"] = _without_payloads(error)
    return event


def _without_payloads(error: BaseException) -> str:
    """Return the traceback; texts of `KeyError('tag')` and its like, which quote what they met, are left out."""
    lines, seen = [], set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        name = type(current).__name__
        text = (
            f"{name}: {current}" if isinstance(current, _SPEAKING) or _is_ours(current) else f"{name} (text left out)"
        )
        lines.append("".join(traceback.format_tb(current.__traceback__)) + text)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n\n".join(reversed(lines))


def _is_ours(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _OURS


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask the values under secret keys, at any depth, and passwords inside URLs."""
    for key, value in event.items():
        event[key] = MASK if is_secret_key(key) and value else _clean(value)
    return event


def is_secret_key(key: str) -> bool:
    """Tell whether values under `key` must not be shown."""
    lowered = key.lower()
    return lowered in SECRET_KEYS or lowered.endswith(_SECRET_ENDINGS)


def _clean(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.masked()
    if isinstance(value, str):
        return redact_urls(value)
    if isinstance(value, Mapping):
        return {key: MASK if is_secret_key(str(key)) and item else _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value
