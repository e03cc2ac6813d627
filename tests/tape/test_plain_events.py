"""The quick way through a tape says what the thorough one says, and leaves it all else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.tape.codec import decode_plain_event, decode_sound, encode_event
from rtproxy.tape.plain_events import LARGEST, plain_events
from rtproxy.tape.record import FROM_SERVER, Event
from tests.tape.framing import framed
from tests.tape.samples import BODY

EVENTS = st.builds(
    lambda t_ns, flags, payload: (t_ns, flags, payload),
    st.integers(0, 1 << 62),
    st.integers(0, 255),
    st.text(max_size=50) | st.binary(max_size=50),
)


@given(st.lists(EVENTS, max_size=20), st.integers(0, 5))
def test_events_in_order_are_decoded_as_ever(events: list[tuple[Any, ...]], first: int) -> None:
    records = [encode_event(first + n, *event) for n, event in enumerate(events)]
    tape = b"".join(records)
    found = list(plain_events(b"xxx" + tape, 3, 3 + len(tape), first))
    assert [data for _, data, _ in found] == records
    assert [at for at, _, _ in found] == [3 + len(b"".join(records[:n])) for n in range(len(found))]
    assert [event for _, _, event in found] == [decode_sound(record) for record in records]


@given(st.data())
def test_it_stops_at_the_first_byte_that_is_wrong(data: st.DataObject) -> None:
    records = [encode_event(n, n * 1000, FROM_SERVER, f"message {n}") for n in range(5)]
    tape = bytearray(b"".join(records))
    at = data.draw(st.integers(0, len(tape) - 1))
    tape[at] ^= data.draw(st.integers(1, 255))
    found = list(plain_events(bytes(tape), 0, len(tape), 0))
    assert len(found) <= at // len(records[0])
    assert all(event.payload == f"message {n}" for n, (_, _, event) in enumerate(found))


@pytest.mark.parametrize(
    "record",
    [
        BODY[2],
        framed(1, 7, 5, 0, "text", "appended by a newer version"),
        framed(1, 7, 5, 0, ["text"]),
        framed(1, 7, 5, 0, {"a": 1}),
        framed(1, 7, 5, 0, None),
        framed(1, 7, 5.0, 0, "text"),
        framed(1, True, 5, 0, "text"),
        framed(1, 8, 5, 0, "text"),
        framed(2, 7, 5, 0, "text"),
        framed(1, 7, 5, 0, "x" * LARGEST),
        framed(body=b"\x01\x07\x05\x00" + b"\x91" * 2000, elements=5),
        framed(body=b"\x01\x07\x05\x00\xdb\xff\xff\xff\xff", elements=5),
        framed(body=b"\x01\x07\x05\x00\xa1\xff", elements=5),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_alone(record: bytes) -> None:
    assert list(plain_events(record, 0, len(record), 7)) == []


def test_what_reaches_beyond_the_end_is_left_alone() -> None:
    first, second = encode_event(0, 1, 0, "one"), encode_event(1, 2, 0, "two")
    tape = first + second
    for end in range(len(tape) + 1):
        found = [event.payload for _, _, event in plain_events(tape, 0, end, 0)]
        assert found == ["one", "two"][: (end >= len(first)) + (end == len(tape))]


def test_what_is_decoded_in_a_hurry_is_an_event() -> None:
    assert decode_plain_event(encode_event(3, 5, 1, b"\x00")) == Event(3, 5, 1, b"\x00")
