"""Which stations are out of step with their lists and policies, and the jobs that bring them in step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.authorization import AuthorizationPolicy, Policies, policy_of
from shared.records.jobs import Job, JobKind, make_job_id
from shared.records.local_lists import SETTLED, Head, LocalList
from shared.records.packing import unpack
from shared.records.queries import jobs
from shared.records.queries.reading import TooManyError, replies
from shared.records.stations import StationRecord
from shared.settings import Settings

AT_ONCE: Final = 200
MOST_JOBS: Final = 50
"""With so many jobs under way no further one is made: stations of those that are get the newest version anyway."""
EXPIRES_MS: Final = 3_600_000
"""A station that did not have its turn for so long has it at its next return, or by the next job."""
BY: Final = "authorization"


async def to_configure(lane: Lane, policies: Policies) -> dict[str, list[str]]:
    """Return the stations that are online by policy, for policies whose keys were changed since they were applied."""
    pairs = await lane.one("HGETALL", keys.AUTHORIZATION_APPLIED)
    applied = {name.decode(): int(revision) for name, revision in zip(pairs[::2], pairs[1::2], strict=True)}
    if gone := applied.keys() - policies.by_name.keys():
        await lane.one("HDEL", keys.AUTHORIZATION_APPLIED, *sorted(gone))
    changed = {name for name, one in policies.by_name.items() if applied.get(name) != one.updated_at}
    found: dict[str, list[str]] = {name: [] for name in changed}
    if not changed:
        return found
    names = [name.decode() for name in await lane.one("HKEYS", keys.ONLINE)]
    for begin in range(0, len(names), AT_ONCE):
        some = names[begin : begin + AT_ONCE]
        states = await replies(lane, [("HGET", keys.state(name), "st") for name in some])
        for name, station in zip(some, states, strict=True):
            policy = policy_of(policies, unpack(station, StationRecord)) if station is not None else None
            if policy is not None and policy.name in changed:
                found[policy.name].append(name)
    return found


async def configure(lane: Lane, settings: Settings, policy: AuthorizationPolicy, names: Sequence[str], now: int) -> str:
    """Make the job that sets what belongs to a policy; returns its id, empty where there is none to make."""
    what = _What("apply_templates", f"authorization policy {policy.name}", '{"retry":false}')
    job_id = await _make(lane, settings, what, f"{policy.name}\n{policy.updated_at}", names, now) if names else ""
    if job_id or not names:
        await lane.one("HSET", keys.AUTHORIZATION_APPLIED, policy.name, policy.updated_at)
    return job_id


async def out_of_step(lane: Lane, policies: Policies, heads: Mapping[str, Head]) -> dict[str, list[str]]:
    """Return the stations that are online and are to be looked at, by policy; by the empty name those without one."""
    found: dict[str, list[str]] = {}
    names = [name.decode() for name in await lane.one("HKEYS", keys.ONLINE)]
    for begin in range(0, len(names), AT_ONCE):
        some = names[begin : begin + AT_ONCE]
        states = await replies(lane, [("HMGET", keys.state(name), "st", "ll") for name in some])
        for name, (station, listed) in zip(some, states, strict=True):
            if station is None:
                continue
            local = unpack(listed, LocalList) if listed is not None else LocalList()
            policy = policy_of(policies, unpack(station, StationRecord))
            head = heads.get(policy.name) if policy is not None and policy.has_list else None
            if is_out_of_step(local, head, policy.name if policy is not None and head is not None else ""):
                found.setdefault(local.policy if head is None or policy is None else policy.name, []).append(name)
    return found


def is_out_of_step(local: LocalList, head: Head | None, policy: str) -> bool:
    """Tell whether a station is to be looked at: it has not what is wanted, and has not said why.

    What it refused is tried again with the list's next version, at its next boot, or when an operator asks.
    """
    if head is None:
        return bool(local.policy or local.list_id)
    if (local.policy, local.wanted) == (policy, head.version) and local.state in SETTLED:
        return False
    return not (local.run is not None and local.policy == policy)


async def bring_in_step(
    lane: Lane, settings: Settings, policy: str, version: int, stations: Sequence[str], now: int
) -> str:
    """Make the job that looks at stations; returns its id, the same for the same stations and version, or nothing."""
    name = f"local list {policy}, version {version}" if policy else "local lists that are to go"
    source = "\n".join((policy, str(version), str(now // EXPIRES_MS), *sorted(stations)))
    return await _make(lane, settings, _What("sync_local_lists", name), source, stations, now)


class _What(NamedTuple):
    """What a job is to do."""

    kind: JobKind
    name: str
    payload: str = "{}"


async def _make(lane: Lane, settings: Settings, what: _What, source: str, stations: Sequence[str], now: int) -> str:
    """Make a job; returns its id, that of the one which was made of the same source, or nothing."""
    if await lane.one("HLEN", keys.BULK_JOBS_ACTIVE) >= MOST_JOBS:
        return ""
    digest = hashlib.blake2b(f"{what.kind}\n{source}".encode(), digest_size=16, person=b"lists").hexdigest()
    if before := await jobs.made_by(lane, digest):
        return before
    job = Job(
        job_id=make_job_id(now, digest),
        kind=what.kind,
        name=what.name,
        payload=what.payload,
        named=True,
        total=len(stations),
        concurrency=settings.job_concurrency,
        rate_per_s=settings.job_max_rate_per_s,
        jitter_s=0.0,
        created_at=now,
        created_by=BY,
        expires_at=now + EXPIRES_MS,
    )
    try:
        return await jobs.create(lane, job, stations, state="running", digest=digest)
    except TooManyError:
        return ""
