"""A record and its bytes say the same, whatever is in it."""

import contextlib
import math
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.errors import TapeDamagedError
from rtproxy.tape.codec import (
    MAX_MAP_RECORD,
    TRAILER_SIZE,
    decode,
    encode_control,
    encode_event,
    encode_header,
    encode_seal,
    encode_trailer,
    frame_at,
    is_sound,
    kind_and_seq,
    plain,
)
from rtproxy.tape.record import Control, Event, Header, Seal, Trailer, Unknown
from tests.tape.framing import framed

SEQ = st.integers(0, (1 << 63) - 1)
TIME = st.integers(-(1 << 63), (1 << 63) - 1)
FLAGS = st.integers(0, 15)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
# Any Python value at all, with lone surrogates, huge integers, keys that are no text, and objects.
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.builds(object) | st.sampled_from([b"\xff".decode("utf-8", "surrogateescape")]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner)
    | st.tuples(inner) | st.frozensets(st.integers()),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None)
@given(SEQ, TIME, FLAGS, TEXT | st.binary())
def test_event(seq: int, t_ns: int, flags: int, payload: str | bytes) -> None:
    data = encode_event(seq, t_ns, flags, payload)
    assert is_sound(data)
    assert kind_and_seq(data[:21]) == (1, seq)
    assert decode(data) == Event(seq, t_ns, flags, payload)
    assert msgpack.unpackb(data)[2:] == [1, seq, t_ns, flags, payload]


@pytest.mark.parametrize("size", [0, 31, 32, 255, 256, 65535, 65536, 1 << 20])
@pytest.mark.parametrize("character", ["x", "é", "🎙"])
def test_events_of_every_size_class(size: int, character: str) -> None:
    text = character * size
    assert decode(encode_event(1, 2, 3, text)) == Event(1, 2, 3, text)
    assert decode(encode_event(1, 2, 3, text.encode())) == Event(1, 2, 3, text.encode())


@settings(deadline=None)
@given(SEQ, TIME, FLAGS, st.text(), st.dictionaries(st.text(), ANYTHING))
def test_a_control_holds_anything_that_the_network_may_say(
    seq: int, t_ns: int, flags: int, name: str, data: dict[str, Any]
) -> None:
    record = decode(encode_control(seq, t_ns, flags, name, data))
    assert isinstance(record, Control)
    assert (record.seq, record.t_ns, record.flags) == (seq, t_ns, flags)
    assert record.name == name.encode("utf-8", "backslashreplace").decode()
    assert repr(record.data) == repr(plain(data))


@settings(deadline=None)
@given(st.dictionaries(TEXT, TEXT | st.binary() | st.integers(0, 1 << 60) | st.none()))
def test_header_and_seal_keep_plain_maps(data: dict[str, Any]) -> None:
    assert decode(encode_header(data)) == Header(data)
    assert decode(encode_seal(7, 8, data)) == Seal(7, 8, data)


@settings(deadline=None)
@given(st.integers(0, (1 << 64) - 1))
def test_a_trailer_has_one_size(offset: int) -> None:
    data = encode_trailer(offset)
    assert len(data) == TRAILER_SIZE
    assert decode(data) == Trailer(offset)


def test_a_lone_surrogate_is_written_as_its_escape() -> None:
    record = decode(encode_event(0, 0, 0, '{"a":"caf\udce9"}'))
    assert isinstance(record, Event)
    assert record.payload == '{"a":"caf\\udce9"}'


def test_what_msgpack_cannot_hold_becomes_text() -> None:
    endless: list[Any] = []
    endless.append(endless)
    told = plain({1: 1 << 70, "nan": math.nan, "t": (1, 2), "endless": endless})
    assert told["1"] == str(1 << 70)
    assert told["t"] == [1, 2]
    assert "…" in repr(told["endless"])


def test_a_map_too_large_for_a_tape_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        encode_control(0, 0, 0, "refused", {"body": "x" * MAX_MAP_RECORD})


@pytest.mark.parametrize(
    ("elements", "record"),
    [
        ((1, 5, 6, 1, "text", "appended", [{}]), Event(5, 6, 1, "text")),
        ((2, 5, 6, 1, "ping", {}, "appended"), Control(5, 6, 1, "ping", {})),
        ((0, "rtproxy-tape", 1, 9, {"id": "x", "new": 1}, 2), Header({"id": "x", "new": 1}, 1, 9)),
        ((4, 5, 6, {"new": {}}, 1), Seal(5, 6, {"new": {}})),
        ((5, 99, "appended"), Trailer(99)),
        ((3, 5, "reserved"), Unknown(3, 5, (5, "reserved"))),
        ((96, 5, b"private"), Unknown(96, 5, (5, b"private"))),
        ((127,), Unknown(127, None, ())),
    ],
)
def test_what_newer_versions_append_is_passed_over(
    elements: tuple[Any, ...], record: object
) -> None:
    assert decode(framed(*elements)) == record


@pytest.mark.parametrize(
    "elements",
    [
        (),
        (1,),
        (1, 5, 6, 1),
        (1, "5", 6, 1, "text"),
        (1, 5, 6.0, 1, "text"),
        (1, 5, 6, None, "text"),
        (1, 5, 6, 1, ["text"]),
        (1, 5, 6, 1, {}),
        (2, 5, 6, 1, "ping", []),
        (2, 5, 6, 1, b"ping", {}),
        (2, 5, 6, 1, "ping", {1: 2}),
        (0, "another-tape", 1, 0, {}),
        (0, "rtproxy-tape", "1", 0, {}),
        (4, 5, 6, None),
        (5,),
        (5, -1.5),
        (128, 5),
        (-1, 5),
        ("1", 5),
        (None,),
    ],
)
def test_a_record_of_the_wrong_shape_is_malformed(elements: tuple[Any, ...]) -> None:
    with pytest.raises(TapeDamagedError):
        decode(framed(*elements))


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x01", b"\x01\x05\x06\x01", b"\x02\x05"]))
def test_any_body_whose_crc_matches_is_a_record_or_malformed(rest: bytes, start: bytes) -> None:
    for elements in range(1, 14):
        data = framed(body=start + rest + b"\x00", elements=elements)
        with contextlib.suppress(TapeDamagedError):
            decode(data)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_bytes_that_are_no_record_are_not_taken_for_one(data: bytes) -> None:
    if frame_at(data) is None:
        assert not is_sound(data)
        with pytest.raises(TapeDamagedError):
            decode(data)
