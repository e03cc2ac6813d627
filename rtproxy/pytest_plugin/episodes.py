"""Replays the connections that are on tape and records those that are not, at one address.

connection ─▶ does an unused tape fit? ─┬▶ yes: the replay server plays it
                                        └▶ no: the proxy passes it on, and tapes it
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rtproxy.net.stop import Stop
from rtproxy.pytest_plugin.tapeset import tapes_in
from rtproxy.record.proxy import Proxy
from rtproxy.record.proxy import Settings as ProxySettings
from rtproxy.record.status import Status
from rtproxy.replay.options import patterns
from rtproxy.replay.selection import Asked, Shelf
from rtproxy.replay.server import OWN_PATH, Settings, TapeServer
from rtproxy.serve import Background, ReplayServer, sessions_on

if TYPE_CHECKING:
    from rtproxy.realtime.session import Session


class TapesAndUpstream(TapeServer):
    """A replay server that hands what it has no tape for to a proxy."""

    def __init__(self, shelf: Shelf, settings: Settings, proxy: Proxy) -> None:
        super().__init__(shelf, settings)
        self._proxy = proxy

    async def start(self) -> None:
        """Listen. Raises what either of the two raises."""
        await self._proxy.start()
        try:
            await super().start()
        except BaseException:
            await self._proxy.close()
            raise

    async def close(self, stop: Stop | None = None, grace_s: float = 0.0) -> None:
        """Hang up on both sides and seal every tape."""
        await self._proxy.close(stop, grace_s)
        await super().close(stop, grace_s)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(OWN_PATH) or self._has_tape(request):
            return await super().serve(request)
        return await self._proxy.serve(request)

    def _has_tape(self, request: web.BaseRequest) -> bool:
        headers = list(request.headers.items())
        asked = Asked.of(request.method, request.raw_path, headers)
        wants_websocket = request.headers.get("Upgrade", "").lower() == "websocket"
        return bool(self.fitting(asked, "websocket" if wants_websocket else "http"))


class EpisodesServer(ReplayServer):
    """Like `ReplayServer`; connections without a tape go to `upstream`, and onto tapes in `out`."""

    def __init__(
        self,
        tapes: Sequence[Path],
        *,
        upstream: str,
        out: Path,
        redact: Sequence[str] = (),
        **replay: Any,
    ) -> None:
        super().__init__(tapes, **replay)
        self._out = out
        self._status = Status()
        hidden = patterns(redact, "redact")
        settings = ProxySettings(upstream=upstream, port=0, out=out, http="all", redact=hidden)
        server = TapesAndUpstream(
            self._server.shelf, self._server.settings, Proxy(settings, self._status)
        )
        self._server = server
        self._background = Background(lambda: server)

    @property
    def sessions(self) -> "list[Session]":
        """Those that were replayed, then those that are being recorded."""
        return [*super().sessions, *sessions_on(tapes_in(self._out))]

    @property
    def failures(self) -> list[str]:
        """Sentences about tapes that could not be written as they should."""
        return list(self._status.failures)
