"""Prometheus's HTTP API, as far as this needs it, and what is required of its answers."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable
from typing import Any, Final, Self

import aiohttp

from shared import metrics
from tests.observe import questions
from tests.observe.questions import Question

SPAN_S: Final = 90.0
"""How far back a panel is asked: something happened within that time, or its panel is not proven."""
_STEP_S: Final = 1
_AT_ONCE: Final = 8


class Prometheus:
    """A server's API; use as an async context manager."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        """Open the client."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close it."""
        if self._http is not None:
            await self._http.close()

    async def ask(self, path: str, **params: str | float) -> Any:
        """Return the data of an answer; raises ValueError with Prometheus's own words where it refuses."""
        assert self._http is not None
        async with self._slots, self._http.get(f"{self.url}/api/v1/{path}", params=params) as answer:
            body = await answer.json()
        if body["status"] != "success":
            raise ValueError(f"{path} {params}: {body.get('error')}")
        return body["data"]

    async def numbers(self, question: Question, span_s: float = SPAN_S) -> int:
        """Return how many finite numbers a question is answered with."""
        if question.at_once:
            found = (await self.ask("query", query=question.expression))["result"]
            values = [series["value"] for series in found]
        else:
            now = time.time()
            times = {"start": now - span_s, "end": now, "step": _STEP_S}
            found = (await self.ask("query_range", query=question.expression, **times))["result"]
            values = [value for series in found for value in series["values"]]
        return sum(math.isfinite(float(number)) for _, number in values)

    async def exists(self, selector: str, span_s: float = SPAN_S) -> bool:
        """Tell whether a selector has series."""
        now = time.time()
        wanted: dict[str, str | float] = {"match[]": selector, "start": now - span_s, "end": now}
        found: list[Any] = await self.ask("series", **wanted)
        return found != []

    async def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that fire or are about to."""
        found: list[dict[str, Any]] = (await self.ask("alerts"))["alerts"]
        return found

    async def sick(self) -> list[str]:
        """Return what Prometheus complains of: rules that cannot be evaluated, targets that cannot be scraped."""
        groups = (await self.ask("rules"))["groups"]
        rules = [f"{rule['name']}: {rule.get('lastError')}" for g in groups for rule in g["rules"] if _ill(rule)]
        targets = (await self.ask("targets"))["activeTargets"]
        return rules + [f"{each['scrapeUrl']}: {each['lastError']}" for each in targets if each["health"] != "up"]


def _ill(rule: dict[str, Any]) -> bool:
    return str(rule["health"]) != "ok"


async def unanswered(prometheus: Prometheus, *, healthy: bool, span_s: float = SPAN_S) -> list[str]:
    """Ask everything there is to ask and return what got no data; `healthy`: but for what is empty in health.

    `span_s` is how far back panels look.
    """
    asked: Iterable[Question] = (
        *questions.of_dashboards(),
        *questions.of_annotations(),
        *questions.of_recordings(),
    )
    empty_now = questions.EMPTY.keys() | (questions.EMPTY_IN_HEALTH.keys() if healthy else set())
    asked = [each for each in asked if each.asker not in empty_now]
    counts = await asyncio.gather(*(prometheus.numbers(each, span_s) for each in asked))
    empty = [f"{each.asker}: {each.expression}" for each, count in zip(asked, counts, strict=True) if not count]
    selectors = list(questions.of_alerts())
    there = await asyncio.gather(*(prometheus.exists(each.expression, span_s) for each in selectors))
    empty += [f"{each.asker}: {each.expression}" for each, found in zip(selectors, there, strict=True) if not found]
    for asker, selector, label in questions.of_variables():
        if not await prometheus.ask(f"label/{label}/values", **{"match[]": selector}):
            empty.append(f"{asker}: {selector}")
    return empty


async def still(prometheus: Prometheus, span_s: float) -> list[str]:
    """Return the metrics that some job shows and that were 0 all the time: nobody counts there, or nothing happened."""
    found = []
    for name, family in metrics.REGISTRY.families.items():
        series = f"{name}_count" if family.kind == "histogram" else name
        query = f"max by (job) (max_over_time({series}[{span_s:.0f}s])) == 0"
        jobs = [one["metric"]["job"] for one in (await prometheus.ask("query", query=query))["result"]]
        if name not in questions.STILL:
            found += [f"{name} of {job}" for job in jobs]
    return found


def count() -> int:
    """Return how many questions `unanswered` asks."""
    lists = (questions.of_dashboards(), questions.of_annotations(), questions.of_recordings(), questions.of_alerts())
    return sum(len(list(each)) for each in lists) + len(list(questions.of_variables()))
