"""From options to processes: ports, variables, URLs; and clear words about what cannot be."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import click
import pytest
from click.testing import CliRunner

from ampstream.up import lock, plan, selfmade, status, valkey
from ampstream.up.command import up
from ampstream.up.plan import Options, Plan
from edge.stations.tls import Tls
from shared.settings import load, load_with_sources
from tests.support import free_port


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client for probes."""
    async with aiohttp.ClientSession() as session:
        yield session


def planned(options: Options, environ: dict[str, str], http: aiohttp.ClientSession, **given: object) -> Plan:
    """The plan for options, an environment and command-line values."""
    full = plan.defaults(environ)
    return plan.make(options, load_with_sources(full, given), full, http)


def names(made: Plan) -> list[list[str]]:
    """The names of a plan's processes, by stage."""
    return [[spec.name for spec in stage] for stage in made.stages]


async def test_stages_and_ports(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Valkey, workers, edges, stations, in this order; process i listens on its port + i."""
    made = planned(Options(data=tmp_path, edges=2, workers=2), {}, http, station_port=9100)
    assert names(made) == [["valkey"], ["worker-0", "worker-1"], ["edge-0", "edge-1"], ["simulator"]]
    specs = {spec.name: spec for stage in made.stages for spec in stage}
    assert specs["edge-1"].environ["AMPSTREAM_STATION_PORT"] == "9101"
    assert specs["edge-1"].environ["AMPSTREAM_HTTP_PORT"] == "8081"
    assert specs["edge-1"].environ["AMPSTREAM_TRANSFER_PORT"] == "9081"
    assert specs["worker-0"].environ["AMPSTREAM_TRANSFER_DIR"] == str(tmp_path / "files")
    assert specs["worker-1"].environ["AMPSTREAM_WORKER_PORT"] == "8181"
    assert dict(specs["edge-1"].urls)["stations"] == "ws://127.0.0.1:9101/ocpp/<station id>"
    assert {port for _, port, _ in made.ports} == {9100, 9101, 8080, 8081, 9080, 9081, 8180, 8181}
    command = " ".join(specs["simulator"].command)
    assert "ws://127.0.0.1:9100/ocpp" in command
    assert "ws://127.0.0.1:9101/ocpp" in command


async def test_valkey_alone_gets_the_systems_jemalloc(
    tmp_path: Path, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded server is started with it; Python's processes are not."""
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    monkeypatch.setattr(valkey, "jemalloc", lambda: Path("/usr/lib64/libjemalloc.so.2"))
    made = planned(Options(data=tmp_path), {}, http)
    preloaded = {spec.name for stage in made.stages for spec in stage if "LD_PRELOAD" in spec.environ}
    assert preloaded == {"valkey"}


def test_ports_for_stations_move_together() -> None:
    """Files and TLS lie behind `--station-port` as they do by default, so that two systems fit on one machine."""
    assert plan.beside({"station_port": None, "tls_port": None}, {}) == {}
    moved = {"station_port": 9100, "transfer_port": 9180, "tls_port": 9543}
    assert plan.beside({"station_port": 9100, "http_port": None}, {}) == moved
    assert plan.beside({"station_port": 9100, "tls_port": 7}, {}) == moved | {"tls_port": 7}
    assert "tls_port" not in plan.beside({"station_port": 9100}, {"AMPSTREAM_TLS_PORT": "8"})
    by_default = load({})
    assert plan.beside({"station_port": by_default.station_port}, {}) == {
        name: getattr(by_default, name) for name in ("station_port", "transfer_port", "tls_port")
    }


async def test_tls_of_its_own_making(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Certificates are made once and trusted by the simulated stations, which dial in over TLS; edge i on port + i."""
    environ = selfmade.variables(tmp_path)
    assert selfmade.variables(tmp_path) == environ
    made = planned(Options(data=tmp_path, edges=2, tls=True), environ, http)
    specs = {spec.name: spec for stage in made.stages for spec in stage}
    command = specs["simulator"].command
    assert "wss://127.0.0.1:9444/ocpp" in command
    assert str(tmp_path / "tls" / "ca.pem") in command
    assert dict(specs["edge-1"].urls)["over TLS"] == "wss://127.0.0.1:9444/ocpp/<station id>"
    context = Tls(load(environ)).context
    assert len(context.get_ciphers()) >= 6
    ca, before = tmp_path / "tls" / "ca.pem", (tmp_path / "tls" / "rsa.pem").read_bytes()
    assert (ca.stat().st_mode & 0o077, (tmp_path / "tls").stat().st_mode & 0o077) == (0, 0)
    ca.write_text("nonsense")
    selfmade.variables(tmp_path)
    assert (tmp_path / "tls" / "rsa.pem").read_bytes() != before


async def test_a_given_redis_replaces_the_embedded_one(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """With AMPSTREAM_REDIS_URL no Valkey is started, and every process gets that URL."""
    made = planned(Options(data=tmp_path, stations=0), {"AMPSTREAM_REDIS_URL": "redis://h:1/0"}, http)
    assert (made.embedded, made.redis_url) == (False, "redis://h:1/0")
    assert names(made) == [["worker-0"], ["edge-0"]]


async def test_unknown_stations_are_accepted_unless_somebody_says_otherwise(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """`up` accepts unknown stations; the environment and the option each change that."""

    def policy(environ: dict[str, str], **given: object) -> str:
        made = planned(Options(data=tmp_path), environ, http, **given)
        return made.stages[-2][0].environ["AMPSTREAM_UNKNOWN_STATIONS"]

    assert policy({}) == "accept"
    assert policy({"AMPSTREAM_UNKNOWN_STATIONS": "reject"}) == "reject"
    assert policy({"AMPSTREAM_UNKNOWN_STATIONS": "accept"}, unknown_stations="reject") == "reject"


async def test_urls_are_reachable_ones() -> None:
    """A listener on every address is shown under one that can be dialled."""
    loaded = load_with_sources({"AMPSTREAM_STATION_HOST": "0.0.0.0", "AMPSTREAM_OPERATOR_HOST": "::1"})
    assert plan.station_url(loaded.settings) == "ws://127.0.0.1:9000/ocpp"
    assert plan.operator_url(loaded.settings, 1) == "http://[::1]:8081"


async def test_probes_tell_why_not(http: aiohttp.ClientSession) -> None:
    """A probe of nobody says so instead of raising."""
    assert await plan.http_probe(http, f"http://127.0.0.1:{free_port()}")() == "does not answer yet"
    assert await plan.redis_probe(f"redis://127.0.0.1:{free_port()}")() == "does not answer yet"


def test_taken_ports_are_all_named() -> None:
    """Each port in use is told with the option that changes it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(click.ClickException, match=f"port {port} .* --station-port"):
            lock.check_ports([("127.0.0.1", port, "--station-port"), ("127.0.0.1", free_port(), "--http-port")])


def test_ports_that_meet_are_named() -> None:
    """Two of our own listeners on one port are told before anything starts; port 0 is any port, twice too."""
    port = free_port()
    with pytest.raises(click.ClickException, match=f"port {port} .* --station-port and --http-port"):
        lock.check_ports([("127.0.0.1", port, "--station-port"), ("127.0.0.1", port, "--http-port")])
    lock.check_ports([("127.0.0.1", 0, "--station-port"), ("127.0.0.1", 0, "--http-port")])


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--stations", "-1"], "--stations"),
        (["--edges", "0"], "--edges"),
        (["--unknown-stations", "perhaps"], "--unknown-stations"),
        (["--station-port", "70000"], "--station-port"),
    ],
)
def test_bad_options_are_named(arguments: list[str], part: str) -> None:
    """A wrong option ends with 2 and its name."""
    result = CliRunner().invoke(up, arguments)
    assert result.exit_code == 2
    assert part in result.output


def test_a_data_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    """A data directory under a file is an error that names it."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(click.ClickException, match="cannot use the data directory"),
        lock.data_directory(tmp_path / "file" / "x"),
    ):
        pass


def test_figures_in_words() -> None:
    """Figures read like a sentence, and a dash stands for what is not known."""
    figures = status.Figures(online=1234, open_transactions=3, energy_wh=12_345, calls_per_s=7.25)
    assert figures.words() == ["1,234 stations online", "3 charging", "12.35 kWh in 24 h", "7.2 calls/s"]
    assert status.Figures().words()[0] == "- stations online"
