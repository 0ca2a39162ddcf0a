"""From a route to an aiohttp handler: who asks, what is asked, the answer; around it, problems, counts and the log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any, Final

import hiredis
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler as HttpHandler

from edge.operators.access import Caller
from edge.operators.auditing import AUDITED, Trail
from edge.operators.call import PARTS, Call, Parts
from edge.operators.inputs import check_media, read_body, read_params
from edge.operators.problems import ProblemError, of_http
from edge.operators.routes import Route
from shared import metrics, tracing
from shared.bus.lane import LaneLost
from shared.logs import get_logger
from shared.tracing import Span, Tracer

log = get_logger("operators")

CALL_ID: Final = web.RequestKey("call_id", str)
CALLER: Final = web.RequestKey("caller", Caller)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_COMMON: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True):
    """What a handler returns where the status or headers are not the route's own."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = {}


Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]


def endpoint(route: Route) -> Endpoint:
    """Return the aiohttp handler of a route; what changes something stands in the audit log (see `auditing`)."""
    return _reading(route) if route.reads else _changing(route)


def _reading(route: Route) -> Endpoint:
    async def handle(request: web.Request) -> web.StreamResponse:
        parts = request.app[PARTS]
        request[CALLER] = caller = await parts.access.check(request, route.scope)
        return _respond(route, await route.handler(await _call(route, request, parts, caller)))

    return handle


def _changing(route: Route) -> Endpoint:
    async def handle(request: web.Request) -> web.StreamResponse:
        parts = request.app[PARTS]
        request[CALLER] = caller = await parts.access.identify(request)
        trail = Trail(parts.auditor, route, request, request[CALL_ID], parts.access.address_of(request))
        await trail.open(caller.actor)
        try:
            parts.access.allow(caller, route.scope)
            call = await _call(route, request, parts, caller)
        except (ProblemError, web.HTTPException) as error:
            await trail.refused(error)
            raise
        await trail.begin(call.params, call.body)
        try:
            result = await route.handler(call)
        except Exception as error:
            await trail.failed(error)
            raise
        response = _respond(route, result)
        await trail.ended(response, result, call.notes)
        return response

    return handle


async def _call(route: Route, request: web.Request, parts: Parts, caller: Caller) -> Call[Any, Any]:
    params = read_params(route, request)
    body = None
    if route.body is not None:
        body = await read_body(route, request)
    elif route.body_media != "application/json":
        check_media(request, route.body_media)
    return Call(request, request[CALL_ID], parts, caller, params, body)


def _respond(route: Route, result: Any) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    status, headers = route.status, None
    if isinstance(result, Answer):
        result, status, headers = result.value, result.status, result.headers
    if result is None:
        return web.Response(status=204, headers=headers)
    return web.Response(body=_encode(result), status=status, content_type="application/json", headers=headers)


@web.middleware
async def around(request: web.Request, handler: HttpHandler) -> web.StreamResponse:
    """Give the request an id, turn what goes wrong into a problem, count and log; never log a path or a query."""
    request[CALL_ID] = secrets.token_hex(8)
    begun = time.perf_counter()
    tracer = request.app[PARTS].node.tracer
    span = None if tracer is None else _follow(tracer, request)
    with nullcontext() if span is None else tracing.within(span):
        response = await _answered(request, handler)
    _note(request, response, time.perf_counter() - begun, "" if span is None else tracing.trace_id(span.context))
    if span is not None:
        span.end(**{"http.response.status_code": response.status})
    return response


def _follow(tracer: Tracer, request: web.Request) -> Span | None:
    """Begin the span of a request: where its caller follows it, and of a share of the others."""
    given = request.headers.get("traceparent", "")
    parent = tracing.followed(given)
    if not parent and (given or not tracer.wants()):
        return None
    template = _template(request)
    about = {"http.request.method": request.method, "http.route": template}
    return tracer.start(f"{request.method} {template}", parent, about, kind="server")


async def _answered(request: web.Request, handler: HttpHandler) -> web.StreamResponse:
    call_id = request[CALL_ID]
    response: web.StreamResponse
    try:
        response = await handler(request)
    except ProblemError as problem:
        response = problem.response(call_id)
    except web.HTTPException as error:
        response = of_http(error).response(call_id)
    except (LaneLost, hiredis.ReplyError) as error:
        log.warning("Redis failed a request", request_id=call_id, error=str(error))
        unavailable = ProblemError("unavailable", "Redis does not answer as it must", headers={"Retry-After": "2"})
        response = unavailable.response(call_id)
    except Exception:
        log.exception("request failed", request_id=call_id, route=_template(request))
        response = ProblemError("internal", "see the log of this process").response(call_id)
    if not response.prepared:
        response.headers.update({**_COMMON, "X-Request-Id": call_id})
    return response


def _note(request: web.Request, response: web.StreamResponse, seconds: float, trace_id: str) -> None:
    template, method = _template(request), request.method if request.method in _METHODS else "other"
    metrics.HTTP_SECONDS.labels(template, method, str(response.status)).observe(seconds)
    caller = request.get(CALLER)
    # Changes say so; reads are many and say little.
    write = log.debug if method in {"GET", "HEAD"} else log.info
    write(
        "request",
        request_id=request[CALL_ID],
        method=method,
        route=template,
        status=response.status,
        by=caller.actor.name if caller else "",
        station_id=request.match_info.get("station_id", ""),
        ms=round(seconds * 1000, 1),
        **request.get(AUDITED, {}),
        **({"trace_id": trace_id} if trace_id else {}),
    )


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
