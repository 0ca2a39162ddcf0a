"""Every Redis key of Ampstream, in one place.

Keys of one station carry its id as hash tag, so that one script may touch them all, on a cluster too:

    s:{CP1}:state        hash: version token `v`, sections `st se co ch cm cf tu rs sc fw ll pr ke ce`,
                         fences `f:<epoch>`, outbox `o:<epoch|entry>`
    s:{CP1}:session      hash: the newest epoch, the node that holds it (written by `register_session` alone)
    s:{CP1}:door         hash: what an edge must know before the upgrade (key hash, subprotocol, heartbeat interval)
    s:{CP1}:presence     string with TTL: `<node>/<epoch>`
    s:{CP1}:tx:<id>      string: a closed transaction's record        s:{CP1}:txs     zset: its transactions by start
    s:{CP1}:meter:<id>   stream: samples of a transaction             s:{CP1}:samples stream: samples of no transaction
    s:{CP1}:starts       hash: business key of a start -> transaction id
    s:{CP1}:cmd:<id>     string: a command's record                   s:{CP1}:cmds    zset: its ended commands by end
    s:{CP1}:quarantine   hash: frames that nobody understood          s:{CP1}:history stream: facts that came too late,
                                                                                      security events, statuses
    s:{CP1}:config       string: the last snapshot of its configuration
    s:{CP1}:config:history  list: what made each of its configurations out of the one before, the newest first
    s:{CP1}:drifts       hash: significant changes of its configuration
    s:{CP1}:probe        string: the report of its last probe
    s:{CP1}:rsv:<id>     string with TTL: a reservation's record
    s:{CP1}:seen:<hash>  string with TTL: the answer to a call that must not count twice

Keys of one job over many stations carry its id:

    j:{<id>}:job         hash: its record `r`, its state, how many ended with which outcome
    j:{<id>}:stations    zset, scores 0: its stations       j:{<id>}:at:<place>  zset: those that have not ended
    j:{<id>}:results     hash: station -> its result        j:{<id>}:ended       hash: results not yet counted

Keys of firmware and of files are in `firmware_keys`.

Keys of a local authorization list carry the name of its policy:

    l:{<policy>}:head    string: its version               l:{<policy>}:items  zset: its tags by their last change
    l:{<policy>}:at      hash: tag -> its member there

Fleet-wide keys are indexes, streams and counters: derived, and rebuilt by `ampstream doctor --rebuild`.
"""

from __future__ import annotations

import zlib
from typing import Final

GROUP: Final = "workers"
EVENTS: Final = "events"
SPOILT: Final = "spoilt"
"""Stream of uplink entries that were no envelope: a defect, or somebody else's writing."""
JOBS: Final = "jobs"
"""Sorted set: arq's queue."""
SWEEPER: Final = "lock:sweeper"
"""Which worker sweeps at the moment."""
SWEPT: Final = "swept"
"""Hash: `last`: when the last sweep was; `since`: when sweeps began after their last pause (Redis ms)."""
META_SCHEMA: Final = "meta:schema"
"""How new a record may be that workers write (see `schema`)."""
META_PARTITIONS: Final = "meta:partitions"
META_TRANSACTION_ID: Final = "meta:transaction_id"
META_PEPPER: Final = "meta:pepper"
NODES: Final = "nodes"
"""Sorted set of node incarnations by their last heartbeat (Redis ms)."""
WORKERS: Final = "workers"
"""Sorted set of worker incarnations by their last heartbeat (Redis ms)."""
WORKER_SCHEMAS: Final = "workers:schema"
"""Hash: worker incarnation -> the schema that its code knows (see `schema`)."""
TOKENS: Final = "tokens"
"""Hash: digest of an operator's token -> its record."""
TOKENS_USED: Final = "tokens:used"
"""Hash: id of an operator's token -> when and from where it was used last."""
AUDIT: Final = "audit"
"""Stream `<at>-<seq>`: the audit log; see `shared.records.audit`."""
SECURITY: Final = "security"
"""Sorted set of security events (JSON) by receipt (ms)."""
SECURITY_POLICIES: Final = "security:policies"
"""Hash: group (in lower case; `*`: every station) -> the least security profile."""
REVOKED: Final = "certificates:revoked"
"""Hash: id of a certificate (`<serial>/<issuer>`) -> what operators said when they revoked it."""
AUTHORITY: Final = "certificates:authority"
"""Hash: the built-in authority's `certificate` (PEM) and its `key`, encrypted."""
CERTIFICATES: Final = "idx:certificates"
"""Sorted set of `<station>/<serial>` of the certificates that stations have, by when they end (ms)."""
CERTIFICATE_REQUESTS: Final = "certificates:requests"
"""Hash: `<station>/<id>` -> a request for a certificate that nobody has signed yet."""
AUTHORITY_HOLDER: Final = "lock:authority"
"""Which worker signs at the moment."""
STATIONS: Final = "idx:stations"
"""Sorted set, all scores 0: every known station id, in order."""
ONLINE: Final = "idx:online"
"""Hash: stations online -> subprotocol."""
TRANSACTIONS: Final = "idx:transactions"
"""Sorted set of `<id>` by start (ms)."""
TRANSACTIONS_OPEN: Final = "idx:transactions:open"
"""Sorted set of `<id>` of open transactions by start (ms)."""
TRANSACTION_OWNERS: Final = "idx:transactions:owners"
"""Hash: transaction id -> station id."""
NEVER_SEEN: Final = "idx:never_seen"
"""Set: stations that an operator created and that never dialled in."""
COMMANDS_INFLIGHT: Final = "idx:commands:inflight"
"""Set of `<station>/<command id>` of commands that were sent and are not yet answered."""
STUCK: Final = "stuck"
"""How many open transactions look forgotten, as a job counted last."""
CONNECTORS: Final = "idx:connectors"
"""Hash: `<station>/<connector>` -> status."""
TAGS: Final = "idx:tags"
"""Sorted set, all scores 0: every id tag, in order."""
PROFILES: Final = "idx:profiles"
"""Sorted set, all scores 0: every charging profile of the library, in order."""
QUARANTINE: Final = "idx:quarantine"
"""Sorted set of `<station>/<id>` by receipt (ms)."""
MODELS: Final = "models"
"""Hash: model key -> `Model`, of those whose configuration was read."""
MODELS_CHARGING: Final = "models:charging"
"""Hash: model key -> `Abilities`: what probes showed of its smart charging."""
MODEL_OVERRIDES: Final = "models:overrides"
"""Hash: model key -> what operators say of it."""
DRIFT_RULES: Final = "drift:rules"
"""String: which changes of a configuration are significant, where operators set it."""
DRIFTS: Final = "idx:drifts"
"""Sorted set of `<station>/<id>` of the drifts that are kept, by when they were found (ms)."""
DRIFTING: Final = "idx:drifting"
"""Hash: stations with drifts that nobody has acknowledged -> how many."""
TEMPLATES: Final = "templates"
"""String: every template, one record (see `shared.records.templates`)."""
MODEL_LISTS: Final = "models:lists"
"""Hash: digest of vendor, model, firmware and key -> what is known of that list of measurands (`ModelList`)."""
TUNING: Final = "idx:tuning"
"""Sorted set, all scores 0, of `<template>/<revision>/<state>/<station>`; template empty: all of them together."""
COMMANDS: Final = "idx:commands"
"""Sorted set of `<station>/<id>` of the commands that are kept, by the time in their ids (ms)."""
RESERVATIONS: Final = "idx:reservations"
"""Sorted set of `<station>/<id>` of the reservations that are kept, by the time in their ids (ms)."""

SITES: Final = "idx:sites"
"""Sorted set, all scores 0: every site, in order."""
SITE_STATIONS: Final = "idx:sites:stations"
"""Hash: station id -> the site that it is in."""
SITE_ROUNDS: Final = "idx:sites:rounds"
"""Hash: site -> `RoundNote`: when its allocator last ended a round, and how the site stood."""

AUTHORIZATION: Final = "authorization"
"""String: every authorization policy, one record (see `shared.records.authorization`)."""
AUTHORIZATION_APPLIED: Final = "idx:authorization:applied"
"""Hash: policy -> which of its revisions the fleet was brought in line with by a job."""
TAGS_CHANGED: Final = "idx:tags:changed"
"""String: another text whenever a tag was written or deleted."""
LOCAL_LISTS: Final = "idx:local_lists"
"""Sorted set, all scores 0, of `<policy>/<state>/<version>/<station>`: how stations hold their local lists."""
LOCAL_LIST_NAMES: Final = "idx:local_lists:names"
"""Set: policies whose lists are kept."""
LOCAL_LISTS_RUNNER: Final = "lock:local_lists"
"""Which worker derives local lists at the moment."""

BULK_JOBS: Final = "idx:jobs"
"""Sorted set: jobs over many stations by their creation (ms)."""
BULK_JOBS_ACTIVE: Final = "idx:jobs:active"
"""Hash: jobs that have not ended -> state."""
BULK_JOBS_ENDED: Final = "idx:jobs:ended"
"""Sorted set: jobs that have ended, by when (ms)."""
BULK_JOBS_RUNNER: Final = "lock:jobs"
"""Which worker advances them at the moment."""


def partition_of(station_id: str, partitions: int) -> int:
    """Return the uplink partition of a station: stable over processes and releases."""
    return zlib.crc32(station_id.encode()) % partitions


def uplink(partition: int) -> str:
    """Name the stream that carries a partition's entries to the workers."""
    return f"uplink:{{{partition}}}"


def wakeups(partition: int) -> str:
    """Name the sorted set of a partition's timers (packed `Wakeup` with station, by due time in ms)."""
    return f"wakeups:{{{partition}}}"


def attempts(partition: int) -> str:
    """Name the hash that counts an entry's lone attempts (entry id -> n)."""
    return f"attempts:{{{partition}}}"


def downlink(node: str) -> str:
    """Name the stream that carries answers and commands to a node incarnation."""
    return f"downlink:{{{node}}}"


def deadlines(node: str) -> str:
    """Name the sorted set of a node's presence deadlines (`<station>/<epoch>` by Redis ms)."""
    return f"deadlines:{{{node}}}"


def state(station_id: str) -> str:
    """Name the hash that holds a station's state, fences and outbox."""
    return f"s:{{{station_id}}}:state"


def session(station_id: str) -> str:
    """Name the hash with the station's newest epoch and node."""
    return f"s:{{{station_id}}}:session"


def door(station_id: str) -> str:
    """Name the hash that an edge reads before it upgrades a station's connection."""
    return f"s:{{{station_id}}}:door"


def presence(station_id: str) -> str:
    """Name the key whose expiry means that the station is gone."""
    return f"s:{{{station_id}}}:presence"


def transaction(station_id: str, transaction_id: int) -> str:
    """Name the record of a closed transaction."""
    return f"s:{{{station_id}}}:tx:{transaction_id}"


def transactions(station_id: str) -> str:
    """Name the sorted set of a station's transactions by start (ms)."""
    return f"s:{{{station_id}}}:txs"


def meter(station_id: str, transaction_id: int) -> str:
    """Name the stream of a transaction's samples."""
    return f"s:{{{station_id}}}:meter:{transaction_id}"


def configuration(station_id: str) -> str:
    """Name the last snapshot of a station's configuration."""
    return f"s:{{{station_id}}}:config"


def configuration_history(station_id: str) -> str:
    """Name the list of what made each configuration of a station out of the one before, the newest first."""
    return f"s:{{{station_id}}}:config:history"


def drifts(station_id: str) -> str:
    """Name the hash of significant changes of a station's configuration."""
    return f"s:{{{station_id}}}:drifts"


def model_measurands(key: str) -> str:
    """Name the set of measurands that stations of a model have sent."""
    return f"model:{{{key}}}:measurands"


def samples(station_id: str) -> str:
    """Name the stream of samples that belong to no transaction."""
    return f"s:{{{station_id}}}:samples"


def starts(station_id: str) -> str:
    """Name the hash of business keys of starts."""
    return f"s:{{{station_id}}}:starts"


def command(station_id: str, command_id: str) -> str:
    """Name the record of a command."""
    return f"s:{{{station_id}}}:cmd:{command_id}"


def commands(station_id: str) -> str:
    """Name the sorted set of a station's ended commands by their end (ms)."""
    return f"s:{{{station_id}}}:cmds"


def probe(station_id: str) -> str:
    """Name the report of a station's last probe."""
    return f"s:{{{station_id}}}:probe"


def reservation(station_id: str, reservation_id: str) -> str:
    """Name the record of a reservation."""
    return f"s:{{{station_id}}}:rsv:{reservation_id}"


def quarantine(station_id: str) -> str:
    """Name the hash of a station's frames that nobody understood."""
    return f"s:{{{station_id}}}:quarantine"


def history(station_id: str) -> str:
    """Name the stream of what a station reported beside its current state."""
    return f"s:{{{station_id}}}:history"


def seen(station_id: str, digest: str) -> str:
    """Name the kept answer to a call that must not count twice."""
    return f"s:{{{station_id}}}:seen:{digest}"


def tag(id_tag: str) -> str:
    """Name the record of an id tag."""
    return f"t:{{{id_tag}}}:record"


def profile(name: str) -> str:
    """Name the library's record of a charging profile."""
    return f"p:{{{name}}}:profile"


def verdict(id_tag: str) -> str:
    """Name what the external authorizer said last of an id tag."""
    return f"t:{{{id_tag}}}:verdict"


def list_head(policy: str) -> str:
    """Name what a policy's local list is at the moment."""
    return f"l:{{{policy}}}:head"


def list_items(policy: str) -> str:
    """Name the sorted set of a local list's items in the order of their changes."""
    return f"l:{{{policy}}}:items"


def list_places(policy: str) -> str:
    """Name the hash that says where in a local list each tag is."""
    return f"l:{{{policy}}}:at"


def holders(id_tag: str) -> str:
    """Name the hash of transactions that an id tag holds at the moment (`station/start key` -> since ms)."""
    return f"t:{{{id_tag}}}:holders"


def site(name: str) -> str:
    """Name the document of a site."""
    return f"site:{{{name}}}:doc"


def site_state(name: str) -> str:
    """Name what a site's allocator last saw and did, for readers."""
    return f"site:{{{name}}}:state"


def site_run(name: str) -> str:
    """Name what a site's allocator knows from round to round."""
    return f"site:{{{name}}}:run"


def site_loads(name: str) -> str:
    """Name the hash of base loads that were measured, by circuit."""
    return f"site:{{{name}}}:loads"


def site_history(name: str) -> str:
    """Name the stream of a site's minutes."""
    return f"site:{{{name}}}:history"


def site_lease(name: str) -> str:
    """Name the key that says which worker allocates for a site."""
    return f"site:{{{name}}}:lease"


def job(job_id: str) -> str:
    """Name the hash that holds a job's record, state and counts."""
    return f"j:{{{job_id}}}:job"


def job_stations(job_id: str) -> str:
    """Name the sorted set of a job's stations, all scores 0."""
    return f"j:{{{job_id}}}:stations"


def job_place(job_id: str, place: str) -> str:
    """Name the sorted set of a job's stations that are at `place` (see `shared.records.jobs.PLACES`)."""
    return f"j:{{{job_id}}}:at:{place}"


def job_results(job_id: str) -> str:
    """Name the hash of a job's results by station."""
    return f"j:{{{job_id}}}:results"


def job_ended(job_id: str) -> str:
    """Name the hash of results that stations' commits wrote, until they are counted."""
    return f"j:{{{job_id}}}:ended"


def job_request(digest: str) -> str:
    """Name the key that remembers which job a request made."""
    return f"j:request:{digest}"
