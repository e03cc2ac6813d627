"""The proxy's side of looking at sessions while they go on: starts the analyst and hears it out.

Nothing of it is in the way of a connection: what is new is looked for four times a second, and
what is found comes from another process. If that ends, the proxy goes on without it.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rtproxy.net.stop import Stop
from rtproxy.record.insight import Found, Insight, request
from rtproxy.record.status import Status, Traffic

LOOK_EVERY_S = 0.25
FAREWELL_S = 5.0
"""How long the analyst may take to its end, once the proxy is stopped."""


class Observer:
    """Keeps `insight` of each open session up to date; `tell` is called with what is found.

    `async with Observer(status, folder, tell):` runs it.
    """

    def __init__(
        self,
        status: Status,
        folder: Path,
        tell: Callable[[str, Found], None],
        stop: Stop | None = None,
    ) -> None:
        self._stop = stop or Stop()
        self._status = status
        self._folder = folder
        self._tell = tell
        self._asked: set[str] = set()
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        with contextlib.suppress(OSError):
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "rtproxy.record.analyst"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # so that a Ctrl-C on the terminal is not for it
            )
            self._tasks = [
                asyncio.create_task(self._hear()),
                asyncio.create_task(self._look_around()),
            ]
            self._status.ended = self._ask
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hear what the analyst has still to say, for a moment."""
        self._status.ended = None
        process = self._process
        if process is None:
            return
        hearing, looking = self._tasks
        looking.cancel()
        assert process.stdin is not None
        process.stdin.close()
        await self._stop.wait_for([hearing], FAREWELL_S)
        hearing.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _look_around(self) -> None:
        """Ask about sessions that have a tape by now."""
        while True:
            for traffic in self._status.open:
                self._ask(traffic)
            await asyncio.sleep(LOOK_EVERY_S)

    def _ask(self, traffic: Traffic) -> None:
        """Have a session looked at, if it is one, has a tape, and is not yet."""
        process, name = self._process, traffic.name
        taped = traffic.connection == "websocket" and name.endswith(".rtape")
        if not taped or name in self._asked or process is None or process.stdin is None:
            return
        self._asked.add(name)
        if not process.stdin.is_closing():
            process.stdin.write(request(self._folder / name).encode())

    async def _hear(self) -> None:
        """Take what the analyst says until it ends."""
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                self._take(Insight.from_line(line))

    def _take(self, insight: Insight) -> None:
        for traffic in self._status.open:
            if traffic.name == insight.tape:
                traffic.insight = insight
        for found in insight.found:
            self._tell(insight.tape, found)
