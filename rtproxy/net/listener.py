"""Listening on an address: how every server of ours starts, and why it cannot."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from rtproxy.errors import ListenError
from rtproxy.net.crowd import Crowd, current_limits
from rtproxy.net.departure import DEPARTURE
from rtproxy.net.refusal import refuse
from rtproxy.wire.address import url_host, why_not_listening

IDLE_S = 75.0
"""How long a connection may ask for nothing, or take until it has asked."""
LONGEST_HEADER = 64 * 1024
"""Bytes of a request's line, and of one of its headers; longer ones are answered with 400."""

SERVING: dict[str, Any] = {
    "access_log": None,
    # aiohttp logs a traceback, with what the peer sent in it, for each request that is no HTTP.
    "logger": logging.Logger("rtproxy.net", level=logging.CRITICAL + 1),
    "max_line_size": LONGEST_HEADER,
    "max_field_size": LONGEST_HEADER,
}
"""Options of aiohttp's `web.Server` that all our servers have."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Server(web.Server):
    """aiohttp's server, which keeps count of its connections and does not take too many."""

    def __init__(self, handler: Handler, *, idle_s: float = IDLE_S, **options: Any) -> None:
        # aiohttp takes the time of a connection that asks for nothing from its first moment on,
        # so that this bounds how long a request's head may take as well.
        super().__init__(self._attend, keepalive_timeout=idle_s, **SERVING, **options)
        self.crowd = Crowd(current_limits())
        self._handler = handler
        self._answering: set[asyncio.Task[Any]] = set()
        self._departures: dict[RequestHandler, asyncio.Future[None]] = {}

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.crowd.arrive(handler, transport)
        self._departures[handler] = asyncio.get_running_loop().create_future()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.crowd.leave(handler)
        departure = self._departures.pop(handler, None)
        if departure is not None:
            departure.set_result(None)

    async def _attend(self, request: web.BaseRequest) -> web.StreamResponse:
        guest = request.protocol
        request[DEPARTURE] = self._departure_of(guest)
        if not self.crowd.begin(guest):
            return refuse(
                503,
                f"rtproxy serves {self.crowd.limits.served:,} connections at once and has them; "
                "end some, or give it more descriptors (ulimit -n).",
                code="too_many_connections",
            )
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            return await self._handler(request)
        finally:
            self._answering.discard(task)
            self.crowd.end(guest)

    def _departure_of(self, guest: RequestHandler) -> "asyncio.Future[None]":
        departure = self._departures.get(guest)
        if departure is None:  # it was gone before its request was looked at
            departure = asyncio.get_running_loop().create_future()
            departure.set_result(None)
        return departure

    async def cut(self) -> None:
        """Give up the requests that are being answered, and return when all of them are over."""
        tasks = list(self._answering)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class SiteFactory(Protocol):
    """Makes the listener of a runner: `web.TCPSite`, or one that speaks TLS."""

    def __call__(
        self, runner: web.BaseRunner, host: str, port: int, *, backlog: int
    ) -> web.BaseSite: ...


async def listen(
    runner: web.ServerRunner, host: str, port: int, site: SiteFactory = web.TCPSite
) -> str:
    """Start a server on an address and return its URL; port 0 takes any free one.

    Raises ListenError, and cleans the runner up, when the address cannot be had.
    """
    await runner.setup()
    assert isinstance(runner.server, Server)
    listener = site(runner, host, port, backlog=runner.server.crowd.limits.backlog)
    try:
        await listener.start()
    except (OSError, OverflowError) as error:
        await runner.cleanup()
        raise ListenError(why_not_listening(host, port, error)) from None
    where, port = runner.addresses[0][:2]
    scheme, _, _ = listener.name.partition(":")
    return f"{scheme}://{url_host(where)}:{port}"
