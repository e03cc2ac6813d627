"""A caller: follows a script against any Realtime server, over a WebSocket."""

import asyncio
import time
import wave
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from math import inf
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import orjson
from numpy.typing import NDArray
from yarl import URL

from rtproxy.errors import ScenarioError, UpstreamError
from rtproxy.realtime.audio import PCM16, resample
from rtproxy.simulate.conduct import Conduct, HangUp, Send
from rtproxy.simulate.report import CallEvent, CallReport
from rtproxy.simulate.script import Script

Samples = NDArray[np.int16]

SIMULATED_KEY = "sk-rtproxy-simulated-caller"
SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
STATUSES = frozenset(HTTPStatus)
CLOSE_S = 5.0
"""How long the server may take to answer a CLOSE."""
NAMING = {"model", "call_id", "intent", "deployment"}
"""Query parameters that say which session is meant; a URL with one of them gets no model."""


def endpoint(url: str, model: str) -> URL:
    """The WebSocket URL to dial for a server's base URL; raises UpstreamError if it is none.

    >>> str(endpoint("http://127.0.0.1:8787", "gpt-realtime"))
    'ws://127.0.0.1:8787/v1/realtime?model=gpt-realtime'
    """
    try:
        parsed = URL(url)
        scheme = SCHEMES[parsed.scheme]
    except (ValueError, KeyError):
        parsed, scheme = URL(), ""
    if not parsed.host:
        raise UpstreamError(
            f"{url!r} is no address of a Realtime server; give one such as ws://127.0.0.1:8787."
        )
    path = parsed.path.rstrip("/")
    if not path or path.endswith("/v1"):
        path = f"{path or '/v1'}/realtime"
    target = parsed.with_scheme(scheme).with_path(path).with_query(parsed.query)
    return target if NAMING & set(target.query) else target.update_query(model=model)


class Caller:
    """One call. `report` fills while it lasts and stays readable when `run` raises.

    `on_event` is called with every message sent or received; `clock` gives seconds.
    """

    def __init__(
        self,
        url: str,
        script: Script,
        *,
        api_key: str = SIMULATED_KEY,
        on_event: Callable[[CallEvent], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._url = endpoint(url, script.model)
        self._script = script
        self._headers = {"Authorization": f"Bearer {api_key}"}
        if script.dialect == "beta":
            self._headers["OpenAI-Beta"] = "realtime=v1"
        self._shown = str(self._url.with_query(None))
        self._patience_s = script.patience_ms / 1000
        self._on_event = on_event
        self._clock = clock
        self._started = clock()
        self._conduct = Conduct(script, load_recordings(script))
        self._inbox: deque[tuple[Mapping[str, Any], float]] = deque()
        self._wake = asyncio.Event()
        self._hung_up = False

    @property
    def report(self) -> CallReport:
        """What came of the call by now."""
        return self._conduct.conclude(self._now())

    async def run(self) -> CallReport:
        """Make the call and return what came of it.

        Raises UpstreamError, with one sentence, if the server cannot be reached, refuses, ends the
        call before the script is over, or does not send what the script waits for.
        """
        async with aiohttp.ClientSession() as http:
            ws = await self._dial(http)
            self._started = self._clock()
            listening = asyncio.create_task(self._listen(ws))
            try:
                await self._talk(ws, listening)
            finally:
                if not self._hung_up:
                    await ws.close()
                await asyncio.wait([listening], timeout=CLOSE_S)
                listening.cancel()
        return self.report

    async def _dial(self, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        try:
            async with asyncio.timeout(self._patience_s):
                return await http.ws_connect(
                    self._url,
                    headers=self._headers,
                    max_msg_size=0,
                    compress=15 if self._script.compress else 0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                    autoclose=False,
                )
        except aiohttp.WSServerHandshakeError as error:
            phrase = HTTPStatus(error.status).phrase if error.status in STATUSES else ""
            raise UpstreamError(
                f"{self._shown} refused the call with {error.status} {phrase}".rstrip() + "."
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            why = str(error) or "no answer"
            raise UpstreamError(
                f"{self._shown} cannot be reached ({why}); is a server listening there?"
            ) from None

    async def _talk(
        self, ws: aiohttp.ClientWebSocketResponse, listening: "asyncio.Task[str]"
    ) -> None:
        """Do what the script says until it hangs up; UpstreamError if the server ends it first."""
        while True:
            self._wake.clear()
            ended = listening.done()
            actions = []
            while self._inbox:
                event, at = self._inbox.popleft()
                actions += self._conduct.receive(event, at)
            actions += self._conduct.advance(self._now())
            for action in actions:
                match action:
                    case Send(event):
                        await self._send(event, ws, listening)
                    case HangUp(code, reason):
                        await self._hang_up(code, reason, ws)
                        return
            if ended:
                raise UpstreamError(listening.result())
            await self._rest(self._conduct.due())

    async def _send(
        self,
        event: dict[str, Any],
        ws: aiohttp.ClientWebSocketResponse,
        listening: "asyncio.Task[str]",
    ) -> None:
        raw = orjson.dumps(event).decode()
        try:
            async with asyncio.timeout(self._patience_s):
                await ws.send_str(raw)
        except TimeoutError:
            raise UpstreamError(f"{self._shown} stopped reading the call.") from None
        except (aiohttp.ClientError, OSError):
            raise UpstreamError(await listening) from None  # which knows why
        self._note(raw, from_server=False)

    async def _hang_up(self, code: int, reason: str, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Send CLOSE and go on listening: aiohttp's close() would drop what is still coming."""
        self._hung_up = True
        payload = code.to_bytes(2, "big") + reason.encode()[:123]
        with suppress(aiohttp.ClientError, OSError):
            await ws.send_frame(payload, aiohttp.WSMsgType.CLOSE)

    async def _listen(self, ws: aiohttp.ClientWebSocketResponse) -> str:
        """Take in messages until the connection ends; returns a sentence that says how."""
        while True:
            message = await ws.receive()
            match message.type:
                case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                    event = self._note(message.data, from_server=True).event
                    self._inbox.append((event, self._now()))
                    self._wake.set()
                    continue
                case aiohttp.WSMsgType.CLOSE:
                    report = self._conduct.conversation.report
                    report.close_code, report.close_reason = message.data, message.extra or ""
                    how = f"ended the call with code {message.data}"
                    how += f" ({message.extra})" if message.extra else ""
                case aiohttp.WSMsgType.ERROR:
                    how = f"broke the protocol ({message.data})"
                case _:
                    how = "broke the connection off"
            self._wake.set()
            last = self._last_error()
            return (
                f"{self._shown} {how} before the caller had finished"
                + (f"; its last error was: {last}" if last else "")
                + ("" if last.endswith(".") else ".")
            )

    def _last_error(self) -> str:
        """The message of the last error event, though the caller may not have dealt with it yet."""
        for event, _ in reversed(self._inbox):
            if event.get("type") == "error" and isinstance(event.get("error"), dict):
                return str(event["error"].get("message") or "")
        return self._conduct.conversation.last_error

    async def _rest(self, until: float) -> None:
        """Sleep until a time of the call, or until something happens."""
        seconds = (until - self._now()) / 1000 / self._script.speed
        with suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == inf else max(seconds, 0)):
                await self._wake.wait()

    def _now(self) -> float:
        """Milliseconds of the call."""
        return (self._clock() - self._started) * 1000 * self._script.speed

    def _note(self, raw: str | bytes, *, from_server: bool) -> CallEvent:
        event = CallEvent((self._clock() - self._started) * 1000, from_server, raw)
        self._conduct.conversation.report.events.append(event)
        if self._on_event is not None:
            self._on_event(event)
        return event


def load_recordings(script: Script) -> dict[str, Samples]:
    """The samples, at 24 kHz, of every file that a script speaks, by the name it has there.

    Files are WAV (16-bit) or raw s16le mono; their names are relative to the script's file.
    Raises ScenarioError if one cannot be read.
    """
    found = {}
    for step in script.steps:
        if step.file is None:
            continue
        path = Path(script.source).parent / step.file
        try:
            if path.suffix.lower() == ".wav":
                samples, rate = read_wav(path)
            else:
                samples, rate = PCM16.decode(path.read_bytes()), step.rate or PCM16.rate
        except (OSError, EOFError, wave.Error) as error:
            raise ScenarioError(f"{script.source}: {path} cannot be read: {error}.") from None
        found[step.file] = resample(samples, rate, PCM16.rate)
    return found


def read_wav(path: Path) -> tuple[Samples, int]:
    """First channel and rate of a 16-bit WAV file; raises wave.Error for any other."""
    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2:
            raise wave.Error(f"it has {8 * file.getsampwidth()}-bit samples, not 16-bit")
        samples = PCM16.decode(file.readframes(file.getnframes()))
        return samples[:: file.getnchannels()], file.getframerate()
