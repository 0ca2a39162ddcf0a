"""`ampstream login` and `ampstream logout`: a person, by the issuer's own page (RFC 8628), or with a token at hand."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import aiohttp
import click

from ampstream.operator import logins
from ampstream.operator.api import Api
from ampstream.operator.logins import Login
from ampstream.operator.session import api_url

DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL_S: Final = 5.0
SLOWER_S: Final = 5.0
"""What a poll waits more once the issuer asks for it (RFC 8628, 3.5)."""


@click.command()
@click.option("--api", "url", metavar="URL", help="Where the API is; AMPSTREAM_API_URL, else this machine.")
@click.option("--paste", is_flag=True, help="Ask for a token instead, an API token or a person's.")
def login(*, url: str | None, paste: bool) -> None:
    """Log in as a person, by the issuer's page.

    Shows a code and a page to type it into, on any device, and waits. The commands then use this login at this API,
    and renew it; `ampstream logout` forgets it. It is kept in ~/.config/ampstream/logins.json.
    """
    where = api_url(url)
    made = Login(token=click.prompt("Token", hide_input=True).strip()) if paste else asyncio.run(_by_device(where))
    me = asyncio.run(_ask_who(where, made.token))
    try:
        logins.keep(where, made)
    except OSError as error:
        raise click.ClickException(f"cannot write {logins.path()}: {error.strerror}") from None
    click.echo(f"logged in at {where} as {me['name']}, who may {me['scope']}")


@click.command()
@click.option("--api", "url", metavar="URL", help="Where the API is; AMPSTREAM_API_URL, else this machine.")
def logout(*, url: str | None) -> None:
    """Forget the login at an API."""
    where = api_url(url)
    known = where.rstrip("/") in logins.read()
    if known:
        logins.keep(where, None)
    click.echo(f"logged out at {where}" if known else f"nobody was logged in at {where}")


async def _ask_who(url: str, token: str) -> dict[str, Any]:
    api = Api(url, token, "this login")
    try:
        found: dict[str, Any] = await api.ask("GET", "/me")
        return found
    finally:
        await api.close()


async def _by_device(url: str) -> Login:
    timeout = aiohttp.ClientTimeout(total=logins.TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        try:
            return await _device_flow(http, url)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise click.ClickException(f"no login: {str(error) or 'no answer in time'}") from None


async def _device_flow(http: aiohttp.ClientSession, url: str) -> Login:
    offered = (await logins.get(http, f"{url.rstrip('/')}/auth.json", anywhere=True)).get("oidc")
    if not offered:
        raise click.ClickException(f"{url} knows no issuer of people's logins; `ampstream login --paste` takes a token")
    issuer = offered["issuer"].rstrip("/")
    provider = await logins.get(http, f"{issuer}/.well-known/openid-configuration")
    if provider.get("issuer") != offered["issuer"] or "device_authorization_endpoint" not in provider:
        raise click.ClickException(f"{issuer} has no login by device code; `ampstream login --paste` takes a token")
    form = {name: offered[name] for name in ("client_id", "scope", "audience")}
    status, begun = await logins.post(http, provider["device_authorization_endpoint"], form)
    if status != 200 or "device_code" not in begun:
        raise click.ClickException(f"{issuer} does not begin a login: {begun.get('error', status)}")
    click.echo(f"Open {begun['verification_uri']} and type the code {begun['user_code']}")
    if whole := begun.get("verification_uri_complete"):
        click.echo(f"or open {whole}")
    empty = Login(token="", token_endpoint=provider["token_endpoint"], client_id=offered["client_id"])
    return await _poll(http, begun, empty)


async def _poll(http: aiohttp.ClientSession, begun: dict[str, Any], empty: Login) -> Login:
    """Ask whether the person has agreed, as often as the issuer allows."""
    wait_s = float(begun.get("interval", INTERVAL_S))
    until = time.monotonic() + float(begun.get("expires_in", 600))
    form = {"grant_type": DEVICE_GRANT, "device_code": str(begun["device_code"]), "client_id": empty.client_id}
    while time.monotonic() < until:
        await asyncio.sleep(wait_s)
        status, found = await logins.post(http, empty.token_endpoint, form)
        if status == 200 and "access_token" in found:
            return logins.of_answer(found, empty)
        error = found.get("error", "")
        if error == "slow_down":
            wait_s += SLOWER_S
        elif error != "authorization_pending":
            raise click.ClickException(f"the issuer refused: {found.get('error_description') or error or status}")
    raise click.ClickException("nobody typed the code in time; try again")
