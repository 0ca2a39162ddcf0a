"""Metrics that are not ours, which rules and panels ask for, are served by those who should."""

import re
import subprocess
import urllib.request

from shared import metrics
from tests.support import ValkeyServer, free_port, wait_until_sync

from .reading import FOREIGN, dashboards, expressions, rules, selectors, tool


def asked(prefix: str) -> set[str]:
    """The metrics with this prefix that rules and panels name."""
    wanted = [rule["expr"] for rule in rules()]
    wanted += [expression for board in dashboards().values() for expression in expressions(board)]
    found = {selector.name or "" for expression in wanted for selector in selectors(expression)}
    return {name for name in found if name.startswith(prefix)}


def names(exposition: str) -> set[str]:
    """The names of an exposition's samples."""
    return set(re.findall(r"^([a-z_]+)[{ ]", exposition, re.MULTILINE))


def test_the_exporter_serves_what_is_asked_of_redis(valkey_server: ValkeyServer) -> None:
    """Every redis_* metric that is asked for comes from redis_exporter in front of a real Valkey."""
    program = tool("prometheus-redis-exporter", "prometheus-redis-exporter")
    port = free_port()
    command = [program, "-redis.addr", valkey_server.url, "-web.listen-address", f"127.0.0.1:{port}"]
    exporter = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def scraped() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    try:
        text = wait_until_sync(scraped, timeout_s=20)
    finally:
        exporter.terminate()
        exporter.wait(10)
    assert asked("redis_") - names(text) == set()


def test_our_processes_serve_what_is_asked_of_them() -> None:
    """Every process_* and python_* metric that is asked for is in our own exposition."""
    served = names(metrics.render().decode())
    wanted = {name for prefix in FOREIGN if prefix != "redis_" for name in asked(prefix)}
    assert wanted - served == set()
