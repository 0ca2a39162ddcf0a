"""Every setting: its name, type, default, bounds, unit and meaning.

The variable of `redis_url` is `AMPSTREAM_REDIS_URL`. Names end in their unit where they have one. Order and the helper
of a field give its place in the generated docs.
"""

from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from shared.settings.demand import DemandSettings
from shared.settings.secret import Secret, SecretUrl


def _about(group: str, text: str, unit: str = "", **bounds: Any) -> msgspec.Meta:
    """Describe one field: `bounds` are msgspec's (`ge`, `le`, `gt`, `pattern`, ...)."""
    return msgspec.Meta(description=text, extra={"group": group, "unit": unit}, **bounds)


_redis = partial(_about, "Redis")
_listen = partial(_about, "Listeners")
_policy = partial(_about, "Policy")
_security = partial(_about, "Security of stations")
_socket = partial(_about, "Connections")
_closed = partial(_about, "Failing closed")
_presence = partial(_about, "Presence")
_worker = partial(_about, "Workers")
_charging = partial(_about, "Charging and commands")
_configuration = partial(_about, "Configuration of stations")
_keep = partial(_about, "Retention")
_people = partial(_about, "Operators' logins")
_log = partial(_about, "Logs")
_trace = partial(_about, "Traces")


class Settings(DemandSettings, frozen=True, kw_only=True):
    """The effective configuration of one process; see `shared.settings.load` for where it comes from."""

    redis_url: Annotated[SecretUrl, _redis("Where Redis or Valkey answers; may hold user and password.")] = SecretUrl(
        "redis://127.0.0.1:6379/0"
    )
    require_durable: Annotated[
        bool,
        _redis(
            "Refuse to serve unless Redis syncs every write to disk and evicts nothing; off is for developers only."
        ),
    ] = True
    replica_barrier: Annotated[
        int, _redis("Replicas that must have a commit on disk before it is answered (WAITAOF); 0: none.", ge=0, le=16)
    ] = 0
    replica_barrier_timeout_s: Annotated[
        float, _redis("How long a commit waits for those replicas before it counts as failed.", "s", gt=0, le=60)
    ] = 2.0
    redis_connect_timeout_s: Annotated[float, _redis("Limit for opening a connection.", "s", gt=0, le=60)] = 2.0
    redis_timeout_s: Annotated[
        float, _redis("Limit for one answer, beyond what a blocking read waits by itself.", "s", gt=0, le=300)
    ] = 5.0
    partitions: Annotated[
        int,
        _redis("Uplink streams, written into an empty Redis at first start; later changes there count.", ge=1, le=256),
    ] = 1

    station_host: Annotated[str, _listen("Address of the stations' listener.", min_length=1)] = "127.0.0.1"
    station_port: Annotated[int, _listen("Port of the stations' listener.", ge=0, le=65535)] = 9000
    operator_host: Annotated[str, _listen("Address of the operators' listener.", min_length=1)] = "127.0.0.1"
    http_port: Annotated[int, _listen("Port of the operators' listener.", ge=0, le=65535)] = 8080
    worker_host: Annotated[str, _listen("Address where a worker serves health and metrics.", min_length=1)] = (
        "127.0.0.1"
    )
    worker_port: Annotated[int, _listen("Port where a worker serves health and metrics.", ge=0, le=65535)] = 8180
    path_prefix: Annotated[
        str,
        _listen(
            "Path before the station id: stations dial ws://HOST:PORT<prefix>/<id>.",
            pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        ),
    ] = "/ocpp"
    public_url: Annotated[
        str, _listen("URL under which people reach the API, for links in answers; empty: as requested.")
    ] = ""
    trusted_proxies: Annotated[
        str, _listen("Addresses or networks, comma separated, whose X-Forwarded-For is believed.")
    ] = ""
    proxy_protocol: Annotated[
        Literal["off", "trusted"],
        _listen("Whether trusted proxies begin a station's connection with a PROXY header: never, or always."),
    ] = "off"

    unknown_stations: Annotated[
        Literal["accept", "reject"], _policy("What happens to a station that nobody created: registered, or 401.")
    ] = "reject"
    unknown_tags: Annotated[
        Literal["accept", "reject"], _policy("What happens to an id tag that nobody created: Accepted, or Invalid.")
    ] = "reject"
    boot_policy: Annotated[
        Literal["accept", "pending", "reject"], _policy("Registration of a station at its first BootNotification.")
    ] = "accept"
    default_subprotocol: Annotated[
        Literal["", "ocpp1.6"],
        _policy("Taken for a station that offers no known subprotocol; empty: such a socket is closed."),
    ] = ""
    heartbeat_interval_s: Annotated[
        int, _policy("Heartbeat interval told to a station that is accepted.", "s", ge=1, le=86400)
    ] = 60
    boot_retry_s: Annotated[
        int, _policy("Wait told to a station that is pending or rejected before it boots again.", "s", ge=1, le=86400)
    ] = 30

    tls_certificates: Annotated[
        str,
        _security(
            "PEM files with a certificate's chain and its key, comma separated, one of each kind (RSA, ECDSA), or "
            "CHAIN:KEY; they turn the TLS listener on.",
        ),
    ] = ""
    tls_port: Annotated[int, _security("Port of the stations' TLS listener.", ge=0, le=65535)] = 9443
    tls_only: Annotated[bool, _security("Serve stations over TLS alone: the port without it stays shut.")] = False
    tls_min_version: Annotated[Literal["1.2", "1.3"], _security("Oldest TLS version that is spoken.")] = "1.2"
    tls_ca_file: Annotated[
        str,
        _security("PEM file with the authorities that may sign stations' certificates, beside the built-in one."),
    ] = ""
    tls_crl_file: Annotated[
        str, _security("PEM file with their revocation lists; a certificate on one is refused.")
    ] = ""
    tls_reload_s: Annotated[
        float, _security("How often these files are looked at; SIGHUP does so at once.", "s", gt=0, le=3600)
    ] = 10.0
    operator_name: Annotated[
        str, _security("Organisation (O) that stations' certificates must name, and are made for; empty: any.")
    ] = ""
    certificate_authority: Annotated[
        Literal["off", "builtin", "http"],
        _security("Who signs stations' certificates: nobody, Ampstream itself, or whoever answers at ca_url."),
    ] = "off"
    ca_passphrase: Annotated[Secret, _security("Encrypts the key of the built-in authority in Redis.")] = Secret("")
    ca_key_type: Annotated[
        Literal["ecdsa", "rsa"], _security("Kind of key that the built-in authority makes for itself, once.")
    ] = "ecdsa"
    ca_url: Annotated[
        str,
        _security("Where an external authority takes requests (docs/security.md).", pattern=r"^(https?://[^@\s]+)?$"),
    ] = ""
    ca_token: Annotated[Secret, _security("Bearer token for ca_url.")] = Secret("")
    ca_timeout_s: Annotated[float, _security("Limit for its answer.", "s", gt=0, le=300)] = 10.0
    certificate_days: Annotated[int, _security("How long a certificate counts that is made.", "d", ge=1, le=3650)] = 365
    certificate_renew_days: Annotated[
        int, _security("A station is asked for a new one so long before its certificate ends.", "d", ge=0, le=365)
    ] = 30

    max_connections: Annotated[int, _socket("Stations that one edge holds; more are answered 503.", ge=1)] = 20000
    ping_interval_s: Annotated[
        float, _socket("WebSocket ping per station after so much silence; 0: none.", "s", ge=0, le=3600)
    ] = 30.0
    call_timeout_s: Annotated[
        float, _socket("A station's CALL unanswered for so long closes its socket.", "s", gt=0, le=600)
    ] = 20.0
    handshake_timeout_s: Annotated[
        float, _socket("Limit for the request headers and for the login.", "s", gt=0, le=120)
    ] = 10.0
    write_timeout_s: Annotated[
        float, _socket("A station that reads nothing for so long is closed.", "s", gt=0, le=600)
    ] = 8.0
    max_frame_bytes: Annotated[int, _socket("Largest text frame.", "B", ge=1024, le=262144)] = 262144
    max_json_depth: Annotated[int, _socket("Deepest nesting inside a frame.", ge=9, le=64)] = 32
    inbound_queue: Annotated[
        int, _socket("CALLs of one station waiting at the edge behind the one in flight.", ge=1, le=1024)
    ] = 16
    outbound_queue: Annotated[
        int, _socket("Frames waiting for one station's socket; one more closes it.", ge=1, le=4096)
    ] = 64
    connect_rate: Annotated[
        float, _socket("Upgrades that one edge admits per second, after the burst.", "1/s", gt=0)
    ] = 400.0
    connect_burst: Annotated[int, _socket("Upgrades admitted at once before the rate holds.", ge=1)] = 400
    auth_failures: Annotated[
        int, _socket("Failed logins per address and per identity in a minute before 429.", ge=1)
    ] = 20
    drain_s: Annotated[
        float, _socket("Limit of an orderly shutdown: answers finish, then sockets close in waves.", "s", ge=0, le=600)
    ] = 20.0

    canary_interval_s: Annotated[
        float, _closed("Time between the probes that an edge sends to each partition.", "s", gt=0, le=60)
    ] = 1.0
    silence_close_s: Annotated[
        float,
        _closed("No answer at all for so long while one is due: sockets close, upgrades get 503.", "s", gt=0, le=60),
    ] = 4.0
    append_close_s: Annotated[
        float, _closed("Appends failing for so long: sockets close, upgrades get 503.", "s", gt=0, le=60)
    ] = 2.0
    reopen_canaries: Annotated[int, _closed("Probes answered in a row before an edge opens again.", ge=1, le=60)] = 2
    memory_limit_percent: Annotated[
        int, _closed("Edges stop appending above this share of Redis's maxmemory.", "%", ge=10, le=99)
    ] = 85

    presence_grace_s: Annotated[
        float, _presence("Added to twice the interval to give the TTL of a station's presence.", "s", ge=0, le=600)
    ] = 10.0
    presence_min_s: Annotated[float, _presence("Shortest TTL.", "s", gt=0, le=3600)] = 30.0
    presence_max_s: Annotated[float, _presence("Longest TTL.", "s", gt=0, le=86400)] = 900.0
    sweep_interval_s: Annotated[
        float, _presence("Time between looks for stations whose TTL ran out.", "s", gt=0, le=4)
    ] = 1.0
    node_ttl_s: Annotated[
        float, _presence("An edge or worker not heard of for so long counts as dead.", "s", gt=0, le=600)
    ] = 10.0

    batch_frames: Annotated[int, _worker("Uplink entries that a worker takes at once.", ge=1, le=4096)] = 256
    kept_stations: Annotated[
        int, _worker("Stations whose decoded state a worker keeps; about 4 KiB each. 0: none.", ge=0, le=1_000_000)
    ] = 20_000
    claim_idle_s: Annotated[
        float, _worker("An entry unsettled for so long is taken over by another worker.", "s", gt=0, le=600)
    ] = 8.0
    lone_attempts: Annotated[int, _worker("Tries of an entry alone before it goes to quarantine.", ge=1, le=100)] = 3

    boot_hold_s: Annotated[
        float,
        _charging("Commands wait for the answer to a boot, or so long after a connect without one.", "s", ge=0, le=600),
    ] = 30.0
    command_timeout_s: Annotated[
        float, _charging("A command that the station does not answer for so long is timed out.", "s", gt=0, le=3600)
    ] = 30.0
    start_failure_s: Annotated[
        float,
        _charging(
            "An accepted remote start without a transaction, or stop without its end, for so long has failed.",
            "s",
            gt=0,
            le=86400,
        ),
    ] = 120.0
    limit_grace_s: Annotated[
        float,
        _charging(
            "How long a limit was in force before a station that draws more is held to it; two readings in a row.",
            "s",
            ge=0,
            le=3600,
        ),
    ] = 60.0
    reconcile_after_s: Annotated[
        float,
        _charging(
            "Wait for queued stops before a transaction that is provably over is closed.",
            "s",
            gt=0,
            le=604800,
        ),
    ] = 300.0

    configuration_read_s: Annotated[
        float,
        _configuration(
            "How often a station's configuration is read, give or take a quarter, beside after each accepted boot; "
            "0: never, after a boot neither.",
            "s",
            ge=0,
            le=2592000,
        ),
    ] = 86400.0
    configuration_station_bytes: Annotated[
        int, _configuration("Keys of a station's configuration beyond so much are left out.", "B", ge=1024, le=1048576)
    ] = 65536
    configuration_versions: Annotated[
        int, _configuration("Versions of its configuration, and drifts, kept per station.", ge=1, le=10000)
    ] = 100
    reboot_idle_s: Annotated[
        float,
        _configuration(
            "A station that must reboot for a template's sake has had no transaction for so long before.",
            "s",
            ge=0,
            le=86400,
        ),
    ] = 120.0
    quirk_profiles_dir: Annotated[
        str, _configuration("Directory with further quirk profiles, *.toml, read when a worker starts; empty: none.")
    ] = ""
    firmware_settle_s: Annotated[
        float,
        _configuration(
            "After so long a firmware has shown the error codes and measurands that it shows.", "s", gt=0, le=31536000
        ),
    ] = 604800.0

    job_concurrency: Annotated[
        int, _charging("Stations of a job that are active at a time, where the job does not say.", ge=1, le=100_000)
    ] = 50
    job_rate_per_s: Annotated[
        float, _charging("Stations that a job begins per second, where the job does not say.", "1/s", gt=0, le=10_000)
    ] = 10.0
    job_jitter_s: Annotated[
        float,
        _charging("A job begins each station up to so much later, where the job does not say.", "s", ge=0, le=3600),
    ] = 1.0
    job_max_concurrency: Annotated[
        int,
        _charging("Stations active at a time over all jobs, and the most that a job may ask for.", ge=1, le=100_000),
    ] = 500
    job_max_rate_per_s: Annotated[
        float,
        _charging(
            "Stations begun per second over all jobs, and the most that a job may ask for.", "1/s", gt=0, le=10_000
        ),
    ] = 100.0
    site_round_s: Annotated[
        float, _charging("How often a site's capacity is shared anew among its stations.", "s", ge=1, le=300)
    ] = 5.0

    event_retention_s: Annotated[int, _keep("Age at which events leave the event stream.", "s", ge=1)] = 604800
    event_max_bytes: Annotated[int, _keep("Size at which the oldest events leave early.", "B", ge=1048576)] = 536870912
    quarantine_station_bytes: Annotated[int, _keep("Quarantine of one station; the oldest leave.", "B", ge=1024)] = (
        1048576
    )
    quarantine_total_bytes: Annotated[int, _keep("Quarantine in total; the oldest leave.", "B", ge=1024)] = 268435456
    history_station_bytes: Annotated[
        int, _keep("Security events, late facts and status history of one station; the oldest leave.", "B", ge=1024)
    ] = 262144
    history_total_bytes: Annotated[
        int, _keep("The same over all stations; those with the most give their oldest.", "B", ge=1048576)
    ] = 1073741824
    command_history: Annotated[
        int, _keep("Ended commands kept per station, for seven days at most.", ge=1, le=10000)
    ] = 100
    job_retention_s: Annotated[
        int, _keep("Jobs over many stations are forgotten so long after their end.", "s", ge=60)
    ] = 2592000
    site_history_s: Annotated[
        int, _keep("Age at which minutes leave a site's history of limits and loads.", "s", ge=3600)
    ] = 172800

    audit_retention_s: Annotated[
        int, _keep("Age at which entries leave the audit log, behind an entry that says so.", "s", ge=86400)
    ] = 31536000
    audit_max_bytes: Annotated[
        int, _keep("Size at which the oldest entries of the audit log leave early.", "B", ge=1048576)
    ] = 268435456
    security_event_retention_s: Annotated[int, _keep("Age at which security events leave.", "s", ge=60)] = 7776000
    security_event_max: Annotated[
        int, _keep("Security events kept; stations with the most give their oldest.", ge=100, le=10000000)
    ] = 100000

    operator_auth_failures: Annotated[
        int, _people("Bad tokens from one address in a minute before 429; good ones that are known still pass.", ge=1)
    ] = 20
    oidc_issuer: Annotated[
        str,
        _people(
            "Issuer of people's tokens, an OpenID provider (docs/security.md); empty: API tokens only.",
            pattern=r"^(https://[^@\s?#]+|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?[^@\s?#]*)?$",
        ),
    ] = ""
    oidc_audience: Annotated[str, _people("What a person's token must be for (`aud`): this API's name there.")] = ""
    oidc_client_id: Annotated[str, _people("Client of `ampstream login` there, a public one; empty: no login.")] = ""
    oidc_login_scope: Annotated[str, _people("What `ampstream login` asks for.")] = "openid profile offline_access"
    oidc_scopes_claim: Annotated[
        str, _people("Claim that says what a person may: a text, a list, or a path such as `realm_access.roles`.")
    ] = "groups"
    oidc_scopes: Annotated[
        str, _people("What its values allow: `value=read|operate|admin`, comma separated; `*` is any value.")
    ] = ""
    oidc_name_claim: Annotated[str, _people("Claim by which a person is named in the audit log.")] = (
        "preferred_username"
    )

    log_format: Annotated[Literal["console", "json"], _log("Lines for people or for machines.")] = "json"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _log("The least severity that is written.")] = (
        "info"
    )

    traces_endpoint: Annotated[
        str,
        _trace(
            "OTLP/HTTP endpoint that traces go to, e.g. http://collector:4318; empty: no traces (docs/tracing.md).",
            pattern=r"^(https?://[^@\s]+)?$",
        ),
    ] = ""
    traces_ratio: Annotated[
        float, _trace("Share of frames and requests that are followed where no caller decides.", ge=0, le=1)
    ] = 0.01
