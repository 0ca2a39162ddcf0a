"""The envelope: what is decoded, what is refused and how, and that nothing else is ever raised."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ocpp import frames
from shared.ocpp.errors import BadEnvelope, FrameError, NotJson, TooBig, TooDeep, UnknownMessageType

CALL = b'[2,"a","Heartbeat",{}]'
ids = st.text(max_size=36).filter(lambda text: text.isprintable())
objects = st.dictionaries(
    st.text(max_size=5), st.integers() | st.text(max_size=5) | st.lists(st.booleans(), max_size=3)
)


def payload_of(frame: frames.Frame) -> Any:
    """Return a frame's payload as a value."""
    assert isinstance(frame, (frames.Call, frames.CallResult, frames.Send))
    return json.loads(bytes(frame.payload))


@given(message_id=ids, action=ids, payload=objects)
def test_a_call_survives_the_wire(message_id: str, action: str, payload: dict[str, Any]) -> None:
    """What is encoded as a CALL is decoded as the same CALL, from bytes and from text."""
    data = frames.encode_call(message_id, action, payload)
    for form in (data, data.decode()):
        frame = frames.decode(form)
        assert isinstance(frame, frames.Call)
        assert (frame.message_id, frame.action, payload_of(frame)) == (message_id, action, payload)
    assert json.loads(data) == [2, message_id, action, payload]


@given(message_id=ids, action=ids, payload=objects)
def test_results_and_sends_survive_the_wire(message_id: str, action: str, payload: dict[str, Any]) -> None:
    """A CALLRESULT and a SEND decode to what was encoded."""
    result = frames.decode(frames.encode_result(message_id, payload))
    send = frames.decode(frames.encode_send(message_id, action, payload))
    assert isinstance(result, frames.CallResult)
    assert isinstance(send, frames.Send)
    assert payload_of(result) == payload_of(send) == payload
    assert (send.message_id, send.action) == (message_id, action)


@given(message_id=ids, code=ids, description=st.text(max_size=300), details=objects)
def test_errors_survive_the_wire(message_id: str, code: str, description: str, details: dict[str, Any]) -> None:
    """A CALLERROR and a CALLRESULTERROR decode to what was encoded, the description cut to 255 characters."""
    for encode, cls in ((frames.encode_error, frames.CallError), (frames.encode_result_error, frames.CallResultError)):
        frame = frames.decode(encode(message_id, code, description, details))
        assert isinstance(frame, cls)
        assert (frame.message_id, frame.code, frame.description) == (message_id, code, description[:255])
        assert json.loads(bytes(frame.details)) == details


@given(data=st.binary(max_size=200) | st.text(max_size=100))
def test_any_input_is_a_frame_or_a_frame_error(data: bytes | str) -> None:
    """Noise never raises anything but FrameError."""
    reason = "none"
    try:
        frames.decode(data)
    except FrameError as error:
        reason = error.reason
    assert reason in {"none", "not_json", "bad_envelope", "unknown_message_type"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(items=st.lists(json_values | st.integers(1, 7), max_size=6))
def test_any_json_array_is_a_frame_or_a_frame_error(items: list[Any]) -> None:
    """An array of anything is decoded only where it has the elements of its type, and no more."""
    data = json.dumps(items).encode()
    try:
        frame = frames.decode(data)
    except FrameError:
        return
    assert len(items) == {2: 4, 3: 3, 6: 4}.get(items[0], len(items)) <= 5
    assert frame.message_id == items[1]


@settings(max_examples=200)
@given(cut=st.integers(0, 60), flip=st.integers(0, 255))
def test_a_damaged_call_is_a_frame_or_a_frame_error(cut: int, flip: int) -> None:
    """A CALL that is cut, or has one byte changed, never raises anything else."""
    data = frames.encode_call("19223201", "StatusNotification", {"connectorId": 1})
    for damaged in (data[:cut], data[:cut] + bytes((flip,)) + data[cut + 1 :]):
        try:
            frames.decode(damaged)
        except FrameError:
            continue


@pytest.mark.parametrize(
    ("data", "error", "head"),
    [
        (b"", NotJson, (None, None, None)),
        (b" \n", NotJson, (None, None, None)),
        (b"hello", NotJson, (None, None, None)),
        (b'[2,"a","B",{}] x', NotJson, (2, "a", "B")),
        (b'[2,"a","StartTransaction",{"connectorId":1', NotJson, (2, "a", "StartTransaction")),
        (b'[2, "a" , "B"', NotJson, (2, "a", None)),
        (b'[2,"a",', NotJson, (2, "a", None)),
        (b'[2,"\\ud83d","B",{', NotJson, (2, None, None)),
        (b"{}", BadEnvelope, (None, None, None)),
        (b'"x"', BadEnvelope, (None, None, None)),
        (b"[]", BadEnvelope, (None, None, None)),
        (b'["2","a","B",{}]', BadEnvelope, (None, None, None)),
        (b'[2.0,"a","B",{}]', BadEnvelope, (None, None, None)),
        (b'[true,"a","B",{}]', BadEnvelope, (None, None, None)),
        (b'[2,7,"B",{}]', BadEnvelope, (2, None, None)),
        (b'[2,null,"B",{}]', BadEnvelope, (2, None, None)),
        (b'[2,"a\xff","B",{}]', BadEnvelope, (2, None, None)),
        (b'[2,"a","B"]', BadEnvelope, (2, "a", "B")),
        (b'[2,"a",7,{}]', BadEnvelope, (2, "a", None)),
        (b'[2,"a","B",{},1]', BadEnvelope, (2, "a", "B")),
        (b'[2,"a","B",{},null,null]', BadEnvelope, (2, "a", "B")),
        (b'[2,"a","B",[]]', BadEnvelope, (2, "a", "B")),
        (b'[2,"a","B","{}"]', BadEnvelope, (2, "a", "B")),
        (b'[3,"a"]', BadEnvelope, (3, "a", None)),
        (b'[3,"a",{},{}]', BadEnvelope, (3, "a", None)),
        (b'[4,"a"]', BadEnvelope, (4, "a", None)),
        (b'[4,"a","X","",{},1]', BadEnvelope, (4, "a", None)),
        (b'[1,"a",{}]', UnknownMessageType, (1, "a", None)),
        (b'[-7,"a"]', UnknownMessageType, (-7, "a", None)),
        (b"[99]", UnknownMessageType, (99, None, None)),
    ],
)
def test_a_bad_frame_is_told_apart(data: bytes, error: type[FrameError], head: tuple[Any, ...]) -> None:
    """Each kind of bad frame has its error, with what could be read of it."""
    with pytest.raises(FrameError) as caught:
        frames.decode(data)
    assert type(caught.value) is error
    assert (caught.value.message_type, caught.value.message_id, caught.value.action) == head


def test_text_that_is_no_unicode_is_not_json() -> None:
    """A lone surrogate in the text has no UTF-8."""
    with pytest.raises(NotJson):
        frames.decode('[2,"a","B",{"x":"\ud800"}]')


@pytest.mark.parametrize("data", [b'[2,"a","Heartbeat",null]', b'[3,"a",null]'])
def test_a_null_payload_passes(data: bytes) -> None:
    """`null` means no payload (OCPP-J 1.6 §4.2.1, quirk 11)."""
    assert payload_of(frames.decode(data)) is None


@pytest.mark.parametrize("data", [b'[4,"a","Oops"]', b'[4,"a","Oops",null]', b'[4,"a","Oops","",null]'])
def test_a_short_call_error_passes_with_any_code(data: bytes) -> None:
    """Unknown codes and missing descriptions are accepted (quirk 10)."""
    frame = frames.decode(data)
    assert isinstance(frame, frames.CallError)
    assert frame.code == "Oops"


def test_a_multi_line_frame_passes() -> None:
    """White space between the elements does not matter (quirk 11)."""
    assert isinstance(frames.decode(b' [2,\r\n "a",\n\t"Heartbeat",\n  {}\n]\n'), frames.Call)


@pytest.mark.parametrize("length", [frames.MAX_SIZE, frames.MAX_SIZE + 1])
def test_the_size_is_bounded(length: int) -> None:
    """A frame of the greatest size passes, one byte more does not, and its message id is still read."""
    data = CALL + b" " * (length - len(CALL))
    if length <= frames.MAX_SIZE:
        assert isinstance(frames.decode(data), frames.Call)
        return
    with pytest.raises(TooBig) as caught:
        frames.decode(data)
    assert (caught.value.message_id, caught.value.action) == ("a", "Heartbeat")


def nested(depth: int) -> bytes:
    """Return a CALL that nests as deep as given, the frame's own array included."""
    return b'[2,"a","B",' + b'{"x":' * (depth - 1) + b"1" + b"}" * (depth - 1) + b"]"


def test_the_depth_is_bounded() -> None:
    """The greatest depth passes, one more does not."""
    assert isinstance(frames.decode(nested(frames.MAX_DEPTH)), frames.Call)
    with pytest.raises(TooDeep) as caught:
        frames.decode(nested(frames.MAX_DEPTH + 1))
    assert caught.value.message_id == "a"


@pytest.mark.parametrize("data", [b"[" * 200_000, nested(20_000), b'[2,"a","B",' + b"[{" * 1000])
def test_a_nesting_bomb_is_refused(data: bytes) -> None:
    """Very deep input is refused before it is decoded."""
    with pytest.raises(TooDeep):
        frames.decode(data)


@pytest.mark.parametrize("text", ["[" * 500, '\\"[{' * 100, "]" * 500, "\\\\"])
def test_brackets_in_strings_do_not_count(text: str) -> None:
    """Many brackets are not depth, whether they stand in strings or side by side."""
    data = b'[2,"a","B",{"x":"' + text.encode() + b'","y":[' + b"[]," * 500 + b"1]}]"
    assert isinstance(frames.decode(data), frames.Call)


def test_an_overlong_message_id_is_no_id() -> None:
    """A message id beyond the bound is neither accepted nor echoed."""
    assert isinstance(frames.decode(frames.encode_call("x" * frames.MAX_MESSAGE_ID, "B")), frames.Call)
    with pytest.raises(BadEnvelope) as caught:
        frames.decode(frames.encode_call("x" * (frames.MAX_MESSAGE_ID + 1), "B"))
    assert caught.value.message_id is None


def test_raw_bytes_are_sent_as_they_are() -> None:
    """A payload that is JSON already is not encoded again."""
    assert frames.encode_result("a", b'{"x": 1}') == b'[3,"a",{"x": 1}]'


def test_a_description_is_cut() -> None:
    """255 characters is what 2.x allows (OCPP-J 2.1 §4.2.3)."""
    assert len(json.loads(frames.encode_error("a", "X", "d" * 300))[3]) == frames.MAX_DESCRIPTION
    assert len(json.loads(frames.encode_result_error("a", "X", "d" * 300))[3]) == frames.MAX_DESCRIPTION
