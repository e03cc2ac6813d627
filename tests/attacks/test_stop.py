"""Stopped in the middle of sessions: nothing is torn that could be closed, all tapes are sealed."""

import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from rtproxy.tape.record import INJECTED, NOT_FORWARDED
from rtproxy.wire.frame import Opcode, encode_close, encode_frame
from rtproxy.wire.message import Close, Message, MessageDecoder, Violation, WireEvent
from tests.attacks.kit import LIMIT_S, MASK, TARGET, Served, Upstream, serving, upstream
from tests.attacks.taped import taped
from tests.record.wirekit import Wire, request_head

STOPPED = Close(1001, "the proxy was stopped")
SESSIONS = 25

both_signals = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@dataclass
class End:
    """One end of a session that talks without a pause until it sees a close frame."""

    masked: bool
    heard: list[WireEvent] = field(default_factory=list)
    broken: list[WireEvent] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[str | bytes]:
        return [event.data for event in self.heard if isinstance(event, Message)]

    def hear(self, decoder: MessageDecoder, data: bytes) -> None:
        self.heard += decoder.feed(data)
        if any(isinstance(event, Close) for event in self.heard[-50:]):
            self.closed.set()

    def says(self, chance: random.Random) -> bytes:
        """A few frames, of all sizes, some of them fragments."""
        mask = MASK if self.masked else None
        words = [b'{"n":%d,"pad":"%s"}' % (n, b"." * chance.choice([1, 200, 5000])) for n in (1, 2)]
        half = len(words[1]) // 2
        return b"".join(
            [
                encode_frame(Opcode.TEXT, words[0], mask=mask),
                encode_frame(Opcode.TEXT, words[1][:half], mask=mask, fin=False),
                encode_frame(Opcode.PING, b"between", mask=mask),
                encode_frame(Opcode.CONTINUATION, words[1][half:], mask=mask),
            ]
        )

    async def talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
    ) -> None:
        """Send frames in pieces that end anywhere, and answer the close frame with another."""
        decoder = MessageDecoder(from_client=not self.masked)
        listening = asyncio.create_task(self._listen(reader, decoder))
        with contextlib.suppress(OSError):
            while not (self.closed.is_set() or listening.done()):
                said = self.says(chance)
                while said:
                    size = chance.randrange(1, 3000)
                    writer.write(said[:size])
                    said = said[size:]
                    await writer.drain()
                    await asyncio.sleep(0.002)  # the ends are to keep up with one another
            mask = MASK if self.masked else None
            writer.write(encode_frame(Opcode.CLOSE, encode_close(1001), mask=mask))
            await writer.drain()
        await listening
        self.broken = decoder.eof()
        writer.close()

    async def _listen(self, reader: asyncio.StreamReader, decoder: MessageDecoder) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self.hear(decoder, data)


@asynccontextmanager
async def recording(folder: Path, behind: Upstream, *options: str) -> AsyncIterator[Served]:
    arguments = ("--upstream", behind.url, "--listen", "127.0.0.1:0", "--out", str(folder))
    async with serving("record", *arguments, *options) as served:
        yield served


@both_signals
async def test_bursts_both_ways_end_at_the_end_of_a_frame(tmp_path: Path, number: int) -> None:
    clients: list[End] = []
    servers: list[End] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        servers.append(End(masked=False))
        await servers[-1].talk(reader, writer, random.Random(len(servers)))

    async def call(served: Served, n: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(request_head(path=f"{TARGET}&script=burst"))
        await reader.readuntil(b"\r\n\r\n")
        clients.append(End(masked=True))
        await clients[-1].talk(reader, writer, random.Random(-n))

    async with upstream() as behind, recording(tmp_path, behind, "--grace", "0") as served:
        behind.scripts["burst"] = serve
        calls = [asyncio.create_task(call(served, n)) for n in range(SESSIONS)]
        async with asyncio.timeout(LIMIT_S):
            while len(clients) < SESSIONS or min(len(end.messages) for end in clients) < 3:
                await asyncio.sleep(0.01)
            assert await served.stop(number) == 0
            await asyncio.gather(*calls)
            while not all(end.closed.is_set() for end in servers):
                await asyncio.sleep(0.01)
    assert f"{SESSIONS} connections" in served.said
    for end in (*clients, *servers):
        assert end.heard[-1] == STOPPED
        assert not any(isinstance(event, Violation) for event in end.heard)
        # A close frame may come between the fragments of a message (RFC 6455 §5.4).
        assert end.broken in ([], [Violation("the stream ends inside a fragmented message")])

    sessions = taped(tmp_path)
    assert len(sessions) == SESSIONS
    for events, controls in sessions:
        closes = [control for control in controls if control.name == "close"]
        injected = [close for close in closes if close.flags & INJECTED]
        assert {close.from_server for close in injected} == {True, False}
        assert all(close.data["code"] == 1001 for close in injected)
        assert not any(control.name == "protocol_error" for control in controls)
        for from_server, ends in ((True, clients), (False, servers)):
            passed = [
                event.payload
                for event in events
                if event.from_server == from_server and not event.flags & NOT_FORWARDED
            ]
            assert passed in [end.messages for end in ends]


async def test_an_end_that_stays_in_the_middle_of_a_frame_is_cut(tmp_path: Path) -> None:
    """It is told; the other end cannot be, as its frame is never finished."""
    half = encode_frame(Opcode.TEXT, b"x" * 1000, mask=MASK)[:500]
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        got.set_result(await reader.readexactly(len(half)))
        got_end.set_result(await reader.read())

    got_end: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with upstream() as behind, recording(tmp_path, behind, "--grace", "0") as served:
        behind.scripts["half"] = serve
        wire = await joined(served, "half")
        await wire.send(half)
        assert await asyncio.wait_for(got, LIMIT_S) == half
        assert await served.stop() == 0
        assert MessageDecoder(from_client=False).feed(await wire.rest()) == [STOPPED]
        assert await asyncio.wait_for(got_end, LIMIT_S) == b""
        wire.close()
    ((events, controls),) = taped(tmp_path)
    assert events == []
    injected = [control for control in controls if control.flags & INJECTED]
    assert [(control.name, control.from_server) for control in injected] == [("close", True)]


async def joined(served: Served, script: str = "") -> Wire:
    wire = await served.connect()
    await wire.send(request_head(path=f"{TARGET}&script={script}"))
    assert (await wire.take_head()).startswith(b"HTTP/1.1 101")
    return wire


@both_signals
async def test_sessions_are_given_time_to_end(tmp_path: Path, number: int) -> None:
    """Nothing is closed that ends by itself, nobody new is let in, and then it is over."""
    async with upstream() as behind, recording(tmp_path, behind, "--grace", "600") as served:
        wires = [await joined(served) for _ in range(3)]
        idle = await served.connect()
        served.process.send_signal(number)
        await served.has_said("3 connections have 600 s to end")
        await idle.rest()
        assert idle.end == "eof"
        idle.close()
        with pytest.raises(OSError):
            await served.connect()
        hello = encode_frame(Opcode.TEXT, b"still here", mask=MASK)
        for wire in wires:
            await wire.send(hello)
            assert await wire.take(12) == encode_frame(Opcode.TEXT, b"still here")
            await wire.send(encode_frame(Opcode.CLOSE, encode_close(1000), mask=MASK))
            assert await wire.rest() == encode_frame(Opcode.CLOSE, encode_close(1000))
            wire.close()
        assert await served.end() == 0
    sessions = taped(tmp_path)
    assert len(sessions) == 3
    for events, controls in sessions:
        assert len(events) == 2
        assert not any(control.flags & INJECTED for control in controls)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
async def test_the_second_signal_does_not_wait(tmp_path: Path, second: int) -> None:
    async with upstream() as behind, recording(tmp_path, behind, "--grace", "600") as served:
        wires = [await joined(served) for _ in range(5)]
        hello = encode_frame(Opcode.TEXT, b"hello", mask=MASK)
        for wire in wires:
            await wire.send(hello)
            await wire.take(7)
        served.process.send_signal(signal.SIGINT)
        await served.has_said("stop again to end at once")
        assert await served.stop(second) == 0
        for wire in wires:
            await wire.rest()
            wire.close()
    sessions = taped(tmp_path)
    assert [len(events) for events, _ in sessions] == [2] * 5


async def test_a_session_that_is_being_closed_is_left_to_it(tmp_path: Path) -> None:
    """One end has said goodbye and the other has not answered yet: it may."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        asked.set()
        await may_answer.wait()
        writer.write(encode_frame(Opcode.CLOSE, encode_close(1000, "bye")))
        await writer.drain()

    async with upstream() as behind, recording(tmp_path, behind, "--grace", "0") as served:
        behind.scripts["late"] = serve
        wire = await joined(served, "late")
        await wire.send(encode_frame(Opcode.CLOSE, encode_close(1000), mask=MASK))
        await asyncio.wait_for(asked.wait(), LIMIT_S)
        idle = await served.connect()
        served.process.send_signal(signal.SIGTERM)
        await idle.rest()  # by now it knows that it is to stop
        idle.close()
        may_answer.set()
        assert await wire.rest() == encode_frame(Opcode.CLOSE, encode_close(1000, "bye"))
        wire.close()
        assert await served.end() == 0
    ((_, controls),) = taped(tmp_path)
    assert not any(control.flags & INJECTED for control in controls)


CALLER = """
import asyncio, os, signal, sys, aiohttp
async def main():
    async with aiohttp.ClientSession() as http:
        url = os.environ["OPENAI_BASE_URL"] + "/realtime?model=gpt-realtime"
        sessions = [await http.ws_connect(url) for _ in range(10)]
        for session in sessions:
            await session.send_str('{"type":"hello"}')
            await session.receive()
        print("READY", file=sys.stderr, flush=True)
        await asyncio.Event().wait()
loop = asyncio.new_event_loop()
if "stubborn" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os._exit(40 + number))
loop.run_until_complete(main())
"""


@both_signals
@pytest.mark.parametrize("server", ["record", "replay"])
async def test_a_command_is_told_and_its_code_is_ours(
    tmp_path: Path, server: str, number: int, call: Path
) -> None:
    command = ("--", sys.executable, "-c", CALLER)
    async with upstream() as behind:
        if server == "record":
            arguments = ("--upstream", behind.url, "--out", str(tmp_path / "tapes"))
        else:
            arguments = (str(call), "--loop", "--match", "lenient")
        async with serving(server, *arguments, *command) as served:
            await served.has_said("READY")
            assert await served.stop(number) == 40 + number
    if server == "record":
        assert [len(events) for events, _ in taped(tmp_path / "tapes")] == [2] * 10


async def test_a_command_that_does_not_listen_is_killed_by_the_second_signal(
    tmp_path: Path,
) -> None:
    command = ("--", sys.executable, "-c", CALLER, "stubborn")
    async with upstream() as behind:
        arguments = ("--upstream", behind.url, "--out", str(tmp_path))
        async with serving("record", *arguments, *command) as served:
            await served.has_said("READY")
            served.process.send_signal(signal.SIGTERM)
            served.process.send_signal(signal.SIGINT)
            assert await served.end() == 128 + signal.SIGKILL
    assert [len(events) for events, _ in taped(tmp_path)] == [2] * 10


@both_signals
@pytest.mark.parametrize("server", ["replay", "simulate"])
async def test_the_other_servers_say_goodbye(server: str, number: int, call: Path) -> None:
    tape = [str(call), "--loop"] if server == "replay" else []
    arguments = (server, *tape, "--listen", "127.0.0.1:0", "--grace", "0")
    async with serving(*arguments) as served, aiohttp.ClientSession() as http:
        sessions = [await http.ws_connect(served.url + TARGET) for _ in range(20)]
        for session in sessions:
            assert (await session.receive_json())["type"] == "session.created"
        served.process.send_signal(number)
        for session in sessions:
            message = await session.receive(timeout=LIMIT_S)
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        code = await served.end()
    assert code == (1 if server == "replay" else 0)  # the tape was not played to its end


@pytest.mark.parametrize("server", ["replay", "simulate"])
async def test_the_other_servers_give_time_and_take_it_back(server: str, call: Path) -> None:
    tape = [str(call), "--loop"] if server == "replay" else []
    arguments = (server, *tape, "--listen", "127.0.0.1:0", "--grace", "600")
    async with serving(*arguments) as served, aiohttp.ClientSession() as http:
        session = await http.ws_connect(served.url + TARGET)
        await session.receive_json()
        served.process.send_signal(signal.SIGTERM)
        await served.has_said("1 connection has 600 s to end")
        assert await served.stop(signal.SIGTERM) in (0, 1)
        assert (await session.receive(timeout=LIMIT_S)).type in (
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.ERROR,
        )
        await session.close()


@both_signals
async def test_a_stop_while_sessions_begin(tmp_path: Path, number: int) -> None:
    """Those that are not through yet get an answer, an end or nothing, and no tape is left open."""
    slow = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        slow.set()
        await reader.read()

    async with upstream() as behind, recording(tmp_path, behind, "--grace", "0") as served:
        behind.scripts["mute"] = serve
        head = b"GET /v1/realtime?script=mute HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n"
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
        wires = [await served.connect() for _ in range(20)]
        for wire in wires:
            await wire.send(head % upgrade)
            await wire.send(request_head()[:40])
        await asyncio.wait_for(slow.wait(), LIMIT_S)
        assert await served.stop(number) == 0
        for wire in wires:
            await wire.rest()
            wire.close()
    taped(tmp_path)
