"""The client that leaves before it is answered: what was being done for it is given up.

While a server takes its time, nothing is written to the client, so that nobody would notice.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

DEPARTURE = web.RequestKey("departure", asyncio.Future)
"""Of a request: done when its client's connection is gone."""


class ClientLeft(ConnectionResetError):  # noqa: N818 - nobody has erred
    """The client's connection is gone; nobody is left to be answered."""

    def __init__(self) -> None:
        super().__init__("the client left before the answer's end")


@asynccontextmanager
async def while_present(request: web.BaseRequest) -> AsyncIterator[None]:
    """Give up what the block waits for when the client leaves. Raises ClientLeft then."""
    departure = request[DEPARTURE]
    limit = asyncio.timeout(None)
    inside = True

    def leave(_: "asyncio.Future[None]") -> None:
        if inside:
            limit.reschedule(asyncio.get_running_loop().time())

    try:
        async with limit:
            departure.add_done_callback(leave)
            try:
                yield
            finally:
                inside = False
                departure.remove_done_callback(leave)
    except TimeoutError:
        if limit.expired():
            raise ClientLeft from None
        raise
