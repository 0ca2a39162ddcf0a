"""Where logins of people are kept: one file, mode 0600, a login per API, renewed by its refresh token."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import click
import msgspec

EARLY_S: Final = 30
"""A token that lives no longer than this is renewed first."""
TIMEOUT_S: Final = 15.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Login(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One login. `expires_at` in seconds since 1970; 0: not known."""

    token: str
    expires_at: float = 0
    refresh_token: str = ""
    token_endpoint: str = ""
    client_id: str = ""

    def fresh(self, now: float) -> bool:
        """Tell whether the token is good for a while yet."""
        return not self.expires_at or now < self.expires_at - EARLY_S


def path() -> Path:
    """Return where logins are kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "ampstream" / "logins.json"


def read() -> dict[str, Login]:
    """Return all logins by the API's URL; none where the file is missing or no such file."""
    try:
        return msgspec.json.decode(path().read_bytes(), type=dict[str, Login])
    except (OSError, RuntimeError, msgspec.MsgspecError):
        return {}


def keep(url: str, login: Login | None) -> None:
    """Write a login for an API, or forget it; raises `OSError`."""
    logins = {name: one for name, one in read().items() if name != url.rstrip("/")}
    if login is not None:
        logins[url.rstrip("/")] = login
    at = path()
    at.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = at.with_name(f".{at.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(logins))
    beside.replace(at)


async def token_for(url: str) -> str:
    """Return the token of the login at an API, renewed where that is due; empty where there is none."""
    login = read().get(url.rstrip("/"))
    if login is None:
        return ""
    if login.fresh(time.time()):
        return login.token
    if not login.refresh_token:
        raise click.ClickException(f"the login at {url} has expired: `ampstream login`")
    form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token, "client_id": login.client_id}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http:
        try:
            status, found = await post(http, login.token_endpoint, form)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise click.ClickException(f"the login can't be renewed: {str(error) or 'no answer in time'}") from None
    if status != 200 or "access_token" not in found:
        raise click.ClickException(f"the login at {url} is over ({_why(found)}): `ampstream login`")
    renewed = of_answer(found, login)
    keep(url, renewed)
    return renewed.token


def of_answer(found: dict[str, Any], before: Login) -> Login:
    """Return the login that a token endpoint's answer gives (RFC 6749, 5.1); what it does not repeat stays."""
    lives = found.get("expires_in")
    return Login(
        token=str(found["access_token"]),
        expires_at=time.time() + float(lives) if lives else 0,
        refresh_token=str(found.get("refresh_token") or before.refresh_token),
        token_endpoint=before.token_endpoint,
        client_id=before.client_id,
    )


async def post(http: aiohttp.ClientSession, url: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Send a form to the issuer and return status and answer."""
    _check(url)
    async with http.post(url, data=form, allow_redirects=False) as response:
        return response.status, _object(await response.read())


async def get(http: aiohttp.ClientSession, url: str, *, anywhere: bool = False) -> dict[str, Any]:
    """Return a JSON object; `anywhere`: unencrypted too. Raises `click.ClickException` where it is none."""
    if not anywhere:
        _check(url)
    async with http.get(url, allow_redirects=False) as response:
        found = _object(await response.read())
        if response.status != 200 or not found:
            raise click.ClickException(f"{url} answered {response.status}, and nothing that a login could use")
        return found


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise click.ClickException(f"{url} is not encrypted; nobody's password should go there")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _why(found: dict[str, Any]) -> str:
    return str(found.get("error_description") or found.get("error") or "refused")[:200]
