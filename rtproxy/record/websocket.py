"""One WebSocket connection through the proxy: dial, relay the answer, join, seal."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

from rtproxy.errors import UpstreamError
from rtproxy.net.departure import ClientLeft, while_present
from rtproxy.net.stop import Stop
from rtproxy.net.takeover import Hung, Taken, raw_headers, take_client, take_server
from rtproxy.net.tap import Recorder, Side, join
from rtproxy.record.dialler import Dialler
from rtproxy.record.farewell import part
from rtproxy.record.outgoing import Outgoing
from rtproxy.record.refusal import note_departure, relay_refusal, report_unreachable
from rtproxy.record.session import Follower, SessionRecorder
from rtproxy.record.status import Status, Traffic
from rtproxy.record.tapes import Tape, Tapes
from rtproxy.wire.deflate import Deflate
from rtproxy.wire.handshake import end_to_end_headers


class WebSocketRelay:
    """Relays WebSocket connections and tapes them."""

    def __init__(self, dialler: Dialler, tapes: Tapes, status: Status, *, max_message: int) -> None:
        self._dialler = dialler
        self._tapes = tapes
        self._status = status
        self._max_message = max_message
        self._live: set[Session] = set()

    async def relay(self, request: web.BaseRequest, outgoing: Outgoing) -> web.StreamResponse:
        """Serve one upgrade request until both of its connections are gone."""
        redactor = self._tapes.redactor(outgoing.secrets)
        clean_target, clean_headers = redactor.request(outgoing.target, outgoing.headers)
        asked = {"method": request.method, "target": clean_target, "headers": clean_headers}
        path, _, query = clean_target.partition("?")
        traffic = Traffic(path, model=dict(parse_qsl(query)).get("model"))

        def begin(response: dict[str, Any] | None) -> Tape | None:
            if not outgoing.taped:
                return None
            return self._tapes.open(traffic, redactor, asked, response, upstream=outgoing.upstream)

        upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
        sent = [*end_to_end_headers(list(outgoing.sent), websocket=True), *upgrade]
        self._status.begin(traffic)
        try:
            async with while_present(request):
                response = await self._dialler.request(
                    outgoing.upstream, request.method, outgoing.target, sent, websocket=True
                )
        except UpstreamError as error:
            return await report_unreachable(error, begin(None), traffic, self._status)
        except ClientLeft as error:
            await note_departure(error, begin(None), traffic, self._status)
            raise
        received = raw_headers(response)
        tape = begin({"status": response.status, "headers": redactor.headers(received)})
        if response.status != 101:
            return await relay_refusal(request, response, tape, traffic, self._status)
        deflate = Deflate.from_header(response.headers.get("Sec-WebSocket-Extensions"))
        if tape is None:
            follower = Follower(deflate, traffic=traffic)
        else:
            follower = SessionRecorder(
                tape,
                deflate,
                traffic=traffic,
                on_failure=tape.lost,
                max_message=self._max_message,
            )
        await self._run(request, response, follower, traffic)
        return Taken()

    def hang_up(self, reason: str) -> None:
        """Begin to close every live session from our side, and say so on its tape."""
        for session in list(self._live):
            part(*session.sides, session.follower, reason)

    async def settle(self, stop: Stop, seconds: float) -> None:
        """Wait for the sessions to end, `seconds` at most."""
        await stop.wait_for([session.over for session in self._live], seconds)

    async def close(self) -> None:
        """Cut the sessions that are left, and return when every tape is sealed."""
        sessions = list(self._live)
        for session in sessions:
            session.cut()
        if sessions:
            await asyncio.wait([session.over for session in sessions])

    async def _run(
        self,
        request: web.BaseRequest,
        response: aiohttp.ClientResponse,
        follower: Follower,
        traffic: Traffic,
    ) -> None:
        session = Session(connect(request, response, follower), follower)
        self._live.add(session)
        try:
            await asyncio.wait([side.gone for side in session.sides])
        finally:
            session.cut()  # what has not ended has been cancelled
            response.close()
            sealing = asyncio.ensure_future(self._seal(session, traffic))
            await asyncio.shield(sealing)

    async def _seal(self, session: "Session", traffic: Traffic) -> None:
        try:
            if isinstance(session.follower, SessionRecorder):
                session.follower.finish()  # here, in the loop's thread: the tap reports in it too
                await asyncio.to_thread(session.follower.seal)
        finally:
            self._live.discard(session)
            self._status.end(traffic, "closed")
            session.let_go()
            session.over.set_result(None)


class Session:
    """Two joined connections and who follows them. `over` is done when the tape is sealed."""

    def __init__(self, sides: tuple[Side, Side], follower: Follower) -> None:
        self.sides = sides
        self.follower = follower
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def let_go(self) -> None:
        """Have the two sides let go of each other: as long as each holds the other, all that the
        session held, half a message perhaps, stays until somebody collects garbage."""
        if all(side.gone.done() for side in self.sides):
            for side in self.sides:
                del side.peer

    def cut(self) -> None:
        """End both connections now."""
        for side in self.sides:
            if not side.gone.done():
                side.transport.abort()


def connect(
    request: web.BaseRequest, response: aiohttp.ClientResponse, recorder: Recorder
) -> tuple[Side, Side]:
    """Take both transports from aiohttp, send the 101 down, and join them with a tap."""
    upper = response.connection.protocol if response.connection is not None else None
    below, from_client = take_client(request)
    above, from_server = take_server(upper)
    former = upper if upper is not None and upper.transport is not None else asyncio.Protocol()
    client = Side(below, request.protocol, recorder, from_server=False)
    server = Side(above, former, recorder, from_server=True)
    join(client, server)
    if not client.transport.is_closing():
        client.transport.write(answer_head(response))
    for side, tail in ((server, from_server), (client, from_client)):
        if tail:
            side.data_received(tail)
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
