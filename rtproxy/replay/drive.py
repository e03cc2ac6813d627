"""The drive: a tape's client on a real connection to a live server. A thin shell.

    messages ─▶ driver ─ actions ─▶ outbox ─▶ server
                   ▲
                 timer

Everything is due at a time that the driver computes from its cause, so that lateness does not
add up.
"""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from rtproxy.errors import ReplayError, TapeDamagedError, TapeError, UpstreamError
from rtproxy.replay.action import Action, Close, Eof, Fail, Reset, Send, Warn
from rtproxy.replay.driver import Driver
from rtproxy.replay.report import Report
from rtproxy.replay.request import Request
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Header, Record
from rtproxy.tape.repair import verify
from rtproxy.wire.frame import CONTROL_MAX, encode_close

DIAL_S = 60.0
"""How long the server may take to answer the handshake."""
SEND_S = 30.0
"""How long the server may refuse to read."""
FAREWELL_S = 5.0
"""How long the server may take to answer our close frame."""
REFUSAL_BODY = 64 * 1024
"""Bytes of a refusal's body that are looked at."""

_NO_EXTRA_HEADERS = ("User-Agent", "Accept", "Accept-Encoding")
_LINGER_NOT = struct.pack("ii", 1, 0)
_STATUSES = frozenset(HTTPStatus)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tape to drive: its header, all of its records, and what a person should know of it."""

    header: Header
    records: list[Record]
    notes: tuple[str, ...] = ()


def load_tape(path: Path) -> Loaded:
    """Read a tape whole. Raises TapeError, or ReplayError for one that cannot be driven."""
    try:
        found = verify(path)
    except TapeDamagedError as error:
        raise ReplayError(str(error)) from None
    if found.state == "live":
        raise ReplayError(f"{path} is still being recorded; end the recording, then drive it.")
    if found.damaged:
        raise ReplayError(f"{path} is {found}.")
    try:
        with open_tape(path) as tape:
            records = list(tape)
            header = tape.header
    except OSError as error:
        raise TapeError(f"{path} cannot be read: {error.strerror}.") from None
    if header.connection != "websocket":
        raise ReplayError(
            f"{path} is the tape of an HTTP request; a drive needs that of a WebSocket session."
        )
    broke_off = f"{path} was not sealed, its recording broke off: it is driven as far as it goes."
    return Loaded(header, records, (broke_off,) if found.state == "crashed" else ())


async def drive(
    driver: Driver,
    url: str,
    request: Request,
    *,
    tell: Callable[[Report, bool], None] = lambda _report, _failed: None,
    moved: Callable[[], None] = lambda: None,
) -> None:
    """Connect to the server at `url` (http, https, ws or wss, without a path) and play the tape.

    `tell` is called with each report and whether it is a failure, `moved` whenever the driver
    has taken a step. Raises UpstreamError if the server cannot be reached or refuses.
    """
    refusals = _Refusals()
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_NO_EXTRA_HEADERS,
        trace_configs=[refusals.trace],
    ) as http:
        line = _Line(await _dial(http, url, request, refusals), driver, tell, moved)
        await line.run()


async def _dial(
    http: aiohttp.ClientSession, url: str, request: Request, refusals: "_Refusals"
) -> aiohttp.ClientWebSocketResponse:
    try:
        async with asyncio.timeout(DIAL_S):
            return await http.ws_connect(
                URL(url.rstrip("/") + request.target, encoded=True),
                headers=CIMultiDict(request.headers),
                protocols=request.subprotocols,
                compress=15 if request.compress else 0,
                max_msg_size=0,
                autoclose=False,
            )
    except aiohttp.WSServerHandshakeError as error:
        if refusals.status is None:
            raise UpstreamError(f"{url} answers with a wrong handshake: {error.message}.") from None
        raise UpstreamError(f"The server refused the connection with {refusals}") from None
    except TimeoutError:
        raise UpstreamError(f"{url} did not answer in {DIAL_S:g} s.") from None
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError):
        # Their words would show the query, which may hold the key.
        raise UpstreamError(f"{url} is no URL of a server.") from None
    except (aiohttp.ClientError, OSError) as error:
        raise UpstreamError(f"{url} cannot be reached: {error}.") from None


class _Refusals:
    """Keeps what a server says when it refuses a handshake: ws_connect would throw it away.

    A redirect is a refusal too: whoever it leads to has no claim to the key.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.message = ""
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_end.append(self._note)
        self.trace.on_request_redirect.append(self._stay)

    async def _note(
        self, _http: object, _context: object, answer: aiohttp.TraceRequestEndParams
    ) -> None:
        response = answer.response
        if response.status == 101:
            return
        self.status = response.status
        with suppress(aiohttp.ClientError, OSError):
            self.message = _message(await response.content.read(REFUSAL_BODY))

    async def _stay(
        self, _http: object, _context: object, answer: aiohttp.TraceRequestRedirectParams
    ) -> None:
        self.status = answer.response.status
        self.message = "it redirects to another address, which is not followed"
        raise UpstreamError(f"The server refused the connection with {self}")

    def __str__(self) -> str:
        phrase = HTTPStatus(self.status).phrase if self.status in _STATUSES else ""
        said = f": {self.message}" if self.message else ""
        return f"{self.status} {phrase}".rstrip() + said.rstrip(".") + "."


def _message(body: bytes) -> str:
    """What a refusal's body says, on one line: the message of a JSON error, or its text."""
    try:
        value = orjson.loads(body)
        error = value.get("error", value)
        said = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        said = body.decode("utf-8", "replace")
    return " ".join(str(said).split())[:500]


class _Line:
    """One open connection: carries messages and time into a driver, and its actions out."""

    def __init__(
        self,
        server: aiohttp.ClientWebSocketResponse,
        driver: Driver,
        tell: Callable[[Report, bool], None],
        moved: Callable[[], None],
    ) -> None:
        self._server = server
        self._driver = driver
        self._tell = tell
        self._moved = moved
        self._loop = asyncio.get_running_loop()
        self._outbox: deque[Action] = deque()
        self._wake = asyncio.Event()
        self._hung_up = False
        self._farewell_s = FAREWELL_S

    async def run(self) -> None:
        """Play until the connection has ended."""
        listening = self._loop.create_task(self._listen())
        try:
            await self._play()
            await asyncio.wait([listening], timeout=self._farewell_s)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            if not self._hung_up:
                await self._server.close()

    async def _play(self) -> None:
        driver = self._driver
        while True:
            self._wake.clear()
            self._outbox += driver.advance(self._loop.time())
            while self._outbox:
                await self._do(self._outbox.popleft())
            self._moved()
            due = driver.next_due
            if due is None:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wake.wait()

    async def _listen(self) -> None:
        """Take in messages until the connection ends."""
        driver = self._driver
        while True:
            message = await self._server.receive()
            now = self._loop.time()
            match message.type:
                case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                    self._outbox += driver.receive(message.data, now)
                case aiohttp.WSMsgType.CLOSE:
                    code = message.data if isinstance(message.data, int) else None
                    self._outbox += driver.closed(code or None, message.extra or "", now)
                case aiohttp.WSMsgType.ERROR:
                    self._outbox += driver.closed(None, f"protocol error: {message.data}", now)
                case _:
                    self._outbox += driver.closed(None, "", now)
            self._wake.set()
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return

    async def _do(self, action: Action) -> None:
        match action:
            case Fail(report) | Warn(report):
                self._tell(report, isinstance(action, Fail))
            case Send(payload):
                await self._send(payload)
            case Close(code, reason):
                reason = reason.encode()[: CONTROL_MAX - 2].decode(errors="ignore")
                await self._end(encode_close(code, reason))
            case Eof() | Reset():
                self._hung_up = True
                self._cut(reset=isinstance(action, Reset))

    async def _send(self, payload: str | bytes) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                if isinstance(payload, str):
                    await self._server.send_str(payload)
                else:
                    await self._server.send_bytes(payload)
        except TimeoutError:
            self._outbox.clear()
            self._outbox += self._driver.closed(None, "it has stopped reading", self._loop.time())
        except (aiohttp.ClientError, OSError):
            self._outbox.clear()  # the listener knows why

    async def _end(self, payload: bytes) -> None:
        """Send CLOSE and go on listening: aiohttp's close() would drop what is still coming."""
        if not self._hung_up:
            self._hung_up = True
            with suppress(aiohttp.ClientError, OSError):
                await self._server.send_frame(payload, aiohttp.WSMsgType.CLOSE)

    def _cut(self, *, reset: bool) -> None:
        """End the stream without CLOSE, as the recorded client did."""
        ours = self._server.get_extra_info("socket")
        if ours is None:
            return
        # The event loop's socket object may hide what is needed here.
        with socket.socket(fileno=os.dup(ours.fileno())) as same:
            if reset:
                self._farewell_s = 0.0
                same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            else:
                same.shutdown(socket.SHUT_WR)
