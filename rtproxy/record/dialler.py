"""Dialling servers: requests as the client made them, over connections that are checked."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterable, Callable, Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict

from rtproxy.errors import UpstreamError
from rtproxy.net.route import CONNECT_TIMEOUT_S, Routes
from rtproxy.record.upstream import Upstream

ANSWER_TIMEOUT_S = 60.0
"""How long a server may take to answer a WebSocket handshake."""

_NO_EXTRA_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Dialler:
    """Opens connections to servers. Close it when the proxy stops.

    `context` gives the TLS context that their certificates are checked with.
    """

    def __init__(self, routes: Routes, context: Callable[[], ssl.SSLContext]) -> None:
        self._routes = routes
        self._context = context
        # A WebSocket's connection is its own: after a refusal it is not kept for others.
        self._websockets = _session(routes, force_close=True)
        self._requests = _session(routes, force_close=False)

    async def request(
        self,
        upstream: Upstream,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        body: AsyncIterable[bytes] | None = None,
        *,
        websocket: bool = False,
    ) -> aiohttp.ClientResponse:
        """Send a request as the client made it and return when the response's head is here.

        Raises UpstreamError, in a sentence for the client, when there is no answer.
        """
        url = upstream.url_for(target)
        proxy = self._routes.proxy_for(upstream.scheme, upstream.host, upstream.port)
        options: dict[str, Any] = {
            "headers": CIMultiDict(headers),
            "skip_auto_headers": _NO_EXTRA_HEADERS,
            "allow_redirects": False,
            "data": body,
            "read_until_eof": not websocket,
        }
        if proxy is not None:
            options["proxy"] = proxy.url
        if upstream.scheme == "https" or (proxy is not None and proxy.is_tls):
            options["ssl"] = self._context()
        session = self._websockets if websocket else self._requests
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S if websocket else None):
                return await session.request(method, url, **options)
        except TimeoutError:
            reason = "it did not answer in time"
        except aiohttp.ClientConnectorCertificateError as error:
            raise UpstreamError(why_not_trusted(upstream, error.certificate_error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = why_not_reached(error)
        through = f" through the proxy {proxy}" if proxy is not None else ""
        raise UpstreamError(
            f"rtproxy could not reach {upstream.origin}{through}: {reason}. {upstream.advice}"
        )

    async def close(self) -> None:
        await self._websockets.close()
        await self._requests.close()


class MappedResolver(AbstractResolver):
    """Resolves names to where the user has said that they are to be found."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = await self._inner.resolve(*self._routes.address(host, port), family)
        for result in found:
            result["hostname"] = host
        return found

    async def close(self) -> None:
        await self._inner.close()


def why_not_trusted(upstream: Upstream, error: Exception) -> str:
    """One sentence: why a server's certificate is refused, and what to do."""
    words = str(getattr(error, "verify_message", "") or error).rstrip(".")
    return (
        f"rtproxy does not trust the certificate of {upstream.origin}: {words}. If it is right, "
        "give the certificate of who signed it with --upstream-ca FILE."
    )


def why_not_reached(error: Exception) -> str:
    """In a few words, why there is no answer. aiohttp's own words may quote the URL, and with it
    a key in its query."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refused with {error.status}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        reason = getattr(error.os_error, "reason", None) or "the connection was closed"
        return f"no TLS connection could be made ({str(reason).replace('_', ' ').lower()})"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return os.strerror(number) if number else str(error.os_error)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection without an answer"
    words = error.strerror if isinstance(error, OSError) else None
    return words or f"no HTTP answer could be read ({type(error).__name__})"


def _session(routes: Routes, *, force_close: bool) -> aiohttp.ClientSession:
    resolver = MappedResolver(routes) if routes.connect_to else None
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=force_close, resolver=resolver),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=None),
    )
