"""Settings: what the environment says, checked as a whole."""

import re
from pathlib import Path

import msgspec
import pytest

from shared.settings import Secret, SecretUrl, Settings, SettingsError, load, load_with_sources, show
from shared.settings.load import FIELDS


def problems(environ: dict[str, str]) -> list[str]:
    """What is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return caught.value.problems


def test_nothing_set_gives_the_defaults() -> None:
    """An environment without AMPSTREAM_* yields the defaults; other variables do not matter."""
    assert load({"PATH": "/bin", "REDIS_URL": "redis://elsewhere"}) == Settings()


def test_values_are_converted() -> None:
    """Numbers, switches and choices are read from text."""
    settings = load(
        {
            "AMPSTREAM_STATION_PORT": "9100",
            "AMPSTREAM_PING_INTERVAL_S": "0",
            "AMPSTREAM_REQUIRE_DURABLE": "No",
            "AMPSTREAM_UNKNOWN_STATIONS": "accept",
        }
    )
    assert (settings.station_port, settings.ping_interval_s) == (9100, 0.0)
    assert (settings.require_durable, settings.unknown_stations) == (False, "accept")


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("AMPSTREAM_STATION_PORT", "abc", "'abc' is not a whole number from 0 to 65535"),
        ("AMPSTREAM_STATION_PORT", "70000", "from 0 to 65535"),
        ("AMPSTREAM_STATION_PORT", "", "'' is not a whole number"),
        ("AMPSTREAM_CALL_TIMEOUT_S", "nan", "a number above 0"),
        ("AMPSTREAM_CALL_TIMEOUT_S", "0", "a number above 0"),
        ("AMPSTREAM_REQUIRE_DURABLE", "maybe", "true or false"),
        ("AMPSTREAM_UNKNOWN_TAGS", "perhaps", "one of 'accept', 'reject'"),
        ("AMPSTREAM_PATH_PREFIX", "ocpp/", "a text like"),
        ("AMPSTREAM_TRUSTED_PROXIES", "10.0.0.0/8, not-a-network", "'not-a-network' does not appear to be an IPv4"),
        ("AMPSTREAM_TRUSTED_PROXIES", "10.0.0.0/99", "'10.0.0.0/99'"),
        ("AMPSTREAM_REDIS_URL", "http://u:secretword@h", "must begin with redis://"),
    ],
)
def test_a_bad_value_is_named(variable: str, value: str, part: str) -> None:
    """A value of the wrong type or out of bounds is an error with the variable and what it should be."""
    (problem,) = problems({variable: value})
    assert variable in problem
    assert part in problem
    assert "secretword" not in problem


def test_an_unknown_variable_is_named_with_the_near_one() -> None:
    """A misspelt AMPSTREAM_* is an error that suggests the right name."""
    assert problems({"AMPSTREAM_STATION_PROT": "1"}) == [
        "AMPSTREAM_STATION_PROT is no setting; did you mean AMPSTREAM_STATION_PORT?"
    ]


def test_all_problems_come_at_once() -> None:
    """Everything wrong is told in one go."""
    assert len(problems({"AMPSTREAM_STATION_PORT": "x", "AMPSTREAM_XYZ": "1", "AMPSTREAM_HTTP_PORT": "-1"})) == 3


@pytest.mark.parametrize(
    "environ",
    [
        {"AMPSTREAM_PRESENCE_MIN_S": "100", "AMPSTREAM_PRESENCE_MAX_S": "50"},
        {"AMPSTREAM_STATION_PORT": "8080"},
        {"AMPSTREAM_CANARY_INTERVAL_S": "5"},
        {"AMPSTREAM_PROXY_PROTOCOL": "trusted"},
        {
            "AMPSTREAM_AUTHORIZER_TIMEOUT_S": "3",
            "AMPSTREAM_CLAIM_IDLE_S": "3",
            "AMPSTREAM_AUTHORIZER_URL": "http://tags.example.com",
        },
    ],
)
def test_contradictions_are_refused(environ: dict[str, str]) -> None:
    """Values that are right alone and wrong together are an error that names them."""
    (problem,) = problems(environ)
    assert all(variable in problem for variable in list(environ)[:1])


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    """A secret may stand in a file; its last line end does not count."""
    path = tmp_path / "url"
    path.write_text("redis://u:pw@host/1\n")
    loaded = load_with_sources({"AMPSTREAM_REDIS_URL_FILE": str(path)})
    assert loaded.settings.redis_url.reveal() == "redis://u:pw@host/1"
    assert loaded.sources["redis_url"] == "file"


def test_file_problems_are_named(tmp_path: Path) -> None:
    """A missing file, a file for what is no secret, and a secret given twice are errors."""
    assert "cannot read" in problems({"AMPSTREAM_REDIS_URL_FILE": str(tmp_path / "none")})[0]
    assert "is no setting" in problems({"AMPSTREAM_LOG_LEVEL_FILE": "/x"})[0]
    path = tmp_path / "url"
    path.write_text("redis://h")
    both = {"AMPSTREAM_REDIS_URL_FILE": str(path), "AMPSTREAM_REDIS_URL": "redis://h"}
    assert "are both set" in problems(both)[0]


def test_options_win_over_the_environment() -> None:
    """A command-line option beats its variable and is checked like one."""
    loaded = load_with_sources({"AMPSTREAM_STATION_PORT": "9100"}, {"station_port": 9200})
    assert (loaded.settings.station_port, loaded.sources["station_port"]) == (9200, "option")
    with pytest.raises(SettingsError, match="--station-port"):
        load_with_sources({}, {"station_port": 70000})


def test_client_variables_are_no_settings_and_no_error() -> None:
    """The variables of the operator's commands may stand beside the settings."""
    assert load({"AMPSTREAM_API_URL": "http://h", "AMPSTREAM_API_TOKEN": "t"}) == Settings()


def test_secrets_mask_themselves() -> None:
    """A secret never shows in str, repr, f-strings, or in the repr of the settings."""
    secret, url = Secret("hunter2"), SecretUrl("redis://me:hunter2@host/0")
    settings = Settings(redis_url=url)
    shown = f"{secret} {secret!r} {url} {url!r} {settings!r} {secret:>10}" + str(secret) + "%s" % url  # noqa: UP031
    assert "hunter2" not in shown
    assert "redis://me:***@host/0" in shown
    assert secret.reveal() == "hunter2"
    assert type(secret.reveal()) is str


def test_every_way_of_showing_masks() -> None:
    """Table, JSON and Markdown hold every setting and no password."""
    loaded = load_with_sources({"AMPSTREAM_REDIS_URL": "redis://me:hunter2@host/0"})
    rows = {row.variable: row for row in show.rows(loaded)}
    assert set(rows) == {field.variable for field in FIELDS.values()}
    assert rows["AMPSTREAM_REDIS_URL"].value == "redis://me:***@host/0"
    report = msgspec.json.decode(show.as_json(loaded))
    assert report["AMPSTREAM_REDIS_URL"] == {"value": "redis://me:***@host/0", "source": "env"}
    assert report["AMPSTREAM_STATION_PORT"] == {"value": 9000, "source": "default"}
    assert b"hunter2" not in show.as_json(loaded)


def test_every_setting_is_described() -> None:
    """Each field has a meaning, a group, bounds that hold its default, and a line in the docs."""
    page = show.markdown()
    for field in FIELDS.values():
        assert field.text.endswith("."), field.name
        assert field.group, field.name
        assert msgspec.convert(field.default, field.annotation, dec_hook=lambda _kind, value: value) == field.default
        assert f"`{field.variable}`" in page


def test_units_are_in_the_names() -> None:
    """A setting measured in seconds or bytes says so in its name."""
    for field in FIELDS.values():
        if field.unit == "s":
            assert field.name.endswith("_s"), field.name
        if field.unit == "B":
            assert field.name.endswith("_bytes"), field.name
        assert re.fullmatch(r"[a-z0-9_]+", field.name)


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("AMPSTREAM_REDIS_URL", "redis://me:hunter2@host:99999/0", "numbers"),
        ("AMPSTREAM_REDIS_URL", "redis://me:hunter2@host:6379/zero", "numbers"),
        ("AMPSTREAM_REDIS_URL", "redis://me:hun/ter2@host:6379/0", "percent-encoded"),
        ("AMPSTREAM_PUBLIC_URL", "csms.example.org", "https://"),
    ],
)
def test_a_url_that_cannot_be_used_is_told(variable: str, value: str, part: str) -> None:
    """A URL that would fail later is refused at once, by name, and its password is not repeated."""
    with pytest.raises(SettingsError) as refused:
        load({variable: value})
    text = str(refused.value)
    assert variable in text
    assert part in text
    assert "hun" not in text
    assert "ter2" not in text
