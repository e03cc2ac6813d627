"""Memory stays bounded whatever a frame announces or inflates to."""

import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from rtproxy.wire.deflate import Deflate
from rtproxy.wire.frame import Opcode, encode_frame, parse_header
from rtproxy.wire.message import Message, MessageDecoder, Oversize, Violation, WireEvent
from tests.wire.feeding import pieces

MIB = 2**20
READ = bytes(256 * 1024)


@pytest.fixture
def peak() -> Iterator["Peak"]:
    tracemalloc.start()
    yield Peak()
    tracemalloc.stop()


class Peak:
    """How much memory was in use at most since the fixture was made, in bytes."""

    def __call__(self) -> int:
        return tracemalloc.get_traced_memory()[1]


def announce(opcode: int, length: int) -> bytes:
    return bytes((0x80 | opcode, 127)) + length.to_bytes(8, "big")


@pytest.mark.parametrize("opcode", [Opcode.BINARY, Opcode.PING, Opcode.CONTINUATION, 3])
def test_a_huge_announced_frame_is_counted_not_kept(opcode: int, peak: Peak) -> None:
    decoder = MessageDecoder(from_client=False, max_message=MIB)
    events = decoder.feed(announce(opcode, 2**30))
    for _ in range(128):
        events += decoder.feed(READ)
    assert decoder.mid_frame
    assert peak() < MIB
    assert [event for event in events if not isinstance(event, Violation)] == []
    assert decoder.eof() == [Violation("the stream ends inside a frame")]


def test_a_frame_within_the_limit_allocates_what_has_come(peak: Peak) -> None:
    decoder = MessageDecoder(from_client=False, max_message=2**40)
    assert decoder.feed(announce(Opcode.TEXT, 2**40 - 1)) == []
    assert decoder.feed(READ) == []
    assert peak() < MIB


def test_a_dropped_frame_ends_where_it_said(peak: Peak) -> None:
    decoder = MessageDecoder(from_client=False, max_message=MIB)
    size = 32 * MIB + 5
    events = decoder.feed(announce(Opcode.BINARY, size) + b"12345")
    for _ in range(128):
        events += decoder.feed(READ)
    events += decoder.feed(encode_frame(Opcode.TEXT, b"next"))
    assert events == [Oversize("binary", size), Message("next")]
    assert not decoder.mid_frame
    assert peak() < MIB


def test_endless_fragments_are_counted_not_kept(peak: Peak) -> None:
    decoder = MessageDecoder(from_client=True, max_message=MIB)
    mask = b"abcd"
    events = decoder.feed(encode_frame(Opcode.TEXT, b"", fin=False, mask=mask))
    tiny = encode_frame(Opcode.CONTINUATION, b"x", fin=False, mask=mask) * 1000
    large = encode_frame(Opcode.CONTINUATION, READ, fin=False, mask=mask)
    for part in [tiny] * 30 + [large] * 40:
        events += decoder.feed(part)
    assert peak() < 5 * MIB
    assert tracemalloc.get_traced_memory()[0] < MIB  # what was collected before is let go
    events += decoder.feed(encode_frame(Opcode.CONTINUATION, b"", mask=mask))
    assert events == [Oversize("text", 30_000 + 40 * len(READ))]


def test_nothing_is_kept_after_a_fatal_violation(peak: Peak) -> None:
    decoder = MessageDecoder(from_client=False)
    (violation,) = decoder.feed(announce(Opcode.TEXT, 2**63))
    assert violation == Violation("the top bit of a 64-bit frame length is set", fatal=True)
    for _ in range(128):
        assert decoder.feed(READ) == []
    assert peak() < MIB


@pytest.mark.parametrize("takeover", [True, False])
def test_a_deflate_bomb_stops_at_the_limit(takeover: bool, peak: Peak) -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    payload = b"".join(compressor.compress(bytes(MIB)) for _ in range(200))
    payload = (payload + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(payload) < MIB // 4
    bomb = encode_frame(Opcode.BINARY, payload, rsv1=True)
    agreed = Deflate(server_no_context_takeover=not takeover)
    decoder = MessageDecoder(from_client=False, deflate=agreed, max_message=MIB)
    events: list[WireEvent] = []
    for _ in range(3):
        events += decoder.feed(bomb)
    assert peak() < 6 * MIB
    oversize = Oversize("binary", len(payload))
    if takeover:
        assert events[0] == oversize
        assert [type(event) for event in events[1:]] == [Violation, Message] * 2
    else:
        assert events == [oversize] * 3


@pytest.mark.parametrize("mask", [None, b"\x10\x20\x30\x40"])
def test_a_message_of_20_mib_in_64_kib_reads(mask: bytes | None, peak: Peak) -> None:
    text = "".join(map(str, range(400_000)))
    text = (text * (20 * MIB // len(text) + 1))[: 20 * MIB]
    data = encode_frame(Opcode.TEXT, text.encode(), mask=mask)
    data += encode_frame(Opcode.TEXT, b"after", mask=mask)
    header = parse_header(data)
    assert header is not None
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    decoder = MessageDecoder(from_client=mask is not None)
    events = [e for read in pieces(data, [65536] * 400) for e in decoder.feed(read)]
    assert events == [Message(text), Message("after")]
    assert peak() - before < 90 * MIB
