"""permessage-deflate: what was agreed on, and what can go wrong in the data."""

import random
import zlib

import pytest

from rtproxy.wire.deflate import TAIL, Deflate, Inflater, Unreadable
from rtproxy.wire.frame import Opcode, encode_frame
from rtproxy.wire.message import Message, MessageDecoder, Oversize, Violation, WireEvent
from tests.wire.feeding import decode_every_way

LIMIT = 2**20
HELLO = bytes.fromhex("f248cdc9c90700")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("x-webkit-deflate-frame", None),
        ("permessage-deflate", Deflate()),
        ("foo; bar=1, Permessage-Deflate ;client_no_context_takeover", Deflate(False, True)),
        (
            'permessage-deflate; server_no_context_takeover;server_max_window_bits="9"; '
            "client_max_window_bits = 8",
            Deflate(True, False, 9, 8),
        ),
        ("permessage-deflate; client_max_window_bits", Deflate()),
        ("permessage-deflate; server_max_window_bits=16; x=1", Deflate()),
        ("permessage-deflate; server_max_window_bits=-9", Deflate()),
        ("permessage-deflate; client_max_window_bits=" + "9" * 5000, Deflate()),
        (",,; ;=,permessage-deflate;;=;", Deflate()),
    ],
)
def test_what_the_handshake_agreed_on(value: str | None, expected: Deflate | None) -> None:
    assert Deflate.from_header(value) == expected


@pytest.mark.parametrize(
    ("payload", "plain"),
    [
        ("f248cdc9c90700", b"Hello"),  # §7.2.3.1
        ("000500faff48656c6c6f00", b"Hello"),  # §7.2.3.3, a stored block
        ("f348cdc9c9070000", b"Hello"),  # §7.2.3.4, a final block
        ("f348cdc9c90700", b"Hello"),  # the same without the empty block after it
        ("f248050000 00ffffcac9c90700", b"Hello"),  # §7.2.3.5, two blocks
        ("00", b""),  # §7.2.3.6
        ("", b""),
    ],
)
def test_examples_of_the_standard(payload: str, plain: bytes) -> None:
    """RFC 7692 §7.2.3, and two things that are seen in practice."""
    inflater = Inflater()
    for _ in range(3):
        assert inflater.inflate(bytes.fromhex(payload), LIMIT) == plain
    assert inflater.inflate(HELLO, LIMIT) == b"Hello"


def test_a_message_refers_to_the_one_before() -> None:
    """RFC 7692 §7.2.3.2: the second Hello is shorter."""
    second = bytes.fromhex("f200110000")
    inflater = Inflater()
    assert [inflater.inflate(HELLO, LIMIT), inflater.inflate(second, LIMIT)] == [b"Hello"] * 2
    alone = Inflater(takeover=False)
    assert alone.inflate(HELLO, LIMIT) == b"Hello"
    assert alone.inflate(second, LIMIT) is Unreadable.DAMAGED
    assert alone.inflate(HELLO, LIMIT) == b"Hello"


def test_several_final_blocks_in_one_message() -> None:
    final = zlib.compress(b"ab" * 10, wbits=-15)
    assert Inflater().inflate(final * 5 + b"\x00", LIMIT) == b"ab" * 50
    assert Inflater().inflate(b"\x03\x00" * 10_000, LIMIT) is Unreadable.DAMAGED


def test_the_window_outlives_a_final_block() -> None:
    earlier = b"the quick brown fox"
    inflater = Inflater()
    assert inflater.inflate(zlib.compress(earlier, wbits=-15) + b"\x00", LIMIT) == earlier
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=earlier)
    later = (compressor.compress(earlier) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(later) < 10
    assert inflater.inflate(later, LIMIT) == earlier


def test_the_smallest_window_reads_what_zlib_makes_for_it() -> None:
    """Asked for 256 bytes, zlib's deflate uses 512, though it refers back by 250 at most."""
    block = random.Random(1).randbytes(250)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -9)
    compressed = compressor.compress(block * 2) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert len(compressed) < 300
    inflater = Inflater(window_bits=8)
    assert inflater.inflate(compressed.removesuffix(TAIL), LIMIT) == block * 2


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1])
def test_the_limit_is_exact(size: int) -> None:
    data = zlib.compress(bytes(size), wbits=-15) + b"\x00"
    plain = Inflater().inflate(data, LIMIT)
    assert plain == (bytes(size) if size <= LIMIT else Unreadable.OVERSIZE)


class Sender:
    """Compressed frames of a server, with context takeover or without."""

    def __init__(self, *, takeover: bool) -> None:
        self.takeover = takeover
        self.compressor = zlib.compressobj(9, zlib.DEFLATED, -15)

    def payload(self, text: str) -> bytes:
        if not self.takeover:
            self.compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = self.compressor.compress(text.encode())
        return (data + self.compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)

    def frame(self, text: str) -> bytes:
        return encode_frame(Opcode.TEXT, self.payload(text), rsv1=True)


def decode_all(data: bytes, *, takeover: bool, limit: int = LIMIT) -> list[WireEvent]:
    agreed = Deflate(server_no_context_takeover=not takeover)
    return decode_every_way(
        lambda: MessageDecoder(from_client=False, deflate=agreed, max_message=limit), data, [9, 30]
    )


@pytest.mark.parametrize("takeover", [True, False])
def test_damaged_data_is_handed_over_as_it_was(takeover: bool) -> None:
    sender = Sender(takeover=takeover)
    first = sender.frame("one")
    bad = encode_frame(Opcode.TEXT, b"\xff\xff\xff", rsv1=True)
    plain = encode_frame(Opcode.TEXT, b"plain")
    payload = sender.payload("three")
    data = first + bad + plain + encode_frame(Opcode.TEXT, payload, rsv1=True)
    events = decode_all(data, takeover=takeover)
    assert events[0] == Message("one")
    assert isinstance(events[1], Violation)
    assert "not sound" in events[1].reason
    assert events[2:4] == [Message(b"\xff\xff\xff"), Message("plain")]
    if takeover:
        assert isinstance(events[4], Violation)
        assert "earlier message" in events[4].reason
        assert events[5:] == [Message(payload)]
    else:
        assert events[4:] == [Message("three")]


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("how", ["bomb", "wire", "abandoned"])
def test_a_message_that_was_not_inflated_is_missed_only_with_takeover(
    how: str, takeover: bool
) -> None:
    sender = Sender(takeover=takeover)
    limit = 1000
    first = sender.frame("start")
    long = "".join(map(str, range(1000))) if how == "wire" else "x" * 5000
    payload = sender.payload(long)
    lost = encode_frame(Opcode.TEXT, payload, rsv1=True, fin=how != "abandoned")
    events = decode_all(first + lost + sender.frame("end"), takeover=takeover, limit=limit)
    assert events[0] == Message("start")
    if how == "abandoned":
        assert isinstance(events[1], Violation)
    else:
        assert events[1] == Oversize("text", len(payload))
    if takeover:
        assert isinstance(events[2], Violation)
        assert len(events) == 4
    else:
        assert events[2:] == [Message("end")]


def test_inflated_text_that_is_not_utf8() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    payload = (compressor.compress(b"a\xff") + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    events = decode_all(encode_frame(Opcode.TEXT, payload, rsv1=True), takeover=True)
    assert events == [Violation("a text message is not UTF-8"), Message(b"a\xff")]
