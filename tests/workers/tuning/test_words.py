"""Every command that tuning sends is valid by the schemas that the `ocpp` package installs."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from shared.envelopes import Command
from shared.ocpp import frames
from shared.ocpp.standard_keys import (
    MEASURANDS,
    METER_INTERVALS,
    METER_LISTS,
    PHASES,
    STANDARD_KEYS,
    measurand_problem,
    problem_of,
    standard_key,
)
from shared.ocpp.v16.enums import ConfigurationStatus
from shared.records.commands import CommandRecord, CommandState
from workers.handlers.v16 import configuration
from workers.services.tuning.dialect import DIALECTS

from .site import ALL_MEASURANDS, Site, template


@cache
def schema(action: str) -> Draft4Validator:
    """Return the package's own schema of a request."""
    text = (resources.files("ocpp") / "v16" / "schemas" / f"{action}.json").read_text(encoding="utf-8-sig")
    return Draft4Validator(json.loads(text))


def sent(site: Site) -> set[str]:
    """Check every CALL that a station was sent; returns their actions."""
    actions = set()
    for command in site.items_of(Command):
        call = frames.decode(command.frame)
        assert isinstance(call, frames.Call)
        schema(call.action).validate(msgspec.json.decode(call.payload))
        actions.add(call.action)
    return actions


def test_what_a_whole_course_sends_is_valid() -> None:
    """Reads, changes, lists of measurands, empty ones, soft and hard resets."""
    site = Site(
        {"X": "1", "StopTxnSampledData": "Voltage"},
        reboot={"X"},
        supported={"Voltage"},
        reset={"Soft": "Rejected", "Hard": "Rejected"},
    )
    policy: dict[str, Any] = {"sampled": ALL_MEASURANDS, "sampled_interval_s": 30, "stop_sampled": ()}
    site.want(template(keys={"X": "ü" * 500}, meter_data=policy))
    site.boot()
    site.advance(125)
    site.settle_commands()
    assert sent(site) == {"GetConfiguration", "ChangeConfiguration", "Reset"}
    assert site.resets == ["Soft", "Hard"]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(MEASURANDS)), min_size=1, max_size=22, unique=True),
    st.sets(st.sampled_from(sorted(MEASURANDS))),
)
def test_whatever_list_is_searched_for_is_valid(wanted: list[str], supported: set[str]) -> None:
    """All 22 measurands fit into a message, and so does every part of them."""
    site = Site(supported=supported)
    site.want(template(meter_data={"sampled": tuple(wanted)}))
    site.boot()
    sent(site)
    assert set(site.held["MeterValuesSampledData"].split(",")) in (
        supported & set(wanted),
        {"Energy.Active.Import.Register"},
    )


def test_every_status_has_a_meaning() -> None:
    """Each status of ChangeConfiguration is told apart; what has none is a refusal, what was lost is lost."""
    (dialect,) = DIALECTS.values()

    def outcome(state: CommandState, response: Any = None) -> str:
        made = CommandRecord(command_id="c", station_id="s", action="a", state=state, response=response)
        return dialect.outcome(made)

    found = {status.value: outcome("accepted", {"status": status.value}) for status in ConfigurationStatus}
    assert found == {
        "Accepted": "set",
        "Rejected": "refused",
        "RebootRequired": "set_after_reboot",
        "NotSupported": "unknown",
    }
    assert outcome("timed_out") == outcome("expired") == outcome("cancelled") == "lost"
    assert outcome("error") == outcome("rejected", {"status": 1}) == outcome("rejected", []) == "refused"
    assert outcome("accepted", {"status": "accepted"}) == "set"
    unable = CommandRecord(command_id="c", station_id="s", action="a", state="error", error="NotSupported: what?")
    assert dialect.outcome(unable) == "unknown"


def test_the_table_of_keys_is_consistent() -> None:
    """Lists and intervals of meter data are standard keys; what is asked for of a shy station is in the table too."""
    for field, key in {**METER_LISTS, **METER_INTERVALS}.items():
        found = standard_key(key)
        assert found is not None
        assert found.access == "both"
        assert found.type == ("integer" if field.endswith("_s") else "list")
    named = {name.lower() for name in configuration.STANDARD_KEYS}
    missing = named - set(STANDARD_KEYS) - {"supportedfiletransferprotocols", "certificatesignedmaxchain"}
    assert not missing


def test_values_are_held_to_their_types() -> None:
    """Booleans, whole numbers and read-only keys; a measurand may carry a phase."""
    key = standard_key("heartbeatINTERVAL")
    assert key is not None
    assert [bool(problem_of(key, value)) for value in ("60", " 60 ", "-1", "1.5", "x", str(2**31), "٣")] == [
        False, False, True, True, True, True, True,
    ]  # fmt: skip
    assert not measurand_problem("Voltage")
    assert not any(measurand_problem(f"Current.Import.{phase}") for phase in PHASES)
    assert measurand_problem("Voltage.L4")
    assert measurand_problem("")
