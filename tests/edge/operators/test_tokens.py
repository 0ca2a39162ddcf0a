"""Tokens are rotated with an overlap, say when they were used, and the last admin's stays."""

from __future__ import annotations

import asyncio
import time

import pytest

from edge.operators import access
from shared import metrics
from shared.bus import keys
from shared.records.packing import pack
from shared.records.queries import security_events, tokens
from shared.records.queries.security_events import SecurityFilter
from shared.records.queries.tokens import LastAdmin
from shared.records.tokens import Token, digest, id_of
from shared.settings import Settings
from tests.edge.operators.stage import Stage, running
from tests.support import wait_until


async def listed(stage: Stage) -> dict[str, dict[str, object]]:
    """Return the tokens by name; of those of one name, the newest."""
    return {one["name"]: one for one in (await stage.get("/tokens"))["items"]}


async def test_a_rotation_lets_both_work_until_the_overlap_is_over(stage: Stage) -> None:
    """The new token has the old one's name and scope; the old one expires, and says so clearly."""
    old = await stage.make_token("operate")
    old_id = id_of(digest(old))
    status, made = await stage.ask("POST", f"/tokens/{old_id}/rotate", json={"overlap_s": 600})
    assert (status, made["scope"], made["replaces"]) == (201, "operate", old_id)
    assert made["old_expires_at"] > made["created_at"]
    for token in (old, made["token"]):
        assert (await stage.get("/me", token=token))["scope"] == "operate"
    states = {one["id"]: (one["state"], one["replaced_by"]) for one in (await stage.get("/tokens"))["items"]}
    assert states[old_id] == ("retiring", made["id"])
    assert states[made["id"]] == ("valid", None)
    status, second = await stage.ask("POST", f"/tokens/{made['id']}/rotate", json={"overlap_s": 0})
    assert status == 201
    status, problem = await stage.ask("GET", "/me", token=made["token"])
    assert (status, "the token expired at 2" in problem["detail"]) == (401, True)
    assert metrics.OPERATOR_AUTH_FAILURES.labels("expired").value == 1
    assert (await stage.ask("POST", f"/tokens/{made['id']}/rotate", json={}))[0] == 404
    assert (await stage.get("/me", token=second["token"]))["name"] == "test-operate"


async def test_the_last_admin_is_rotated_only_into_one_that_lasts(stage: Stage) -> None:
    """Neither by revoking nor by an expiry does anybody lock everybody out."""
    own = id_of(digest(stage.token))
    late = {"expires_at": "2100-01-01T00:00:00Z"}
    status, body = await stage.ask("POST", f"/tokens/{own}/rotate", json=late)
    assert (status, body["type"]) == (409, "urn:ampstream:problem:conflict")
    await stage.make_token("admin", int(time.time() * 1000) + 60_000)
    assert (await stage.ask("DELETE", f"/tokens/{own}"))[0] == 409
    status, made = await stage.ask("POST", f"/tokens/{own}/rotate", json={})
    assert status == 201
    assert (await stage.ask("DELETE", f"/tokens/{made['id']}"))[0] == 409
    assert (await stage.ask("DELETE", f"/tokens/{own}"))[0] == 204


async def test_two_admins_who_revoke_each_other_do_not_both_succeed(stage: Stage) -> None:
    """The check and the change are one step."""
    for _ in range(10):
        others = [await stage.make_token("admin"), stage.token]
        names = [id_of(digest(one)) for one in others]
        found = await asyncio.gather(*(tokens.revoke(stage.lane, one) for one in names), return_exceptions=True)
        assert sum(isinstance(one, LastAdmin) for one in found) == 1
        (left,) = (await tokens.tokens(stage.lane)).values()
        await stage.write(("DEL", keys.TOKENS), ("HSET", keys.TOKENS, digest(stage.token), pack(left)))


async def test_a_revocation_beats_a_rotation_that_read_before_it(stage: Stage) -> None:
    """A token that was revoked meanwhile does not come back by being retired."""
    for _ in range(10):
        old = id_of(digest(await stage.make_token("read")))
        await asyncio.gather(tokens.rotate(stage.lane, old, 60_000), tokens.revoke(stage.lane, old))
        assert old not in await tokens.tokens(stage.lane)


async def test_the_list_says_when_a_token_was_used(stage: Stage) -> None:
    """To the minute, and from where; one that nobody uses says nothing."""
    read = await stage.make_token("read")
    await stage.make_token("operate")
    for _ in range(3):
        await stage.get("/summary", token=read)
    found = await listed(stage)
    assert found["test-read"]["last_used_from"] == "127.0.0.1"
    assert str(found["test-read"]["last_used_at"]) > "2026"
    assert found["test-operate"]["last_used_at"] is None


async def test_tokens_that_expired_long_ago_leave(stage: Stage) -> None:
    """They are listed for thirty days, then the next new token takes their place."""
    stale = Token(name="stale", scope="read", created_at=1, expires_at=2)
    await stage.write(("HSET", keys.TOKENS, "0" * 64, pack(stale)))
    assert (await listed(stage))["stale"]["state"] == "expired"
    await stage.make_token("read")
    assert "stale" not in await listed(stage)


async def test_whoever_guesses_is_not_heard_any_more(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many unknown tokens from one address: 429 without a look, a security event; known ones go on passing."""
    import msgspec

    async with running(msgspec.structs.replace(settings, operator_auth_failures=5)) as stage:
        monkeypatch.setattr(access, "REMEMBER_S", 0.0)  # As after a few seconds.
        await stage.get("/me")
        found = [(await stage.ask("GET", "/me", token=f"amp_guess{number}"))[0] for number in range(8)]
        assert found == [401] * 5 + [429] * 3
        fresh = await stage.make_token("read")
        async with stage.http.get(f"{stage.url}/api/v1/me", headers=stage.headers(fresh)) as response:
            assert response.status == 429
            assert 1 <= int(response.headers["Retry-After"]) <= 61
        await stage.get("/me")
        assert metrics.OPERATOR_AUTH_FAILURES.labels("unknown").value == 5
        assert metrics.OPERATOR_AUTH_FAILURES.labels("throttled").value == 4
        assert metrics.SECURITY_ALARMS.labels("OperatorLoginsFailed").value == 1

        async def noted() -> bool:
            found, _ = await security_events.page(stage.lane, SecurityFilter(severity="critical"), None, 10)
            return ("OperatorLoginsFailed", "127.0.0.1") in [(one.kind, one.address) for one in found]

        await wait_until(noted)


async def test_a_script_with_one_bad_token_shuts_out_nobody(settings: Settings) -> None:
    """The same wrong token again costs nothing, so it does not count again."""
    import msgspec

    async with running(msgspec.structs.replace(settings, operator_auth_failures=3)) as stage:
        for _ in range(10):
            assert (await stage.ask("GET", "/me", token="amp_old"))[0] == 401
        assert (await stage.ask("GET", "/me", token=await stage.make_token("read")))[0] == 200
