"""The strict pass has the verdict of the JSON schemas, for every message of all three versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import jsonschema
import pytest

from shared.ocpp.payloads import PayloadError, encode, parse, strict
from shared.ocpp.v16.messages import SetChargingProfileRequest, StatusNotificationRequest, StopTransactionRequest
from shared.ocpp.versions import OCPP16, OCPP21, OCPP201
from tests.ocpp.schemas import Case, case_of, cases, strange_payload, valid_payload

EVERY = pytest.mark.parametrize("case", cases(), ids=str)


def tried(case: Case, make: Callable[[Case, Random], Any], count: int = 12) -> Iterator[Any]:
    """Yield payloads at random, others in each run; what fails an assertion is shown whole.

    Hypothesis would have nothing to shrink here, and takes half of the time for 800 messages.
    """
    for _ in range(count):
        yield make(case, Random())


def accepts(case: Case, raw: bytes) -> bool:
    """Tell whether a payload is parsed without a flag."""
    try:
        parsed = parse(case.cls, raw, case.actions)
    except PayloadError:
        return False
    assert type(parsed.value) is case.cls
    # What was kept of a strange payload can be stored and sent like any other.
    encode(parsed.value)
    return not parsed.flags


@EVERY
def test_a_valid_payload_is_accepted_and_survives_encoding(case: Case) -> None:
    """What the schema allows is parsed without a flag, and encodes to the same JSON."""
    for payload in tried(case, valid_payload):
        assert case.validator.is_valid(payload), ("the generator is wrong", payload)
        parsed = parse(case.cls, json.dumps(payload).encode(), case.actions)
        assert not parsed.flags, payload
        assert json.loads(encode(parsed.value)) == payload


@EVERY
def test_a_strange_payload_gets_the_verdict_of_its_schema(case: Case) -> None:
    """With one thing changed, a payload is accepted without a flag exactly where its schema allows it."""
    for payload in tried(case, strange_payload):
        raw = json.dumps(payload).encode()
        assert accepts(case, raw) == case.validator.is_valid(payload), payload


@pytest.mark.parametrize("case", [case for case in cases() if case.version is not OCPP201], ids=str)
def test_strict_alone_gives_the_verdict_too(case: Case) -> None:
    """`strict` returns or raises as the schema says, where the type is the version's own."""
    for payload in tried(case, strange_payload, 4):
        try:
            strict(case.cls, json.dumps(payload).encode())
            verdict = True
        except PayloadError:
            verdict = False
        assert verdict == case.validator.is_valid(payload), payload


def profile(limit: str) -> bytes:
    """Return a SetChargingProfile payload with the limit written as given."""
    schedule = f'{{"chargingRateUnit":"A","chargingSchedulePeriod":[{{"startPeriod":0,"limit":{limit}}}]}}'
    fields = '"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"TxProfile"'
    kind = '"chargingProfileKind":"Absolute"'
    return f'{{"connectorId":1,"csChargingProfiles":{{{fields},{kind},"chargingSchedule":{schedule}}}}}'.encode()


@pytest.mark.parametrize("limit", ["8.1", "21.4", "0.3", "16", "1e3", "-0.7", "1e22", "123456789.1"])
def test_a_multiple_in_decimals_is_one(limit: str) -> None:
    """8.1 is a multiple of 0.1, as OCPP 1.6 means it and floats deny (quirk 31)."""
    assert not parse(SetChargingProfileRequest, profile(limit)).flags


@pytest.mark.parametrize("limit", ["8.15", "21.44", "0.01", "1e-3", "123456789.12"])
def test_no_multiple_in_decimals_is_none(limit: str) -> None:
    """A second decimal is refused strictly, and kept with a flag."""
    with pytest.raises(PayloadError, match=r"chargingSchedulePeriod\.limit"):
        strict(SetChargingProfileRequest, profile(limit))
    parsed = parse(SetChargingProfileRequest, profile(limit))
    assert parsed.flags == {"step:csChargingProfiles.chargingSchedule.chargingSchedulePeriod.limit"}


def test_floats_would_get_multiples_wrong() -> None:
    """The plain validator refuses 8.1: the reason for the decimal check."""
    case = case_of(OCPP16, "SetChargingProfile")
    plain = jsonschema.validators.validator_for(case.schema)(case.schema)
    assert not plain.is_valid(json.loads(profile("8.1")))
    assert case.validator.is_valid(json.loads(profile("8.1")))


def test_a_unit_that_only_meter_values_know_is_refused_in_a_stop() -> None:
    """`Hertz` stands in the schema of MeterValues and not in that of StopTransaction, though they share a type."""
    raw = (
        b'{"transactionId":1,"meterStop":1,"timestamp":"2024-05-06T07:08:09Z","transactionData":[{"timestamp":'
        b'"2024-05-06T07:08:09Z","sampledValue":[{"value":"50","unit":"Hertz"}]}]}'
    )
    with pytest.raises(PayloadError):
        strict(StopTransactionRequest, raw)
    assert parse(StopTransactionRequest, raw).flags == {"enum:transactionData.sampledValue.unit"}


@pytest.mark.parametrize(
    ("version", "name", "payload", "valid"),
    [
        (OCPP16, "StatusNotification", {"connectorId": 1.0, "errorCode": "NoError", "status": "Available"}, False),
        (OCPP16, "SignedFirmwareStatusNotification", {"status": "Idle", "requestId": 1.0}, True),
        (OCPP16, "SignedFirmwareStatusNotification", {"status": "Idle", "requestId": 1.5}, False),
        (OCPP21, "CancelReservationRequest", {"reservationId": 1.0}, True),
        (OCPP21, "CancelReservationRequest", {"reservationId": -1.0}, False),
        (OCPP201, "CancelReservationRequest", {"reservationId": -1.0}, True),
        (OCPP201, "CancelReservationRequest", {"reservationId": True}, False),
    ],
)
def test_a_whole_float_is_an_integer_to_draft_6_only(version: Any, name: str, payload: Any, valid: bool) -> None:
    """1.0 is judged by the draft that the message's schema names."""
    case = case_of(version, name)
    assert case.validator.is_valid(payload) is valid
    assert accepts(case, json.dumps(payload).encode()) is valid


def test_what_2_1_requires_newly_is_absent_in_2_0_1() -> None:
    """The one type that is not backward compatible: `eventNotificationType`, unknown to 2.0.1, required by 2.1."""
    monitor = {"id": 1, "transaction": False, "value": 1.5, "type": "Delta", "severity": 3}
    data = {"component": {"name": "c"}, "variable": {"name": "v"}, "variableMonitoring": [monitor]}
    payload = {"requestId": 1, "seqNo": 0, "generatedAt": "2024-05-06T07:08:09Z", "monitor": [data]}
    raw = json.dumps(payload).encode()
    old, new = (case_of(version, "NotifyMonitoringReportRequest") for version in (OCPP201, OCPP21))
    parsed = parse(old.cls, raw, old.actions)
    assert not parsed.flags
    assert json.loads(encode(parsed.value)) == payload
    assert parse(new.cls, raw, new.actions).flags == {
        "missing:monitor.variableMonitoring.eventNotificationType",
    }


def test_what_only_2_1_knows_is_flagged_on_2_0_1() -> None:
    """A 2.0.1 station that sends more than 2.0.1 allows is understood and flagged."""
    case = case_of(OCPP201, "AuthorizeRequest")
    raw = json.dumps({"idToken": {"idToken": "x" * 100, "type": "DirectPayment"}}).encode()
    parsed = parse(case.cls, raw, case.actions)
    assert parsed.flags == {"overlong:idToken.idToken", "enum:idToken.type"}
    assert json.loads(encode(parsed.value)) == json.loads(raw)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"a":\xff}', b"[" * 5000, b'{"a":1e999}', b'{"a":"\\ud800"}', b"[]", b"7"]
)
@pytest.mark.parametrize("version", [OCPP16, OCPP201, OCPP21], ids=lambda v: v.name)
def test_what_is_no_json_object_is_a_format_violation(version: Any, raw: bytes) -> None:
    """Neither pass raises anything but PayloadError, and what is no object has the format's code."""
    case = case_of(version, "HeartbeatResponse")
    with pytest.raises(PayloadError) as refused:
        parse(case.cls, raw, case.actions)
    assert refused.value.code == "FormatViolation"


@pytest.mark.parametrize("digits", [30, 308, 400, 5000, 200_000])
@pytest.mark.parametrize("quote", ["", '"'], ids=["number", "string"])
def test_a_giant_number_raises_nothing_else(digits: int, quote: str) -> None:
    """A number of any length in any field is kept or refused, whichever pass reads it."""
    number = quote + "9" * digits + quote
    status = f'"connectorId":{number},"errorCode":"NoError","status":"Available"'
    info = f'"connectorId":"1","errorCode":"NoError","status":"Available","info":{number}'
    for cls, raw in (
        (SetChargingProfileRequest, profile(number)),
        (StatusNotificationRequest, f"{{{status}}}".encode()),
        (StatusNotificationRequest, f"{{{info}}}".encode()),
    ):
        try:
            encode(parse(cls, raw).value)
        except PayloadError:
            continue
