"""Environment -> `Settings`: every variable is known and well formed, or the error names all that are not."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from shared.bus.lane import Address
from shared.settings.model import Settings
from shared.settings.networks import networks
from shared.settings.people import scope_map
from shared.settings.secret import Secret, SecretUrl
from shared.urls import malformed

PREFIX: Final = "AMPSTREAM_"
FILE_SUFFIX: Final = "_FILE"
CLIENT_VARIABLES: Final = frozenset({"AMPSTREAM_API_URL", "AMPSTREAM_API_TOKEN", "AMPSTREAM_API_TOKEN_FILE"})
"""Read by the operator's commands, not by processes that serve."""

Source = Literal["default", "env", "file", "option"]
_BOOLEANS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


class SettingsError(ValueError):
    """One or more variables are wrong; `problems` has a line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Loaded(msgspec.Struct, frozen=True):
    """Settings, and where each field's value came from."""

    settings: Settings
    sources: dict[str, Source]


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings that the environment asks for.

    Raises `SettingsError` for an unknown `AMPSTREAM_*`, a value of the wrong type or out of bounds, an unreadable
    `*_FILE`, and for values that contradict each other.
    """
    return load_with_sources(environ).settings


def load_with_sources(environ: Mapping[str, str], options: Mapping[str, Any] | None = None) -> Loaded:
    """Return the settings with their sources; `options` are command-line values by field name and win."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    sources: dict[str, Source] = dict.fromkeys(Settings.__struct_fields__, "default")
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in CLIENT_VARIABLES:
            continue
        try:
            field, value, source = _read(variable, environ)
        except SettingsError as error:
            problems += error.problems
            continue
        if field in values:
            problems.append(f"{_variable(field)} and {_variable(field)}{FILE_SUFFIX} are both set; keep one")
        values[field], sources[field] = value, source
    for field, value in (options or {}).items():
        try:
            values[field], sources[field] = _convert(field, "--" + field.replace("_", "-"), str(value)), "option"
        except SettingsError as error:
            problems += error.problems
    if not problems:
        settings = Settings(**values)
        problems = _malformed(settings) + _contradictions(settings)
    if problems:
        raise SettingsError(problems)
    return Loaded(settings, sources)


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _read(variable: str, environ: Mapping[str, str]) -> tuple[str, Any, Source]:
    field = variable.removeprefix(PREFIX).lower()
    if field in FIELDS:
        return field, _convert(field, variable, environ[variable]), "env"
    of_file = field.removesuffix(FILE_SUFFIX.lower())
    if of_file != field and of_file in SECRETS:
        path = environ[variable]
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                [f"{variable}: cannot read {path}: {getattr(error, 'strerror', None) or error}"]
            ) from None
        return of_file, _convert(of_file, variable, text), "file"
    names = [_variable(name) for name in FIELDS] + [_variable(name) + FILE_SUFFIX for name in SECRETS]
    near = difflib.get_close_matches(variable, names, n=1, cutoff=0.75)
    hint = f"; did you mean {near[0]}?" if near else "; `ampstream settings` lists them"
    raise SettingsError([f"{variable} is no setting{hint}"])


def _convert(field: str, variable: str, text: str) -> Any:
    info = FIELDS[field]
    try:
        if info.type is bool:
            return _BOOLEANS[text.strip().lower()]
        return msgspec.convert(text, info.annotation, strict=False, dec_hook=_secret)
    except (KeyError, msgspec.ValidationError):
        shown = "the value" if field in SECRETS else repr(text)
        raise SettingsError([f"{variable}: {shown} is not {info.expectation}"]) from None


def _secret(kind: type, value: Any) -> Any:
    if issubclass(kind, Secret) and isinstance(value, str):
        return kind(value)
    raise NotImplementedError(kind)


def _malformed(settings: Settings) -> list[str]:
    """Return what a field's type can't tell."""
    found = []
    if not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        found.append("AMPSTREAM_REDIS_URL must begin with redis://, rediss:// or unix://")
    else:
        try:
            Address.parse(settings.redis_url.reveal())
        except ValueError as error:
            found.append(f"AMPSTREAM_REDIS_URL: {error}")
    if settings.public_url and not settings.public_url.startswith(("http://", "https://")):
        found.append("AMPSTREAM_PUBLIC_URL must begin with http:// or https://")
    if wrong := malformed(settings.transfer_allowed):
        found.append(f"AMPSTREAM_TRANSFER_ALLOWED: {', '.join(wrong)}: write scheme://host, without a path")
    try:
        networks(settings.trusted_proxies)
    except ValueError as error:
        found.append(f"AMPSTREAM_TRUSTED_PROXIES: {error}")
    try:
        scope_map(settings.oidc_scopes)
    except ValueError as error:
        found.append(f"AMPSTREAM_OIDC_SCOPES: {error}")
    return found


def _contradictions(settings: Settings) -> list[str]:
    """Return what no single field can tell."""
    found = []
    if settings.presence_min_s > settings.presence_max_s:
        found.append("AMPSTREAM_PRESENCE_MIN_S is above AMPSTREAM_PRESENCE_MAX_S")
    if settings.canary_interval_s >= settings.silence_close_s:
        found.append("AMPSTREAM_CANARY_INTERVAL_S must be below AMPSTREAM_SILENCE_CLOSE_S, else every pause closes")
    if settings.proxy_protocol == "trusted" and not settings.trusted_proxies.strip():
        found.append("AMPSTREAM_PROXY_PROTOCOL=trusted needs AMPSTREAM_TRUSTED_PROXIES: nobody's PROXY header is read")
    if settings.authorizer_url and settings.authorizer_timeout_s >= settings.claim_idle_s:
        found.append(
            "AMPSTREAM_AUTHORIZER_TIMEOUT_S must be below AMPSTREAM_CLAIM_IDLE_S: another worker would take a frame "
            "over that waits for its answer, and ask again"
        )
    same_host = settings.station_host == settings.operator_host
    if same_host and settings.station_port == settings.http_port != 0:
        found.append("AMPSTREAM_STATION_PORT and AMPSTREAM_HTTP_PORT are the same port of the same address")
    return found + _insecure(settings)


def _insecure(settings: Settings) -> list[str]:
    """Return what contradicts itself in who may speak, and how."""
    found = []
    if settings.transfer_tls and not settings.tls_certificates.strip():
        found.append("AMPSTREAM_TRANSFER_TLS needs AMPSTREAM_TLS_CERTIFICATES")
    if settings.tls_only and not settings.tls_certificates.strip():
        found.append("AMPSTREAM_TLS_ONLY needs AMPSTREAM_TLS_CERTIFICATES: nobody could dial in")
    if settings.certificate_authority == "builtin" and not settings.ca_passphrase:
        found.append(
            "AMPSTREAM_CERTIFICATE_AUTHORITY=builtin needs AMPSTREAM_CA_PASSPHRASE: its key is never kept plain"
        )
    if settings.certificate_authority == "http" and not settings.ca_url:
        found.append("AMPSTREAM_CERTIFICATE_AUTHORITY=http needs AMPSTREAM_CA_URL")
    if settings.oidc_issuer and not (settings.oidc_audience and settings.oidc_scopes.strip()):
        # Without an audience a token that was made for somebody else would be good here.
        found.append("AMPSTREAM_OIDC_ISSUER needs AMPSTREAM_OIDC_AUDIENCE and AMPSTREAM_OIDC_SCOPES")
    return found


class Field(msgspec.Struct, frozen=True):
    """What is known of one setting, derived from `Settings`."""

    name: str
    annotation: Any
    type: Any
    default: Any
    group: str
    unit: str
    text: str
    expectation: str

    @property
    def variable(self) -> str:
        """The environment variable, e.g. `AMPSTREAM_REDIS_URL`."""
        return _variable(self.name)


def _fields() -> dict[str, Field]:
    return {field.name: _field(field) for field in msgspec.structs.fields(Settings)}


def _field(field: msgspec.structs.FieldInfo) -> Field:
    base, meta = field.type.__origin__, field.type.__metadata__[0]
    extra = meta.extra or {}
    return Field(
        name=field.name,
        annotation=field.type,
        type=base,
        default=field.default,
        group=extra["group"],
        unit=extra["unit"],
        text=meta.description or "",
        expectation=_expectation(base, meta),
    )


def _expectation(base: Any, meta: msgspec.Meta) -> str:
    if base is bool:
        return "true or false"
    if base in (int, float):
        return ("a whole number" if base is int else "a number") + _bounds(meta)
    if base is SecretUrl:
        return "a URL"
    choices = getattr(base, "__args__", None)
    if choices:
        return "one of " + ", ".join(repr(choice) for choice in choices)
    return "a text" + (f" like {meta.pattern}" if meta.pattern else "")


def _bounds(meta: msgspec.Meta) -> str:
    low, high = meta.ge if meta.ge is not None else meta.gt, meta.le
    if low is None:
        return ""
    if meta.ge is None:
        return f" above {low}" + (f", up to {high}" if high is not None else "")
    return f" from {low} to {high}" if high is not None else f" of {low} or more"


FIELDS: Final = _fields()
SECRETS: Final = tuple(
    name for name, field in FIELDS.items() if isinstance(field.type, type) and issubclass(field.type, Secret)
)
