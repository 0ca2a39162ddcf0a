"""compose.yaml: a valid one, that confines, bounds and hides what it runs, and whose parts agree with each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import click
import pytest
import yaml

from ampstream.cli import main
from ampstream.up import valkey
from shared.settings import Settings, load
from tests.chaos.harness.processes import ROOT
from tests.deploy.balancer import CONFIG, binary
from tests.deploy.users import make_secrets

BIN: Final = Path(sys.executable).parent
PUBLISHED: Final = {"haproxy", "grafana"}
OURS: Final = {"edge-1", "edge-2", "worker-1", "worker-2"}
SERVICES: Final = (
    *("valkey", "edge-1", "edge-2", "worker-1", "worker-2", "haproxy", "redis-exporter", "prometheus"),
    *("alertmanager", "grafana", "demo"),
)


@cache
def compose() -> Any:
    """The file, anchors resolved."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@cache
def over_tls() -> Any:
    """What deploy/compose.tls.yaml lays over it."""
    return yaml.safe_load((ROOT / "deploy" / "compose.tls.yaml").read_text())


def service(name: str, *, tls: bool = False) -> Any:
    """One service; with `tls` as it is with deploy/compose.tls.yaml: variables are merged, lists joined."""
    found = compose()["services"][name]
    more = over_tls()["services"].get(name, {}) if tls else {}
    return found | {
        key: found.get(key, {}) | value if isinstance(value, dict) else [*found.get(key, []), *value]
        for key, value in more.items()
    }


def seconds(text: str) -> int:
    """Read a duration."""
    return int(text.removesuffix("s"))


def filled(text: str, environ: dict[str, str] | None = None) -> str:
    """Put in variables as compose does: `${NAME:-default}`, and `${NAME:+text}` where there is one."""

    def value(match: re.Match[str]) -> str:
        given = (environ or {}).get(match[1], "")
        return given or match[3] if match[2] == "-" else given and match[3]

    return re.sub(r"\$\{(\w+):([-+])([^}]*)\}", value, text)


def program(name: str) -> str:
    """Return the path of a program of the virtualenv or of the system."""
    found = shutil.which(name, path=f"{BIN}:{os.environ['PATH']}")
    assert found, f"{name} is missing"
    return found


def test_it_is_valid() -> None:
    """It follows the Compose specification's schema, and so does what TLS lays over it."""
    files = [str(ROOT / name) for name in ("compose.yaml", "deploy/compose.tls.yaml")]
    command = [program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_these_services_run() -> None:
    """Two edges behind HAProxy, two workers, Valkey, all that watches them, and a fleet for who asks for it."""
    assert set(compose()["services"]) == set(SERVICES)
    assert [name for name in SERVICES if "profiles" in service(name)] == ["demo"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_is_bounded_and_confined(name: str) -> None:
    """Limits, a grace period, descriptors, no privileges, no writable image, a pinned version, a way to tell health."""
    about = service(name)
    limits = about["deploy"]["resources"]["limits"]
    assert limits.keys() >= {"cpus", "memory"}
    assert seconds(about["stop_grace_period"]) >= 10
    assert about["ulimits"]["nofile"]["hard"] >= about["ulimits"]["nofile"]["soft"] > 0
    assert about["read_only"] is True
    assert about["cap_drop"] == ["ALL"]
    assert about["security_opt"] == ["no-new-privileges:true"]
    assert about["restart"] == "unless-stopped"
    assert about["logging"]["options"]["max-size"]
    assert re.search(r":v?\d+\.\d+\.\d+(-alpine)?$", about["image"]), about["image"]
    # Ours has its check in the image; redis_exporter's image has nothing to check with, Prometheus scrapes it.
    assert "healthcheck" in about or name in OURS or name == "redis-exporter"


def test_nothing_is_reachable_but_haproxy_and_grafana() -> None:
    """Two services publish ports; stations alone reach every address. The other networks have no way out."""
    published = {name: service(name).get("ports", []) for name in SERVICES}
    assert {name for name, ports in published.items() if ports} == PUBLISHED
    ports = [filled(each) for name in PUBLISHED for each in published[name]]
    assert sorted(ports) == ["127.0.0.1:3000:3000", "127.0.0.1:8080:8080", "9000:9000", "9080:9080"]
    networks = compose()["networks"]
    assert {name for name, about in networks.items() if not about.get("internal")} == {"outside"}
    assert {name for name in SERVICES if "outside" in service(name)["networks"]} == {*PUBLISHED, "alertmanager"}
    assert {name for name in SERVICES if "bus" in service(name)["networks"]} == {*OURS, "valkey", "redis-exporter"}
    assert not any("network_mode" in service(name) or "privileged" in service(name) for name in SERVICES)


def test_passwords_are_files(tmp_path: Path) -> None:
    """Every secret is a file that deploy/secrets.sh makes, and no environment holds one."""
    made = {path.name for path in make_secrets(tmp_path / "secrets").iterdir()}
    secrets = compose()["secrets"] | over_tls()["secrets"]
    assert {name: about["file"] for name, about in secrets.items()} == {
        name: f"./deploy/secrets/{name}" for name in made
    }
    for name in SERVICES:
        about = service(name, tls=True)
        for variable, value in about.get("environment", {}).items():
            if re.search(r"PASSWORD|PASSPHRASE|TOKEN|KEY|URL", variable) and variable != "AMPSTREAM_TRANSFER_URL":
                assert value.startswith("/run/secrets/"), f"{name}: {variable}"
                assert value.removeprefix("/run/secrets/") in about["secrets"]


def test_what_is_mounted_exists() -> None:
    """Every bind mount's source is in the repository, and is mounted read-only; every volume is declared."""
    for name in SERVICES:
        for mount in service(name).get("volumes", []):
            source, _, rest = mount.partition(":")
            if source.startswith("./"):
                assert (ROOT / source).exists(), mount
                assert rest.endswith(":ro"), mount
            else:
                assert source in compose()["volumes"], mount


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_settings_are_right(name: str, tmp_path: Path) -> None:
    """Edges and workers load their settings, and listen where others look for them."""
    secrets = make_secrets(tmp_path)
    environ = {variable: filled(str(value)) for variable, value in service(name)["environment"].items()}
    environ["AMPSTREAM_REDIS_URL_FILE"] = environ["AMPSTREAM_REDIS_URL_FILE"].replace("/run/secrets", str(secrets))
    settings = load(environ)
    role = name.partition("-")[0]
    assert settings.redis_url.reveal().startswith(f"redis://{role}:")
    assert settings.redis_url.reveal().endswith("@valkey:6379/0")
    assert (settings.unknown_stations, settings.unknown_tags) == ("reject", "reject")
    assert seconds(service(name)["stop_grace_period"]) >= settings.drain_s + 5
    if role == "edge":
        assert service(name)["ulimits"]["nofile"]["hard"] >= settings.max_connections + 500
        balancer = service("haproxy")
        address = balancer["networks"]["front"]["ipv4_address"]
        (subnet,) = compose()["networks"]["front"]["ipam"]["config"]
        assert settings.trusted_proxies == address
        assert ip_address(address) in ip_network(subnet["subnet"])
        number = name[-1]
        assert balancer["environment"][f"EDGE_{number}"] == f"{name}:{settings.station_port}"
        assert balancer["environment"][f"EDGE_{number}_HTTP"] == f"{name}:{settings.http_port}"
        assert balancer["environment"][f"EDGE_{number}_CHECK"] == str(settings.http_port)


@pytest.mark.parametrize("name", sorted(OURS))
def test_files_are_there_once_their_address_is_said(name: str, tmp_path: Path) -> None:
    """With AMPSTREAM_TRANSFER_URL all send stations there, and edges serve one volume; without it there are none."""
    secrets = make_secrets(tmp_path)

    def with_url(url: str) -> Settings:
        given = {key: filled(str(value), {"AMPSTREAM_TRANSFER_URL": url}) for key, value in variables.items()}
        given["AMPSTREAM_REDIS_URL_FILE"] = given["AMPSTREAM_REDIS_URL_FILE"].replace("/run/secrets", str(secrets))
        return load(given)

    variables = service(name)["environment"]
    url = "https://files.example.com:9080"
    settings, without = with_url(url), with_url("")
    assert (without.transfer_dir, without.transfer_url, settings.transfer_url) == ("", "", url)
    if name.startswith("worker"):
        # Its own doctor must not look for a directory that it does not have.
        assert (settings.transfer_dir, service(name).get("volumes")) == ("", None)
        return
    assert settings.transfer_host == "0.0.0.0"
    # The root is read-only, and the image's user owns this directory: a new volume takes its owner from there.
    assert service(name)["volumes"] == [f"files:{settings.transfer_dir}"]
    assert f"--owner 10001 --group 10001 --mode 0700 {settings.transfer_dir}\n" in (ROOT / "Dockerfile").read_text()
    balancer = service("haproxy")["environment"]
    assert balancer[f"EDGE_{name[-1]}_FILES"] == f"{name}:{settings.transfer_port}"
    assert balancer["FILES_BIND"] == ":9080"


def test_tls_is_there_for_who_asks_for_it(tmp_path: Path) -> None:
    """With deploy/compose.tls.yaml edges end TLS behind a port that HAProxy passes on; workers sign certificates."""
    secrets = make_secrets(tmp_path)

    def settings(name: str) -> Settings:
        given = {key: filled(str(value)) for key, value in service(name, tls=True)["environment"].items()}
        return load({key: value.replace("/run/secrets", str(secrets)) for key, value in given.items()})

    balancer = service("haproxy", tls=True)
    bind = balancer["environment"]["TLS_BIND"]
    assert filled(balancer["ports"][-1]) == f"9443{bind}"
    for number in (1, 2):
        edge, worker = settings(f"edge-{number}"), settings(f"worker-{number}")
        (place,) = [one for one in service(f"edge-{number}", tls=True)["volumes"] if one.endswith(":/run/tls:ro")]
        assert place.startswith("./deploy/secrets/")  # Never committed.
        assert edge.tls_certificates.startswith("/run/tls/")
        assert balancer["environment"][f"EDGE_{number}_TLS"] == f"edge-{number}:{edge.tls_port}"
        assert (edge.proxy_protocol, balancer["environment"]["EDGE_OPTIONS"]) == ("trusted", "send-proxy-v2-ssl")
        assert (worker.certificate_authority, bool(worker.ca_passphrase)) == ("builtin", True)
        assert "tls_certificates" not in service(f"edge-{number}")["environment"]
    assert not any("9443" in port for port in service("haproxy")["ports"])


@pytest.mark.parametrize("name", [*sorted(OURS), "demo"])
def test_the_commands_exist(name: str) -> None:
    """What the image is told to run is a command of `ampstream`, with the options it has."""
    words = [filled(str(word)) for word in service(name)["command"]]
    context = click.Context(main)
    command = main.get_command(context, words[0])
    assert command is not None
    with command.make_context(words[0], words[1:]):
        pass


def test_the_demo_lets_its_fleet_in() -> None:
    """With deploy/demo.env the fleet runs, and strangers are let in; without it neither."""
    lines = (ROOT / "deploy" / "demo.env").read_text().splitlines()
    environ = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert environ.pop("COMPOSE_PROFILES") == "demo"
    given = service("edge-1")["environment"]
    settings = load({name: filled(given[name], environ) for name in given if name in environ})
    assert (settings.unknown_stations, settings.unknown_tags) == ("accept", "accept")
    # The fleet is where HAProxy has this name.
    assert settings.transfer_url == "http://haproxy:9080"
    assert set(service("demo")["networks"]) <= set(service("haproxy")["networks"])


def test_prometheus_scrapes_who_runs(tmp_path: Path) -> None:
    """Its configuration passes its own check as it is mounted, and its targets are services, at their ports."""
    mounts = dict(each.split(":")[:2] for each in service("prometheus")["volumes"])
    for source, target in mounts.items():
        if source.startswith("./"):
            shutil.copytree(ROOT / source, tmp_path / target.strip("/"))
    (option,) = [each for each in service("prometheus")["command"] if each.startswith("--config.file=")]
    config = tmp_path / option.partition("=/")[2]
    done = subprocess.run([program("promtool"), "check", "config", str(config)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout
    defaults = Settings()
    targets = {
        target
        for path in (ROOT / "grafana" / "prometheus" / "targets").glob("*.yaml")
        for group in yaml.safe_load(path.read_text())
        for target in group["targets"]
    }
    ports = {"edge": defaults.http_port, "worker": defaults.worker_port}
    assert targets == {f"{name}:{ports[name.partition('-')[0]]}" for name in OURS} | {"redis-exporter:9121"}
    assert all("watch" in service(target.partition(":")[0])["networks"] for target in targets)
    (manager,) = yaml.safe_load(config.read_text())["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": ["alertmanager:9093"]}]


def test_alertmanager_finds_what_it_reads() -> None:
    """Its configuration passes its own check, and every file that it names is mounted as a secret."""
    (mount,) = [each for each in service("alertmanager")["volumes"] if each.startswith("./")]
    path = ROOT / mount.split(":")[0]
    done = subprocess.run([program("amtool"), "check-config", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    named = set(re.findall(r"_file: (\S+)", path.read_text()))
    assert named == {each["target"] for each in service("alertmanager")["secrets"]}


def test_grafana_finds_prometheus() -> None:
    """Its data source is the provisioned one but for the address; dashboards lie where they are looked for."""
    own = yaml.safe_load((ROOT / "deploy" / "grafana" / "prometheus.yaml").read_text())
    shipped = yaml.safe_load((ROOT / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text())
    assert own["datasources"][0].pop("url") == "http://prometheus:9090"
    del shipped["datasources"][0]["url"]
    assert own == shipped
    mounts = dict(each.split(":")[:2] for each in service("grafana")["volumes"])
    provisioned = yaml.safe_load((ROOT / "grafana" / "provisioning" / "dashboards" / "ampstream.yaml").read_text())
    assert mounts["./grafana/dashboards"] == provisioned["providers"][0]["options"]["path"]
    home = service("grafana")["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "grafana" / "dashboards" / Path(home).name).exists()


def test_haproxy_takes_its_configuration() -> None:
    """HAProxy's own check passes with the environment that it is given here, without files, and with TLS passed on."""
    given, secure = (service("haproxy", tls=tls)["environment"] for tls in (False, True))
    fewer = {name: value for name, value in given.items() if "FILES" not in name}
    for environ in (given, fewer, secure):
        command = [binary(), "-c", "-f", str(CONFIG)]
        done = subprocess.run(command, env=dict(os.environ) | environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "arning" not in done.stderr
    named = set(re.findall(r"\$\{(\w+)", CONFIG.read_text()))
    assert named == set(secure)


def test_valkey_is_the_version_that_tests_run() -> None:
    """The image's minor version is that of the embedded server, with which everything is tested."""
    text = subprocess.run([valkey.binary(), "--version"], capture_output=True, text=True, check=True).stdout
    tested = re.search(r"v=(\d+\.\d+)\.", text)
    assert tested is not None
    assert f"valkey:{tested[1]}." in service("valkey")["image"]


def test_valkeys_configuration_says_what_the_embedded_one_says() -> None:
    """Whatever `ampstream up` tells its Valkey about durability, eviction and events stands in the shipped file too."""
    shipped = (ROOT / "deploy" / "valkey" / "valkey.conf").read_text().splitlines()
    own = ("port", "bind", "unixsocket", "dir", "daemonize", "#")
    embedded = valkey.CONFIG.format(port=0, socket="", directory="", fsync="always").splitlines()
    assert not [line for line in embedded if line and not line.startswith(own) and line not in shipped]
