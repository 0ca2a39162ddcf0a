"""People log in by an issuer's signed tokens: what it did not sign, or not for us, is not taken."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import jwt
import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from edge.operators.oidc import BadToken, Issuer
from shared.clock import ManualClock
from shared.settings import Settings
from tests.edge.operators.stage import Stage, running
from tests.serving import serving

RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC: Final = ec.generate_private_key(ec.SECP256R1())
STRANGER: Final = ec.generate_private_key(ec.SECP256R1())


class StandIn:
    """An issuer on a real socket."""

    def __init__(self) -> None:
        self.url = ""
        self.keys = [
            {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "r1", "use": "sig", "alg": "RS256"},
            {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "e1", "use": "sig"},
            {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        ]
        self.issuer: str | None = None
        self.status = 200
        self.asked = 0

    async def discovery(self, _request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.issuer or self.url, "jwks_uri": f"{self.url}/keys"})

    async def jwks(self, _request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"keys": self.keys}, status=self.status)

    def token(self, key: Any = EC, kid: str = "e1", alg: str = "ES256", **claims: Any) -> str:
        now = int(time.time())
        payload = {
            "iss": self.url, "aud": "ampstream", "sub": "u-1", "iat": now, "exp": now + 300, "groups": ["ops"],
            "preferred_username": "ada", **claims,
        }  # fmt: skip
        kept = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(kept, key, algorithm=alg, headers={"kid": kid} if kid else {})


@asynccontextmanager
async def issuer() -> AsyncIterator[StandIn]:
    """Run an issuer for the length of the block."""
    made = StandIn()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", made.discovery)
    app.router.add_get("/keys", made.jwks)
    async with serving(app) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made


def trusting(settings: Settings, made: StandIn, **more: Any) -> Settings:
    """Return settings with this issuer."""
    given = {"oidc_issuer": made.url, "oidc_audience": "ampstream", "oidc_scopes": "ops=operate,root=admin", **more}
    return msgspec.structs.replace(settings, **given)


@pytest.fixture
async def people(settings: Settings) -> AsyncIterator[tuple[Stage, StandIn]]:
    """A listener that trusts an issuer."""
    async with issuer() as made, running(trusting(settings, made)) as stage:
        yield stage, made


async def test_a_person_may_what_their_groups_allow(people: tuple[Stage, StandIn]) -> None:
    """Either kind of key; the highest scope counts; the audit log has their name, and where from."""
    stage, made = people
    token = made.token()
    assert (await stage.get("/me", token=token))["scope"] == "operate"
    assert (await stage.ask("POST", "/tags", token=token, json={"id_tag": "A"}))[0] == 201
    assert (await stage.ask("GET", "/tokens", token=token))[0] == 403
    (found,) = await stage.all_of("/audit")
    assert found["who"] == {"kind": "person", "id": "u-1", "name": "ada", "scope": "operate"}
    admin = made.token(RSA, "r1", "RS256", groups=["ops", "root"])
    assert (await stage.get("/me", token=admin))["scope"] == "admin"
    assert made.asked == 1


async def test_what_is_not_for_us_is_refused(people: tuple[Stage, StandIn]) -> None:
    """No signature, a shared secret, a stranger's key, another audience or issuer, no time left, no right: 401 each."""
    stage, made = people
    now = int(time.time())
    bad = {
        "an algorithm": made.token(None, "e1", "none"),
        "an algorithm ": made.token("s" * 64, "shared", "HS256"),
        "Signature": made.token(STRANGER),
        "a key that its issuer": made.token(STRANGER, "unknown"),
        "Audience": made.token(aud="somebody-else"),
        "ssuer": made.token(iss="https://evil.example"),
        "expired": made.token(exp=now - 60),
        "not yet valid": made.token(nbf=now + 600),
        '"exp"': made.token(exp=None),
        '"sub"': made.token(sub=None),
        "claim 'groups'": made.token(groups=["drivers"]),
        "claim 'groups' ": made.token(groups=None),
        "no JWT": "a.b.c",
    }
    for words, token in bad.items():
        status, problem = await stage.ask("GET", "/me", token=token)
        assert (status, words.strip() in problem["detail"]) == (401, True), (words, problem)


async def test_keys_are_kept_and_refreshed(settings: Settings) -> None:
    """A new key is found at its first token; made-up key ids cost the issuer one look in half a minute."""
    async with issuer() as made:
        clock = ManualClock()
        checker = Issuer(trusting(settings, made), clock)
        assert (await checker.check(made.token())).name == "ada"
        fresh = ec.generate_private_key(ec.SECP256R1())
        made.keys.append({**ECAlgorithm.to_jwk(fresh.public_key(), as_dict=True), "kid": "e2"})
        for number in range(20):
            with pytest.raises(BadToken, match="does not have"):
                await checker.check(made.token(STRANGER, f"x{number}"))
        assert made.asked == 1
        await clock.advance(31)
        assert (await checker.check(made.token(fresh, "e2"))).scope == "operate"
        assert made.asked == 2
        made.keys = made.keys[:1]
        await clock.advance(3601)
        with pytest.raises(BadToken, match="does not have"):
            await checker.check(made.token(fresh, "e2"))


async def test_an_issuer_that_is_away_is_believed_for_a_day(settings: Settings) -> None:
    """Known keys go on, then nobody is let in; and one that never answered lets nobody in."""
    async with issuer() as made:
        clock = ManualClock()
        checker = Issuer(trusting(settings, made), clock)
        await checker.check(made.token())
        made.status = 500
        await clock.advance(2 * 3600)
        await checker.check(made.token())
        await clock.advance(24 * 3600)
        with pytest.raises(BadToken) as caught:
            await checker.check(made.token())
        assert caught.value.reason == "issuer"
        made.status, made.issuer = 200, "https://other.example"
        with pytest.raises(BadToken):
            await Issuer(trusting(settings, made)).check(made.token())


async def test_scopes_come_from_a_path_and_a_text(settings: Settings) -> None:
    """A claim may lie deep, be a text of words, or be whatever anybody has."""
    async with issuer() as made:
        deep = Issuer(trusting(settings, made, oidc_scopes_claim="realm_access.roles"))
        assert (await deep.check(made.token(realm_access={"roles": ["root"]}))).scope == "admin"
        words = Issuer(trusting(settings, made, oidc_scopes_claim="scope", oidc_name_claim="email"))
        person = await words.check(made.token(scope="openid ops", email="ada@example.org"))
        assert (person.scope, person.name) == ("operate", "ada@example.org")
        anybody = Issuer(trusting(settings, made, oidc_scopes="*=read"))
        assert (await anybody.check(made.token(groups=None))).scope == "read"
