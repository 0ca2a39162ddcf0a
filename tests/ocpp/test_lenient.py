"""The lenient pass: each row of the quirks that concerns payloads, and what stays refused."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import pytest

from shared.ocpp.errors import ErrorCode
from shared.ocpp.lenient import Walk, type_info
from shared.ocpp.messages import Data, Message
from shared.ocpp.payloads import QUIRK_NAMES, PayloadError, encode, parse, quirk_of, strict
from shared.ocpp.quirks import MAX_FLAGS, UNKNOWN_METER, UNKNOWN_TRANSACTION, make_flag
from shared.ocpp.v2x.messages import AuthorizeRequest as Authorize21
from shared.ocpp.v2x.messages import BootNotificationRequest as Boot21
from shared.ocpp.v2x.messages import CancelReservationRequest as Cancel21
from shared.ocpp.v16 import messages as m
from shared.ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus, Reason, UnitOfMeasure

TIME = "2024-05-06T07:08:09Z"
START = {"connectorId": 1, "idTag": "ABC", "meterStart": 100, "timestamp": TIME}
STOP = {"transactionId": 7, "meterStop": 200, "timestamp": TIME}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}


class Prefix(StrEnum):
    """An enum whose members differ in letter case only."""

    MILLI = "mW"
    MEGA = "MW"


class Holder(Data, frozen=True, kw_only=True):
    """Holds one."""

    unit: Prefix


def meter_values(*samples: dict[str, Any]) -> dict[str, Any]:
    """Return MeterValues of one time with the samples given."""
    return {"connectorId": 1, "meterValue": [{"timestamp": TIME, "sampledValue": list(samples)}]}


def read(cls: type[Any], payload: Any) -> tuple[Any, set[str]]:
    """Parse a payload that the strict pass must refuse; return the value and the flags."""
    raw = json.dumps(payload).encode()
    with pytest.raises(PayloadError):
        strict(cls, raw)
    parsed = parse(cls, raw)
    assert type(parsed.value) is cls
    assert {quirk_of(flag) for flag in parsed.flags} <= QUIRK_NAMES
    encode(parsed.value)
    return parsed.value, set(parsed.flags)


@pytest.mark.parametrize(
    ("cls", "payload", "field", "value", "flags"),
    [
        # 8: overlong fields
        (m.StartTransactionRequest, START | {"idTag": "x" * 21}, "id_tag", "x" * 21, {"overlong:idTag"}),
        (
            m.BootNotificationRequest,
            BOOT | {"chargePointSerialNumber": "s" * 33},
            "charge_point_serial_number",
            "s" * 33,
            {"overlong:chargePointSerialNumber"},
        ),
        # 9: enum strays
        (m.StatusNotificationRequest, STATUS | {"status": "Error"}, "status", "Error", {"enum:status"}),
        (m.StopTransactionRequest, STOP | {"reason": "Stuck"}, "reason", "Stuck", {"enum:reason"}),
        # 11: null payload
        (m.HeartbeatRequest, None, None, None, {"null:payload"}),
        # 14: transactionId null, absent or nonsense
        (
            *(m.StopTransactionRequest, STOP | {"transactionId": None}),
            *("transaction_id", UNKNOWN_TRANSACTION, {"null:transactionId"}),
        ),
        (
            *(m.StopTransactionRequest, {"meterStop": 200, "timestamp": TIME}),
            *("transaction_id", UNKNOWN_TRANSACTION, {"missing:transactionId"}),
        ),
        (
            *(m.StopTransactionRequest, STOP | {"transactionId": "none"}),
            *("transaction_id", UNKNOWN_TRANSACTION, {"number:transactionId"}),
        ),
        # 19: no meterStop counts as the -1 that others send
        (m.StopTransactionRequest, STOP | {"meterStop": None}, "meter_stop", UNKNOWN_METER, {"null:meterStop"}),
        # 28: free vending
        (
            *(m.StartTransactionRequest, {"connectorId": 1, "meterStart": 1, "timestamp": TIME}),
            *("id_tag", "", {"missing:idTag"}),
        ),
        (m.StartTransactionRequest, START | {"idTag": None}, "id_tag", "", {"null:idTag"}),
        # 6: a transaction is never refused for its time
        (m.StartTransactionRequest, START | {"timestamp": None}, "timestamp", "", {"null:timestamp"}),
        # 33: unknown fields, letter case
        (m.StatusNotificationRequest, STATUS | {"extra": {"deep": 1}}, "connector_id", 1, {"unknown:extra"}),
        (
            *(m.StatusNotificationRequest, STATUS | {"status": "available"}),
            *("status", ChargePointStatus.AVAILABLE, {"case:status"}),
        ),
        # numbers in other forms
        (m.StartTransactionRequest, START | {"connectorId": "1"}, "connector_id", 1, {"number:connectorId"}),
        (m.StartTransactionRequest, START | {"meterStart": 12.0}, "meter_start", 12, {"number:meterStart"}),
        (m.StartTransactionRequest, START | {"meterStart": " 12.9 "}, "meter_start", 12, {"number:meterStart"}),
        (m.StopTransactionRequest, STOP | {"transactionId": "2147483647"}, "transaction_id", 2**31 - 1, None),
        (m.StopTransactionRequest, STOP | {"transactionId": "9007199254740993"}, "transaction_id", 2**53 + 1, None),
        # null and unusable optional fields
        (m.StatusNotificationRequest, STATUS | {"info": None}, "info", None, {"null:info"}),
        (m.StatusNotificationRequest, STATUS | {"info": []}, "info", None, {"dropped:info"}),
        (m.StopTransactionRequest, STOP | {"reason": ""}, "reason", None, {"null:reason"}),
        (m.StatusNotificationRequest, STATUS | {"vendorErrorCode": 17}, "vendor_error_code", "17", None),
        (m.StatusNotificationRequest, STATUS | {"info": True}, "info", "true", {"text:info"}),
        # defaults
        (
            *(m.StatusNotificationRequest, {"connectorId": 1, "status": "Available"}),
            *("error_code", ChargePointErrorCode.NO_ERROR, {"missing:errorCode"}),
        ),
        (m.BootNotificationRequest, {"chargePointVendor": "V"}, "charge_point_model", "", {"missing:chargePointModel"}),
        (m.DataTransferRequest, {"data": "x"}, "vendor_id", "", {"missing:vendorId"}),
        # two at once
        (
            *(m.StopTransactionRequest, STOP | {"reason": "LOCAL", "idTag": "y" * 40, "new": 1}),
            *("reason", Reason.LOCAL, {"case:reason", "overlong:idTag", "unknown:new"}),
        ),
    ],
)
def test_a_deviation_is_understood_and_flagged(
    cls: type[Message], payload: Any, field: str | None, value: Any, flags: set[str] | None
) -> None:
    """What real stations send is taken for what it means, and the deviation is named."""
    parsed, found = read(cls, payload)
    if field is not None:
        assert getattr(parsed, field) == value
        assert type(getattr(parsed, field)) is type(value)
    assert found == flags or flags is None
    assert found


@pytest.mark.parametrize("unit", ["Hz", "Request.Energy", "°C"])
def test_a_stray_unit_is_kept_raw(unit: str) -> None:
    """An unknown unit stays what the station wrote (quirk 9)."""
    value, flags = read(m.MeterValuesRequest, meter_values({"value": "50", "unit": unit}))
    assert value.meter_value[0].sampled_value[0].unit == unit
    assert flags == {"enum:meterValue.sampledValue.unit"}


def test_a_misspelt_unit_of_the_schema_is_no_deviation() -> None:
    """`Celcius` stands in the schema beside `Celsius`."""
    raw = json.dumps(meter_values({"value": "50", "unit": "Celcius"})).encode()
    parsed = parse(m.MeterValuesRequest, raw)
    assert not parsed.flags
    assert parsed.value.meter_value[0].sampled_value[0].unit is UnitOfMeasure.CELCIUS


def test_one_bad_sample_does_not_take_the_others_along() -> None:
    """A sample without a value is left out, numbers as values are written out."""
    value, flags = read(
        m.MeterValuesRequest, meter_values({"value": None}, {"value": 12.5}, {"unit": "W"}, {"value": 7})
    )
    assert [sample.value for sample in value.meter_value[0].sampled_value] == ["12.5", "7"]
    assert flags == {"dropped:meterValue.sampledValue", "text:meterValue.sampledValue.value"}


def test_a_lone_object_stands_for_an_array_of_one() -> None:
    """An object where an array belongs is its only item; no samples at all is kept."""
    value, flags = read(m.MeterValuesRequest, {"connectorId": 1, "meterValue": {"timestamp": TIME, "sampledValue": []}})
    assert value.meter_value[0].sampled_value == ()
    assert flags == {"single:meterValue", "empty:meterValue.sampledValue"}


def test_configuration_values_that_are_no_strings_are_written_out() -> None:
    """GetConfiguration with numbers and booleans (quirk 23)."""
    keys = [{"key": "a", "readonly": "true", "value": 60}, {"key": "b", "value": False}, {"key": "c", "readonly": 0}]
    value, flags = read(m.GetConfigurationResponse, {"configurationKey": keys})
    assert [(k.key, k.readonly, k.value) for k in value.configuration_key] == [
        *(("a", True, "60"), ("b", False, "false"), ("c", False, None)),
    ]
    path = "configurationKey"
    assert flags == {f"boolean:{path}.readonly", f"missing:{path}.readonly", f"text:{path}.value"}


def test_custom_data_without_a_vendor_is_kept() -> None:
    """The open object of 2.x loses nothing."""
    payload = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}, "customData": {"a": [1]}}
    value, flags = read(Boot21, payload)
    assert value.custom_data == {"a": [1], "vendorId": ""}
    assert flags == {"missing:customData.vendorId"}


def test_a_number_out_of_bounds_is_kept() -> None:
    """A negative number where the schema wants none is flagged."""
    value, flags = read(Cancel21, {"reservationId": -3})
    assert value.reservation_id == -3
    assert flags == {"range:reservationId"}


def test_an_overlong_array_is_kept() -> None:
    """Five items where four are allowed are all there."""
    hashes = [
        {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": "a",
            "issuerKeyHash": "b",
            "serialNumber": "c",
            "responderURL": "http://x",
        }
    ] * 5
    _, flags = read(
        Authorize21, {"idToken": {"idToken": "t", "type": "ISO14443"}, "iso15118CertificateHashData": hashes}
    )
    assert flags == {"overlong:iso15118CertificateHashData"}


@pytest.mark.parametrize(
    ("cls", "payload", "code", "field"),
    [
        (
            m.StartTransactionRequest,
            START | {"meterStart": None},
            ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
            "meterStart",
        ),
        (m.StartTransactionRequest, START | {"meterStart": "lots"}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "meterStart"),
        (
            m.StartTransactionRequest,
            START | {"meterStart": "1" * 40},
            ErrorCode.TYPE_CONSTRAINT_VIOLATION,
            "meterStart",
        ),
        (m.StartTransactionRequest, START | {"meterStart": "inf"}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "meterStart"),
        (m.StartTransactionRequest, START | {"meterStart": True}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "meterStart"),
        (m.StartTransactionRequest, START | {"connectorId": {}}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "connectorId"),
        (m.AuthorizeRequest, {}, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "idTag"),
        (m.AuthorizeRequest, {"idTag": ["x"]}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "idTag"),
        (m.AuthorizeRequest, {"idTag": "x" * 1001}, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "idTag"),
        (
            m.StatusNotificationRequest,
            STATUS | {"status": "x" * 101},
            ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
            "status",
        ),
        (m.StatusNotificationRequest, STATUS | {"status": 3}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "status"),
        (m.MeterValuesRequest, {"connectorId": 1, "meterValue": 3}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "meterValue"),
        (
            m.MeterValuesRequest,
            {"connectorId": 1, "meterValue": ["x"]},
            ErrorCode.TYPE_CONSTRAINT_VIOLATION,
            "meterValue",
        ),
        (
            *(m.StopTransactionRequest, STOP | {"transactionData": "x"}),
            *(ErrorCode.TYPE_CONSTRAINT_VIOLATION, "transactionData"),
        ),
        (m.HeartbeatRequest, [], ErrorCode.FORMAT_VIOLATION, ""),
    ],
)
def test_what_no_pass_understands_is_refused(cls: type[Message], payload: Any, code: ErrorCode, field: str) -> None:
    """Without a meaning or a safe default the error names the field and has the code that fits."""
    with pytest.raises(PayloadError) as refused:
        parse(cls, json.dumps(payload).encode())
    assert (refused.value.code, refused.value.field) == (code, field)
    assert field in refused.value.description


@pytest.mark.parametrize("payload", [{"idTag": "SECRET" * 200}, {"idTag": ["SECRET"]}, {"idTag": {"SECRET": 1}}])
def test_an_error_never_holds_a_value(payload: Any) -> None:
    """What the station wrote into a field is in no description (it may be an idTag)."""
    for read_it in (parse, strict):
        with pytest.raises(PayloadError) as refused:
            read_it(m.AuthorizeRequest, json.dumps(payload).encode())
        assert "SECRET" not in str(refused.value)


def test_a_stray_enum_value_is_not_in_the_error() -> None:
    """msgspec would quote it."""
    with pytest.raises(PayloadError) as refused:
        strict(m.StatusNotificationRequest, json.dumps(STATUS | {"status": "SECRET"}).encode())
    assert "SECRET" not in str(refused.value)
    assert (refused.value.field, refused.value.code) == ("status", ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)


def test_flags_are_few_and_clean() -> None:
    """A station that sends a thousand unknown fields with strange names gets a bounded number of clean flags."""
    payload = STATUS | {f"a{n}\n{{}}" + "x" * 500: n for n in range(1000)}
    _, flags = read(m.StatusNotificationRequest, payload)
    assert len(flags) == MAX_FLAGS
    assert all(len(flag) < 120 and "\n" not in flag and "{" not in flag for flag in flags)
    assert make_flag("unknown", "a b\n") == "unknown:a?b?"


def test_flagged_enums_compare_like_members() -> None:
    """A member and the raw string are the same to a comparison, so handlers need not care."""
    value, _ = read(m.StatusNotificationRequest, STATUS | {"extra": 1})
    assert value.status == "Available"
    assert value.status is ChargePointStatus.AVAILABLE


def test_an_ambiguous_letter_case_is_not_mapped() -> None:
    """Where two members differ in letter case only, a third spelling is a stray."""
    walk = Walk(whole_floats=True)
    assert walk.read(type_info(Holder), {"unit": "mw"}, "").unit == "mw"
    assert walk.flags == {"enum:unit"}
