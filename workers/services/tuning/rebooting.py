"""Reboots that a template needs: when nobody charges, softly first, and never where its rule forbids.

    a key was answered RebootRequired ──> wanted ──nobody charges for `reboot_idle_ms`──> Reset Soft ──> booted: done
                                                                                             └──refused──> Reset Hard

A soft reset that was accepted and did not happen within BOOT_MS is followed by a hard one; after that nothing more is
tried: the station's own next boot makes the keys take effect.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.records.commands import CommandRecord
from shared.records.tuning import Reboot
from workers.services import commands, configuration
from workers.services.wakeups import wakes
from workers.store.draft import Draft

from .dialect import dialect_of

ORIGIN: Final = "template_reboot"
TIMER: Final = "template_reboot"
BOOT_MS: Final = 10 * 60_000
"""A reset that was accepted has led to a boot, or a new connection, after so long."""
LATER_MS: Final = 5 * 60_000
"""How often it is looked again whether a station is free where no transaction tells."""
EXPIRES_MS: Final = 60_000
"""A reset that could not be sent for so long is not sent: somebody may be charging then."""
BUSY: Final = frozenset({"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE"})
"""Statuses of a connector that somebody uses, transaction or not."""
change = msgspec.structs.replace


def rebooted_at(draft: Draft) -> int:
    """Return when the station was started last: its boot, or the connection after a reset of ours (quirk 1)."""
    booted_at = draft.station.booted_at if draft.station is not None else 0
    reboot = draft.tuned.reboot
    if reboot is not None and reboot.asked_at and draft.session.opened_at > reboot.asked_at:
        return max(booted_at, draft.session.opened_at)
    return booted_at


def consider(draft: Draft) -> None:
    """Plan a reboot where a key waits for one, or drop it where none does any more."""
    tuned, since = draft.tuned, rebooted_at(draft)
    waits = any(one.reboot and one.may_reboot and one.set_at >= since for one in tuned.keys.values() if one.set_at)
    if not waits and tuned.reboot is not None:
        draft.put(change(tuned, reboot=None))
    elif waits and tuned.reboot is None:
        draft.put(change(tuned, reboot=Reboot(since=draft.now)))
        draft.wake(TIMER, "", draft.now + draft.policy.reboot_idle_ms)


def freed(draft: Draft) -> None:
    """Look soon whether the station is free: a transaction has ended."""
    if draft.tuned.reboot is not None and not draft.charging.open:
        draft.wake(TIMER, "", draft.now + draft.policy.reboot_idle_ms)


@wakes(TIMER)
def look(draft: Draft, _subject: str) -> None:
    """Reboot the station if that is still wanted and nobody charges."""
    reboot = draft.tuned.reboot
    if reboot is None or reboot.command_id or reboot.refused:
        return
    if reboot.asked_at and rebooted_at(draft) > reboot.asked_at:
        if why := configuration.begin(draft, configuration.OPERATOR):  # It did not boot, only reconnect: look now.
            _give_up(draft, reboot, why)
    elif reboot.asked_at and draft.now < reboot.asked_at + BOOT_MS:
        draft.wake(TIMER, "", reboot.asked_at + BOOT_MS)
    elif draft.charging.open:
        return  # The end of the last transaction wakes us.
    elif draft.session.connection != "open" or _is_used(draft):
        draft.wake(TIMER, "", draft.now + LATER_MS)
    elif reboot.asked == "hard":
        _give_up(draft, reboot, "it did not reboot")
    else:
        _ask(draft, reboot, hard=reboot.asked == "soft")


@commands.when_ended(ORIGIN)
def ended(draft: Draft, command: CommandRecord) -> None:
    """Take the end of a reset."""
    reboot, dialect = draft.tuned.reboot, dialect_of(draft)
    if reboot is None or dialect is None or reboot.command_id != command.command_id:
        return
    asked, reboot = reboot.asked, change(reboot, command_id="")
    if command.state in ("expired", "cancelled"):  # It was not sent.
        _put(draft, change(reboot, asked="soft" if asked == "hard" else "", asked_at=0))
        draft.wake(TIMER, "", draft.now + LATER_MS)
    elif command.state in ("accepted", "timed_out"):
        _put(draft, change(reboot, asked_at=command.sent_at or draft.now))
        draft.wake(TIMER, "", draft.now + BOOT_MS)
    elif asked == "hard":
        _give_up(draft, reboot, dialect.word(command))
    else:
        _put(draft, change(reboot, asked_at=0))
        look(draft, "")


def _ask(draft: Draft, reboot: Reboot, *, hard: bool) -> None:
    dialect = dialect_of(draft)
    if dialect is None:
        return
    action, payload = dialect.reset(hard)
    command_id = commands.enqueue(draft, action, payload, ORIGIN, expires_at=draft.now + EXPIRES_MS)
    _put(draft, change(reboot, asked="hard" if hard else "soft", asked_at=0, command_id=command_id))


def _is_used(draft: Draft) -> bool:
    return any(one.status in BUSY for number, one in draft.connectors.by_id.items() if number)


def _give_up(draft: Draft, reboot: Reboot, why: str) -> None:
    _put(draft, change(reboot, refused=why[:100]))


def _put(draft: Draft, reboot: Reboot) -> None:
    draft.put(change(draft.tuned, reboot=reboot))
