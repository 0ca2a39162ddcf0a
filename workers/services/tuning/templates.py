"""Holds what a station told of its configuration against what is wanted of it: pure values in and out.

Each wanted key has a memory. `judge` says how it stands after a read, `plan` which keys are to be set. What was refused
is not tried again, and what keeps going back is left alone, until the template or the firmware changes (the memory's
`basis`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from shared.records.configuration import MASK, KeyValue
from shared.records.templates import Wish, basis_of
from shared.records.tuning import STATES, KeyMemory, TuningState

MAX_REVERTS: Final = 3
"""A key that so often was another value again, after the station had taken it, is flagged and left alone."""
READ_ONLY: Final = "read-only"
IGNORED: Final = "taken, and not held"
PHASES: Final = frozenset({"l1", "l2", "l3", "n", "l1-n", "l2-n", "l3-n", "l1-l2", "l2-l3", "l3-l1"})
change = msgspec.structs.replace


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances of a judgement."""

    now: int
    rebooted_at: int
    kind: str = "text"
    """How values of the key are compared."""
    fresh: bool = False
    """Read back right after it was set: what is missing was never taken."""


def remembered(memory: KeyMemory | None, wish: Wish, firmware: str, now: int) -> KeyMemory:
    """Return the memory of a wish: the present one, or a new one where the template or the firmware has changed."""
    basis = basis_of(wish, firmware)
    if memory is not None and (memory.basis, memory.wanted) == (basis, wish.value):
        return change(memory, may_reboot=wish.reboot) if memory.may_reboot != wish.reboot else memory
    return KeyMemory(
        key=wish.key,
        template=wish.template,
        basis=basis,
        wanted=wish.value,
        since=now,
        may_reboot=wish.reboot,
        measurands=wish.measurands,
    )


def judge(memory: KeyMemory, found: KeyValue | None, look: Look) -> KeyMemory:
    """Return the memory after a read that told `found` of its key; None: the station does not know the key."""
    value = None if found is None or found.value == MASK else found.value
    if found is not None and value is None and not memory.wanted:
        value = ""
    memory = change(memory, held=value)
    if value is not None and _holds(memory, value, look.kind):
        return _held(memory, look)
    if memory.state == "reverting":
        return memory
    if found is not None and found.readonly:
        return stand(change(memory, answer=READ_ONLY), "refused", look.now)
    if not memory.set_at:
        return memory if memory.state == "refused" else stand(memory, "differs", look.now)
    if memory.reboot and look.rebooted_at <= memory.set_at:
        return stand(memory, "pending", look.now)
    if value is None:
        return _held(memory, look)  # It took the key and does not tell it: nothing speaks against it.
    part = _part(memory, value) if look.fresh else ()
    if part:
        return _held_in_part(memory, part, look)
    memory = change(memory, reverts=memory.reverts + 1, set_at=0, reboot=False, taken=None)
    return stand(memory, "reverting" if memory.reverts >= MAX_REVERTS else "differs", look.now)


def plan(memories: Iterable[KeyMemory]) -> tuple[str, ...]:
    """Return the keys that are to be set, in lower case: lists last, for they may take many commands."""
    wanted = [one for one in memories if one.state == "differs"]
    wanted.sort(key=lambda one: (bool(one.measurands), one.key.lower()))
    return tuple(one.key.lower() for one in wanted)


def stand(memory: KeyMemory, state: TuningState, now: int) -> KeyMemory:
    """Return the memory in a state, and since when."""
    return memory if memory.state == state else change(memory, state=state, since=now)


def worst(states: Iterable[TuningState]) -> TuningState:
    """Return the state of several keys together."""
    return min(states, key=STATES.index, default="in_line")


def equal(wanted: str, held: str, kind: str) -> bool:
    """Tell whether a station that holds one value holds the other: as the standard types the key, else as text."""
    one, other = wanted.strip(), held.strip()
    if one == other:
        return True
    if kind == "boolean" or one.lower() in ("true", "false"):
        return one.lower() == other.lower()
    if kind == "integer":
        return one.isdecimal() and other.isdecimal() and int(one) == int(other)
    if kind == "list":
        return {item.lower() for item in items(one)} == {item.lower() for item in items(other)}
    return False


def items(text: str) -> tuple[str, ...]:
    """Return the items of a list as a configuration key holds it."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def is_item(wanted: str, held: str) -> bool:
    """Tell whether an item that a station holds is, or is a phase of, a wanted one."""
    one, other = wanted.lower(), held.lower()
    return one == other or (other.startswith(f"{one}.") and other[len(one) + 1 :] in PHASES)


def _holds(memory: KeyMemory, value: str, kind: str) -> bool:
    if not memory.measurands:
        return equal(memory.wanted, value, kind)
    return _is_list(memory.taken or memory.measurands, value)


def _is_list(expected: tuple[str, ...], value: str) -> bool:
    """Tell whether a list holds what is expected, in whatever order, and nothing else."""
    held = items(value)
    every = all(any(is_item(one, other) for other in held) for one in expected)
    return every and all(any(is_item(one, other) for one in expected) for other in held)


def _held(memory: KeyMemory, look: Look) -> KeyMemory:
    if memory.measurands and memory.taken is None:
        memory = change(memory, taken=memory.measurands)
    partly = bool(memory.refused or memory.no_room)
    if memory.reboot and look.rebooted_at <= memory.set_at:
        return stand(memory, "pending", look.now)  # The value is there; its effect comes with the reboot.
    answer = memory.answer if partly else ""
    return stand(change(memory, reboot=False, answer=answer), "refused" if partly else "in_line", look.now)


def _part(memory: KeyMemory, value: str) -> tuple[str, ...]:
    """Return what a station holds of a list that it took whole, where that is a part of it."""
    taken, held = memory.taken or (), items(value)
    if not held or not all(any(is_item(one, other) for one in taken) for other in held):
        return ()
    return tuple(one for one in taken if any(is_item(one, other) for other in held))


def _held_in_part(memory: KeyMemory, part: tuple[str, ...], look: Look) -> KeyMemory:
    missing = tuple(one for one in memory.taken or () if one not in part)
    memory = change(memory, taken=part, refused=(*memory.refused, *missing), answer=IGNORED)
    return _held(memory, look)


def spelt(keys: Mapping[str, KeyValue]) -> dict[str, KeyValue]:
    """Return keys by their names in lower case: stations spell them as they like (CiString50)."""
    return {name.lower(): one for name, one in keys.items()}
