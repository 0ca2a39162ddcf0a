"""What every generated type is built on.

A request class names its action and its response class, and the pairing is also in its type: a function that takes
`Request[R]` and `R` refuses another request's response when types are checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec

_T = TypeVar("_T")

if TYPE_CHECKING:
    Maybe: TypeAlias = _T | None
else:

    class Maybe:
        """The type of an optional field: absent is None, and a null in the JSON is refused, as the schemas do.

        At run time `Maybe[X]` is `X`, so msgspec sees a plain type with the default None, which it does not check.
        """

        def __class_getitem__(cls, item: Any) -> Any:
            return item


class Data(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """An object of the schemas: its fields are the standard's in snake_case."""


class CustomDataType(dict[str, Any]):
    """The vendor's own data (2.x): the one open object, so its unknown members are kept; JSON names as they came."""

    @property
    def vendor_id(self) -> str:
        """The vendor, ≤ 255 characters."""
        return str(self["vendorId"])


class Check(NamedTuple):
    """What a message's schema demands beyond its type; `payloads.strict` applies it.

    `path` names the fields from the message down, through arrays. The value must be a multiple of `step`, in exact
    decimals, where that is set, and none of `excluded` (for an enum that another message has more members of).
    """

    path: tuple[str, ...]
    step: str = ""
    excluded: frozenset[str] = frozenset()


class Message(Data, frozen=True, kw_only=True):
    """The payload of a frame."""

    # The draft of the JSON schema: to draft 4 (most of 1.6) 1.0 is no integer, to draft 6 it is.
    draft: ClassVar[int] = 6
    checks: ClassVar[tuple[Check, ...]] = ()


class Response(Message, frozen=True, kw_only=True):
    """The payload of a CALLRESULT."""


R = TypeVar("R", bound=Response)


class Request(Message, Generic[R], frozen=True, kw_only=True):
    """The payload of a CALL; `R` is the payload that answers it."""

    action: ClassVar[str]
    response: ClassVar[type[Response]]


class Unconfirmed(Message, frozen=True, kw_only=True):
    """The payload of a SEND, which has no answer (2.1)."""

    action: ClassVar[str]


def response_type(request: type[Request[R]]) -> type[R]:
    """Return the class of a request's response, with its static type."""
    # The class variable cannot name R (PEP 526); the generator pairs both from the same schemas.
    return request.response  # type: ignore[return-value]
