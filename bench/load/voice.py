"""Many live voice sessions at once: appends up at their pace, answers timed as they come.

Sends never wait for answers, so a slow target cannot slow the load down and look better for it.
"""

import asyncio
import time
from collections import deque
from typing import cast

from bench.load.connection import Address
from bench.load.mark import mark
from bench.message import APPENDS_PER_SECOND, append, from_client, small
from bench.stream import FrameWalker

ANSWERED = 10
"""Each tenth append of a session is answered; that answer is timed."""
TICK_S = 0.001
GRACE_S = 1.0
"""How long the last answers may take before they count as unanswered."""
ANSWER = len(small())
FRAME = from_client(append())


class Session(asyncio.Protocol):
    """One caller. `latencies` collects µs from an append to its answer, for all sessions."""

    def __init__(self, latencies: list[float]) -> None:
        self.lost = False
        self._latencies = latencies
        self._sent: deque[int] = deque()
        self._appends = 0
        self._walker = FrameWalker()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def append(self) -> None:
        self._appends += 1
        if self._appends % ANSWERED == 0:
            self._sent.append(time.perf_counter_ns())
        self._transport.write(FRAME)

    def data_received(self, data: bytes) -> None:
        for length in self._walker.feed(data):
            if length == ANSWER:
                now = time.perf_counter_ns()
                self._latencies.append((now - self._sent.popleft()) / 1000)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.lost = True

    @property
    def unanswered(self) -> int:
        return len(self._sent)

    def abort(self) -> None:
        self._transport.abort()


class Calls:
    """All sessions of a run, each sending 50 appends a second, evenly spread over time."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.lateness: list[float] = []
        """How late each batch of sends was, in µs: the load's own trouble."""
        self.sessions: list[Session] = []

    async def open(self, address: Address, count: int) -> None:
        loop = asyncio.get_running_loop()
        for number in range(count):
            connection = address.open()
            connection.setblocking(False)
            _, session = await loop.create_connection(
                lambda: Session(self.latencies), sock=connection
            )
            self.sessions.append(session)
            # So that the answers of all sessions do not fall into the same 20 ms.
            for _ in range(number % ANSWERED):
                session.append()

    async def speak(self, seconds: float) -> None:
        """Send appends for so long, a share of the sessions in each tick."""
        count = len(self.sessions)
        rate = count * APPENDS_PER_SECOND
        begun, sent = time.perf_counter(), 0
        while (passed := time.perf_counter() - begun) < seconds:
            due = int(passed * rate)
            if due > sent:
                self.lateness.append((passed - sent / rate) * 1e6)
            for number in range(sent, due):
                self.sessions[number % count].append()
            sent = max(sent, due)
            await asyncio.sleep(TICK_S)

    def close(self) -> None:
        for session in self.sessions:
            session.abort()


async def voice(
    address: Address, sessions: int, seconds: float, warm_up: float
) -> dict[str, list[float] | int]:
    """Latencies and lateness in µs, and what was lost, over `seconds` after `warm_up`."""
    calls = Calls()
    try:
        await calls.open(address, sessions)
        await calls.speak(warm_up)
        calls.latencies.clear()
        calls.lateness.clear()
        mark("begin")
        await calls.speak(seconds)
        latencies, lateness = calls.latencies[:], calls.lateness[:]
        mark("end")
        await asyncio.sleep(GRACE_S)
        return {
            "latencies": latencies,
            "lateness": lateness,
            "lost": sum(session.lost for session in calls.sessions),
            "unanswered": sum(session.unanswered for session in calls.sessions),
        }
    finally:
        calls.close()
