"""An address that is listened on: how every server of ours starts, and why it cannot."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from rtproxy.errors import ListenError
from rtproxy.wire.address import url_host, why_not_listening

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

BACKLOG = 1024
LONGEST_HEADER = 64 * 1024
"""Bytes of a request's line, and of one of its headers; longer ones are answered with 400."""

# aiohttp logs a traceback, with what the peer sent in it, for each request that is no HTTP.
_SILENT = logging.Logger("rtproxy.net", level=logging.CRITICAL + 1)


class Listener:
    """Serves HTTP on one address. `url` is known once it has been started."""

    def __init__(self, handler: Handler, *, farewell_s: float = 60.0) -> None:
        self.url = ""
        self._handler = handler
        self._farewell_s = farewell_s
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one. Raises ListenError when the address cannot be had."""
        server = web.Server(
            self._handler,
            access_log=None,
            logger=_SILENT,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
        )
        self._runner = web.ServerRunner(
            server, handle_signals=False, shutdown_timeout=self._farewell_s
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, backlog=BACKLOG).start()
        except (OSError, OverflowError) as error:
            await self.close()
            raise ListenError(why_not_listening(host, port, error)) from None
        where, port = self._runner.addresses[0][:2]
        self.url = f"http://{url_host(where)}:{port}"

    async def close(self) -> None:
        """Stop listening, and wait for what is still being served until the farewell is over."""
        if self._runner is not None:
            await self._runner.cleanup()
