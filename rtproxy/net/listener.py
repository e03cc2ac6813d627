"""Listening on an address: how every server of ours starts, and why it cannot."""

import logging
from typing import Any, Protocol

from aiohttp import web

from rtproxy.errors import ListenError
from rtproxy.wire.address import url_host, why_not_listening

BACKLOG = 1024
LONGEST_HEADER = 64 * 1024
"""Bytes of a request's line, and of one of its headers; longer ones are answered with 400."""

SERVING: dict[str, Any] = {
    "access_log": None,
    # aiohttp logs a traceback, with what the peer sent in it, for each request that is no HTTP.
    "logger": logging.Logger("rtproxy.net", level=logging.CRITICAL + 1),
    "max_line_size": LONGEST_HEADER,
    "max_field_size": LONGEST_HEADER,
}
"""Options of aiohttp's `web.Server` and `web.AppRunner` that all our servers have."""


class SiteFactory(Protocol):
    """Makes the listener of a runner: `web.TCPSite`, or one that speaks TLS."""

    def __call__(
        self, runner: web.BaseRunner, host: str, port: int, *, backlog: int
    ) -> web.BaseSite: ...


async def listen(
    runner: web.BaseRunner, host: str, port: int, site: SiteFactory = web.TCPSite
) -> str:
    """Start a server on an address and return its URL; port 0 takes any free one.

    Raises ListenError, and cleans the runner up, when the address cannot be had.
    """
    await runner.setup()
    listener = site(runner, host, port, backlog=BACKLOG)
    try:
        await listener.start()
    except (OSError, OverflowError) as error:
        await runner.cleanup()
        raise ListenError(why_not_listening(host, port, error)) from None
    where, port = runner.addresses[0][:2]
    scheme, _, _ = listener.name.partition(":")
    return f"{scheme}://{url_host(where)}:{port}"
