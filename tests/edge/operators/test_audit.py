"""Who changed what: every change stands in the audit log before its answer, and nothing else does."""

from __future__ import annotations

import csv
import re
from typing import Any

import hiredis
import msgspec
import pytest
from aiohttp import web

from edge.operators import serving
from edge.operators.app import make_app
from edge.operators.resources import ROUTES
from shared.bus import keys
from shared.envelopes import Reply
from shared.records.audit import Checker, Entry, Link
from shared.records.queries import audit, tokens
from shared.records.queries.audit import AuditLog
from shared.settings import Settings
from tests.edge.operators.stage import Stage, StageNode


async def entries(stage: Stage) -> list[Entry]:
    """Return every entry, the oldest first."""
    return [one.read() for chunk in [part async for part in audit.links(stage.lane)] for one in chunk]


async def links(stage: Stage) -> list[Link]:
    """Return every entry with its hashes, the oldest first."""
    return [one for chunk in [part async for part in audit.links(stage.lane)] for one in chunk]


async def test_a_change_stands_in_the_log_before_its_answer(stage: Stage) -> None:
    """Who, what, from where, what was given and what became of it: begun, then ended, and listed as one."""
    status, made = await stage.ask("POST", "/tokens", json={"name": "dashboard", "scope": "read"})
    assert status == 201
    begun, ended = await entries(stage)
    assert (begun.phase, ended.phase, ended.begun) == ("begun", "ended", begun.id)
    (found,) = await stage.all_of("/audit")
    assert (found["action"], found["outcome"], found["status"]) == ("create_token", "done", 201)
    assert found["who"] == {"kind": "token", "id": found["who"]["id"], "name": "test", "scope": "admin"}
    assert found["address"] == "127.0.0.1"
    assert found["result"] == made["id"]
    assert found["details"]["body"]["name"] == "dashboard"
    assert made["token"] not in msgspec.json.encode(await stage.all_of("/audit")).decode()


async def test_reads_leave_no_entry(stage: Stage) -> None:
    """Whoever only looks costs the log nothing."""
    for path in ("/stations", "/tokens", "/audit", "/security-events", "/summary", "/me"):
        await stage.get(path)
    assert await entries(stage) == []


async def test_no_change_can_be_tried_past_the_log(stage: Stage) -> None:
    """Each route that is no GET, also one that is still to be written, leaves an entry where it is refused."""
    read = await stage.make_token("read")
    changes = [each for each in ROUTES if not each.reads]
    assert len(changes) > 30
    for route in changes:
        path = re.sub(r"{\w+}", "x1", route.path).removeprefix("/api/v1")
        status, _ = await stage.ask(route.method, path, token=read)
        assert status == 403, path
    found = await entries(stage)
    assert [(one.action, one.phase, one.status, one.who.name) for one in found] == [
        (each.handler.__name__, "refused", 403, "test-read") for each in changes
    ]


async def test_what_changes_something_is_served_by_no_other_way(stage: Stage, settings: Settings) -> None:
    """The application takes nothing but GET outside of the table of routes, so that its guard is everybody's."""
    app = make_app(StageNode(settings, stage.lane), settings)
    free = [one for one in app.router.routes() if one.method not in {"GET", "HEAD"}]
    assert len(free) == sum(not route.reads for route in ROUTES)
    made = {serving.endpoint(route).__qualname__ for route in ROUTES if not route.reads}
    assert {one.handler.__qualname__ for one in free} == made == {"_changing.<locals>.handle"}


async def test_a_wrong_body_is_refused_with_an_entry(stage: Stage) -> None:
    """What was not understood was tried all the same."""
    assert (await stage.ask("POST", "/tokens", json={"name": ""}))[0] == 422
    (found,) = await stage.all_of("/audit", outcome="refused")
    assert (found["status"], found["problem"]) == (422, "bad_body")


async def test_secrets_and_id_tags_stay_out(stage: Stage) -> None:
    """Passwords, keys, tags and credentials in URLs are masked; a tag's changes are found by its pseudonym."""
    await stage.station("CP1")
    await stage.ask("PUT", "/tags/DRIVER-7", json={"parent": "FLEET-9", "note": "van"})
    await stage.ask("POST", "/stations/CP1/key", json={"password": "correct horse battery"})
    await stage.ask(
        "POST",
        "/stations/CP1/commands",
        json={"action": "ChangeConfiguration", "payload": {"key": "AuthorizationKey", "value": "73656372657421212121"}},
    )
    await stage.ask(
        "POST", "/stations/CP1/commands", json={"action": "RemoteStartTransaction", "payload": {"idTag": "DRIVER-7"}}
    )
    location = {"location": "ftp://joe:hunter2/hunter3@hunter4@files.example/up?sig=topsecret"}
    await stage.ask("POST", "/stations/CP1/commands", json={"action": "GetDiagnostics", "payload": location})
    link = {"location": "http://edge.example/transfer/t0k3n.s1gned/f.bin", "retrieveDate": "2026-03-01T00:00:00Z"}
    await stage.ask("POST", "/stations/CP1/commands", json={"action": "UpdateFirmware", "payload": link})
    whole = b"".join(bytes(one.entry) for one in await links(stage)).decode()
    for secret in ("DRIVER-7", "driver-7", "FLEET-9", "correct horse", "7365637265", "hunter", "topsecret", "s1gned"):
        assert secret not in whole
    assert "AuthorizationKey" in whole
    assert "ftp://files.example/up" in whole
    found = await stage.all_of("/audit", id_tag="driver-7")
    assert {one["action"] for one in found} == {"put_tag", "send_command"}


async def test_without_the_log_nothing_is_changed(stage: Stage) -> None:
    """Where the entry can't be written, the change is not made."""
    await stage.write(("SET", keys.AUDIT, "no stream"))
    status, _ = await stage.ask("POST", "/tags", json={"id_tag": "A"})
    assert status == 503
    assert (await stage.ask("GET", "/tags/A"))[0] == 404


async def test_an_end_that_cannot_be_written_is_told(stage: Stage) -> None:
    """The answer says that the change was made, and the log shows that nobody wrote down how it ended."""
    await stage.station("CP1")

    async def lose(_station: str, _request: Any) -> None:
        await stage.write(("RENAME", keys.AUDIT, "aside"), ("SET", keys.AUDIT, "no stream"))

    stage.node.before_answer = lose
    status, problem = await stage.ask("POST", "/stations/CP1/disconnect")
    assert (status, "it was done" in problem["detail"]) == (503, True)
    await stage.write(("RENAME", "aside", keys.AUDIT))
    (found,) = await stage.all_of("/audit")
    assert (found["action"], found["outcome"]) == ("disconnect_station", "unknown")


async def test_a_change_without_an_end_shows(stage: Stage) -> None:
    """What began and has no end, for its process died, is listed as unknown; so is a worker that never answered."""
    await stage.station("CP1")
    stage.node.silent = True
    assert (await stage.ask("POST", "/stations/CP1/disconnect"))[0] == 504
    (found,) = await stage.all_of("/audit")
    assert (found["outcome"], found["problem"]) == ("unknown", "outcome_unknown")

    async def dies(_station: str, _request: Any) -> None:
        raise RuntimeError

    stage.node.silent, stage.node.before_answer = False, dies
    assert (await stage.ask("POST", "/stations/CP1/disconnect"))[0] == 500
    assert [one["outcome"] for one in await stage.all_of("/audit")] == ["failed", "unknown"]
    last = (await entries(stage))[-1]
    await stage.write(("XDEL", keys.AUDIT, last.id))
    assert [one["outcome"] for one in await stage.all_of("/audit")] == ["unknown", "unknown"]


async def test_the_list_filters_and_goes_on(stage: Stage) -> None:
    """By who, action, target and time; pages follow each other without a gap."""
    operate = await stage.make_token("operate")
    for number in range(7):
        await stage.ask("POST", "/tags", token=operate if number % 2 else None, json={"id_tag": f"T{number}"})
    await stage.ask("DELETE", "/tokens/0123456789abcdef")
    assert len(await stage.all_of("/audit", limit=2)) == 8
    assert len(await stage.all_of("/audit", limit=2, who="test-operate")) == 3
    (gone,) = await stage.all_of("/audit", target="0123456789abcdef")
    assert (gone["action"], gone["outcome"], gone["status"]) == ("revoke_token", "refused", 404)
    assert await stage.all_of("/audit", to=gone["at"], action="revoke_token") in ([], [gone])
    assert await stage.all_of("/audit", **{"from": "2100-01-01T00:00:00Z"}) == []


async def test_the_export_is_whole_and_verifies(stage: Stage) -> None:
    """JSONL has the very text that was hashed; CSV has a line per entry, and no cell that a spreadsheet runs."""
    text, _ = await tokens.create(stage.lane, "=HYPERLINK(1)", "operate")
    for number in range(3):
        await stage.ask("POST", "/tags", token=text, json={"id_tag": f"=T{number}", "note": "=1+1"})
    async with stage.http.get(f"{stage.url}/api/v1/audit/export", headers=stage.headers()) as response:
        assert response.content_type == "application/jsonl"
        lines = (await response.read()).splitlines()
    checker = Checker()
    checker.feed(msgspec.json.decode(line, type=Link) for line in lines)
    verdict = checker.verdict()
    assert (verdict.sound, verdict.entries, verdict.unknown) == (True, 6, [])
    async with stage.http.get(
        f"{stage.url}/api/v1/audit/export", params={"format": "csv"}, headers=stage.headers()
    ) as response:
        rows = list(csv.reader((await response.text()).splitlines()))
    assert len(rows) == 7
    assert {row[4] for row in rows[1:]} == {"'=HYPERLINK(1)"}
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


async def test_processes_that_write_at_once_make_one_chain(stage: Stage) -> None:
    """Entries of several processes interleave, and each continues the one before, whoever wrote it."""
    import asyncio

    from shared.records.audit import Actor

    logs = [AuditLog(stage.lane) for _ in range(4)]
    draft = Entry(seq=0, at=0, phase="noted", action="test", who=Actor(kind="system", name="t"))
    await asyncio.gather(*(log.append(draft) for _ in range(50) for log in logs))
    checker = Checker()
    checker.feed(await links(stage))
    assert (checker.verdict().sound, checker.verdict().last) == (True, 200)


async def test_the_log_is_the_admins(stage: Stage) -> None:
    """Whoever may not make tokens may not read what others did."""
    operate = await stage.make_token("operate")
    for path in ("/audit", "/audit/export"):
        assert (await stage.ask("GET", path, token=operate))[0] == 403


async def test_the_requests_log_line_names_the_entry(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A witness outside of Redis: the log of the process has the entry's number and hash."""
    stage.node.answer = lambda _, request: Reply(request.request_id, 200, b"{}")
    noted: dict[str, Any] = {}

    def note(_event: str, **fields: Any) -> None:
        noted.update(fields)

    monkeypatch.setattr(serving.log, "info", note)
    await stage.ask("POST", "/tags", json={"id_tag": "A"})
    (*_, last) = await links(stage)
    assert (noted["audit"], noted["audit_hash"]) == (last.read().seq, last.hash)


def test_hiredis_errors_are_unknown_outcomes() -> None:
    """Where Redis failed in between, nobody can say that nothing happened."""
    from edge.operators.auditing import _failure

    assert _failure(hiredis.ReplyError("OOM"))["status"] == 503
    assert _failure(ValueError())["status"] == 500
    assert _failure(web.HTTPRequestEntityTooLarge(1, 2))["status"] == 413
