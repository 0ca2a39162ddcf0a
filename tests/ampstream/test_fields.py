"""Payloads from words of a command line."""

import re
from typing import Any

import pytest

from ampstream.operator.fields import FieldsError, payload
from shared.ocpp import payloads, v16
from shared.ocpp.v16.messages import SetChargingProfileRequest


@pytest.mark.parametrize(
    ("action", "words", "made"),
    [
        ("Reset", ["type=Soft"], {"type": "Soft"}),
        ("ClearCache", [], {}),
        ("RemoteStartTransaction", ["idTag=0815", "connectorId=1"], {"idTag": "0815", "connectorId": 1}),
        ("ChangeConfiguration", ["key=Interval", "value=60"], {"key": "Interval", "value": "60"}),
        ("GetConfiguration", ['key=["A","B"]'], {"key": ["A", "B"]}),
        ("GetConfiguration", ["key.0=1", "key[1]=B"], {"key": ["1", "B"]}),
        ("Unheard", ["a.b=1", "a.c=x", "d=1.5=2"], {"a": {"b": 1, "c": "x"}, "d": "1.5=2"}),
    ],
)
def test_words_make_a_payload(action: str, words: list[str], made: dict[str, Any]) -> None:
    """What the standard has as text stays text, the rest is JSON where it is some."""
    assert payload(words, v16.REQUESTS.get(action)) == made


def test_a_charging_profile_can_be_written() -> None:
    """Nested objects and lists, valid by the standard's own schema."""
    schedule = "csChargingProfiles.chargingSchedule"
    words = [
        "connectorId=1", "csChargingProfiles.chargingProfileId=7", "csChargingProfiles.stackLevel=0",
        "csChargingProfiles.chargingProfilePurpose=TxDefaultProfile", "csChargingProfiles.chargingProfileKind=Relative",
        f"{schedule}.chargingRateUnit=A", f"{schedule}.chargingSchedulePeriod[0].startPeriod=0",
        f"{schedule}.chargingSchedulePeriod[0].limit=16", f"{schedule}.chargingSchedulePeriod.1.startPeriod=60",
        f"{schedule}.chargingSchedulePeriod.1.limit=8.1",
    ]  # fmt: skip
    made = payload(words, SetChargingProfileRequest)
    request = payloads.strict(SetChargingProfileRequest, payloads.encode(made))
    periods = request.cs_charging_profiles.charging_schedule.charging_schedule_period
    assert [period.limit for period in periods] == [16, 8.1]


@pytest.mark.parametrize(
    "words", [["Soft"], ["=x"], ["a[x]=1"], ["a=1", "a=2"], ["a=1", "a.b=2"], ["a[1]=1"], ["a..b=1"]]
)
def test_what_is_no_field_is_told(words: list[str]) -> None:
    """The error names the word."""
    with pytest.raises(FieldsError, match=re.escape(words[-1].partition("=")[0] or "=x")):
        payload(words, None)
