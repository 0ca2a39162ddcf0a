"""One user per role: edges and workers are denied nothing that they need, and have nothing that they do not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import pytest
import redis

from ampstream.up import valkey
from deploy.roles import EDGE, WORKER, Role
from shared import durability
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.processes import ROOT, Lifeline, Process
from tests.chaos.harness.system import System, _port
from tests.deploy import users
from tests.support import wait_until, wait_until_sync

pytestmark = pytest.mark.xdist_group("deploy")

PYTHON: Final = re.compile(r"""["']([A-Z]{3,}(?: [A-Z]+)?)["']""")
LUA: Final = re.compile(r"""redis\.p?call\(["']([A-Za-z]+)["']""")


def first_word(text: str) -> str:
    """Return a command without its subcommand."""
    return text.upper().split()[0]


@pytest.fixture
def secrets(system: System) -> Path:
    """The directory of the passwords."""
    return system.directory / "secrets"


async def test_a_session_from_boot_to_bill_is_denied_nothing(system: System, tmp_path: Path) -> None:
    """A station boots, charges and is commanded; operators read, write and delete: no role is refused a command."""
    operator = system.operator()
    ledger = LedgerFile(tmp_path / "ledger.jsonl")
    charger = Charger(system.station_urls, "ROLES1", ledger)
    await charger.connect()
    await charger.boot()
    await charger.charge()
    status, tag = await operator.request("PUT", "/tags/ROLE-TAG", json={"status": "accepted"})
    assert status in (200, 201), tag
    status, command = await operator.request(
        "POST", "/stations/ROLES1/commands", json={"action": "ClearCache", "payload": {}}
    )
    assert status == 202, command

    async def answered() -> bool:
        return bool((await operator.get(f"/commands/{command['id']}"))["state"] == "accepted")

    await wait_until(answered)
    await ledger.end()
    status, token = await operator.request("POST", "/tokens", json={"name": "another", "scope": "read"})
    assert status == 201, token
    for path in ("/stations", "/transactions", "/tags", "/tokens", "/quarantine", "/summary"):
        status, body = await operator.request("GET", path)
        assert status == 200, (path, body)
    status, body = await operator.request("DELETE", "/stations/ROLES1", params={"force": "true"})
    assert status in (200, 202, 204), body
    assert users.denied(system) == []


async def test_a_job_over_stations_is_denied_nothing(system: System, tmp_path: Path) -> None:
    """A job is made, paused, resumed and done, another one cancelled: no role is refused a command."""
    operator = system.operator()
    ledger = LedgerFile(tmp_path / "ledger.jsonl")
    charger = Charger(system.station_urls, "ROLES2", ledger)
    await charger.connect()
    await charger.boot()
    body = {"action": "ClearCache", "filter": {"q": "ROLES2"}, "jitter_s": 0, "paused": True}
    for steps, end in ((("resume", "pause", "resume"), "done"), (("cancel",), "cancelled")):
        status, job = await operator.request("POST", "/jobs", json=body)
        assert status == 201, job
        for step in steps:
            assert (await operator.request("POST", f"/jobs/{job['id']}/{step}"))[0] == 200

        async def ended(job_id: str = job["id"], end: str = end) -> bool:
            found = await operator.get(f"/jobs/{job_id}")
            return bool(found["ended_at"] and found["state"] == end)

        await wait_until(ended)
        assert len(await operator.items(f"/jobs/{job['id']}/results")) == 1
    await ledger.end()
    assert users.denied(system) == []


def granted(role: Role) -> set[str]:
    """Return the commands of a role, without subcommands."""
    return {command.upper().partition("|")[0] for command in role.commands.split()}


OWN: Final = {"edge": ("edge", "shared/records/queries"), "worker": ("workers",)}
"""Where only that role's commands stand. The queries are the operators' listener's."""


@pytest.mark.parametrize("role", [EDGE, WORKER], ids=lambda role: str(role.name))
def test_every_command_in_the_code_is_granted(system: System, role: Role) -> None:
    """Whatever command stands in the code of a role, the role may send; what stands in shared, one of them may."""
    with redis.Redis.from_url(system.valkey.url) as client:
        client.set_response_callback("COMMAND", list)
        # One of these is the beginning of an error, not a command.
        known = {name.decode().upper() for name in client.execute_command("COMMAND", "LIST")} - {"READONLY"}
    granted = {
        each.name: {first_word(one).partition("|")[0] for one in each.commands.split()} for each in (EDGE, WORKER)
    }
    places = [(package, granted[role.name]) for package in OWN[role.name]]
    places.append(("shared", granted["edge"] | granted["worker"]))
    missing = {
        f"{path.relative_to(ROOT)}: {found}"
        for package, may in places
        for pattern, suffix in ((PYTHON, "*.py"), (LUA, "*.lua"))
        for path in (ROOT / package).rglob(suffix)
        for found in map(first_word, pattern.findall(path.read_text(encoding="utf-8")))
        if found in known - may
    }
    assert not missing


LIBRARIES: Final = {
    # redis-py, when it connects, pools, listens and sends transactions; arq's own; the doctor by redis-py's methods.
    "worker": "auth ping select client|setinfo multi exec discard watch unwatch psetex dbsize subscribe unsubscribe "
    "command eval",
    # `ampstream token` and the health of a lane.
    "edge": "auth ping select client|setinfo",
}
SENT_BY: Final = {"edge": ("edge", "shared"), "worker": ("workers", "shared")}


@pytest.mark.parametrize("role", [EDGE, WORKER], ids=lambda role: str(role.name))
def test_nothing_is_granted_that_nobody_sends(role: Role) -> None:
    """Every granted command stands in the role's own code, in a script that it runs, or is a library's of it."""
    files = [path for package in SENT_BY[role.name] for path in (ROOT / package).rglob("*.py")]
    source = "\n".join(path.read_text(encoding="utf-8") for path in files if path.name != "scripts.py")
    sent = {found.split()[0] for found in PYTHON.findall(source)} | {"EVALSHA"}
    for path in (ROOT / "shared" / "bus" / "lua").glob("*.lua"):
        if re.search(rf"\b{path.stem.upper()}\b", source):
            sent |= {found.upper() for found in LUA.findall(path.read_text(encoding="utf-8"))}
    known = {*LIBRARIES[role.name].upper().split()}
    spare = [
        command
        for command in role.commands.upper().split()
        if command not in known and command.split("|")[0] not in sent
    ]
    assert not spare


DENIED = [
    ("edge", "FLUSHALL"), ("edge", "CONFIG SET appendfsync no"), ("edge", "SHUTDOWN"), ("edge", "KEYS *"),
    ("edge", "DEBUG SLEEP 0"), ("edge", "EVAL return 0"), ("edge", "HSET s:{CP1}:state v x"), ("edge", "ACL LIST"),
    ("edge", "DEL audit"), ("edge", "XTRIM audit MAXLEN 0"), ("edge", "XDEL audit 1-1"), ("edge", "UNLINK audit"),
    ("edge", "XGROUP DESTROY uplink:{0} workers"), ("edge", "DEL workers"), ("edge", "SET s:{CP1}:tx:1 x"),
    ("worker", "FLUSHALL"), ("worker", "FLUSHDB"), ("worker", "CONFIG SET appendfsync no"), ("worker", "SHUTDOWN"),
    ("worker", "ACL LIST"), ("worker", "KEYS *"), ("worker", "REPLICAOF no one"), ("worker", "SUBSCRIBE gossip"),
    ("worker", "XGROUP DESTROY uplink:{0} workers"), ("worker", "CLIENT KILL ID 0"), ("worker", "MONITOR"),
    ("exporter", "GET meta:pepper"), ("exporter", "HGETALL tokens"), ("exporter", "SET x y"), ("exporter", "FLUSHALL"),
    ("exporter", "SCAN 0"), ("exporter", "CONFIG SET appendfsync no"),
    ("health", "INFO"), ("health", "GET meta:pepper"), ("health", "SET x y"), ("health", "FLUSHALL"),
    ("default", "PING"),
]  # fmt: skip


@pytest.fixture
def refusals(system: System) -> Iterator[None]:
    """Refusals that are meant do not count as the system's."""
    yield
    system.valkey.client().acl_log_reset()


@pytest.mark.usefixtures("refusals")
@pytest.mark.parametrize(("role", "command"), DENIED)
def test_a_role_is_denied_what_it_does_not_need(system: System, secrets: Path, role: str, command: str) -> None:
    """Nobody but the admin can empty, stop or reconfigure the server, nor read or write beyond its role."""
    url = system.valkey.url if role == "default" else users.url(system, secrets, role)
    if role == "default":
        url = f"redis://127.0.0.1:{system.valkey.port}/0"
    with (
        redis.Redis.from_url(url) as client,
        pytest.raises((redis.exceptions.NoPermissionError, redis.AuthenticationError)),
    ):
        client.execute_command(*command.split(" "))


def test_the_health_check_says_pong(system: System, secrets: Path) -> None:
    """The health check's user may ask whether the server lives, and that is all."""
    with redis.Redis.from_url(users.url(system, secrets, "health"), lib_name=None, lib_version=None) as client:
        assert client.ping() is True


def test_the_doctor_runs_as_the_worker(system: System) -> None:
    """`ampstream doctor`, the rebuild of the indexes included, needs no other user than the worker's."""
    command = [sys.executable, "-m", "ampstream", "doctor", "--rebuild", "--data", str(system.directory)]
    done = subprocess.run(command, env=system.workers[0].environ, cwd=ROOT, capture_output=True, text=True)
    assert "refused" not in done.stdout + done.stderr, done.stdout
    assert users.denied(system) == []


def test_the_first_token_is_made_as_the_edge(system: System, tmp_path: Path) -> None:
    """`ampstream token` needs no other user than the edge's."""
    command = [sys.executable, "-m", "ampstream", "token", "--file", str(tmp_path / "token")]
    subprocess.run(command, env=system.edges[0].environ, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "token").read_text().startswith("amp_")
    assert users.denied(system) == []


async def test_redis_exporter_is_denied_nothing(system: System, secrets: Path, lifeline: Lifeline) -> None:
    """redis_exporter, told its password as compose.yaml tells it, shows the server's figures as its own user."""
    binary = shutil.which("prometheus-redis-exporter")
    assert binary, "redis_exporter is missing: apt-get install prometheus-redis-exporter"
    address = f"redis://127.0.0.1:{system.valkey.port}"
    passwords = (secrets / "exporter.json").read_text().replace("valkey:6379", urlsplit(address).netloc)
    (system.directory / "exporter.json").write_text(passwords)
    port = _port()
    environ = dict(os.environ) | {
        "REDIS_ADDR": address,
        "REDIS_USER": "exporter",
        "REDIS_PASSWORD_FILE": str(system.directory / "exporter.json"),
        "REDIS_EXPORTER_WEB_LISTEN_ADDRESS": f"127.0.0.1:{port}",
    }
    exporter = Process("exporter", [binary], environ, system.directory / "exporter.log", lifeline)
    exporter.start()

    async def figures() -> str:
        async with aiohttp.ClientSession() as http:
            try:
                async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    return await answer.text()
            except aiohttp.ClientError:
                return ""

    text = await wait_until(figures, interval_s=0.05)
    exporter.kill()
    assert "redis_up 1" in text
    assert "redis_aof_last_write_status 1" in text
    assert users.denied(system) == []


def test_the_shipped_configuration_is_durable(tmp_path: Path, lifeline: Lifeline) -> None:
    """Valkey with deploy/valkey/valkey.conf may be trusted as it starts, and refuses who has no password."""
    secrets = users.make_secrets(tmp_path / "secrets")
    port = _port()
    config = tmp_path / "valkey.conf"
    config.write_text((users.DEPLOY / "valkey" / "valkey.conf").read_text().replace("dir /data", f"dir {tmp_path}"))
    environ = dict(os.environ) | {
        "SECRETS": str(secrets),
        "USERS": str(users.DEPLOY / "valkey" / "users.acl"),
        "ACL": str(tmp_path / "users.acl"),
        "SERVER": str(valkey.binary()),
        "CONF": str(config),
    }
    command = ["/bin/sh", str(users.DEPLOY / "valkey" / "start.sh"), "--port", str(port), "--bind", "127.0.0.1"]
    server = Process("valkey", command, environ, tmp_path / "log", lifeline)
    server.start()
    password = (secrets / "valkey-worker").read_text().strip()
    valkey.wait_ready(f"redis://worker:{password}@127.0.0.1:{port}/0")
    with redis.Redis.from_url(f"redis://worker:{password}@127.0.0.1:{port}/0") as client:
        found = {key: value for name in durability.CONFIG_KEYS for key, value in client.config_get(name).items()}
        assert durability.check(client.info("server"), found) == []
    with redis.Redis(port=port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    server.terminate()
    wait_until_sync(lambda: not server.alive)


def test_without_a_password_the_server_does_not_start(tmp_path: Path) -> None:
    """A missing or empty secret is named, and nothing is served without it."""
    secrets = users.make_secrets(tmp_path / "secrets")
    (secrets / "valkey-edge").write_text("")
    environ = dict(os.environ) | {
        "SECRETS": str(secrets),
        "USERS": str(users.DEPLOY / "valkey" / "users.acl"),
        "ACL": str(tmp_path / "users.acl"),
        "SERVER": "/bin/false",
    }
    start = str(users.DEPLOY / "valkey" / "start.sh")
    done = subprocess.run(["sh", start], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "valkey-edge" in done.stderr


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """What is there stays; no two are alike, and only their owner may look into the directory."""
    secrets = users.make_secrets(tmp_path / "secrets")
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    users.make_secrets(secrets)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    assert secrets.stat().st_mode & 0o777 == 0o700
    passwords = [text for name, text in before.items() if name.startswith(("valkey-", "grafana-"))]
    assert len(set(passwords)) == len(passwords) == 6
    assert all(len(each.strip()) == 48 for each in passwords)
