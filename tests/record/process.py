"""`rtproxy record` as a user runs it: a process of its own."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

LIMIT_S = 30


class RecordProcess:
    """A running `rtproxy record`: its address, what it has said, how to end it."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, said: str) -> None:
        self.process = process
        self.url = url
        self.said = said

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def pid(self) -> int:
        return self.process.pid

    def resident(self) -> int:
        """Bytes of memory it has now."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most bytes of memory it has had."""
        return self._status("VmHWM")

    async def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        assert self.process.stderr is not None
        rest = await asyncio.wait_for(self.process.stderr.read(), LIMIT_S)
        self.said += rest.decode()
        return await self.process.wait()

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text("ascii")
        (line,) = (line for line in text.splitlines() if line.startswith(name + ":"))
        return int(line.split()[1]) * 1024


@asynccontextmanager
async def recording(
    upstream: str, out: Path, *options: str, prepare: Callable[[], None] | None = None
) -> AsyncIterator[RecordProcess]:
    """Run `rtproxy record` on a free port until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "rtproxy", "record", "--upstream", upstream, "--listen", "127.0.0.1:0"),
        *("--out", str(out), *options),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=prepare,
    )
    assert process.stderr is not None
    try:
        line = (await asyncio.wait_for(process.stderr.readline(), LIMIT_S)).decode()
        assert line.startswith("rtproxy: http://"), line
        yield RecordProcess(process, line.split()[1], line)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
