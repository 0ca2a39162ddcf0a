"""Brings a station in line: one ChangeConfiguration after the other, then reads back what was set.

    the configuration was read ──look──> in line, refused, reverting
                                   └──differs──> run: set ──ended──> next key ... ──> read back ──> judged again
                                                       └──lost──> again after RESUME_MS, or at the next look

What is under way is `Tuned.run`: each command's end is decided from it, so any worker goes on where another one died.
A list of measurands is searched for (`search`), with what its model is known to refuse left out from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from shared.records.authorization import policy_of, template_of
from shared.records.commands import CommandRecord
from shared.records.configuration import Change, KeyValue, Snapshot
from shared.records.templates import Desired, Templates, desired
from shared.records.tuning import KeyMemory, Run, Search, Tuned
from workers.services import commands, configuration
from workers.services.quirks import overrides_of
from workers.services.wakeups import wakes
from workers.store.draft import Draft
from workers.store.wants import WantPolicies, WantTemplates

from . import concluding, rebooting
from . import search as searching
from . import templates as rules
from .dialect import Dialect, dialect_of

TEMPLATE: Final = "template"
METER_POLICY: Final = "meter_policy"
"""Origins of the commands: of plain keys, and of lists of measurands."""
READ_BACK: Final = "tuning"
TIMER: Final = "tuning"
RESUME_MS: Final = 60_000
MAX_LOSSES: Final = 3
"""After so many commands in a row without an outcome a run waits for the next look."""
change = msgspec.structs.replace


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@configuration.when_read
def look(draft: Draft, snapshot: Snapshot, _previous: Snapshot | None, _changes: tuple[Change, ...]) -> None:
    """Hold a configuration against what is wanted, and begin to set what differs."""
    dialect, before = dialect_of(draft), draft.tuned
    if dialect is None or draft.station is None:
        return
    wanted = _wanted(draft, dialect)
    if not wanted.templates and not before.templates:
        concluding.tell_jobs(draft)
        return
    told = rules.spelt(snapshot.keys)
    fresh = _remembered(draft, wanted)
    run = before.run if before.run is not None and _is_right(draft, before, fresh) else None
    busy = {run.key, *run.todo} if run is not None else set()
    memories = {
        name: memory if name in busy else _judged(draft, dialect, memory, told.get(name))
        for name, memory in fresh.items()
    }
    draft.put(change(before, keys=memories, run=run, read_at=draft.now))
    for name, memory in memories.items():
        old = before.keys.get(name)
        if memory.state == "reverting" and (old is None or old.state != "reverting"):
            draft.flag(concluding.REVERTING, memory.key)
    if run is None:
        if before.run is not None and before.run.command_id:
            commands.cancel(draft, before.run.command_id)  # It would set what is not wanted any more.
        _begin(draft, dialect, before, told)
    concluding.refresh(draft, wanted.templates)
    if draft.tuned.run is None:
        concluding.announce(draft, draft.now, before.run.done if before.run is not None else ())
    rebooting.consider(draft)
    concluding.tell_jobs(draft)


def _wanted(draft: Draft, dialect: Dialect) -> Desired:
    assert draft.station is not None
    every: Templates | None = draft.get(WantTemplates())
    templates = list(every.by_name.values()) if every is not None else []
    policy = policy_of(draft.get(WantPolicies()), draft.station)
    if policy is not None:
        templates.append(template_of(policy))  # What belongs to the mode of authorization is set like all else.
    return desired(templates, dialect.meter, draft.station)


def _remembered(draft: Draft, wanted: Desired) -> dict[str, KeyMemory]:
    assert draft.station is not None
    held, firmware = draft.tuned.keys, draft.station.firmware
    return {name: rules.remembered(held.get(name), wish, firmware, draft.now) for name, wish in wanted.wishes.items()}


def _is_right(draft: Draft, tuned: Tuned, fresh: Mapping[str, KeyMemory]) -> bool:
    """Tell whether a run's command is still under way, and sets what is still wanted."""
    run = tuned.run
    assert run is not None
    waiting = [one.command_id for one in (*draft.commands.queue, draft.commands.outstanding) if one is not None]
    if run.command_id not in waiting:
        return False
    return all(name in fresh and fresh[name].basis == tuned.keys[name].basis for name in (run.key, *run.todo))


def _judged(
    draft: Draft, dialect: Dialect, memory: KeyMemory, found: KeyValue | None, *, fresh: bool = False
) -> KeyMemory:
    look = rules.Look(
        now=draft.now, rebooted_at=rebooting.rebooted_at(draft), kind=dialect.kind(memory.key), fresh=fresh
    )
    return rules.judge(memory, found, look)


def _begin(draft: Draft, dialect: Dialect, before: Tuned, told: Mapping[str, KeyValue]) -> None:
    tuned = draft.tuned
    todo = rules.plan(tuned.keys.values())
    if not todo:
        draft.put(change(tuned, retry=False))
        return
    lists = [name for name in todo if tuned.keys[name].measurands]
    limits = {name: limit for name in lists if (limit := _limit(draft, dialect, tuned.keys[name].key, told))}
    search, key = _resumed(before, tuned, todo)
    if search is not None:
        todo = tuple(name for name in todo if name != key)
    draft.put(change(tuned, run=Run(began_at=draft.now, todo=todo, limits=limits, search=search, key=key)))
    _go_on(draft, dialect)


def _limit(draft: Draft, dialect: Dialect, key: str, told: Mapping[str, KeyValue]) -> int:
    """Return how many items a list may have, as operators say of its model, or the station (OCPP 1.6 section 5.3).

    0: nobody does. The standard has 1 assumed then; a longer list that is refused costs nothing, so it is tried.
    """
    assert draft.station is not None
    name = dialect.limit_key(key)
    said = overrides_of(draft.station.vendor, draft.station.model, draft.station.firmware).limits.get(name, 0)
    if said:
        return said
    found = told.get(name.lower())
    text = (found.value or "").strip() if found is not None else ""
    return int(text) if text.isdecimal() and len(text) < 5 else 0


def _resumed(before: Tuned, tuned: Tuned, todo: tuple[str, ...]) -> tuple[Search | None, str]:
    """Return the search that an interrupted run had begun, where it is still to be done."""
    run = before.run
    if run is None or run.search is None or run.key not in todo:
        return None, ""
    same = run.key in before.keys and before.keys[run.key].basis == tuned.keys[run.key].basis
    return (run.search, run.key) if same else (None, "")


# ── setting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _go_on(draft: Draft, dialect: Dialect) -> None:
    """Send the next command of the run, or read back what it has set."""
    while (run := draft.tuned.run) is not None:
        if run.search is not None:
            attempt = searching.attempt(run.search)
            if attempt is not None:
                _send(draft, dialect, run, draft.tuned.keys[run.key].key, ",".join(attempt))
                return
            _searched(draft, run, run.search)
        elif run.todo:
            name, *rest = run.todo
            memory, run = draft.tuned.keys[name], change(run, key=name, todo=tuple(rest))
            if not memory.measurands:
                _send(draft, dialect, run, memory.key, memory.wanted)
                return
            _put_run(draft, change(run, search=_search(draft, run, memory)))
        else:
            _read_back(draft, run)
            return


def _send(draft: Draft, dialect: Dialect, run: Run, key: str, value: str) -> None:
    action, payload = dialect.change(key, value)
    origin = METER_POLICY if run.search is not None else TEMPLATE
    command_id = commands.enqueue(draft, action, payload, origin)
    _put_run(draft, change(run, command_id=command_id))
    name = run.key
    concluding.keep(draft, rules.stand(draft.tuned.keys[name], "pending", draft.now))


def _search(draft: Draft, run: Run, memory: KeyMemory) -> Search:
    known = None if draft.tuned.retry else concluding.known(draft, memory.key)
    refused = (*memory.refused, *(known.refused if known is not None else ()))
    limit = run.limits.get(run.key, 0) or (known.limit if known is not None else 0)
    return searching.begin(memory.measurands or (), limit, refused)


@commands.when_ended(TEMPLATE)
@commands.when_ended(METER_POLICY)
def ended(draft: Draft, command: CommandRecord) -> None:
    """Take the end of a command of ours and go on."""
    run, dialect = draft.tuned.run, dialect_of(draft)
    if run is None or dialect is None or run.command_id != command.command_id:
        return  # A newer run has taken its place.
    outcome = dialect.outcome(command)
    if outcome == "lost":
        _lost(draft, run)
        return
    run = change(run, command_id="", losses=0)
    memory = draft.tuned.keys[run.key]
    taken = outcome in ("set", "set_after_reboot")
    if outcome == "set_after_reboot":
        memory = change(memory, reboot=True)
    if not taken:
        memory = change(memory, answer=dialect.word(command))
    if run.search is not None and outcome != "unknown":
        run = change(run, search=searching.told(run.search, taken))
    elif taken:
        memory, run = concluding.pending(memory, draft.now), change(run, done=(*run.done, run.key))
    else:
        memory, run = rules.stand(memory, "refused", draft.now), change(run, search=None)
    concluding.keep(draft, memory)
    _put_run(draft, run)
    _go_on(draft, dialect)
    concluding.refresh(draft)


def _searched(draft: Draft, run: Run, found: Search) -> None:
    """Conclude the search for a list: the station holds the largest part that it takes."""
    memory = draft.tuned.keys[run.key]
    memory = change(
        memory,
        taken=found.good,
        refused=found.bad,
        no_room=searching.left_out(found),
        calls=found.calls,
        undelivered=(),
    )
    done = run.done
    if found.good:
        memory, done = change(concluding.pending(memory, draft.now), answer=memory.answer), (*done, run.key)
    else:
        memory = rules.stand(change(memory, set_at=0), "refused", draft.now)
    concluding.keep(draft, memory)
    if found.calls:
        concluding.learn(draft, memory, found.limit if run.key not in run.limits else 0)
    _put_run(draft, change(run, search=None, done=done))


def _lost(draft: Draft, run: Run) -> None:
    """Go on later: setting a value twice does no harm, so a command of unknown fate is sent again."""
    run = change(run, command_id="", losses=run.losses + 1, todo=run.todo if run.search else (run.key, *run.todo))
    _put_run(draft, run)
    if run.losses < MAX_LOSSES:
        draft.wake(TIMER, "", draft.now + RESUME_MS * run.losses)
    else:
        _tell_lost(draft, "no answer to what was set")
    concluding.refresh(draft)


@wakes(TIMER)
def woken(draft: Draft, _subject: str) -> None:
    """Go on with a run whose command was lost, where the station is there; else its return does."""
    run, dialect = draft.tuned.run, dialect_of(draft)
    if run is None or run.command_id or run.phase != "set" or dialect is None:
        return
    if draft.session.connection == "open":
        _go_on(draft, dialect)
        concluding.refresh(draft)
    else:
        _tell_lost(draft, "the station left while it was set")


def _tell_lost(draft: Draft, why: str) -> None:
    """Tell jobs that the run waits for the next look."""
    configuration.waiting.tell(draft, "timed_out", why, kind="apply_templates")


# ── reading back ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_back(draft: Draft, run: Run) -> None:
    names = tuple(draft.tuned.keys[name].key for name in run.done)
    _put_run(draft, change(run, phase="verify", key=""))
    if not names or configuration.read_keys(draft, names, READ_BACK):
        _finish(draft, run)  # Nothing was taken, or this model is not asked.


@configuration.when_keys_read(READ_BACK)
def read_back(draft: Draft, found: Mapping[str, KeyValue], _unknown: tuple[str, ...], why: str) -> None:
    """Judge what was set by what the station says it holds."""
    run, dialect = draft.tuned.run, dialect_of(draft)
    if run is None or run.phase != "verify" or dialect is None:
        return
    if why:
        _finish(draft, run)
        return
    told = rules.spelt(found)
    for name in run.done:
        memory = draft.tuned.keys.get(name)
        if memory is None:
            continue
        judged = _judged(draft, dialect, memory, told.get(name), fresh=True)
        concluding.keep(draft, judged)
        if judged.refused != memory.refused:
            concluding.learn(draft, judged)
    _finish(draft, run)


def _finish(draft: Draft, run: Run) -> None:
    draft.put(change(draft.tuned, run=None, retry=False))
    concluding.refresh(draft)
    concluding.announce(draft, run.began_at, run.done)
    rebooting.consider(draft)
    concluding.tell_jobs(draft)


def _put_run(draft: Draft, run: Run) -> None:
    draft.put(change(draft.tuned, run=run))
