"""Raw JSON to a typed message: a strict pass, and where it refuses, a lenient one that flags what deviated.

    raw ── strict ──────────────> value, no flags      the verdict of the JSON schema
         └─ refused ── lenient ─> value, flags         `shared.ocpp.lenient`, `shared.ocpp.quirks`
                     └─ refused ─> PayloadError        an OcppError with the code that fits, naming the field

The strict verdict is that of the schema with these differences: `multipleOf` is exact in decimals (8.1 is a multiple of
0.1, OCPP 1.6 §7.13), a number beyond a double is refused, and of a repeated member every occurrence must be valid.
An enum field of a flagged value may hold a plain string; enums are StrEnums, so that comparisons hold either way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec

from shared.ocpp.actions import Actions
from shared.ocpp.errors import ErrorCode
from shared.ocpp.lenient import PayloadError, Walk, check_quirk, json_path, type_info
from shared.ocpp.messages import Check, CustomDataType, Data, Message
from shared.ocpp.quirks import QUIRK_NAMES, make_flag, quirk_of

__all__ = ["QUIRK_NAMES", "Parsed", "PayloadError", "encode", "make_flag", "parse", "quirk_of", "strict"]

M = TypeVar("M", bound=Message)
Raw: TypeAlias = bytes | msgspec.Raw

_NO_FLAGS: Final[frozenset[str]] = frozenset()
_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError)
_decode_any = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
"""Encode a message as JSON bytes; what is absent is left out."""


class Parsed(NamedTuple, Generic[M]):
    """A message and how it deviated: flags as in `shared.ocpp.quirks`, none where the schema is met."""

    value: M
    flags: frozenset[str]


def parse(cls: type[M], raw: Raw, actions: Actions | None = None) -> Parsed[M]:
    """Return the payload as the type, strictly where possible, else leniently with flags.

    `actions` are the connection's (`actions_of(version)`): a 2.0.1 payload is judged by its own schema; without them by
    the type's. Raises `PayloadError` with code FormatViolation (no JSON object), TypeConstraintViolation,
    OccurrenceConstraintViolation or PropertyConstraintViolation. Strictly it costs 1 to 2 µs.
    """
    try:
        if actions is not None and cls in actions.strict:
            return _parse_by(actions.strict[cls], cls, raw)
        return Parsed(strict(cls, raw), _NO_FLAGS)
    except PayloadError:
        value, flags = _lenient(cls, raw)
        return Parsed(value, flags)


def strict(cls: type[M], raw: Raw) -> M:
    """Return the payload as the type; raises `PayloadError` where its schema refuses it."""
    try:
        value: M = _decoder(cls)(raw)
    except msgspec.ValidationError as error:
        value = _with_whole_floats(cls, raw, error)
    except _DECODE_ERRORS as error:
        raise _not_json(error) from None
    if cls.checks:
        for check in _violated(value, cls.checks):
            problem = f"no multiple of {check.step}" if check.step else "not one of the allowed values"
            raise PayloadError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, json_path(cls, check.path), problem)
    return value


def _parse_by(judge: type[Data], cls: type[M], raw: Raw) -> Parsed[M]:
    """Return the payload as the family's type, judged by another version's type of the same message."""
    try:
        _decoder(judge)(raw)
    except msgspec.ValidationError as error:
        try:
            _with_whole_floats(judge, raw, error)
        except PayloadError:
            return _flag_by(judge, cls, raw)
    except _DECODE_ERRORS as error:
        raise _not_json(error) from None
    try:
        return Parsed(strict(cls, raw), _NO_FLAGS)
    except PayloadError:
        # Valid in its own version: what the family's type minds is no deviation.
        return Parsed(_lenient(cls, raw)[0], _NO_FLAGS)


def _flag_by(judge: type[Data], cls: type[M], raw: Raw) -> Parsed[M]:
    """Return the payload with the flags that its own version's type gives."""
    value, flags = _lenient(cls, raw)
    try:
        flags = _lenient(judge, raw)[1] or flags
    except PayloadError:
        flags |= {make_flag("version", "payload")}
    return Parsed(value, flags or frozenset((make_flag("version", "payload"),)))


def _lenient(cls: type[Data], raw: Raw) -> tuple[Any, frozenset[str]]:
    """Return (message, flags) of a payload that was refused."""
    tree = _tree(raw)
    walk = Walk(whole_floats=getattr(cls, "draft", 6) > 4)
    if tree is None:
        walk.flag("null", "payload")
        tree = {}
    if not isinstance(tree, dict):
        raise PayloadError(ErrorCode.FORMAT_VIOLATION, "", "the payload is not an object")
    value = walk.read(type_info(cls), tree, "")
    for check in _violated(value, getattr(cls, "checks", ())):
        walk.flag(check_quirk(check), json_path(cls, check.path))
    return value, walk.flags


def _tree(raw: Raw) -> Any:
    try:
        return _decode_any(raw)
    except _DECODE_ERRORS as error:
        raise _not_json(error) from None


def _not_json(error: Exception) -> PayloadError:
    # msgspec names positions here, never values.
    return PayloadError(ErrorCode.FORMAT_VIOLATION, "", f"the payload is not JSON: {error}")


def _custom_data(cls: type[Any], value: Any) -> Any:
    """Decode the one open object of 2.x, as msgspec's hook for what it does not know."""
    if cls is not CustomDataType:
        raise NotImplementedError(cls)
    vendor = value.get("vendorId") if isinstance(value, dict) else None
    if not isinstance(vendor, str) or len(vendor) > 255:
        raise ValueError("Expected an object with `vendorId`")
    return CustomDataType(value)


_DECODERS: Final[dict[type[Any], Callable[[Raw], Any]]] = {}


def _decoder(cls: type[Any]) -> Callable[[Raw], Any]:
    if (found := _DECODERS.get(cls)) is None:
        found = _DECODERS[cls] = msgspec.json.Decoder(cls, dec_hook=_custom_data).decode
    return found


def _with_whole_floats(cls: type[Any], raw: Raw, error: msgspec.ValidationError) -> Any:
    """Decode again with 1.0 read as 1, which draft 6 of JSON schema calls an integer and draft 4 does not."""
    if getattr(cls, "draft", 6) > 4 and (b"." in bytes(raw) or b"e" in bytes(raw).lower()):
        try:
            return msgspec.convert(_whole(_tree(raw)), cls, dec_hook=_custom_data)
        except msgspec.ValidationError as again:
            error = again
    raise _explain(error) from None


def _whole(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return value


_NAMED: Final = re.compile(r"(?:required|unknown) field `(.*)`", re.DOTALL)
_CODES: Final = (
    ("missing required", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "a required field is missing"),
    ("unknown field", ErrorCode.FORMAT_VIOLATION, "an unknown field"),
    ("Invalid enum", ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "not one of the allowed values"),
    ("Expected `array` of length", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "too many or too few items"),
    ("length", ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "too long"),
    ("=", ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "out of bounds"),
)


def _explain(error: msgspec.ValidationError) -> PayloadError:
    """Return msgspec's refusal as an error that names the field and never a value."""
    what, _, where = str(error).partition(" - at `")
    field = where.rstrip("`").removeprefix("$").removeprefix(".")
    if (named := _NAMED.search(what)) is not None:
        field = f"{field}.{named[1][:64]}" if field else named[1][:64]
    for sign, code, problem in _CODES:
        if sign in what:
            return PayloadError(code, field, problem)
    return PayloadError(ErrorCode.TYPE_CONSTRAINT_VIOLATION, field, "a value of another type is expected")


def _violated(value: Any, checks: tuple[Check, ...]) -> Iterator[Check]:
    """Yield the checks that a message fails."""
    for check in checks:
        if not all(_holds(leaf, check) for leaf in _leaves(value, check.path)):
            yield check


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield the values at the end of a path, through every item of the arrays on it."""
    if value is None:
        return
    if isinstance(value, tuple):
        for item in value:
            yield from _leaves(item, path)
    elif path:
        yield from _leaves(getattr(value, path[0]), path[1:])
    else:
        yield value


def _holds(leaf: Any, check: Check) -> bool:
    if check.step:
        # repr gives the shortest decimal that reads back as the same double: what the station wrote.
        return Fraction(repr(leaf)) % Fraction(check.step) == 0
    return leaf not in check.excluded
