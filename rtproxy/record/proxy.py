"""The recording reverse proxy: listens, tells WebSockets from other requests, stops cleanly."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from rtproxy.errors import ListenError
from rtproxy.net.listener import SERVING, listen
from rtproxy.net.takeover import raw_headers
from rtproxy.record.exchange import HttpMode, HttpRelay
from rtproxy.record.status import Status, Traffic
from rtproxy.record.tapes import Tapes
from rtproxy.record.upstream import Dialler, Upstream
from rtproxy.record.websocket import WebSocketRelay
from rtproxy.tape.writer import Durability
from rtproxy.wire.address import is_addressed_to
from rtproxy.wire.handshake import is_websocket_upgrade

DEFAULT_UPSTREAM = "https://api.openai.com"
DEFAULT_PORT = 8787
FAREWELL_S = 2.0
"""How long HTTP requests that are under way may take to end when the proxy is stopped."""
MAX_MESSAGE = 64 * 1024 * 1024
"""Longest message that is put on a tape, in bytes; longer ones pass and leave a gap record."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a proxy is to be run."""

    upstream: str = DEFAULT_UPSTREAM
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    out: Path = field(default_factory=lambda: Path("recordings"))
    http: HttpMode = "realtime"
    durability: Durability = "normal"
    redact: Sequence[re.Pattern[str]] = ()
    max_message: int = MAX_MESSAGE


class Proxy:
    """A reverse proxy in front of one Realtime server that tapes every session.

    `async with Proxy(settings) as proxy:` listens; `proxy.url` is what clients are pointed at.
    Raises UpstreamError, TapeError or ListenError when it cannot begin.
    """

    def __init__(self, settings: Settings, status: Status | None = None) -> None:
        self.settings = settings
        self.status = status or Status()
        self.url = ""
        self._upstream = Upstream.parse(settings.upstream)

    async def start(self) -> None:
        """Listen; on return, clients can connect."""
        settings = self.settings
        tapes = Tapes(
            settings.out,
            self.status,
            upstream=self._upstream.origin + self._upstream.prefix,
            durability=settings.durability,
            redact=settings.redact,
        )
        self._dialler = Dialler(self._upstream)
        self._websockets = WebSocketRelay(
            self._dialler, tapes, self.status, max_message=settings.max_message
        )
        self._http = HttpRelay(self._dialler, tapes, self.status, mode=settings.http)
        server = web.Server(self.serve, **SERVING)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=FAREWELL_S)
        try:
            self.url = await listen(self._runner, settings.host, settings.port)
        except ListenError:
            await self._dialler.close()
            raise

    async def close(self) -> None:
        """Stop listening, hang up what is still connected, seal every tape."""
        self._websockets.hang_up("the proxy was stopped")
        await self._runner.cleanup()
        await self._dialler.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        try:
            return await self._answer(request)
        except ConnectionError:
            raise  # the client has gone; nobody is left to be answered
        except Exception as error:
            # Nobody expected this. One request fails, and the others go on.
            sentence = (
                f"{request.path} failed: {type(error).__name__}: {error}. Please report this."
            )
            self.status.fail(Traffic(request.path), sentence)
            return web.json_response(refusal(sentence), status=500)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not is_addressed_to(self.settings.host, request.headers.get("Host", "")):
            return web.json_response(
                refusal("rtproxy listens on loopback only and this Host is another machine's."),
                status=421,
            )
        if request.method == "CONNECT":
            return web.json_response(
                refusal("This is a reverse proxy; point the client's base URL at it."), status=405
            )
        headers = raw_headers(request)
        target = request.raw_path
        if not target.startswith("/"):
            return web.json_response(
                refusal("This is a reverse proxy; its requests have no scheme and host."),
                status=400,
            )
        if is_websocket_upgrade(request.method, headers):
            return await self._websockets.relay(request, target, headers)
        return await self._http.relay(request, target, headers)


def refusal(message: str) -> dict[str, object]:
    """A JSON body in the service's error shape for what the proxy itself refuses."""
    return {"error": {"type": "rtproxy_error", "code": "refused", "message": message}}
