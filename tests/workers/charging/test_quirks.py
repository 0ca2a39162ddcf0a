"""Rules of models: data, matched on vendor, model and firmware, and overridden per station (quirk 18, 19, 28)."""

from __future__ import annotations

import msgspec
import pytest

from shared.policy import Policy
from shared.quirk_profiles import RULES
from shared.records.stations import StationRecord
from shared.records.tags import IdTag
from workers.services import quirks
from workers.services.quirks import Quirks, quirks_of

from .site import Site

REJECT = Policy(unknown_stations="accept", unknown_tags="reject")


def station(vendor: str = "Acme", model: str = "One", **rules: str) -> StationRecord:
    """A station's record with rules of its own."""
    return StationRecord(station_id="CP1", created_at=0, vendor=vendor, model=model, quirk_profile=rules)


def ruled(site: Site, **rules: str) -> Site:
    """Give a site's station rules of its own."""
    record = site.view.station
    assert record is not None
    site.run(lambda draft: draft.put(msgspec.structs.replace(record, quirk_profile=rules)))
    return site


def test_a_model_without_rules_has_none() -> None:
    """Tolerance needs no rule: most models have none, nor has a station that is not known."""
    assert quirks_of(station()) == quirks_of(None) == Quirks()


def test_a_station_has_its_models_rules() -> None:
    """Vendor, model and firmware are matched without regard to case."""
    assert quirks_of(station("KEBA AG")).main_meter
    assert not quirks_of(station("Not Keba")).main_meter


def test_a_stations_own_rule_wins() -> None:
    """An operator can give one station a rule, and take its model's away; unknown ones do nothing."""
    assert not quirks_of(station("KEBA AG", main_meter="")).main_meter
    assert quirks_of(station(register="session", nonsense="x")).session_register


@pytest.mark.parametrize(
    ("rule", "value"),
    [(name, value) for name, rule in RULES.items() for value in (rule.values or (f"{rule.high:g}",))],
)
def test_every_rule_has_an_effect_and_a_meaning(rule: str, value: str) -> None:
    """What the table lists changes something."""
    assert RULES[rule].meaning or RULES[rule].values[value]
    assert quirks._made({rule: value}) != Quirks()


@pytest.mark.parametrize(
    ("rules", "text", "tag"),
    [
        ({}, "ABC_123", "ABC_123"),
        ({}, " ABC ", "ABC"),
        ({"id_tag": "strip_suffix"}, "ABC_123", "ABC"),
        ({"id_tag": "strip_suffix"}, "_123", "_123"),
        ({"id_tag": "hex"}, "04:A2:B3", "04a2b3"),
        ({"id_tag": "hex"}, "0x04a2", "04a2"),
        ({"id_tag": "hex"}, "Mrs. X", "Mrs. X"),
    ],
)
def test_id_tags_by_rule(rules: dict[str, str], text: str, tag: str) -> None:
    """A reader's serial number is dropped, hexadecimal tags lose their separators."""
    assert quirks_of(station(**rules)).id_tag(text) == tag


def test_a_stripped_tag_is_the_one_that_counts() -> None:
    """The rule applies to Authorize, the start, its business key and the stop alike (quirk 18)."""
    site = ruled(Site(REJECT), id_tag="strip_suffix")
    site.put_tag(IdTag(id_tag="abc"))
    assert site.sent("Authorize", {"idTag": "ABC_77"})["idTagInfo"]["status"] == "Accepted"
    first = site.start(tag="ABC_77")
    assert site.start(tag="ABC_78") == first
    assert site.transaction(first["transactionId"]).id_tag == "ABC"
    site.stop(2000, transaction=first["transactionId"], tag="ABC_79")
    assert site.transaction(first["transactionId"]).flags == ()


@pytest.mark.parametrize("fields", [{"idTag": ""}, {"idTag": "freevend"}, {}], ids=["empty", "its own", "missing"])
def test_free_vend(fields: dict[str, str]) -> None:
    """A model that charges whoever comes is accepted without a tag by its rule, and is Invalid without one."""
    for rules, status in (({"free_vend": "accept"}, "Accepted"), ({}, "Invalid")):
        site = ruled(Site(REJECT), **rules)
        start = {"connectorId": 1, "meterStart": 0, "timestamp": site.time(), **fields}
        answer = site.sent("StartTransaction", start)
        assert answer["idTagInfo"]["status"] == status
        assert answer["transactionId"] in site.opened
