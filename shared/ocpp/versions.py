"""What differs between the OCPP-J versions, as data: one frozen `Version` per subprotocol.

Code asks for a feature (`version.send_frame`), never for a version. `negotiate` chooses one at the handshake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from shared.ocpp.errors import ErrorCode

UNREADABLE_ID: Final = "-1"
"""The message id of a CALLERROR about a frame whose own could not be read (OCPP-J 2.0.1 §4.2.3, 2.1 §4.2.3)."""


class Version(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The rules of one version of OCPP-J, keyed by its WebSocket subprotocol."""

    subprotocol: str
    name: str
    send_frame: bool
    """SEND exists (OCPP-J 2.1 §4.2.4); it is never answered."""
    result_error: bool
    """CALLRESULTERROR exists (OCPP-J 2.1 §4.2.3)."""
    answers_unknown_type: bool
    """Unknown message types get MessageTypeNotSupported (OCPP-J 2.0.1 §4.4), else nothing (1.6 §4.1.3, 2.1 §4.4)."""
    answers_unreadable: bool
    """A corrupt frame without a readable id gets a CALLERROR with the id "-1"; 1.6 has no answer for it."""
    compression: bool
    """permessage-deflate is offered (OCPP-J 2.0.1 §3.4: required of a CSMS); 1.6 advises against it (§5.1)."""
    bad_envelope: ErrorCode
    """What a broken RPC array gets."""
    spellings: Mapping[ErrorCode, str] = msgspec.field(default_factory=dict)
    """Codes that this version spells in another way or lacks; all others go as they are."""

    def spell(self, code: ErrorCode) -> str:
        """Return the code's spelling on the wire of this version."""
        return self.spellings.get(code, code.value)


OCPP16: Final = Version(
    subprotocol="ocpp1.6",
    name="1.6",
    send_frame=False,
    result_error=False,
    answers_unknown_type=False,
    answers_unreadable=False,
    compression=False,
    bad_envelope=ErrorCode.FORMAT_VIOLATION,
    spellings={
        # Misspelt in the standard and kept so by its errata (OCPP-J 1.6 errata 5.1, 5.2).
        ErrorCode.FORMAT_VIOLATION: "FormationViolation",
        ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION: "OccurenceConstraintViolation",
        # Codes that 1.6 does not know (§4.2.3 table 7).
        ErrorCode.RPC_FRAMEWORK_ERROR: "FormationViolation",
        ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED: "GenericError",
    },
)
OCPP201: Final = Version(
    subprotocol="ocpp2.0.1",
    name="2.0.1",
    send_frame=False,
    result_error=False,
    answers_unknown_type=True,
    answers_unreadable=True,
    compression=True,
    bad_envelope=ErrorCode.RPC_FRAMEWORK_ERROR,
)
OCPP21: Final = Version(
    subprotocol="ocpp2.1",
    name="2.1",
    send_frame=True,
    result_error=True,
    answers_unknown_type=False,
    answers_unreadable=True,
    compression=True,
    bad_envelope=ErrorCode.RPC_FRAMEWORK_ERROR,
)

VERSIONS: Final[Mapping[str, Version]] = {v.subprotocol: v for v in (OCPP16, OCPP201, OCPP21)}


class Negotiation(msgspec.Struct, frozen=True):
    """The outcome of the subprotocol negotiation.

    `version` is None where the handshake is finished without the header and then closed (OCPP-J 1.6 §3.2); `header` is
    the token to echo in `Sec-WebSocket-Protocol`, None for none; `flagged` tells that the station deviated (quirk 12).
    """

    version: Version | None
    header: str | None = None
    flagged: bool = False


def negotiate(offered: Sequence[str], supported: Sequence[str], default: str | None = None) -> Negotiation:
    """Choose the first offered subprotocol that is supported: the offer is in the station's order of preference.

    `offered` holds the tokens of the request's header, `supported` and `default` keys of `VERSIONS`. Without a match
    `default` is used where it is set, and nothing is echoed, for a server may only echo what was offered (RFC 6455
    §4.2.2). A token in another letter case matches, is echoed as it came and flagged. Raises KeyError for an unknown
    `supported` or `default`.
    """
    allowed = {name: VERSIONS[name] for name in supported}
    tokens = [token.strip() for token in offered]
    for token in tokens:
        if (version := allowed.get(token)) is not None:
            return Negotiation(version, token)
    for token in tokens:
        if (version := allowed.get(token.lower())) is not None:
            return Negotiation(version, token, flagged=True)
    if default is not None:
        return Negotiation(VERSIONS[default], flagged=True)
    return Negotiation(None)
