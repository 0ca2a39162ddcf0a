"""Tags that are kept elsewhere: its word, how long that counts, and the fall-backs."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from shared.bus import keys
from shared.policy import Policy
from shared.records.tags import IdTag, Judgement, Verdict
from shared.records.transactions import Transaction
from workers.store.wants import Want, WantJudgement

from .site import Site

Fallback = Literal["refuse", "last_known", "accept"]


class Elsewhere(Site):
    """A station whose tags are asked of somebody else."""

    def __init__(self, fallback: Fallback = "refuse", **policy: Any) -> None:
        self.word: Verdict | None = Verdict(status="Accepted", parent="fleet")
        self.questions: list[WantJudgement] = []
        super().__init__(Policy(unknown_stations="accept", authorizer=True, authorizer_fallback=fallback, **policy))

    def load(self, want: Want) -> Any:
        """Answer questions with the word that was said."""
        if not isinstance(want, WantJudgement):
            return super().load(want)
        self.questions.append(want)
        return Judgement(verdict=self.word) if self.word is not None else Judgement(problem="timeout")

    def authorize(self, tag: str = "card") -> dict[str, Any]:
        """Return what an Authorize is answered."""
        found: dict[str, Any] = self.sent("Authorize", {"idTag": tag})["idTagInfo"]
        return found


def opened(site: Site) -> Transaction:
    """Start, and return the transaction."""
    return site.transaction(site.start(tag="card")["transactionId"])


def test_its_word_counts_for_a_moment() -> None:
    """A fresh answer is used again without a question, an older one is not."""
    site = Elsewhere()
    assert site.authorize() == {"status": "Accepted", "parentIdTag": "fleet"}
    assert site.start(tag="CARD")["idTagInfo"]["status"] == "Accepted"
    assert [one.where for one in site.questions] == ["authorize"]
    site.advance(61)
    site.word = Verdict(status="Blocked")
    assert site.authorize()["status"] == "Blocked"
    assert len(site.questions) == 2


def test_a_tag_that_was_entered_here_is_ours() -> None:
    """Nobody is asked about a tag that has a record; so a card can be blocked here at once."""
    site = Elsewhere()
    site.put_tag(IdTag(id_tag="card", status="blocked"))
    assert site.authorize()["status"] == "Blocked"
    assert not site.questions


@pytest.mark.parametrize(
    ("fallback", "known", "status", "flags"),
    [
        ("refuse", True, "Invalid", ()),
        ("last_known", True, "Accepted", ("authorized_stale",)),
        ("last_known", False, "Invalid", ()),
        ("accept", True, "Accepted", ("authorized_stale",)),
        ("accept", False, "Accepted", ("authorized_unasked",)),
    ],
)
def test_the_fall_back_decides_without_it(fallback: Fallback, known: bool, status: str, flags: tuple[str, ...]) -> None:
    """Refuse, what it said last, or accept: the transaction says on what it stands."""
    site = Elsewhere(fallback)
    if known:
        site.authorize()
        site.advance(3600)
    site.word = None
    transaction = opened(site)
    assert (transaction.authorization, transaction.flags) == (status, flags)


def test_the_last_word_is_bounded() -> None:
    """What is older than the bound counts no more, whatever the fall-back."""
    site = Elsewhere("last_known", authorizer_stale_ms=7_200_000)
    site.authorize()
    site.word = None
    site.advance(7_100)
    assert site.authorize()["status"] == "Accepted"
    site.advance(200)
    assert site.authorize()["status"] == "Invalid"


def test_a_last_word_that_refused_refuses() -> None:
    """Accepting in doubt does not accept what was refused last."""
    site = Elsewhere("accept")
    site.word = Verdict(status="Blocked")
    site.authorize()
    site.advance(100)
    site.word = None
    assert site.authorize()["status"] == "Blocked"


def test_a_stop_asks_nobody() -> None:
    """A stop by a tag that nobody heard of lately is taken and answered without idTagInfo."""
    site = Elsewhere()
    number = site.begin(tag="card")
    asked = len(site.questions)
    site.advance(200_000)
    answer = site.sent(
        "StopTransaction", {"transactionId": number, "meterStop": 2000, "timestamp": site.time(), "idTag": "other"}
    )
    assert "idTagInfo" not in answer
    assert len(site.questions) == asked


def test_one_of_its_group_may_stop() -> None:
    """The group that it named is the tag's: another of the group may stop."""
    site = Elsewhere()
    number = site.begin(tag="card")
    site.authorize("mate")
    site.stop(2000, transaction=number, tag="mate")
    assert "stop_tag_differs" not in site.transaction(number).flags


def test_a_repeated_start_asks_nobody() -> None:
    """The repetition of a start is answered as the first was."""
    site = Elsewhere()
    first = site.start(tag="card")
    asked = len(site.questions)
    site.word = Verdict(status="Blocked")
    site.memory.data.pop(keys.verdict("card"))
    assert site.start(tag="card") == first
    assert len(site.questions) == asked
