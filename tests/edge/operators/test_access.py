"""Who may ask."""

import time

import pytest

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.queries import tokens
from shared.records.tokens import Token, digest
from tests.edge.operators.stage import Stage
from tests.support import lasting


async def test_without_a_token_the_answer_is_401_with_a_challenge(stage: Stage) -> None:
    """A request without a token learns what is needed."""
    async with stage.http.get(f"{stage.url}/api/v1/stations") as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="ampstream"'
        assert response.content_type == "application/problem+json"
        body = await response.json()
    assert body["type"] == "urn:ampstream:problem:unauthenticated"
    assert body["status"] == 401


async def test_an_unknown_token_is_401_and_is_not_repeated(stage: Stage) -> None:
    """A wrong token is refused without being shown."""
    status, body = await stage.ask("GET", "/stations", token="amp_guess")
    assert status == 401
    assert "amp_guess" not in str(body)


async def test_a_token_of_a_lower_scope_is_403(stage: Stage) -> None:
    """Read may not change, operate may not make tokens."""
    read, operate = await stage.make_token("read"), await stage.make_token("operate")
    assert (await stage.ask("GET", "/stations", token=read))[0] == 200
    status, body = await stage.ask("POST", "/tags", token=read, json={"id_tag": "A"})
    assert (status, body["type"]) == (403, "urn:ampstream:problem:forbidden")
    assert (await stage.ask("POST", "/tags", token=operate, json={"id_tag": "A"}))[0] == 201
    assert (await stage.ask("GET", "/tokens", token=operate))[0] == 403


async def test_an_expired_token_is_refused(stage: Stage) -> None:
    """A token is good until it expires."""
    now = int(time.time() * 1000)
    assert (await stage.ask("GET", "/stations", token=await stage.make_token("read", now - 1)))[0] == 401
    assert (await stage.ask("GET", "/stations", token=await stage.make_token("read", now + 60_000)))[0] == 200


async def test_a_late_reply_lets_no_token_live_longer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long Redis's answer is on its way: what is over when it is asked for is refused."""
    real = tokens.token_at

    async def late(lane: Lane, token_digest: str) -> tuple[Token | None, int]:
        found = await real(lane, token_digest)
        await lasting(0.2, "the reply is on its way")
        return found

    over = await stage.make_token("read", int(time.time() * 1000) - 1)
    monkeypatch.setattr(tokens, "token_at", late)
    assert (await stage.ask("GET", "/stations", token=over))[0] == 401


async def test_a_token_is_stored_as_a_digest_only(stage: Stage) -> None:
    """Redis holds no token."""
    stored = await stage.lane.one("HGETALL", keys.TOKENS)
    assert stored[0].decode() == digest(stage.token)
    assert stage.token.encode() not in b"".join(stored)


async def test_tokens_are_made_listed_and_revoked(stage: Stage) -> None:
    """A made token works, is listed without its text, and stops working when it is revoked."""
    status, made = await stage.ask("POST", "/tokens", json={"name": "dashboard", "scope": "read"})
    assert status == 201
    assert made["token"].startswith("amp_")
    assert (await stage.ask("GET", "/summary", token=made["token"]))[0] == 200
    listed = await stage.get("/tokens")
    assert {"dashboard", "test"} == {one["name"] for one in listed["items"]}
    assert all("token" not in one for one in listed["items"])
    assert (await stage.ask("DELETE", f"/tokens/{made['id']}"))[0] == 204
    assert (await stage.ask("GET", "/summary", token=made["token"]))[0] == 401
    assert (await stage.ask("DELETE", f"/tokens/{made['id']}"))[0] == 404


async def test_the_last_admin_token_stays(stage: Stage) -> None:
    """Nobody locks everybody out."""
    (only,) = (await stage.get("/tokens"))["items"]
    status, body = await stage.ask("DELETE", f"/tokens/{only['id']}")
    assert (status, body["type"]) == (409, "urn:ampstream:problem:conflict")


async def test_open_paths_need_no_token(stage: Stage) -> None:
    """Health, metrics, the document and the index are for everybody who reaches the listener."""
    for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.json"):
        async with stage.http.get(stage.url + path) as response:
            assert response.status == 200, path


async def test_ready_says_why_it_is_not(stage: Stage) -> None:
    """A draining node is not ready."""
    stage.node.problems = ["draining"]
    async with stage.http.get(f"{stage.url}/readyz") as response:
        assert response.status == 503
        assert (await response.json())["reasons"] == ["draining"]
