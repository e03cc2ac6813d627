"""`rtproxy inspect --follow` as a process, on pipes or on a terminal."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

LIMIT_S = 30


class Follower:
    """A running `rtproxy inspect --follow`; `shown` is what its stdout has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.shown = ""

    async def line(self, *, having: str = "") -> str:
        """The next line of stdout that has these words."""
        assert self.process.stdout is not None
        while True:
            read = await asyncio.wait_for(self.process.stdout.readline(), LIMIT_S)
            assert read, f"ended without {having!r}:\n{self.shown}"
            line = read.decode()
            self.shown += line
            if having in line:
                return line

    async def end(self) -> tuple[int, str, str]:
        """Wait for its end; exit code, all of stdout, stderr."""
        assert self.process.stdout is not None
        out, err = await asyncio.wait_for(self.process.communicate(), LIMIT_S)
        self.shown += out.decode()
        assert self.process.returncode is not None
        return self.process.returncode, self.shown, err.decode()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    async def said(self) -> str:
        """The next line of stderr."""
        assert self.process.stderr is not None
        return (await asyncio.wait_for(self.process.stderr.readline(), LIMIT_S)).decode()


@asynccontextmanager
async def following(tape: Path, *options: str) -> AsyncIterator[Follower]:
    """Follow a tape until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtproxy", "inspect", str(tape), "--follow", *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={key: value for key, value in os.environ.items() if key != "COLUMNS"},
        limit=1 << 22,
    )
    try:
        yield Follower(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


class Screenful:
    """A terminal of 100 × 40 characters, and all that was ever written to it."""

    def __init__(self, controller: int) -> None:
        self._controller = controller
        self._more = asyncio.Event()
        self.written = ""
        asyncio.get_running_loop().add_reader(controller, self._read)

    async def until(self, words: str) -> None:
        """Wait until these words have been written."""
        async with asyncio.timeout(LIMIT_S):
            while words not in self.written:
                self._more.clear()
                await self._more.wait()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._controller)
        os.close(self._controller)

    def _read(self) -> None:
        try:
            self.written += os.read(self._controller, 65536).decode(errors="replace")
        except OSError:  # Linux says EIO when the other side has gone
            asyncio.get_running_loop().remove_reader(self._controller)
        self._more.set()


@asynccontextmanager
async def on_a_terminal(
    *arguments: str, **environment: str
) -> AsyncIterator[tuple[Screenful, asyncio.subprocess.Process]]:
    """Run `rtproxy inspect` on a terminal of its own until the block ends."""
    controller, terminal = pty.openpty()
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "VIRTUAL_ENV") if key in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtproxy", "inspect", *arguments),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=kept | {"COLUMNS": "100", "LINES": "40", "PYTHONUTF8": "1", **environment},
    )
    os.close(terminal)
    screen = Screenful(controller)
    try:
        yield screen, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        screen.close()
