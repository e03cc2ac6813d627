"""A terminal with a program in its foreground: what is typed, what is seen, when it is closed."""

import asyncio
import contextlib
import fcntl
import os
import pty
import sys
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.attacks.kit import LIMIT_S

CTRL_C = b"\x03"
CTRL_D = b"\x04"
CTRL_Z = b"\x1a"


class Terminal:
    """The user's side of it."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self.seen = ""
        self._master = master
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(master, self._read)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    async def press(self, key: bytes, every_s: float) -> None:
        """Press a key again and again until the program has ended."""
        while self.process.returncode is None:
            with contextlib.suppress(OSError):  # it is ending
                self.type(key)
            await asyncio.sleep(every_s)

    async def shows(self, words: str, times: int = 1) -> None:
        """Wait until some words have been seen so many times."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while self.seen.count(words) < times:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {words!r} in {self.seen!r}") from None

    async def job_is_stopped(self) -> None:
        """Wait until all that the shell has started stands still.

        A shell looks at the first process of a job only. Another that waits for input, and has
        not had the time to stop, still takes the next line from the terminal.
        """
        async with asyncio.timeout(LIMIT_S):
            while any(state != "T" for state in self._states()):
                await asyncio.sleep(0.01)  # nobody tells

    def _states(self) -> Iterator[str]:
        """What each process of the terminal's session does but the first."""
        for file in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                state, _, _, session = file.read_text().rpartition(")")[2].split()[:4]
                if int(session) == self.process.pid != int(file.parent.name):
                    yield state

    async def end(self) -> int:
        """Wait for the end of the program, and return its exit code."""
        return await asyncio.wait_for(self.process.wait(), LIMIT_S)

    def close(self) -> None:
        """Close the window."""
        if self._master >= 0:
            self._loop.remove_reader(self._master)
            os.close(self._master)
            self._master = -1

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            data = os.read(self._master, 65536)
            if data:
                self.seen += data.decode(errors="replace")
                self._news.set()
                return
        self._loop.remove_reader(self._master)


@asynccontextmanager
async def terminal(*command: str) -> AsyncIterator[Terminal]:
    """Run a command in a terminal of its own, which is closed with the block."""
    master, slave = pty.openpty()

    def take_over() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=take_over,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(slave)
    made = Terminal(process, master)
    try:
        yield made
    finally:
        made.close()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


def rtproxy(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "rtproxy", *arguments)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
