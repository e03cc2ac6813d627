"""Tapes on disk, and a client that does on a socket what the client on a tape has done."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from rtproxy.replay.loader import load_shelf
from rtproxy.replay.server import Settings, TapeServer
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event, Header, Record
from rtproxy.tape.writer import TapeWriter
from tests.replay.taped import Tape

TARGET = "/v1/realtime?model=gpt-realtime"


def write_tape(path: Path, tape: Tape, *, seal: bool = True, **fields: Any) -> Path:
    """Put a tape's records on disk; `fields` are the header's."""
    request = {"method": "GET", "target": TARGET, "headers": []}
    response = {"status": 101, "headers": []}
    header: dict[str, Any] = {"id": "t", "request": request, "response": response} | fields
    writer = TapeWriter.create(path, header, durability="none")
    for record in tape.records:
        if isinstance(record, Event):
            writer.event(record.t_ns, record.flags, record.payload)
        elif isinstance(record, Control):
            writer.control(record.t_ns, record.flags, record.name, record.data)
    writer.flush()
    if seal:
        writer.seal(tape.t_ns)
    else:
        writer.close()
    return path


def greeting() -> Tape:
    """A session of one question and one answer; the client closes."""
    return (
        Tape()
        .server("session.created", session={"id": "sess_1"})
        .client("response.create")
        .server("response.created", response={"id": "resp_1"})
        .server("response.done", response={"id": "resp_1"})
        .control("close", code=1000, reason="")
    )


def read(path: Path) -> list[Record]:
    with open_tape(path) as tape:
        return list(tape)


def events(path: Path) -> list[tuple[bool, str | bytes]]:
    """(from the server?, payload) of each message, in order."""
    return [(one.from_server, one.payload) for one in read(path) if isinstance(one, Event)]


def header(path: Path) -> Header:
    with open_tape(path) as tape:
        return tape.header


@asynccontextmanager
async def serving(
    *paths: Path, watch: Callable[[Any, Any, bool], None] | None = None, **settings: Any
) -> AsyncIterator[TapeServer]:
    """A server of tapes at `--speed max`."""
    chosen = Settings(**{"speed": float("inf"), **settings})
    async with TapeServer(load_shelf(paths), chosen, watch) as server:
        yield server


class Client:
    """A WebSocket client that keeps what it has seen, and sends one close frame at most."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.headers = socket._response.headers
        self.messages: list[str | bytes] = []
        self.code: int | None = None
        self.reason = ""
        self.end = ""
        self._said = False

    async def send(self, payload: str | bytes) -> None:
        if isinstance(payload, str):
            await self.socket.send_str(payload)
        else:
            await self.socket.send_bytes(payload)

    async def receive(self) -> str | bytes | None:
        """The next message; None at the end of the connection."""
        message = await self.socket.receive()
        match message.type:
            case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                self.messages.append(message.data)
                payload: str | bytes = message.data
                return payload
            case aiohttp.WSMsgType.CLOSE:
                self.code, self.reason = message.data, message.extra or ""
                self.end = "close"
                await self.close(1000)
            case aiohttp.WSMsgType.ERROR:
                self.end = "error"
            case _:
                self.end = "reset" if self.socket.exception() else "eof"
        return None

    async def take(self, count: int) -> list[str | bytes]:
        """The next `count` messages."""
        for _ in range(count):
            assert await self.receive() is not None, (self.code, self.reason, self.end)
        return self.messages[-count:] if count else []

    async def rest(self) -> list[str | bytes]:
        """All messages until the connection ends."""
        start = len(self.messages)
        while not self.end and await self.receive() is not None:
            pass
        return self.messages[start:]

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame and go on reading, where aiohttp's close() drops what comes."""
        if not self._said:
            self._said = True
            payload = code.to_bytes(2, "big") + reason.encode()
            await self.socket.send_frame(payload, aiohttp.WSMsgType.CLOSE)


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Client]:
    """A client at `url`, which is a server's, or whole with path and query."""
    if "/v1/" not in url:
        url += TARGET
    async with aiohttp.ClientSession() as session:
        yield Client(await session.ws_connect(url, max_msg_size=0, autoclose=False, **options))


async def follow(url: str, records: Sequence[Record], **options: Any) -> Client:
    """Do what the client on a tape has done, each time after the same server events."""
    async with connected(url, **options) as client:
        for record in records:
            if isinstance(record, Event) and record.from_server:
                await client.take(1)
            elif isinstance(record, Event):
                await client.send(record.payload)
            elif isinstance(record, Control) and record.name == "close":
                if not record.from_server:
                    await client.close(record.data["code"] or 1000, record.data["reason"])
                break
        else:
            await client.close(1000)
        await client.rest()
    return client
