"""A server of ours as a user runs it, an upstream behind it, an attacker, and a bystander.

The bystander has a session all the while, which must go on as if nothing happened.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import aiohttp

from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event
from rtproxy.tape.repair import verify
from rtproxy.wire.frame import Opcode, encode_close, encode_frame
from rtproxy.wire.handshake import accept_key
from rtproxy.wire.message import Close, Message, MessageDecoder, Ping
from tests.record.wirekit import Wire, request_head

LIMIT_S = 60
MIB = 2**20
MASK = b"\x10\x20\x30\x40"
TARGET = "/v1/realtime?model=gpt-realtime"


class Served:
    """A running server: its address, what it has said, how much memory it has, how to end it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self._said = bytearray()
        self._news = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())

    @property
    def said(self) -> str:
        return self._said.decode()

    @property
    def port(self) -> int:
        return int(self.url.split("/")[2].rsplit(":", 1)[1])

    async def has_said(self, words: str) -> str:
        """Wait until it has said something, and return all that it has."""
        async with self._news, asyncio.timeout(LIMIT_S):
            await self._news.wait_for(lambda: words in self.said or self._listening.done())
        assert words in self.said, self.said
        return self.said

    async def has_begun(self) -> None:
        line = (await self.has_said("rtproxy: http")).split("rtproxy: http", 1)[1]
        self.url = f"http{line.split()[0]}"

    async def connect(self) -> Wire:
        return Wire(socket.create_connection(("127.0.0.1", self.port)))

    def peak(self) -> int:
        """The most bytes of memory it has had."""
        return self._memory("VmHWM")

    def resident(self) -> int:
        """Bytes of memory it has now."""
        return self._memory("VmRSS")

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    async def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.end()

    async def end(self) -> int:
        async with asyncio.timeout(LIMIT_S):
            await self._listening
            code = await self.process.wait()
        assert "Traceback" not in self.said, self.said
        return code

    def _memory(self, name: str) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        (line,) = (line for line in text.splitlines() if line.startswith(name + ":"))
        return int(line.split()[1]) * 1024

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        while data := await self.process.stderr.read(65536):
            self._said += data
            async with self._news:
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def serving(
    *arguments: str,
    prepare: Callable[[], None] | None = None,
    env: dict[str, str] | None = None,
    python: Sequence[str] = ("-m", "rtproxy"),
) -> AsyncIterator[Served]:
    """Run `rtproxy` with arguments until the block ends; return once it says where it listens.

    `python` is what makes a Python `rtproxy`.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *python, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
        preexec_fn=prepare,
    )
    served = Served(process)
    try:
        await served.has_begun()
        yield served
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        # A command that outlives it, in a test that fails, may hold the pipe.
        await asyncio.wait([served._listening], timeout=5)


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Host(ABC):
    """Serves connections, knows who is being served, and lets nobody's failure be another's."""

    def __init__(self) -> None:
        self.port = 0
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self._running.discard(task)
            writer.close()

    @abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; what the peer does to it may raise."""


class Upstream(Host):
    """A server for the proxy's other side: it says everything back, or follows a script.

    `heads` are the requests that have come, `scripts` what to do with paths that name them in
    `?script=`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[bytes] = []
        self.scripts: dict[str, Script] = {}
        self.extensions = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        target = head.split(b" ")[1].decode()
        script = self.scripts.get(target.rpartition("script=")[2], echo)
        if b"\r\nsec-websocket-version:" in head.lower():
            writer.write(acceptance(head, self.extensions))
        await script(reader, writer)

    def cancel(self) -> None:
        for task in self._running:
            task.cancel()


def acceptance(head: bytes, extensions: str) -> bytes:
    key = head.lower().split(b"sec-websocket-key: ")[1].split(b"\r\n")[0]
    at = head.lower().index(b"sec-websocket-key: ") + len(b"sec-websocket-key: ")
    key = head[at : at + len(key)]
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key.decode())}",
        *([f"Sec-WebSocket-Extensions: {extensions}"] if extensions else ()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say every message back, and keep to the protocol."""
    decoder = MessageDecoder(from_client=True)
    while data := await reader.read(65536):
        for event in decoder.feed(data):
            if isinstance(event, Message):
                data = event.data.encode() if isinstance(event.data, str) else event.data
                writer.write(encode_frame(Opcode.TEXT, data))
            elif isinstance(event, Ping):
                writer.write(encode_frame(Opcode.PONG, event.payload))
            elif isinstance(event, Close):
                writer.write(encode_frame(Opcode.CLOSE, encode_close(event.code, event.reason)))
                return
        await writer.drain()


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    """Serve as long as the block runs."""
    made = Upstream()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, backlog=1024)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cancel()


class Bystander:
    """Somebody else's session, which says something and hears it back, again and again."""

    def __init__(self, url: str, pause_s: float = 0.01) -> None:
        self._url = url
        self._pause_s = pause_s
        self.heard = 0
        self.slowest_s = 0.0
        self._quiet = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False))
        try:
            self._websocket = await self._join()
        except BaseException:
            await self._http.close()
            raise
        self._talking = asyncio.create_task(self._talk())
        await self.hears_more()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._quiet.set()
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._talking
                await self._websocket.close()
        finally:
            self._talking.cancel()
            await self._http.close()

    async def _join(self) -> aiohttp.ClientWebSocketResponse:
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    return await self._http.ws_connect(self._url + TARGET)
                except aiohttp.WSServerHandshakeError as error:
                    if error.status != 503:
                        raise
                await asyncio.sleep(0.01)  # it has not seen yet that others have left

    async def hears_more(self) -> None:
        """Return when a message has gone up and come back that was not under way."""
        goal = self.heard + 2
        async with asyncio.timeout(LIMIT_S):
            while self.heard < goal:
                assert not self._talking.done(), self._talking
                await asyncio.sleep(0.005)

    async def _talk(self) -> None:
        while not self._quiet.is_set():
            said = f'{{"type":"bystander","n":{self.heard},"pad":"{"." * 500}"}}'
            began = time.monotonic()
            await self._websocket.send_str(said)
            assert (await self._websocket.receive_str()) == said
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.heard += 1
            await asyncio.sleep(self._pause_s)


class Siege:
    """A recording proxy that is attacked: `behind` it is the upstream."""

    def __init__(self, proxy: Served, behind: Upstream, tapes: Path) -> None:
        self.proxy = proxy
        self.behind = behind
        self.tapes = tapes

    async def join(self, script: str = "", extensions: str = "") -> Wire:
        """A WebSocket through the proxy, by hand; the upstream follows a script."""
        path = TARGET + (f"&script={script}" if script else "")
        wire = await self.proxy.connect()
        await wire.send(request_head(extensions, path=path))
        assert (await wire.take_head()).startswith(b"HTTP/1.1 101")
        return wire

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send bytes and read to the end: the status, 0 for none, and the whole answer."""
        wire = await self.proxy.connect()
        with contextlib.suppress(OSError):
            await wire.send(request)
        answer = await wire.rest()
        wire.close()
        words = answer.split(b" ", 2)
        return (int(words[1]) if len(words) > 2 else 0), answer


@asynccontextmanager
async def besieged(
    folder: Path,
    *options: str,
    grows: int = 40 * MIB,
    code: int = 0,
    prepare: Callable[[], None] | None = None,
) -> AsyncIterator[Siege]:
    """A recording proxy to attack. Afterwards: others were served, memory, messages, tapes."""
    tapes = folder / "tapes"
    arguments = ("--listen", "127.0.0.1:0", "--out", str(tapes), *options)
    async with upstream() as behind:
        async with serving(
            *("record", "--upstream", behind.url, *arguments), prepare=prepare
        ) as proxy:
            async with Bystander(proxy.url) as bystander:
                start = proxy.peak()
                yield Siege(proxy, behind, tapes)
                await bystander.hears_more()
            async with Bystander(proxy.url):  # a new one is let in
                pass
            assert proxy.peak() - start < grows
            assert await proxy.stop() == code
    for path in tapes.glob("*.rtape"):
        assert verify(path).ok, path
        with open_tape(path) as tape:
            assert tape.state == "sealed"


def events_on(folder: Path, word: str) -> list[Event]:
    """The events on the one tape whose request names `word`."""
    for path in folder.glob("*.rtape"):
        with open_tape(path) as tape:
            if word in str(tape.header.fields):
                return [record for record in tape if isinstance(record, Event)]
    raise AssertionError(f"no tape of {word}")


def controls_on(folder: Path, word: str) -> list[Control]:
    """The control records on the one tape whose request names `word`."""
    for path in folder.glob("*.rtape"):
        with open_tape(path) as tape:
            if word in str(tape.header.fields):
                return [record for record in tape if isinstance(record, Control)]
    raise AssertionError(f"no tape of {word}")
