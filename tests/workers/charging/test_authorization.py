"""Who may charge: Authorize (OCPP 1.6 section 4.1), id tags, groups and concurrent limits."""

from __future__ import annotations

import pytest

from shared.policy import Policy
from shared.records.events import AuthorizationRefused
from shared.records.tags import IdTag

from .site import Site

EXPIRY = 1_800_000_000_000
REJECT = Policy(unknown_stations="accept", unknown_tags="reject")


def info(site: Site, tag: str) -> dict[str, str]:
    """Authorize a tag and return the idTagInfo."""
    found: dict[str, str] = site.sent("Authorize", {"idTag": tag})["idTagInfo"]
    return found


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (IdTag(id_tag="a"), {"status": "Accepted"}),
        (IdTag(id_tag="a", status="blocked"), {"status": "Blocked"}),
        (IdTag(id_tag="a", status="invalid"), {"status": "Invalid"}),
        (IdTag(id_tag="a", status="expired"), {"status": "Expired"}),
        (IdTag(id_tag="a", expires_at=1), {"status": "Expired", "expiryDate": "1970-01-01T00:00:00.001Z"}),
        (IdTag(id_tag="a", expires_at=EXPIRY), {"status": "Accepted", "expiryDate": "2027-01-15T08:00:00.000Z"}),
        (IdTag(id_tag="a", parent="GROUP"), {"status": "Accepted", "parentIdTag": "GROUP"}),
        (IdTag(id_tag="a", status="blocked", parent="GROUP"), {"status": "Blocked", "parentIdTag": "GROUP"}),
    ],
)
def test_authorize_answers_what_the_tag_is(tag: IdTag, expected: dict[str, str]) -> None:
    """Status, expiry and group of a known tag (sections 7.2 and 7.27)."""
    site = Site(REJECT)
    site.put_tag(tag)
    assert info(site, "A") == expected
    assert site.count("authorizations_total", expected["status"]) == 1


def test_tags_are_case_insensitive() -> None:
    """Tags differ in more than letter case (CiString20, section 7.15)."""
    site = Site(REJECT)
    site.put_tag(IdTag(id_tag="AbC"))
    assert info(site, "aBc") == {"status": "Accepted"}


@pytest.mark.parametrize(("policy", "status"), [("accept", "Accepted"), ("reject", "Invalid")])
def test_unknown_tags_follow_the_policy(policy: str, status: str) -> None:
    """A tag that nobody entered is accepted or Invalid, as the operator set."""
    site = Site(Policy(unknown_stations="accept", unknown_tags=policy))  # type: ignore[arg-type]
    assert info(site, "who")["status"] == status


def test_a_refusal_is_announced_without_the_tag() -> None:
    """A refused tag gives an event that says where, and does not name the tag (I12)."""
    site = Site(REJECT)
    info(site, "who")
    site.start(tag="who")
    events = site.events_of(AuthorizationRefused)
    assert [(event.status, event.where) for event in events] == [("Invalid", "authorize"), ("Invalid", "start")]
    assert not any("who" in repr(event) for event in events)


def test_authorize_takes_no_place() -> None:
    """Authorize never counts against a tag's limit, and never answers ConcurrentTx (section 7.2)."""
    site = Site()
    site.put_tag(IdTag(id_tag="a", concurrent_limit=1))
    assert site.start(tag="a", connector=1)["idTagInfo"]["status"] == "Accepted"
    assert info(site, "a")["status"] == "Accepted"
    assert len(site.slots["a"]) == 1


def test_a_start_beyond_the_limit_is_concurrent_and_still_a_transaction() -> None:
    """The tag's limit answers ConcurrentTx, and the refused start has a durable id and record all the same."""
    site = Site()
    site.put_tag(IdTag(id_tag="a", concurrent_limit=1))
    first = site.start(tag="a", connector=1)
    second = site.start(tag="A", connector=2)
    assert second["idTagInfo"]["status"] == "ConcurrentTx"
    assert site.transaction(second["transactionId"]).authorization == "ConcurrentTx"
    assert first["transactionId"] != second["transactionId"]


def test_a_place_is_free_again_after_the_stop() -> None:
    """The end of a transaction gives its place back."""
    site = Site()
    site.put_tag(IdTag(id_tag="a", concurrent_limit=1))
    first = site.begin(tag="A")
    site.stop(2000, transaction=first)
    assert site.slots["a"] == set()
    site.advance(60)
    assert site.start(tag="a", meter=2000)["idTagInfo"]["status"] == "Accepted"


def test_a_tag_without_a_limit_is_held_too() -> None:
    """A limit that is set later counts the transactions that run already."""
    site = Site()
    site.put_tag(IdTag(id_tag="a"))
    site.begin(tag="a", connector=1)
    site.put_tag(IdTag(id_tag="a", concurrent_limit=1))
    assert site.start(tag="a", connector=2)["idTagInfo"]["status"] == "ConcurrentTx"


def test_a_refused_tag_takes_no_place() -> None:
    """A blocked tag's start holds nothing."""
    site = Site()
    site.put_tag(IdTag(id_tag="a", status="blocked", concurrent_limit=1))
    number = site.begin(tag="a")
    assert site.slots == {}
    assert site.transaction(number).holder == ""


def test_a_start_keeps_its_answer_when_the_tag_changes() -> None:
    """The repetition of a start is answered as the first was, whatever became of the tag (I5)."""
    site = Site()
    site.put_tag(IdTag(id_tag="a", expires_at=EXPIRY, parent="G"))
    first = site.start(tag="a")
    site.put_tag(IdTag(id_tag="a", status="blocked"))
    assert site.start(tag="a") == first


@pytest.mark.parametrize("tag", ["x" * 21, "x" * 300, "{a}", "ä b\u0000"])
def test_strange_tags_are_answered(tag: str) -> None:
    """Overlong tags and strange characters are answered like any other (quirk 8)."""
    assert info(Site(REJECT), tag)["status"] == "Invalid"
