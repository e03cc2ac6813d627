"""Each thing that the protocol forbids: it is reported, and decoding goes on."""

import pytest

from rtproxy.wire.deflate import Deflate
from rtproxy.wire.frame import Opcode, encode_close, encode_frame
from rtproxy.wire.message import (
    Close,
    Message,
    MessageDecoder,
    Oversize,
    Ping,
    Pong,
    Violation,
    WireEvent,
)
from tests.wire.feeding import decode_every_way

TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION
CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG
MASK = b"\x01\x02\x03\x04"
LIMIT = 1000

# (what is wrong, bytes from the server, a word of the violation or None, the other events)
CASES: list[tuple[str, bytes, str | None, list[WireEvent]]] = [
    ("nothing", encode_frame(TEXT, b"x"), None, [Message("x")]),
    ("empty text", encode_frame(TEXT, b""), None, [Message("")]),
    ("empty binary", encode_frame(BINARY, b""), None, [Message(b"")]),
    (
        "control frames between fragments",
        encode_frame(TEXT, "ü".encode()[:1], fin=False)
        + encode_frame(PING, b"1")
        + encode_frame(CONT, b"", fin=False)
        + encode_frame(PONG, b"")
        + encode_frame(CONT, "ü".encode()[1:]),
        None,
        [Ping(b"1"), Pong(b""), Message("ü")],
    ),
    ("masked by the server", encode_frame(TEXT, b"x", mask=MASK), "masked", [Message("x")]),
    ("RSV1 unannounced", encode_frame(TEXT, b"x", rsv1=True), "100", [Message("x")]),
    ("RSV2 and RSV3", b"\xb1\x01x", "011", [Message("x")]),
    ("RSV1 on a ping", encode_frame(PING, b"x", rsv1=True), "100", [Ping(b"x")]),
    ("reserved opcode", encode_frame(3, b"xyz"), "opcode 3 ", []),
    ("reserved control opcode", encode_frame(15, b"xyz"), "opcode 15 ", []),
    ("reserved opcode, huge", encode_frame(4, bytes(5000)), "opcode 4 ", []),
    ("continuation of nothing", encode_frame(CONT, b"xyz"), "continues nothing", []),
    ("continuation, huge", encode_frame(CONT, bytes(5000)), "continues nothing", []),
    (
        "message inside a message",
        encode_frame(TEXT, b"lost", fin=False) + encode_frame(BINARY, b"new"),
        "4 bytes",
        [Message(b"new")],
    ),
    ("fragmented ping", encode_frame(PING, b"x", fin=False), "fragmented", [Ping(b"x")]),
    ("long ping", encode_frame(PING, bytes(126)), "126 bytes", [Ping(bytes(126))]),
    ("huge pong", encode_frame(PONG, bytes(LIMIT + 1)), "1001 bytes", []),
    ("close without code", encode_frame(CLOSE, b""), None, [Close(None, "")]),
    ("close", encode_frame(CLOSE, encode_close(4000, "é")), None, [Close(4000, "é")]),
    ("close with half a code", encode_frame(CLOSE, b"\x03"), "1 byte", [Close(None, "")]),
    ("close 1005", encode_frame(CLOSE, encode_close(1005)), "1005", [Close(1005, "")]),
    ("close 999", encode_frame(CLOSE, encode_close(999, "r")), "999", [Close(999, "r")]),
    ("close 5000", encode_frame(CLOSE, encode_close(5000)), "5000", [Close(5000, "")]),
    (
        "close with a reason that is not UTF-8",
        encode_frame(CLOSE, encode_close(1000) + b"a\xff"),
        "not UTF-8",
        [Close(1000, "a\ufffd")],
    ),
    ("text not UTF-8", encode_frame(TEXT, b"a\xff"), "not UTF-8", [Message(b"a\xff")]),
    ("text a surrogate", encode_frame(TEXT, b"\xed\xa0\x80"), "UTF-8", [Message(b"\xed\xa0\x80")]),
    (
        "fragmented text not UTF-8",
        encode_frame(TEXT, b"a", fin=False) + encode_frame(CONT, b"\xff"),
        "not UTF-8",
        [Message(b"a\xff")],
    ),
    ("length 5 in 16 bits", b"\x81\x7e\x00\x05hello", "fewest", [Message("hello")]),
    ("length 0 in 16 bits", b"\x81\x7e\x00\x00", "fewest", [Message("")]),
    ("length 125 in 16 bits", b"\x81\x7e\x00\x7d" + b"a" * 125, "fewest", [Message("a" * 125)]),
    ("length 126 in 16 bits", b"\x81\x7e\x00\x7e" + b"a" * 126, None, [Message("a" * 126)]),
    ("length 2 in 64 bits", b"\x82\x7f" + bytes(7) + b"\x02hi", "fewest", [Message(b"hi")]),
    (
        "length 65535 in 64 bits",
        b"\x82\x7f" + (65535).to_bytes(8, "big") + bytes(65535),
        "fewest",
        [Oversize("binary", 65535)],
    ),
    (
        "length 65536 in 64 bits",
        b"\x82\x7f" + (65536).to_bytes(8, "big") + bytes(65536),
        None,
        [Oversize("binary", 65536)],
    ),
    ("over the limit", encode_frame(TEXT, bytes(LIMIT + 1)), None, [Oversize("text", LIMIT + 1)]),
    ("at the limit", encode_frame(BINARY, bytes(LIMIT)), None, [Message(bytes(LIMIT))]),
    (
        "fragments over the limit",
        encode_frame(BINARY, bytes(600), fin=False)
        + encode_frame(CONT, bytes(600), fin=False)
        + encode_frame(PING, b"p")
        + encode_frame(CONT, b""),
        None,
        [Ping(b"p"), Oversize("binary", 1200)],
    ),
    (
        "message inside one that is over the limit",
        encode_frame(TEXT, bytes(5000), fin=False) + encode_frame(TEXT, b"new"),
        "5000 bytes",
        [Message("new")],
    ),
    (
        "first fragment over the limit",
        encode_frame(TEXT, bytes(5000), fin=False) + encode_frame(CONT, b"x"),
        None,
        [Oversize("text", 5001)],
    ),
]


@pytest.mark.parametrize(
    ("data", "word", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_what_is_wrong_is_said_and_decoding_goes_on(
    data: bytes, word: str | None, expected: list[WireEvent]
) -> None:
    def make() -> MessageDecoder:
        return MessageDecoder(from_client=False, max_message=LIMIT)

    events = decode_every_way(make, data, [3, 7, 200])
    violations = [event for event in events if isinstance(event, Violation)]
    assert [event for event in events if not isinstance(event, Violation)] == expected
    assert len(violations) == (word is not None)
    if word is not None:
        assert word in violations[0].reason
        assert not violations[0].fatal
        assert events[0] == violations[0]  # before the event that it concerns
    if not any(isinstance(event, Close) for event in events):
        after = decode_every_way(make, data + encode_frame(TEXT, b"after"))
        assert after == [*events, Message("after")]


def test_an_unmasked_frame_of_a_client_is_a_violation() -> None:
    decoder = MessageDecoder(from_client=True)
    first, message = decoder.feed(encode_frame(TEXT, b"x"))
    assert first == Violation("the client sends an unmasked frame")
    assert message == Message("x")
    assert decoder.feed(encode_frame(TEXT, b"x", mask=MASK)) == [Message("x")]


def test_frames_after_a_close_are_reported_once_and_decoded() -> None:
    late = encode_frame(TEXT, b"late")
    events = decode_every_way(
        lambda: MessageDecoder(from_client=False), encode_frame(CLOSE, b"") + late + late
    )
    close, violation, *messages = events
    assert close == Close(None, "")
    assert isinstance(violation, Violation)
    assert "after its close" in violation.reason
    assert messages == [Message("late"), Message("late")]


def test_an_impossible_length_ends_the_decoding() -> None:
    head = b"\x82\x7f\x80" + bytes(7)
    data = encode_frame(TEXT, b"x") + encode_frame(TEXT, b"begun", fin=False)
    data += head + encode_frame(TEXT, b"unknown")
    events = decode_every_way(lambda: MessageDecoder(from_client=False), data)
    message, violation = events
    assert message == Message("x")
    assert isinstance(violation, Violation)
    assert violation.fatal
    decoder = MessageDecoder(from_client=False)
    decoder.feed(head)
    assert decoder.mid_frame
    assert decoder.feed(encode_frame(TEXT, b"x")) == []


@pytest.mark.parametrize(
    ("data", "mid_frame", "word"),
    [
        (b"", False, None),
        (encode_frame(TEXT, b"x"), False, None),
        (b"\x81", True, "inside a frame"),
        (b"\x81\x7e\x01", True, "inside a frame"),
        (encode_frame(TEXT, b"xy")[:-1], True, "inside a frame"),
        (encode_frame(TEXT, bytes(5000))[:2000], True, "inside a frame"),
        (encode_frame(TEXT, b"xy", fin=False), False, "inside a fragmented message"),
        (encode_frame(TEXT, bytes(2000), fin=False), False, "inside a fragmented message"),
    ],
)
def test_the_end_of_the_stream(data: bytes, mid_frame: bool, word: str | None) -> None:
    decoder = MessageDecoder(from_client=False, max_message=LIMIT)
    decoder.feed(data)
    assert decoder.mid_frame is mid_frame
    end = decoder.eof()
    assert len(end) == (word is not None)
    if word is not None:
        assert isinstance(end[0], Violation)
        assert word in end[0].reason


def test_rsv1_on_a_continuation_is_a_violation_with_deflate_too() -> None:
    data = encode_frame(TEXT, b"a", fin=False) + encode_frame(CONT, b"b", rsv1=True)
    events = decode_every_way(lambda: MessageDecoder(from_client=False, deflate=Deflate()), data)
    assert events[1:] == [Message("ab")]
    assert isinstance(events[0], Violation)
