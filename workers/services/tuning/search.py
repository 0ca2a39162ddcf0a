"""Finds the largest list of measurands that a station takes, one ChangeConfiguration a step.

A station refuses a whole list for one item that it does not support (OCPP 1.6 section 3.16.4), and for one too many.

    known ──refused──> whole ──refused──> halve ... one culprit ──> whole without it ... ──taken──> done
      │                  │                            └── perhaps the list is full ──> swap ──taken──> restore ──> done
      └──taken──> done   └──taken──> done

`halve` finds one culprit among m items in ⌈log2 m⌉ steps by trying beginnings of the rest behind what is known to be
good. With k culprits among n items that makes at most 2 + 2·k·⌈log2 n⌉ steps, one of them for what the model is known
to refuse. A culprit right behind what was just taken may mean that the list is full: `swap` tries it in the place of
the last item. Taken: the list is full, and what was taken before is set again.

What the station took last is what it holds, and that is `good` whenever the search is done: no step is needed to set
the result. Pure, and a value: a search goes on from where it is stored.

Limit: of a list whose last item is refused for the length alone the search says "refused"; the result is the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shared.records.tuning import Search

change = msgspec.structs.replace


def begin(wanted: Iterable[str], limit: int = 0, known: Iterable[str] = ()) -> Search:
    """Begin a search. `limit`: items that the list may have, 0: not known; `known`: what the model refuses."""
    wanted = tuple(dict.fromkeys(wanted))
    bad = tuple(item for item in wanted if item in set(known))
    found = Search(wanted=wanted, limit=limit, bad=bad, stage="known" if bad else "whole")
    return found if _rest(found) else change(found, stage="done")


def attempt(search: Search) -> tuple[str, ...] | None:
    """Return the list to try next; None: the search is done, and the station holds `search.good`."""
    rest = _rest(search)
    if search.stage == "done":
        return None
    if search.stage == "halve":
        return (*search.good, *rest[: _middle(search)])
    if search.stage == "swap":
        return (*search.good[:-1], rest[0])
    return search.good if search.stage == "restore" else (*search.good, *rest)


def told(search: Search, taken: bool) -> Search:
    """Return the search after the station's answer to `attempt`."""
    search = change(search, calls=search.calls + 1)
    if search.stage in ("known", "whole"):
        return _told_of_all(search, taken)
    if search.stage == "halve":
        return _told_of_part(search, taken)
    if search.stage == "swap":
        return _told_of_swap(search, taken)
    # The station went back on what it had taken (restore): the end is the same, reading it back will tell.
    return change(search, stage="done")


def left_out(search: Search) -> tuple[str, ...]:
    """Return what was not tried, or not refused for itself, because the list is full."""
    known = {*search.good, *search.bad}
    return tuple(item for item in search.wanted if item not in known)


def _rest(search: Search) -> tuple[str, ...]:
    """Return what is neither taken nor refused, as far as there is room."""
    rest = left_out(search)
    return rest[: max(search.limit - len(search.good), 0)] if search.limit else rest


def _middle(search: Search) -> int:
    return (search.low + search.high) // 2


def _told_of_all(search: Search, taken: bool) -> Search:
    rest = _rest(search)
    if taken:
        return change(search, good=(*search.good, *rest), stage="done")
    if search.stage == "known":
        # What the model is known to refuse is not the reason, or not the only one: begin with nothing known.
        return change(search, bad=(), stage="whole")
    return _narrowed(change(search, low=0, high=len(rest), stage="halve"))


def _told_of_part(search: Search, taken: bool) -> Search:
    middle = _middle(search)
    return _narrowed(change(search, low=middle) if taken else change(search, high=middle))


def _narrowed(search: Search) -> Search:
    """Go on halving, or conclude that one item is the culprit."""
    if search.high - search.low > 1:
        return search
    rest = _rest(search)
    if not search.low and search.good:
        return change(search, stage="swap")  # Nothing was taken since the culprit before: is the list full?
    good = (*search.good, *rest[: search.low])
    culprit = rest[search.low]
    doubtful = (culprit,) if good else ()
    return _onward(change(search, good=good, bad=(*search.bad, culprit), doubtful=doubtful))


def _told_of_swap(search: Search, taken: bool) -> Search:
    if not taken:
        return _onward(change(search, bad=(*search.bad, _rest(search)[0])))
    bad = tuple(item for item in search.bad if item not in search.doubtful)
    return change(search, limit=len(search.good), bad=bad, doubtful=(), stage="restore")


def _onward(search: Search) -> Search:
    search = change(search, low=0, high=0)
    return change(search, stage="whole" if _rest(search) else "done")
