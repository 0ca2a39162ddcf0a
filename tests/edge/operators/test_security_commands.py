"""Tokens, logins, the audit log and security events from a terminal, as a person has them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.bus import keys
from shared.records.queries import security_events
from shared.records.security_events import SecurityRecord, Severity
from shared.settings import Settings
from tests.edge.operators import test_oidc
from tests.edge.operators.stage import T0, Stage, running
from tests.edge.operators.test_commands import environment, run
from tests.serving import serving
from tests.terminal import ampstream


async def test_a_token_from_its_making_to_its_end(stage: Stage, tmp_path: Path) -> None:
    """Made into a file, used, rotated, revoked; the list says what became of it."""
    path = tmp_path / "ci.token"
    made = await run(stage, "tokens", "create", "ci", "--scope", "operate", "--out", str(path))
    assert made.status == 0, made.err
    assert path.stat().st_mode & 0o777 == 0o600
    env = environment(stage, AMPSTREAM_API_TOKEN="", AMPSTREAM_API_TOKEN_FILE=str(path))
    me = await run(stage, "tokens", "whoami", "--json", env=env)
    assert me.lines[0]["name"] == "ci", me.err
    rotated = await run(stage, "tokens", "rotate", me.lines[0]["id"], "--overlap", "2h", "--json")
    assert rotated.lines[0]["replaces"] == me.lines[0]["id"]
    listed = await run(stage, "tokens", "list")
    assert "retiring" in listed.out
    assert "127.0.0.1" in listed.out
    gone = await run(stage, "tokens", "revoke", me.lines[0]["id"], "--yes")
    assert gone.status == 0, gone.err
    refused = await run(stage, "tokens", "rotate", me.lines[0]["id"], "--overlap", "2 hours")
    assert refused.status == 2
    assert "90s, 30m, 12h or 7d" in refused.err


async def test_the_audit_log_is_asked_exported_and_verified(stage: Stage, tmp_path: Path) -> None:
    """What the list shows, the export has; a log that was altered, here or in the file, ends with status 1."""
    await stage.ask("POST", "/tokens", json={"name": "dashboard"})
    await stage.ask("PUT", "/tags/SECRET-TAG", json={})
    listed = await run(stage, "audit", "list", "--action", "create_token")
    assert "create_token" in listed.out
    assert "1 change" in listed.out
    assert "SECRET-TAG" not in listed.out
    path = tmp_path / "audit.jsonl"
    assert (await run(stage, "audit", "export", "--out", str(path))).status == 0
    sound = await run(stage, "audit", "verify", "--json")
    assert (sound.status, sound.lines[0]["entries"]) == (0, 4), sound.err
    noted = f"{sound.lines[0]['last']}:{sound.lines[0]['hash']}"
    assert (await run(stage, "audit", "verify", "--file", str(path), "--expect", noted)).status == 0
    path.write_text(path.read_text().replace("dashboard", "dashbOard"))
    bad = await run(stage, "audit", "verify", "--file", str(path))
    assert (bad.status, "entry 1: its hash is another" in bad.err) == (1, True)
    last = await stage.lane.one("XREVRANGE", keys.AUDIT, "+", "-", "COUNT", 1)
    await stage.write(("XDEL", keys.AUDIT, last[0][0]))
    lost = await run(stage, "audit", "verify", "--expect", noted)
    assert (lost.status, "was noted, and is not there" in lost.err) == (1, True)


KINDS: list[tuple[str, Severity]] = [("TamperDetectionActivated", "critical"), ("InvalidMessages", "informational")]


async def test_security_events_are_listed_by_their_filters(stage: Stage) -> None:
    """By severity, station, type and time, the newest first; text of a station is only text."""
    records = [
        SecurityRecord(id=str(n), kind=kind, severity=severity, source="station", at=T0 + n, station_id=f"CP{n % 2}",
                       info="[red]lid")
        for n, (kind, severity) in enumerate(3 * KINDS)
    ]  # fmt: skip
    await security_events.write(stage.lane, records)
    shown = await run(stage, "security-events", "--severity", "critical", "--station", "CP0")
    assert "3 events" in shown.out, shown.err
    assert "[red]lid" in shown.out
    lines = (await run(stage, "security-events", "--type", "InvalidMessages", "--limit", "2", "--json")).lines
    assert [one["id"] for one in lines] == ["5", "3"]
    late = await run(stage, "security-events", "--from", "2026-01-01T00:00:00.004Z", "--json")
    assert [one["id"] for one in late.lines] == ["5", "4"]
    assert len(await stage.all_of("/security-events", limit=1, source="station")) == 6


class Device(test_oidc.StandIn):
    """An issuer with logins by device code: a person agrees at the second poll."""

    def __init__(self) -> None:
        super().__init__()
        self.polls: list[dict[str, Any]] = []

    async def discovery(self, _request: web.Request) -> web.Response:
        ends = {"device_authorization_endpoint": f"{self.url}/device", "token_endpoint": f"{self.url}/token"}
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **ends})

    async def device(self, request: web.Request) -> web.Response:
        assert (await request.post())["client_id"] == "cli"
        code = {"device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": f"{self.url}/go", "interval": 0.01}
        return web.json_response(code)

    async def answer(self, request: web.Request) -> web.Response:
        self.polls.append(dict(await request.post()))
        if self.polls[-1]["grant_type"] == "refresh_token":
            assert self.polls[-1]["refresh_token"] == "again"
            return web.json_response({"access_token": self.token(preferred_username="renewed"), "expires_in": 300})
        if len(self.polls) == 1:
            return web.json_response({"error": "authorization_pending"}, status=400)
        # It lives for less than the commands ask of a token: the next one renews it.
        return web.json_response({"access_token": self.token(), "expires_in": 20, "refresh_token": "again"})


@pytest.fixture
async def device() -> AsyncIterator[Device]:
    """Run such an issuer."""
    made = Device()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", made.discovery)
    app.router.add_get("/keys", made.jwks)
    app.router.add_post("/device", made.device)
    app.router.add_post("/token", made.answer)
    async with serving(app) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made


async def test_a_person_logs_in_by_a_code_and_out_again(settings: Settings, device: Device, tmp_path: Path) -> None:
    """The code is shown; the login is kept for its owner alone, used, renewed, and forgotten."""
    async with running(test_oidc.trusting(settings, device, oidc_client_id="cli")) as stage:
        env = environment(stage, AMPSTREAM_API_TOKEN="", XDG_CONFIG_HOME=str(tmp_path))
        env = {name: value for name, value in env.items() if name != "AMPSTREAM_API_TOKEN"}
        done = await ampstream("login", env=env, cwd=tmp_path)
        assert (done.status, "ABCD-EFGH" in done.out, "as ada, who may operate" in done.out) == (0, True, True), (
            done.err
        )
        path = tmp_path / "ampstream" / "logins.json"
        assert path.stat().st_mode & 0o777 == 0o600
        me = await ampstream("tokens", "whoami", "--json", env=env, cwd=tmp_path)
        assert me.lines[0]["name"] == "renewed", me.err
        assert json.loads(path.read_text())[stage.url]["expires_at"] > time.time() + 200
        refused = await ampstream("tokens", "list", env=env, cwd=tmp_path)
        assert (refused.status, "token from `ampstream login`" in refused.err) == (1, True)
        assert (await ampstream("logout", env=env, cwd=tmp_path)).status == 0
        nobody = await ampstream("tokens", "whoami", env=env, cwd=tmp_path)
        assert (nobody.status, "no token" in nobody.err) == (2, True)


async def test_without_an_issuer_a_login_says_what_works_instead(stage: Stage, tmp_path: Path) -> None:
    """The command names --paste."""
    env = environment(stage, XDG_CONFIG_HOME=str(tmp_path))
    done = await ampstream("login", env=env, cwd=tmp_path)
    assert (done.status, "--paste" in done.err) == (1, True)
