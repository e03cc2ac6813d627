"""An HTTP response passed on as the server sent it, and its body as text for the tape."""

import zlib

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


def decode_body(encoding: str, data: bytes, limit: int) -> bytes | None:
    """Undo a content encoding (RFC 9110 §8.4.1) up to `limit` bytes, so that secrets are found.

    None when the encoding is one that is not decoded here, or the data is not in it.
    """
    windows: tuple[int, ...]
    match encoding.strip().lower():
        case "" | "identity":
            return data[:limit]
        case "gzip" | "x-gzip":
            windows = (16 + zlib.MAX_WBITS,)
        case "deflate":
            windows = (zlib.MAX_WBITS, -zlib.MAX_WBITS)
        case _:
            return None
    for window in windows:
        try:
            return zlib.decompressobj(window).decompress(data, limit)
        except zlib.error:
            continue
    return None
