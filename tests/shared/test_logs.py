"""Logs: one line per event, and nothing in them that must not be shown."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared import logs, tracing
from shared.settings import Secret, SecretUrl


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    """The JSON objects written so far, one per line."""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_json_object() -> None:
    """An event is a JSON line with time, level, component and its own fields."""
    out = io.StringIO()
    logs.configure(stream=out)
    logs.get_logger("edge").info("station connected", station="CP1", epoch=7)
    (line,) = lines(out)
    assert line.pop("time").endswith("Z")
    assert line == {"event": "station connected", "level": "info", "component": "edge", "station": "CP1", "epoch": 7}


def test_the_level_filters() -> None:
    """What is below the level is not written."""
    out = io.StringIO()
    logs.configure(stream=out, level="warning")
    log = logs.get_logger("edge")
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_secrets_are_masked_at_any_depth() -> None:
    """Values under secret keys, secret values and passwords in URLs come out as ***."""
    out = io.StringIO()
    logs.configure(stream=out)
    logs.get_logger("edge").info(
        "request",
        id_tag="hunter2",
        Authorization="Basic hunter2",
        payload={"idTag": "hunter2", "deep": [{"authorizationKey": "hunter2"}]},
        operator_token="hunter2",
        url="redis://me:hunter2@host/0",
        tail="wss://me:hunter2@host refused",
        secret=Secret("hunter2"),
        value=SecretUrl("redis://me:hunter2@host/0"),
    )
    assert "hunter2" not in out.getvalue()
    assert lines(out)[0]["url"] == "redis://me:***@host/0"


def test_an_exception_is_masked_too() -> None:
    """A traceback is written on the same line, without the password in its message."""
    out = io.StringIO()
    logs.configure(stream=out)
    try:
        raise ConnectionError("redis://me:hunter2@host refused")
    except ConnectionError:
        logs.get_logger("edge").exception("no redis")
    (line,) = lines(out)
    assert "ConnectionError" in line["exception"]
    assert "hunter2" not in out.getvalue()


def test_an_exception_does_not_quote_what_a_station_sent() -> None:
    """Of exceptions that quote their data the traceback and the name are written, not the text; causes too."""
    known: dict[str, int] = {}
    tag = "hunter" + str(2)  # A traceback shows lines of the source.
    out = io.StringIO()
    logs.configure(stream=out)
    try:
        try:
            known[tag] += 1
        except KeyError as error:
            raise ValueError(tag) from error
    except ValueError:
        logs.get_logger("worker").exception("entry failed")
    (line,) = lines(out)
    assert tag not in out.getvalue()
    assert "KeyError (text left out)" in line["exception"]
    assert "ValueError (text left out)" in line["exception"]
    assert "test_logs.py" in line["exception"]


def test_our_own_exceptions_speak() -> None:
    """What this project and the system raise keeps its text: it says what and where."""
    out = io.StringIO()
    logs.configure(stream=out)
    for error in (tracing.Unavailable("install it"), OSError(98, "Address already in use")):
        logs.get_logger("worker").error("failed", exc_info=error)
    logs.get_logger("worker").error("no exception", exc_info=True)
    first, second, third = lines(out)
    assert first["exception"].endswith("Unavailable: install it")
    assert "Address already in use" in second["exception"]
    assert "exception" not in third


def test_libraries_come_out_in_the_same_shape() -> None:
    """Standard-library records from WARNING up are written like ours, lower ones are not."""
    out = io.StringIO()
    logs.configure(stream=out)
    logging.getLogger("aiohttp.server").info("access")
    logging.getLogger("aiohttp.server").warning("odd %s", "request")
    (line,) = lines(out)
    assert (line["event"], line["component"], line["level"]) == ("odd request", "aiohttp.server", "warning")


def test_console_lines_are_for_people() -> None:
    """The console format writes readable lines, masked as well."""
    out = io.StringIO()
    logs.configure(stream=out, fmt="console")
    logs.get_logger("edge").info("hello", token="hunter2")
    assert "hello" in out.getvalue()
    assert "hunter2" not in out.getvalue()


def test_what_cannot_be_encoded_is_written_as_text() -> None:
    """A value without a JSON form does not lose the line."""
    out = io.StringIO()
    logs.configure(stream=out)
    logs.get_logger("edge").info("odd", value=object(), data=b"\xff")
    assert lines(out)[0]["value"].startswith("<object")


@pytest.mark.parametrize(
    ("key", "secret"), [("idTag", True), ("api_key", True), ("ID_TAG", True), ("keys", False), ("station", False)]
)
def test_which_keys_are_secret(key: str, *, secret: bool) -> None:
    """Keys are compared without case; only whole words count."""
    assert logs.is_secret_key(key) is secret
