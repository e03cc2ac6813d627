"""One WebSocket connection through the proxy: dial, relay the answer, join, seal."""

import asyncio
from typing import Any, cast

import aiohttp
from aiohttp import web

from rtproxy.errors import UpstreamError
from rtproxy.record.refusal import relay_refusal, report_unreachable
from rtproxy.record.session import SessionRecorder
from rtproxy.record.status import Status, Traffic
from rtproxy.record.tap import Recorder, Side, join
from rtproxy.record.tapes import HeaderList, Tapes
from rtproxy.record.upstream import Dialler
from rtproxy.wire.deflate import Deflate
from rtproxy.wire.handshake import end_to_end_headers


class Taken(web.StreamResponse):
    """What a handler returns when the connection is no longer aiohttp's to answer on."""

    async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002
        self._keep_alive = False

    async def write_eof(self, data: bytes = b"") -> None:
        pass


class Unrecorded:
    """Stands in for a recorder when there is no tape: the session goes on, counted only."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def received(self, data: bytes, *, from_server: bool, forwarded: bool) -> None:  # noqa: ARG002
        self._traffic.count_bytes(len(data), from_server=from_server)

    def ended(self, *, from_server: bool) -> None: ...

    def lost(self, error: Exception, *, from_server: bool) -> None: ...


class Tail:
    """Takes over the bytes that aiohttp read beyond a handshake."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass


class Hung(asyncio.Transport):
    """A transport whose peer hung up before the two sides could be joined."""

    def is_closing(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def can_write_eof(self) -> bool:
        return False


class WebSocketRelay:
    """Relays WebSocket connections to one upstream and tapes them."""

    def __init__(self, dialler: Dialler, tapes: Tapes, status: Status, *, max_message: int) -> None:
        self._dialler = dialler
        self._tapes = tapes
        self._status = status
        self._max_message = max_message
        self._live: dict[Side, tuple[Side, SessionRecorder | None]] = {}

    async def relay(
        self, request: web.BaseRequest, target: str, headers: HeaderList
    ) -> web.StreamResponse:
        """Serve one upgrade request until both of its connections are gone."""
        traffic = Traffic(request.path, model=request.query.get("model"))
        redactor = self._tapes.redactor()
        clean_target, clean_headers = redactor.request(target, headers)
        asked = {"method": request.method, "target": clean_target, "headers": clean_headers}
        upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
        sent = [*end_to_end_headers(list(headers), websocket=True), *upgrade]
        self._status.begin(traffic)
        try:
            response = await self._dialler.request(request.method, target, sent, websocket=True)
        except UpstreamError as error:
            tape = self._tapes.open(traffic, redactor, asked, None)
            return await report_unreachable(error, tape, traffic, self._status)
        received = raw_headers(response)
        answered = {"status": response.status, "headers": redactor.headers(received)}
        tape = self._tapes.open(traffic, redactor, asked, answered)
        if response.status != 101:
            return await relay_refusal(request, response, tape, traffic, self._status)
        recorder = None
        if tape is not None:
            recorder = SessionRecorder(
                tape,
                Deflate.from_header(response.headers.get("Sec-WebSocket-Extensions")),
                traffic=traffic,
                on_failure=lambda error: self._tapes.lost(traffic, error),
                max_message=self._max_message,
            )
        await self._run(request, response, recorder, traffic)
        return Taken()

    def hang_up(self, reason: str) -> None:
        """Close every live session from the proxy's side and say so on its tape."""
        for client, (server, recorder) in list(self._live.items()):
            if client.is_over:
                continue
            if recorder is not None:
                recorder.mark(reason)
            client.close()
            server.close()

    async def _run(
        self,
        request: web.BaseRequest,
        response: aiohttp.ClientResponse,
        recorder: SessionRecorder | None,
        traffic: Traffic,
    ) -> None:
        client, server = connect(request, response, recorder or Unrecorded(traffic))
        self._live[client] = (server, recorder)
        try:
            await asyncio.wait([client.gone, server.gone])
        finally:
            del self._live[client]
            response.close()
            if recorder is not None:
                await asyncio.to_thread(recorder.seal)
            self._status.end(traffic, "closed")


def connect(
    request: web.BaseRequest, response: aiohttp.ClientResponse, recorder: Recorder
) -> tuple[Side, Side]:
    """Take both transports from aiohttp, send the 101 down, and join them with a tap."""
    above, below = response.connection, request.protocol
    upper = above.protocol if above is not None else None
    client_tail, server_tail = Tail(), Tail()
    if upper is not None:
        upper.set_parser(server_tail, None)
    below.set_parser(cast(Any, client_tail))
    client = Side(below.transport or Hung(), below, recorder, from_server=False)
    if upper is None or upper.transport is None:
        server = Side(Hung(), asyncio.Protocol(), recorder, from_server=True)
    else:
        server = Side(upper.transport, upper, recorder, from_server=True)
    join(client, server)
    if not client.transport.is_closing():
        client.transport.write(answer_head(response))
    for side, tail in ((server, server_tail), (client, client_tail)):
        if tail.data:
            side.data_received(tail.data)
    for side in (server, client):
        if isinstance(side.transport, Hung):
            side.connection_lost(None)
    return client, server


def answer_head(response: aiohttp.ClientResponse) -> bytes:
    """The server's 101 as it goes to the client: its own headers, byte for byte."""
    lines = [f"HTTP/1.1 {response.status} {response.reason or ''}".encode("latin-1", "replace")]
    lines += [
        name + b": " + value
        for name, value in response.raw_headers
        if name.lower() not in (b"keep-alive", b"transfer-encoding", b"content-length")
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def raw_headers(message: aiohttp.ClientResponse | web.BaseRequest) -> list[tuple[str, str]]:
    """Headers as they were sent: letter case, order and duplicates kept."""
    return [
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
        for name, value in message.raw_headers
    ]
