"""What two WebSocket peers make of each other's frames is the same with the proxy between them.

In every case one end sends raw bytes and the other is a whole implementation (wsproto), which
echoes messages, answers pings and closes, and refuses what breaks the protocol. It is the server in
one half of the cases, the client in the other.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from rtproxy.record.proxy import Proxy, Settings
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control
from rtproxy.wire.frame import Opcode, decode_close, parse_header
from rtproxy.wire.handshake import accept_key
from rtproxy.wire.mask import apply_mask
from tests.record.conformance import CASES, Case
from tests.record.wirekit import Wire, accept_head, request_head

LIMIT_S = 30
BYTEWISE = 4096
"""Streams up to this long are fed byte by byte, so that reads of other sizes change nothing."""

Verdict = list[tuple[object, ...]]


class Echo(asyncio.Protocol):
    """A peer that holds to the protocol: echoes, answers, refuses; ends by end of stream."""

    def __init__(self, kind: ConnectionType, path: str = "", deflate: bool = False) -> None:
        self._ws = WSConnection(kind)
        self._path = path
        self._deflate = deflate
        self._words: list[str] = []
        self._bytes = bytearray()
        self._over = False
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._path:
            extensions = [PerMessageDeflate()] if self._deflate else []
            request = Request("127.0.0.1", self._path, extensions=list(extensions))
            transport.write(self._ws.send(request))

    def data_received(self, data: bytes) -> None:
        small = len(data) <= BYTEWISE
        for piece in (bytes([byte]) for byte in data) if small else [data]:
            if self._over:
                return
            try:
                self._ws.receive_data(piece)
                for event in self._ws.events():
                    self._take(event)
            except RemoteProtocolError as error:
                hint = error.event_hint or CloseConnection(1002)
                self._finish(self._ws.send(hint) if isinstance(hint, CloseConnection) else b"")
            except LocalProtocolError:
                self._finish(b"")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)

    def _take(self, event: object) -> None:
        match event:
            case Request():
                extensions = [PerMessageDeflate()] if self._deflate else []
                self._write(AcceptConnection(extensions=list(extensions)))
            case Ping():
                self._write(event.response())
            case TextMessage():
                self._words.append(event.data)
                if event.message_finished:
                    self._write(TextMessage(data="".join(self._words)))
                    self._words.clear()
            case BytesMessage():
                self._bytes += event.data
                if event.message_finished:
                    self._write(BytesMessage(data=bytes(self._bytes)))
                    self._bytes.clear()
            case CloseConnection():
                self._finish(self._ws.send(event.response()))

    def _write(self, event: object) -> None:
        self._transport.write(self._ws.send(event))  # type: ignore[arg-type]

    def _finish(self, last: bytes) -> None:
        """Say the last word, then end the stream; what still comes is read and dropped."""
        self._over = True
        self._transport.write(last)
        self._transport.write_eof()


async def judged(wire: Wire, case: Case, *, masked: bool) -> Verdict:
    """Send a case's bytes; what the peer answered, frame by frame, and how its stream ended."""
    for piece in case.encode(masked=masked):
        try:
            await wire.send(piece)
        except OSError:
            break
    await wire.rest()
    body = bytes(wire.received).split(b"\r\n\r\n", 1)[1]
    verdict: Verdict = []
    at = 0
    while (header := parse_header(body, at)) is not None:
        payload = body[at + header.size : at + header.size + header.length]
        if header.mask is not None:
            payload = apply_mask(header.mask, payload)
        verdict.append((header.opcode, header.fin, header.rsv, payload))
        at += header.size + header.length
    return [*verdict, ("end", wire.end, body[at:])]


def closed_with(verdict: Verdict) -> int | None:
    """The code of the peer's close frame; −1 for no such frame."""
    for opcode, *rest in verdict:
        if opcode == Opcode.CLOSE:
            payload = rest[-1]
            assert isinstance(payload, bytes)
            return decode_close(payload)[0]
    return -1


async def as_client(port: int, case: Case) -> Verdict:
    """The case comes from a client, to a server that echoes."""
    wire = Wire(socket.create_connection(("127.0.0.1", port)))
    wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        await wire.send(
            request_head(case.deflate, path="/v1/realtime?" + ("d" * bool(case.deflate)))
        )
        await wire.take_head()
        return await asyncio.wait_for(judged(wire, case, masked=True), LIMIT_S)
    finally:
        wire.close()


@asynccontextmanager
async def echoing_server() -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Echo(ConnectionType.SERVER, deflate=True), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


class Fuzzer:
    """A server that sends a case's bytes to whoever connects; the case is named by the path."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        listener.setblocking(False)
        serving = asyncio.create_task(self._serve(listener))
        try:
            yield listener.getsockname()[1]
        finally:
            serving.cancel()
            listener.close()

    async def _serve(self, listener: socket.socket) -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            task = asyncio.create_task(self._attack(sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _attack(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(sock)
        try:
            head = (await wire.take_head()).decode()
            name = head.split(" ")[1].partition("?")[2]
            key = next(
                line for line in head.splitlines() if line.lower().startswith("sec-websocket-key")
            )
            case = CASES[name]
            answer = accept_head(case.deflate).decode()
            kept = [
                line for line in answer.split("\r\n") if not line.startswith("Sec-WebSocket-Accept")
            ]
            kept.insert(1, f"Sec-WebSocket-Accept: {accept_key(key.split(': ')[1])}")
            await wire.send("\r\n".join(kept).encode())
            self.verdicts[name] = await judged(wire, case, masked=False)
        finally:
            wire.close()


async def as_server(fuzzer: Fuzzer, port: int, case: Case) -> Verdict:
    """The case comes from a server, to a client that echoes."""
    loop = asyncio.get_running_loop()
    fuzzer.verdicts.pop(case.name, None)
    _, echo = await loop.create_connection(
        lambda: Echo(ConnectionType.CLIENT, f"/v1/realtime?{case.name}", bool(case.deflate)),
        "127.0.0.1", port,
    )  # fmt: skip
    await asyncio.wait_for(echo.gone, LIMIT_S)
    return fuzzer.verdicts[case.name]


def noted(folder: Path) -> int:
    """Of the tapes in a folder, how many note a broken protocol; all of them are sound."""
    count = 0
    for path in folder.glob("*.rtape"):
        with open_tape(path) as tape:
            names = [record.name for record in tape if isinstance(record, Control)]
            assert tape.state == "sealed"
            assert not tape.damage
        count += "protocol_error" in names
    return count


def is_broken(case: Case) -> bool:
    """Whether its bytes break the protocol; a peer may also send a code such as 1002 itself.

    Every case ends with a close frame, and nothing may follow one.
    """
    closes = any(opcode == Opcode.CLOSE for opcode, *_ in case.frames)
    return closes or case.code in (1002, 1007)


SECTIONS = sorted({name.split(".")[0] for name in CASES}, key=int)


def of_section(section: str) -> list[Case]:
    return [case for case in CASES.values() if case.name.split(".")[0] == section]


@pytest.mark.parametrize("section", SECTIONS)
async def test_a_server_answers_the_same(tmp_path: Path, section: str) -> None:
    async with (
        echoing_server() as port,
        Proxy(Settings(upstream=f"http://127.0.0.1:{port}", port=0, out=tmp_path)) as proxy,
    ):
        through = int(proxy.url.rsplit(":", 1)[1])
        for case in of_section(section):
            direct = await as_client(port, case)
            assert closed_with(direct) == case.code, case.name
            assert await as_client(through, case) == direct, case.name
    assert noted(tmp_path) == sum(is_broken(case) for case in of_section(section))


@pytest.mark.parametrize("section", SECTIONS)
async def test_a_client_answers_the_same(tmp_path: Path, section: str) -> None:
    fuzzer = Fuzzer()
    async with (
        fuzzer.listening() as port,
        Proxy(Settings(upstream=f"http://127.0.0.1:{port}", port=0, out=tmp_path)) as proxy,
    ):
        through = int(proxy.url.rsplit(":", 1)[1])
        for case in of_section(section):
            direct = await as_server(fuzzer, port, case)
            assert closed_with(direct) == case.code, case.name
            assert await as_server(fuzzer, through, case) == direct, case.name


def test_the_table_has_every_section() -> None:
    assert len(CASES) > 300
    assert [len(of_section(section)) for section in SECTIONS]
