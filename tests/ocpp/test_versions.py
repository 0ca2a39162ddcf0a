"""The version features, the spelling of codes and the negotiation."""

from __future__ import annotations

import pytest

from shared.ocpp.errors import ErrorCode, OcppError, read_code
from shared.ocpp.versions import OCPP16, OCPP21, OCPP201, VERSIONS, Version, negotiate


def test_1_6_keeps_its_misspelt_codes() -> None:
    """The two codes that 1.6 misspells go out so, and correctly in 2.x."""
    assert OCPP16.spell(ErrorCode.FORMAT_VIOLATION) == "FormationViolation"
    assert OCPP16.spell(ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION) == "OccurenceConstraintViolation"
    for version in (OCPP201, OCPP21):
        assert version.spell(ErrorCode.FORMAT_VIOLATION) == "FormatViolation"
        assert version.spell(ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION) == "OccurrenceConstraintViolation"


def test_1_6_is_never_sent_a_code_that_it_does_not_know() -> None:
    """Every code is spelt as one of table 7 of OCPP-J 1.6 §4.2.3."""
    table = {
        *("NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError", "FormationViolation"),
        *("PropertyConstraintViolation", "OccurenceConstraintViolation", "TypeConstraintViolation", "GenericError"),
    }
    assert {OCPP16.spell(code) for code in ErrorCode} <= table


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda v: v.name)
def test_all_spellings_are_read(version: Version) -> None:
    """Whatever a version may send is understood, all four disputed spellings included, and a stray code is None."""
    for code in ErrorCode:
        assert read_code(code.value) is code
        assert read_code(version.spell(code)) is not None
    assert read_code("FormationViolation") is read_code("FormatViolation")
    assert read_code("OccurenceConstraintViolation") is read_code("OccurrenceConstraintViolation")
    assert read_code("Oops") is None


def test_an_error_carries_its_code() -> None:
    """A code given outweighs the class's, and the description is cut to what fits."""
    assert OcppError("x").code == "GenericError"
    assert OcppError("x", code=ErrorCode.NOT_SUPPORTED).code == "NotSupported"
    assert len(OcppError("x" * 999).description) == 255


ALL = tuple(VERSIONS)


@pytest.mark.parametrize(
    ("offered", "supported", "default", "name", "header", "flagged"),
    [
        (["ocpp1.6"], ALL, None, "1.6", "ocpp1.6", False),
        (["ocpp2.1", "ocpp1.6"], ALL, None, "2.1", "ocpp2.1", False),
        (["ocpp1.6", "ocpp2.1"], ALL, None, "1.6", "ocpp1.6", False),
        (["ocpp2.1", "ocpp1.6"], ["ocpp1.6"], None, "1.6", "ocpp1.6", False),
        ([" ocpp1.6 "], ALL, None, "1.6", "ocpp1.6", False),
        (["OCPP1.6"], ALL, None, "1.6", "OCPP1.6", True),
        (["OCPP2.1", "ocpp1.6"], ALL, None, "1.6", "ocpp1.6", False),
        (["ocpp2.0.1"], ["ocpp1.6"], None, None, None, False),
        (["soap"], ALL, None, None, None, False),
        ([], ALL, None, None, None, False),
        ([], ALL, "ocpp1.6", "1.6", None, True),
        (["soap"], ["ocpp1.6"], "ocpp1.6", "1.6", None, True),
    ],
)
def test_the_subprotocol_is_negotiated(
    offered: list[str], supported: list[str], default: str | None, name: str | None, header: str | None, flagged: bool
) -> None:
    """The station's first offer that is supported is chosen, else the default without a header, else none."""
    chosen = negotiate(offered, supported, default)
    assert (chosen.version.name if chosen.version else None) == name
    assert (chosen.header, chosen.flagged) == (header, flagged)


def test_an_unknown_setting_is_an_error() -> None:
    """A subprotocol that does not exist is refused by name."""
    with pytest.raises(KeyError, match=r"ocpp3\.0"):
        negotiate([], ["ocpp3.0"])
