"""Two programs at the ends of a TCP connection, written byte by byte, and a proxy between them.

A scenario is a pair of scripts. It is played twice, once directly and once through a recording
proxy; what each end saw must be the same. `way` says where TLS is spoken when the proxy is between.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rtproxy.record.proxy import Proxy, Settings
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event, Record
from rtproxy.wire.handshake import accept_key

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
DEFLATE = "permessage-deflate"

End = Literal["eof", "reset", "open"]


class Wire:
    """One end of a TCP connection: sends bytes and remembers what came and how it ended."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.received = bytearray()
        self.end: End = "open"
        self._taken = 0

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def take(self, size: int) -> bytes:
        """The next `size` bytes; fewer only if the stream ends."""
        while len(self.received) - self._taken < size and await self._read():
            pass
        taken = bytes(self.received[self._taken : self._taken + size])
        self._taken += len(taken)
        return taken

    async def take_head(self) -> bytes:
        """An HTTP head, up to and with its empty line."""
        while (end := self.received.find(b"\r\n\r\n", self._taken)) < 0 and await self._read():
            pass
        assert end >= 0, f"no HTTP head in {bytes(self.received)!r}"
        head = bytes(self.received[self._taken : end + 4])
        self._taken = end + 4
        return head

    def take_here(self) -> bytes:
        """What has been read and not taken yet, without waiting."""
        taken = bytes(self.received[self._taken :])
        self._taken = len(self.received)
        return taken

    async def rest(self) -> bytes:
        """Everything until the other end closes or resets."""
        while await self._read():
            pass
        return self.take_here()

    def finish(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self.sock.close()

    async def _read(self) -> bool:
        try:
            data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
        except ConnectionResetError:
            self.end = "reset"
            return False
        if not data:
            self.end = "eof"
        self.received += data
        return bool(data)


Script = Callable[[Wire], Awaitable[None]]


@dataclass(frozen=True)
class Way:
    """How the ends speak to the proxy: `client` and `server` make a socket a Wire."""

    scheme: str = "http"
    client: Callable[[socket.socket], Awaitable[Wire]] | None = None
    server: Callable[[socket.socket], Awaitable[Wire]] | None = None
    settings: dict[str, Any] = field(default_factory=dict)


PLAIN = Way()
way = PLAIN
"""Tests that are about TLS set another."""


async def _wire(
    sock: socket.socket, make: Callable[[socket.socket], Awaitable[Wire]] | None
) -> Wire:
    return Wire(sock) if make is None else await make(sock)


@dataclass
class Seen:
    """What the two ends of one run saw."""

    client: bytes = b""
    server: bytes = b""
    client_end: End = "open"
    server_end: End = "open"
    records: list[Record] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        return [record for record in self.records if isinstance(record, Event)]

    @property
    def controls(self) -> list[Control]:
        return [record for record in self.records if isinstance(record, Control)]


def request_head(extensions: str = "", *, path: str = "/v1/realtime?model=gpt-realtime") -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        "X-Odd-CASE: kept",
    ]
    if extensions:
        lines.append(f"Sec-WebSocket-Extensions: {extensions}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def accept_head(extensions: str = "") -> bytes:
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(KEY)}",
        "x-Request-ID: req_123",
    ]
    if extensions:
        lines.append(f"Sec-WebSocket-Extensions: {extensions}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@asynccontextmanager
async def listening(
    script: Script, way: Way = PLAIN
) -> AsyncIterator[tuple[int, "asyncio.Future[Wire]"]]:
    """A server for one connection that follows a script; yields its port and its end."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    done: asyncio.Future[Wire] = loop.create_future()

    async def serve() -> None:
        sock, _ = await loop.sock_accept(listener)
        wire = await _wire(sock, way.server)
        try:
            await script(wire)
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(wire)
        finally:
            wire.close()

    task = asyncio.create_task(serve())
    try:
        yield listener.getsockname()[1], done
    finally:
        task.cancel()
        listener.close()
        if done.done() and not done.cancelled():
            done.exception()


async def play(client: Script, server: Script) -> Seen:
    """Play a scenario with nothing between its ends."""
    async with listening(server) as (port, done):
        return await _play(client, port, done)


async def play_through_proxy(client: Script, server: Script, folder: Path) -> Seen:
    """Play a scenario through a recording proxy, and read the tape."""
    async with listening(server, way) as (port, done):
        upstream = f"{way.scheme}://127.0.0.1:{port}"
        settings = Settings(upstream=upstream, port=0, out=folder, **way.settings)
        async with Proxy(settings) as proxy:
            seen = await _play(client, int(proxy.url.rsplit(":", 1)[1]), done, way)
        assert not proxy.status.failures
    seen.records = records_in(folder)
    return seen


async def _play(client: Script, port: int, done: "asyncio.Future[Wire]", way: Way = PLAIN) -> Seen:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setblocking(False)
    wire = await _wire(sock, way.client)
    try:
        await client(wire)
    finally:
        wire.close()
    server = await asyncio.wait_for(done, 30)
    return Seen(bytes(wire.received), bytes(server.received), wire.end, server.end)


def records_in(folder: Path) -> list[Record]:
    """All records of the one tape in a folder."""
    (path,) = folder.glob("*.rtape")
    with open_tape(path) as tape:
        assert tape.state == "sealed"
        records = list(tape)
        assert not tape.damage
    return records
