"""The server behind every target: frames made beforehand, sent as the request's query asks.

    every=N&reply=NAME   each N-th message of the client is answered by one NAME
    flood=NAME           after the client's first message, NAME without end
    talk=1               after the client's first message, a spoken answer every eight seconds

Run as `python -m bench.server`: prints its port, serves until its stdin ends.
"""

import asyncio
import os
import select
import socket
import sys
import threading
from itertools import count
from typing import cast
from urllib.parse import parse_qs, urlsplit

from bench import loop
from bench.message import MESSAGES, SERVER_CLOSE, from_server
from bench.stream import FrameWalker
from rtproxy.wire.handshake import accept_key

FRAMES = {name: from_server(make()) for name, make in MESSAGES.items()}

TURN_S = 8.0
TURN_DELTAS = 20
DELTA_GAP_S = 0.05
"""A voice session's answers: 4 s of audio every 8 s, sent four times faster than it plays."""

_connections = count()


class Plan(asyncio.Protocol):
    """What the server does on one connection once it is open."""

    def __init__(self, every: int, reply: str | None, flood: bytes, talk: bool) -> None:
        self._every = every
        self._reply = FRAMES[reply] if reply else b""
        self._flood = flood
        self._talks = talk
        self._walker = FrameWalker()
        self._messages = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        before = self._messages
        self._messages += len(self._walker.feed(data))
        if self._messages and not before:
            self._begin()
        if self._every:
            answers = self._messages // self._every - before // self._every
            if answers:
                self._transport.write(self._reply * answers)
        if self._walker.closed:
            self._transport.write(SERVER_CLOSE)
            self._transport.close()

    def _begin(self) -> None:
        if self._flood:
            handle = os.dup(self._transport.get_extra_info("socket").fileno())
            threading.Thread(target=pour, args=(handle, self._flood), daemon=True).start()
        if self._talks:
            # Spread the sessions over the turn, as if they had been going on for long.
            at = (next(_connections) * 0.618034) % 1 * TURN_S
            self._later(at % DELTA_GAP_S, int(at / DELTA_GAP_S))

    def _later(self, delay: float, step: int) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay, self._speak, step)

    def _speak(self, step: int) -> None:
        """Send the delta of this step of the turn; then sleep until there is another."""
        if step < TURN_DELTAS:
            self._transport.write(FRAMES["delta"])
            self._later(DELTA_GAP_S, step + 1)
        else:
            self._later(max(0.0, TURN_S - step * DELTA_GAP_S), 0)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._timer is not None:
            self._timer.cancel()


def pour(handle: int, frame: bytes) -> None:
    """Send `frame` again and again until the peer is gone, each in a system call of its own.

    That is how a server sends its events; a transport would join what is written in one turn of
    the event loop.
    """
    with socket.socket(fileno=handle) as connection:
        room = select.poll()
        room.register(connection, select.POLLOUT)
        left = memoryview(frame)
        while True:
            try:
                sent = connection.send(left)
            except BlockingIOError:
                room.poll()
            except OSError:
                return
            else:
                left = left[sent:] if sent < len(left) else memoryview(frame)


class Handshake(asyncio.Protocol):
    """Answers an upgrade request and hands the connection to the plan in its query."""

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(":", 1)[:1] + line.split(":", 1)[1:] for line in lines)
        key = headers.get("sec-websocket-key", "").strip()
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
        )
        plan = plan_of(request.split(" ")[1])
        self._transport.set_protocol(plan)
        plan.connection_made(self._transport)
        if rest:
            plan.data_received(rest)


def plan_of(target: str) -> Plan:
    """Read a plan from a request's target."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
    flood = FRAMES.get(asked.get("flood", ""), b"")
    return Plan(int(asked.get("every", "0")), asked.get("reply"), flood, "talk" in asked)


async def serve() -> None:
    """Listen on any free port until stdin ends, so that no server outlives the benchmark."""
    running = asyncio.get_running_loop()
    server = await running.create_server(Handshake, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    over = asyncio.Event()
    running.add_reader(sys.stdin, over.set)
    await over.wait()


if __name__ == "__main__":
    loop.run(serve())
