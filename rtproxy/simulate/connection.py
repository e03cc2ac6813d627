"""One connection to the simulated server: a WebSocket, a timer and a session."""

import asyncio
import socket
import struct
from contextlib import suppress

import orjson
from aiohttp import WSMsgType, web

from rtproxy.simulate.outlet import Action, Close, Reset, Send
from rtproxy.simulate.session import Session

CLOSE_TIMEOUT_S = 2.0
"""How long the client may take to answer a CLOSE."""


class Connection:
    """Carries messages and time into a session, and its actions out again, in order."""

    def __init__(
        self,
        websocket: web.WebSocketResponse,
        request: web.BaseRequest,
        session: Session,
        ping_every_ms: float | None,
    ) -> None:
        self._websocket = websocket
        self._request = request
        self._session = session
        self._ping_every_ms = ping_every_ms
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._outbox: asyncio.Queue[Action | bytes] = asyncio.Queue()
        self._pings = 0

    async def run(self, instead: list[Action] | None = None) -> None:
        """Serve until either side has closed; with `instead`, do only that."""
        self._put(self._session.start(self._now()) if instead is None else instead)
        if instead is None and self._ping_every_ms:
            self._loop.call_later(self._ping_every_ms / 1000, self._ping)
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write(reader))
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            if reader.cancelled():
                await writer  # it is closing the connection
            elif reader.done():
                reader.result()
        finally:
            if self._timer:
                self._timer.cancel()
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    def hang_up(self) -> None:
        """Close from the server's side, after what is still to be said."""
        self._outbox.put_nowait(Close(self._now(), 1001, "the server is going away"))

    def _now(self) -> float:
        return (self._loop.time() - self._start) * 1000

    def _put(self, actions: list[Action]) -> None:
        for action in actions:
            self._outbox.put_nowait(action)
        if self._timer:
            self._timer.cancel()
        due = self._session.next_due()
        if due is not None:
            self._timer = self._loop.call_at(self._start + due / 1000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._put(self._session.advance(self._now()))

    def _ping(self) -> None:
        if not self._websocket.closed and self._ping_every_ms:
            self._pings += 1
            self._outbox.put_nowait(struct.pack(">I", self._pings))
            self._loop.call_later(self._ping_every_ms / 1000, self._ping)

    async def _read(self) -> None:
        async for message in self._websocket:
            if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
                self._put(self._session.receive(message.data, self._now()))

    async def _write(self, reader: "asyncio.Task[None]") -> None:
        """Carry out actions in order, until one of them ends the connection."""
        with suppress(ConnectionError):
            while True:
                action = await self._outbox.get()
                if isinstance(action, bytes):
                    await self._websocket.ping(action)
                elif isinstance(action, Send):
                    await self._websocket.send_str(orjson.dumps(action.event).decode())
                elif isinstance(action, Reset):
                    self._reset()
                    return
                else:
                    # aiohttp waits for the client's CLOSE only if nobody else is reading.
                    reader.cancel()
                    await asyncio.gather(reader, return_exceptions=True)
                    await self._websocket.close(code=action.code, message=action.reason.encode())
                    return

    def _reset(self) -> None:
        """Drop the TCP connection so that the other side sees a reset, not an end."""
        transport = self._request.transport
        if transport is not None:
            connection = transport.get_extra_info("socket")
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
