"""The proxy as a process: killed, out of disk, out of breath, stopped."""

import asyncio
import base64
import random
import resource
import signal
import socket
import zlib
from pathlib import Path

import pytest

from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import FROM_SERVER, INJECTED, Control, Event
from rtproxy.tape.repair import repair, verify
from rtproxy.wire.frame import Opcode, encode_frame
from rtproxy.wire.message import Close, Message, MessageDecoder
from tests.record.process import recording
from tests.record.wirekit import Wire, accept_head, listening, request_head

MASK = b"\x10\x20\x30\x40"
GOING_AWAY = Close(1001, "the proxy was stopped")


async def join(port: int) -> Wire:
    wire = Wire(socket.create_connection(("127.0.0.1", port)))
    await wire.send(request_head())
    await wire.take_head()
    return wire


def messages(stream: bytes, *, from_client: bool) -> list[str | bytes]:
    """The whole messages in what an end received, without the head before them."""
    body = stream.split(b"\r\n\r\n", 1)[1]
    events = MessageDecoder(from_client=from_client).feed(body)
    return [event.data for event in events if isinstance(event, Message)]


async def push(wire: Wire, frames: list[bytes]) -> None:
    try:
        for frame in frames:
            await wire.send(frame)
    except OSError:
        pass  # the proxy was killed, as planned


@pytest.mark.parametrize("run", range(10))
async def test_kill_9_in_a_burst_loses_nothing_that_was_received(tmp_path: Path, run: int) -> None:
    words = [f'{{"type":"response.audio.delta","n":{n},"delta":"{"A" * (n % 3000)}"}}'
             for n in range(4000)]  # fmt: skip
    down = [encode_frame(Opcode.TEXT, word.encode()) for word in words]
    up = [encode_frame(Opcode.TEXT, word.encode(), mask=MASK) for word in words]

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head())
        sending = asyncio.create_task(push(wire, down))
        await wire.rest()
        await sending

    async with listening(server) as (port, done):
        async with recording(f"http://127.0.0.1:{port}", tmp_path) as proxy:
            client = await join(proxy.port)
            sending = asyncio.create_task(push(client, up))
            await client.take(30_000 + 300_000 * run)
            proxy.process.kill()
            await client.rest()
            await sending
            client.close()
        upstream = await asyncio.wait_for(done, 30)

    (path,) = tmp_path.glob("*.rtape")
    with open_tape(path) as tape:
        assert tape.state == "crashed"
        taped = [record for record in tape if isinstance(record, Event)]
    heard = messages(bytes(client.received), from_client=False)
    reached = messages(bytes(upstream.received), from_client=True)
    assert len(heard) > 5
    assert [event.payload for event in taped if event.from_server][: len(heard)] == heard
    assert [event.payload for event in taped if not event.from_server][: len(reached)] == reached

    assert verify(path).state == "crashed"
    fixed = tmp_path / "fixed.rtape"
    repair(path, fixed)
    with open_tape(fixed) as tape:
        assert tape.state == "sealed"
        assert [record for record in tape if isinstance(record, Event)] == taped
    assert verify(fixed).ok


async def test_a_full_disk_leaves_the_session_untouched(tmp_path: Path) -> None:
    words = [f'{{"type":"x","n":{n},"pad":"{"." * 900}"}}' for n in range(500)]
    frames = b"".join(encode_frame(Opcode.TEXT, word.encode()) for word in words)

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head() + frames)
        await wire.rest()

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    async with (
        listening(server) as (port, _),
        recording(f"http://127.0.0.1:{port}", tmp_path, prepare=prepare) as proxy,
    ):
        client = await join(proxy.port)
        assert await client.take(len(frames)) == frames
        client.finish()
        await client.rest()
        assert client.end == "eof"
        client.close()
        assert await proxy.stop() == 1
    assert "The session goes on" in proxy.said
    (path,) = tmp_path.glob("*.rtape")
    assert path.name in proxy.said
    assert path.stat().st_size <= 100_000
    with open_tape(path) as tape:
        taped = [record for record in tape if isinstance(record, Event)]
        assert tape.state == "crashed"
        assert tape.damage == []
    assert [event.payload for event in taped] == words[: len(taped)]
    assert len(taped) > 50


@pytest.mark.parametrize("slow", ["client", "server"])
async def test_a_slow_reader_does_not_fill_memory(tmp_path: Path, slow: str) -> None:
    """So much is pushed as fast as it goes at a reader who pauses again and again."""
    total = 250_000_000
    audio = base64.b64encode(random.Random(1).randbytes(48_000)).decode()
    event = f'{{"type":"response.output_audio.delta","response_id":"resp_1","delta":"{audio}"}}'
    frame = encode_frame(Opcode.TEXT, event.encode(), mask=None if slow == "client" else MASK)
    count = total // len(frame) + 1
    burst = frame * 16
    stalls = [n * total // 8 for n in range(8)]

    async def push_all(wire: Wire) -> int:
        check = 0
        for _ in range(count // 16 + 1):
            await wire.send(burst)
            check = zlib.crc32(burst, check)
        wire.finish()
        return check

    async def drain(wire: Wire) -> tuple[int, int]:
        """Read to the end; stop reading until the proxy has stopped growing, eight times."""
        loop = asyncio.get_running_loop()
        early = wire.take_here()  # came with the handshake
        size, check = len(early), zlib.crc32(early)
        pending = list(stalls)
        while data := await loop.sock_recv(wire.sock, 1 << 18):
            size += len(data)
            check = zlib.crc32(data, check)
            if pending and size > pending[0]:
                pending.pop(0)
                await settled(proxy.resident)
        return size, check

    async def settled(measure: "object") -> None:
        assert callable(measure)
        before = -1
        while before != (before := measure()):
            await asyncio.sleep(0.05)

    results: dict[str, object] = {}

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head())
        results["server"] = await (push_all(wire) if slow == "client" else drain(wire))
        if slow == "client":
            await wire.rest()

    async with (
        listening(server) as (port, done),
        recording(f"http://127.0.0.1:{port}", tmp_path, "--durability", "none") as proxy,
    ):
        client = await join(proxy.port)
        start = proxy.resident()
        results["client"] = await (drain(client) if slow == "client" else push_all(client))
        client.close()
        await asyncio.wait_for(done, 60)
        grown = proxy.peak() - start
        assert await proxy.stop(signal.SIGTERM) == 0
    received, sent = results[slow], results["server" if slow == "client" else "client"]
    size = (count // 16 + 1) * len(burst)
    assert received == (size, sent)
    assert grown < 50 * 2**20
    (path,) = tmp_path.glob("*.rtape")
    with open_tape(path) as tape:
        assert sum(tape.summary().events.values()) == (count // 16 + 1) * 16
    path.unlink()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_stop_seals_the_tapes_of_open_sessions(tmp_path: Path, number: int) -> None:
    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head() + encode_frame(Opcode.TEXT, b"hello"))
        await wire.rest()

    async with (
        listening(server) as (port, _),
        recording(f"http://127.0.0.1:{port}", tmp_path, "--grace", "0.2") as proxy,
    ):
        client = await join(proxy.port)
        await client.take(7)
        assert await proxy.stop(number) == 0
        assert MessageDecoder(from_client=False).feed(await client.rest()) == [GOING_AWAY]
        client.close()
    assert "Traceback" not in proxy.said
    (path,) = tmp_path.glob("*.rtape")
    with open_tape(path) as tape:
        assert tape.state == "sealed"
        assert [record.payload for record in tape if isinstance(record, Event)] == ["hello"]
        mark, below, above, *_ = (record for record in tape if isinstance(record, Control))
        assert mark.data == {"text": "the proxy was stopped"}
        for close, flags in ((below, INJECTED | FROM_SERVER), (above, INJECTED)):
            assert (close.name, close.flags) == ("close", flags)
            assert close.data == {"code": 1001, "reason": "the proxy was stopped"}


@pytest.mark.parametrize(
    "garbage",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + bytes(100),  # TLS
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nBad Header sk-proj-0123456789abcdef0123\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nX: \xff\xfe\r\n\r\n",
    ],
)
async def test_garbage_is_answered_and_nothing_is_said_of_it(
    tmp_path: Path, garbage: bytes
) -> None:
    async with recording("http://127.0.0.1:1", tmp_path) as proxy:
        wire = Wire(socket.create_connection(("127.0.0.1", proxy.port)))
        await wire.send(garbage)
        assert (await wire.take_head()).split()[1] in (b"400", b"502")
        wire.close()
        assert await proxy.stop() == 0
    assert "Traceback" not in proxy.said
    assert "sk-proj" not in proxy.said


async def test_long_headers_pass(tmp_path: Path) -> None:
    head = request_head(path="/v1/realtime?model=m&long=" + "x" * 30_000)

    async def server(wire: Wire) -> None:
        assert b"x" * 30_000 in await wire.take_head()
        await wire.send(accept_head())
        await wire.rest()

    async with (
        listening(server) as (port, done),
        recording(f"http://127.0.0.1:{port}", tmp_path) as proxy,
    ):
        wire = Wire(socket.create_connection(("127.0.0.1", proxy.port)))
        await wire.send(head)
        assert (await wire.take_head()).startswith(b"HTTP/1.1 101")
        wire.close()
        await asyncio.wait_for(done, 30)


async def test_a_stop_does_not_wait_for_a_stream_without_end(tmp_path: Path) -> None:
    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
        )
        await wire.rest()

    async with (
        listening(server) as (port, done),
        recording(f"http://127.0.0.1:{port}", tmp_path) as proxy,
    ):
        wire = Wire(socket.create_connection(("127.0.0.1", proxy.port)))
        await wire.send(b"GET /v1/realtime/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await wire.take_head()
        await wire.take(len(b"9\r\ndata: 1\n\n\r\n"))
        assert await proxy.stop() == 0
        await asyncio.wait_for(done, 30)
        wire.close()
    assert "Traceback" not in proxy.said
    (path,) = tmp_path.glob("*.rtape")
    with open_tape(path) as tape:
        assert tape.state == "sealed"
        event, mark = [record for record in tape if isinstance(record, Event | Control)]
        assert isinstance(event, Event)
        assert event.payload == "data: 1\n\n"
        assert isinstance(mark, Control)
        assert mark.data == {"text": "the proxy was stopped"}
