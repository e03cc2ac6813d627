"""An HTTP response passed on as the server sent it."""

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from rtproxy.net.takeover import raw_headers
from rtproxy.wire.handshake import end_to_end_headers

_ADDED_BY_AIOHTTP = ("Content-Type", "Date", "Server")


class Relayed(web.StreamResponse):
    """Streams a server's response on with its status, reason and headers, and no others."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        passed = CIMultiDict(end_to_end_headers(raw_headers(response), websocket=False))
        super().__init__(status=response.status, reason=response.reason, headers=passed)
        self._sent_by_server = frozenset(name.lower() for name in passed)

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        for name in _ADDED_BY_AIOHTTP:
            if name.lower() not in self._sent_by_server:
                self.headers.popall(name, None)
