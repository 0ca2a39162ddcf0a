"""`ampstream send` and `ampstream commands`, run as a person runs them."""

import asyncio

import msgspec

from shared.records.requests import SendCommand
from tests.edge.operators.stage import T0, Stage
from tests.edge.operators.test_commands import run
from tests.edge.operators.test_sending import answering, keep, record


async def test_a_command_is_sent_from_words(stage: Stage) -> None:
    """The words are the payload; --wait turns the outcome into the exit status."""
    await stage.station("CP1")
    ended = record(1, state="rejected", ended_at=T0 + 5, response={"status": "Rejected"})
    answering(stage, ended)
    queued, waited = await asyncio.gather(
        run(stage, "send", "CP1", "Reset", "type=Soft", "--expires-in-s", "60", "--idempotency-key", "key-of-mine"),
        run(stage, "send", "CP1", "Reset", "--payload", '{"type":"Hard"}', "--wait", "--json"),
    )
    assert queued.status == 0, queued.err
    assert "Reset to CP1: rejected" in queued.out
    assert waited.status == 1
    assert waited.lines[0]["response"] == {"status": "Rejected"}
    asked = {request.payload: request for _, request in stage.node.asked if isinstance(request, SendCommand)}
    assert asked['{"type":"Soft"}'].request_id == "key-of-mine"
    assert asked['{"type":"Soft"}'].expires_in_ms == 60_000
    assert '{"type":"Hard"}' in asked


async def test_what_goes_wrong_is_said(stage: Stage) -> None:
    """A wrong field, a word that is none, no outcome in time: each in words, each with its exit status."""
    await stage.station("CP1")
    made = record(1)
    await keep(stage, made)
    answering(stage, made)
    wrong, none, both, late = await asyncio.gather(
        run(stage, "send", "CP1", "Reset", "type=Gently"),
        run(stage, "send", "CP1", "Reset", "Soft"),
        run(stage, "send", "CP1", "Reset", "type=Soft", "--payload", "{}"),
        run(stage, "send", "CP1", "Reset", "type=Soft", "--wait", "--wait-s", "1"),
    )
    assert "`payload.type` is wrong for Reset" in wrong.err
    assert "`Soft` is no field" in none.err
    assert "not both" in both.err
    assert f"commands show {made.command_id}" in late.err
    assert [done.status for done in (wrong, none, both, late)] == [1, 2, 2, 1]


async def test_commands_are_listed_shown_and_cancelled(stage: Stage) -> None:
    """As a table and as JSON."""
    made = [record(n, f"CP{n}") for n in range(3)]
    await keep(stage, *made)
    answering(stage, msgspec.structs.replace(made[1], state="cancelled"))
    table, lines, shown, cancelled = await asyncio.gather(
        run(stage, "commands", "list"),
        run(stage, "commands", "list", "--station", "CP1", "--json"),
        run(stage, "commands", "show", made[1].command_id),
        run(stage, "commands", "cancel", made[1].command_id),
    )
    assert "3 commands" in table.out
    assert [one["id"] for one in lines.lines] == [made[1].command_id]
    assert '{"type":"Soft"}' in shown.out
    assert "Reset to CP1 is cancelled" in cancelled.out
