"""The operators' listener: the API, its document, health and metrics, in one aiohttp application.

Run it with `access_log=None`: paths may hold id tags. `around` logs what may be logged.
"""

from __future__ import annotations

import html
from typing import Final

import msgspec
from aiohttp import web

from edge.operators.call import PARTS, OperatorsNode, Parts
from edge.operators.openapi import document
from edge.operators.resources import ROUTES
from edge.operators.resources.events import LISTENERS
from edge.operators.routes import PLACE
from edge.operators.serving import around, endpoint
from shared import observe
from shared.settings import Settings

MAX_BODY: Final = 256 * 1024
_INDEX: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Ampstream</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto}code{background:#eee}</style>
<h1>Ampstream</h1>
<p>The operators' listener. The API is under <code>/api/v1</code> and takes a Bearer token.</p>
<ul>
<li><a href="/openapi.json">/openapi.json</a>: everything the API can do</li>
<li><a href="/auth.json">/auth.json</a>: how people log in</li>
<li><a href="/healthz">/healthz</a>: whether this process lives</li>
<li><a href="/readyz">/readyz</a>: whether work should be sent here</li>
<li><a href="/metrics">/metrics</a>: what it shows of itself</li>
</ul>
<pre>curl -H "Authorization: Bearer $TOKEN" {url}/api/v1/stations</pre>
"""


def make_app(node: OperatorsNode, settings: Settings) -> web.Application:
    """Return the application; it stops following events when it shuts down, and leaves the node alone."""
    app = web.Application(middlewares=[around], client_max_size=MAX_BODY)
    app[PARTS] = Parts(node, settings)
    app[LISTENERS] = set()
    # Fixed paths first, else `/tags/{id_tag}` would take `/tags/import`.
    for route in sorted(ROUTES, key=lambda found: "{" in found.path):
        # aiohttp's own pattern refuses braces, which an id tag may hold.
        app.router.add_route(route.method, PLACE.sub(r"{\1:[^/]+}", route.path), endpoint(route))
    description = msgspec.json.encode(document(ROUTES, settings.public_url))

    async def openapi(_request: web.Request) -> web.Response:
        return web.Response(body=description, content_type="application/json")

    async def index(request: web.Request) -> web.Response:
        url = settings.public_url or f"{request.scheme}://localhost:{settings.http_port}"
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return web.Response(text=_INDEX.replace("{url}", html.escape(url)), content_type="text/html", headers=headers)

    login = msgspec.json.encode({"oidc": _login(settings)})

    async def auth(_request: web.Request) -> web.Response:
        return web.Response(body=login, content_type="application/json")

    app.router.add_get("/openapi.json", openapi)
    app.router.add_get("/auth.json", auth)
    app.router.add_get("/", index)
    observe.add_routes(app, node.not_ready)
    app.on_shutdown.append(_stop_feed)
    return app


def _login(settings: Settings) -> dict[str, str] | None:
    """Return what `ampstream login` needs to know, nothing of it secret; None where people can't log in."""
    if not settings.oidc_issuer or not settings.oidc_client_id:
        return None
    return {
        "issuer": settings.oidc_issuer,
        "client_id": settings.oidc_client_id,
        "audience": settings.oidc_audience,
        "scope": settings.oidc_login_scope,
    }


async def _stop_feed(app: web.Application) -> None:
    await app[PARTS].feed.close()
