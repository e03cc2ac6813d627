"""Frames and bodies that are larger than they look, or never end; from either side."""

import asyncio
import functools
import gzip
import struct
import zlib
from pathlib import Path

import pytest

from rtproxy.record.session import Follower
from rtproxy.record.status import Traffic
from rtproxy.wire.frame import Opcode, encode_frame
from rtproxy.wire.message import WireEvent
from tests.attacks.kit import (
    LIMIT_S,
    MASK,
    MIB,
    Siege,
    besieged,
    controls_on,
    events_on,
    serving,
)
from tests.record.wirekit import Wire, request_head

GIGABYTE = 10**9
DEFLATE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
BOMB_GROWS = 200 * MIB
"""A message is inflated up to 64 MiB before it is given up."""


@functools.cache
def bomb(size: int = GIGABYTE) -> bytes:
    """The DEFLATE data of so many spaces, as a message's payload."""
    count, rest = divmod(size, MIB)
    parts = [packed_spaces(MIB)] * count + [packed_spaces(rest)]
    return b"".join(parts).removesuffix(b"\x00\x00\xff\xff")


@functools.cache
def packed_spaces(size: int) -> bytes:
    """DEFLATE data that can be repeated: it refers to nothing before it, and ends with a byte."""
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(b" " * size) + packer.flush(zlib.Z_FULL_FLUSH)


async def hears(wire: Wire, size: int) -> bytes:
    async with asyncio.timeout(LIMIT_S):
        return await wire.take(size)


async def attack(siege: Siege, frames: bytes, *, by_server: bool, extensions: str = "") -> None:
    """Send frames through the proxy in one direction, until the other end has them all."""
    siege.behind.extensions = extensions
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if by_server:
            writer.write(frames)
        else:
            arrived.set_result(await reader.readexactly(len(frames)))
        await reader.read()

    siege.behind.scripts["attack"] = play
    wire = await siege.join("attack", extensions)
    if by_server:
        assert await hears(wire, len(frames)) == frames
    else:
        await wire.send(frames)
        assert await asyncio.wait_for(arrived, LIMIT_S) == frames
    wire.finish()
    await wire.rest()
    wire.close()


def frame(opcode: int, payload: bytes, *, by_server: bool, rsv1: bool = False) -> bytes:
    return encode_frame(opcode, payload, mask=None if by_server else MASK, rsv1=rsv1)


both = pytest.mark.parametrize("by_server", [False, True], ids=["client", "server"])


@both
async def test_a_gigabyte_out_of_a_megabyte(tmp_path: Path, by_server: bool) -> None:
    assert len(bomb()) < 1.1 * MIB
    frames = frame(Opcode.TEXT, bomb(), by_server=by_server, rsv1=True)
    after = frame(Opcode.TEXT, b"after", by_server=by_server)
    async with besieged(tmp_path, grows=BOMB_GROWS) as siege:
        await attack(siege, frames * 3 + after, by_server=by_server, extensions=DEFLATE)
    gaps = [
        control for control in controls_on(tmp_path / "tapes", "attack") if control.name == "gap"
    ]
    assert [gap.data["reason"] for gap in gaps] == ["message too large"] * 3
    assert [event.payload for event in events_on(tmp_path / "tapes", "attack")] == ["after"]


@both
@pytest.mark.parametrize("length", [2 * 10**9, 2**63 - 1, 2**64 - 1])
async def test_two_gigabytes_announced(tmp_path: Path, by_server: bool, length: int) -> None:
    head = struct.pack("!BBQ", 0x81, 0x7F if by_server else 0xFF, length)
    frames = head + (b"" if by_server else MASK) + bytes(3 * MIB)
    async with besieged(tmp_path) as siege:
        await attack(siege, frames, by_server=by_server)
    assert events_on(tmp_path / "tapes", "attack") == []
    names = [control.name for control in controls_on(tmp_path / "tapes", "attack")]
    assert "protocol_error" in names


@both
async def test_a_flood_of_pings(tmp_path: Path, by_server: bool) -> None:
    pings = 20_000
    frames = frame(Opcode.PING, b"p" * 125, by_server=by_server) * pings
    async with besieged(tmp_path) as siege:
        await attack(siege, frames, by_server=by_server)
    taped = [c for c in controls_on(tmp_path / "tapes", "attack") if c.name == "ping"]
    assert len(taped) == pings


@both
async def test_a_flood_of_empty_fragments(tmp_path: Path, by_server: bool) -> None:
    mask = None if by_server else MASK
    first = encode_frame(Opcode.TEXT, b"", mask=mask, fin=False)
    more = encode_frame(Opcode.CONTINUATION, b"", mask=mask, fin=False)
    async with besieged(tmp_path) as siege:
        await attack(siege, first + more * 100_000, by_server=by_server)
    assert events_on(tmp_path / "tapes", "attack") == []


DEPTH = 200_000
NESTED = {
    "lists": '{"type":"response.create","a":' + "[" * DEPTH + "]" * DEPTH + "}",
    "lists that do not end": '{"type":"response.create","a":' + "[" * DEPTH,
    "objects": '{"type":"session.update","session":' + '{"a":' * DEPTH + "1" + "}" * DEPTH + "}",
    "keys with secrets": '{"type":"session.update","session":'
    + '{"api_key":' * 5000
    + '"x"'
    + "}" * 5000
    + "}",
    "a number": '{"type":"response.create","a":' + "9" * 1_000_000 + "}",
    "escapes": '{"type":"response.create","a":"' + "\\u0000" * 200_000 + '"}',
    "half a pair": '{"type":"response.create","a":"\\ud800"}',
    "base64": '{"type":"input_audio_buffer.append","audio":"' + "=" * 1_000_000 + '"}',
}


@both
async def test_json_that_is_deeper_than_it_has_any_right_to_be(
    tmp_path: Path, by_server: bool
) -> None:
    texts = list(NESTED.values())
    frames = b"".join(frame(Opcode.TEXT, text.encode(), by_server=by_server) for text in texts)
    async with besieged(tmp_path, grows=100 * MIB) as siege:
        await attack(siege, frames, by_server=by_server)
        assert "failed" not in siege.proxy.said
    taped = events_on(tmp_path / "tapes", "attack")
    assert [event.payload for event in taped if not event.flags & 2] == [
        text for text, event in zip(texts, taped, strict=True) if not event.flags & 2
    ]


class Broken:
    """A decoder that nobody expected to fail."""

    def feed(self, data: bytes) -> list[WireEvent]:
        raise RuntimeError(data)


def test_a_decoder_that_breaks_ends_the_tape_and_not_the_session() -> None:
    """Whatever goes wrong in following a session, where a frame ends is not guessed at."""
    follower = Follower(None, traffic=Traffic("x"))
    follower._client = Broken()  # type: ignore[assignment]
    follower.received(b"\x81", from_server=False, forwarded=True)
    assert follower.mid_frame(from_server=False)
    assert follower.rest_of_frame(b"12345", from_server=False) == 5


OK = b"HTTP/1.1 200 OK\r\nContent-Type: "


async def fetch(
    siege: Siege, answer: list[bytes], *, head: bytes = b"Connection: close\r\n"
) -> bytes:
    """Ask for something that the upstream answers with these bytes; return what came."""

    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in answer:
            writer.write(part)
            await writer.drain()
        writer.close()

    siege.behind.scripts["attack"] = play
    wire = await siege.proxy.connect()
    request = b"GET /v1/realtime/calls?script=attack HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    await wire.send(request + head + b"\r\n")
    async with asyncio.timeout(LIMIT_S):
        got = await wire.rest()
    wire.close()
    return got


async def test_a_body_that_unpacks_to_a_gigabyte(tmp_path: Path) -> None:
    """It passes as it is; what it would unpack to is not on the tape."""
    count, spaces = GIGABYTE // MIB, b" " * MIB
    check = functools.reduce(lambda check, _: zlib.crc32(spaces, check), range(count), 0)
    head, end = gzip.compress(b"")[:10], b"\x03\x00"
    tail = struct.pack("<II", check, count * MIB)
    packed = head + packed_spaces(MIB) * count + end + tail
    unpacker = zlib.decompressobj(31)
    assert unpacker.decompress(packed, 2 * MIB) == spaces * 2
    async with besieged(tmp_path, grows=BOMB_GROWS) as siege:
        head = OK + b"application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        assert (await fetch(siege, [head % len(packed), packed])).endswith(packed)
    assert events_on(tmp_path / "tapes", "attack") == []
    (gap,) = controls_on(tmp_path / "tapes", "attack")
    assert gap.name == "gap"


async def test_a_server_sent_event_without_end(tmp_path: Path) -> None:
    """What is kept of it is bounded, and so is the work that it makes."""
    part = b"data: " + b"x" * 65_530
    end = b"\n\ndata: after\n\n"
    async with besieged(tmp_path, grows=250 * MIB) as siege:
        head = OK + b"text/event-stream\r\nContent-Length: %d\r\n\r\n"
        size = 1000 * len(part) + len(end)
        got = await fetch(siege, [head % size, *[part] * 1000, end])
        assert got.endswith(part * 1000 + end)
    assert events_on(tmp_path / "tapes", "attack")[-1].payload == "data: after\n\n"
    gaps = controls_on(tmp_path / "tapes", "attack")
    assert {gap.data["reason"] for gap in gaps} == {"server-sent event too large"}


async def test_an_upload_without_end(tmp_path: Path) -> None:
    """A body of a quarter of a gigabyte passes, and is noted as too large."""
    chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
    count = 4000
    sizes: list[int] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = 0
        while not (data := await reader.read(MIB)).endswith(b"0\r\n\r\n"):
            size += len(data)
        sizes.append(size + len(data))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with besieged(tmp_path, grows=150 * MIB) as siege:
        siege.behind.scripts["attack"] = play
        wire = await siege.proxy.connect()
        await wire.send(
            b"POST /v1/realtime/calls?script=attack HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(count):
            await wire.send(chunk)
        await wire.send(b"0\r\n\r\n")
        async with asyncio.timeout(LIMIT_S):
            assert b" 200 " in await wire.take_head()
        wire.close()
        assert sizes[0] > count * 65_536
    (gap,) = controls_on(tmp_path / "tapes", "attack")
    assert gap.data == {"reason": "body too large", "bytes": count * 65_536}


NO_HTTP = {
    "folded": OK + b"1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "long": OK + b"a" * 1_000_000 + b"\r\n\r\n",
    "many": OK + b"text/plain\r\n" + b"Y: 1\r\n" * 100_000 + b"\r\n",
    "status": b"HTTP/1.1 999999 OK\r\n\r\n",
    "tls": b"\x16\x03\x01" + bytes(500),
    "nothing": b"",
    "nul": OK + b"a\0b\r\nContent-Length: 0\r\n\r\n",
    "bytes": OK + b"\xff\xfe\r\nContent-Length: 0\r\n\r\n",
    "length": OK + b"text/plain\r\nContent-Length: -5\r\n\r\n",
    "chunks": OK + b"text/plain\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "cut off": OK + b"text/plain\r\nContent-Length: 500\r\n\r\nhello",
    "unasked 101": b"HTTP/1.1 101 Switching Protocols\r\n\r\nhello",
}
UPGRADE = b"Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"


async def test_a_server_that_does_not_speak_http(tmp_path: Path) -> None:
    """Its client is told, and the proxy does not take it for a fault of its own."""
    async with besieged(tmp_path) as siege:
        for name, said in NO_HTTP.items():
            for head in (b"Connection: close\r\n", UPGRADE):
                got = await fetch(siege, [said], head=head)
                assert got.startswith((b"HTTP/1.1 502 ", b"HTTP/1.1 200 ", b"HTTP/1.1 101 ")), name
        assert "Please report this" not in siege.proxy.said


async def test_what_a_session_held_is_free_when_it_is_over(tmp_path: Path) -> None:
    """Half messages of sessions that are over do not pile up until somebody collects garbage."""
    frame = encode_frame(Opcode.BINARY, bytes(12 * MIB), mask=MASK)[:-1]
    async with besieged(tmp_path, grows=60 * MIB) as siege:
        for number in range(8):
            wire = await siege.join(f"half-{number}")
            await wire.send(frame)
            wire.finish()
            await hears(wire, 1)
            wire.close()


async def test_pings_to_a_replay_server_by_a_client_that_does_not_read(call: Path) -> None:
    """Each asks for an answer; those that nobody takes do not pile up, and the last one comes."""
    pings = frame(Opcode.PING, b"p" * 125, by_server=False) * 1000
    last = encode_frame(Opcode.PONG, b"the last one")
    # All of it is longer than a client may keep the tape waiting, where the machine is slow.
    options = ("--listen", "127.0.0.1:0", "--grace", "0", "--stall", "100")
    async with serving("replay", str(call), *options) as served:
        wire = await served.connect()
        await wire.send(request_head())
        start = served.peak()
        for _ in range(300):
            await wire.send(pings)
        await wire.send(frame(Opcode.PING, b"the last one", by_server=False))
        async with asyncio.timeout(LIMIT_S):
            while not wire.received.endswith(last):
                wire.take_here()
                assert await wire.take(1), served.said
        assert served.peak() - start < 30 * MIB
        wire.close()
        assert await served.stop() == 1
