"""The server behind the proxy: its address, and how a client's request is dialled there."""

import asyncio
import os
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from rtproxy.errors import UpstreamError

SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}

CONNECT_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 60.0
"""How long a server may take to answer a WebSocket handshake."""

_NO_EXTRA_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass(frozen=True, slots=True)
class Upstream:
    """Origin of the server and the path prefix that goes before every request's path."""

    origin: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> "Upstream":
        """Read a URL such as `https://api.openai.com` or `wss://host:8443/base`.

        Raises UpstreamError when it is no http, https, ws or wss URL with a host.
        """
        try:
            url = URL(text)
            scheme = SCHEMES[url.scheme]
            if not url.host:
                raise ValueError
            authority = url.host_port_subcomponent
        except (ValueError, KeyError):
            raise UpstreamError(
                f"{text!r} is no URL of a server; give --upstream as https://HOST or wss://HOST."
            ) from None
        if url.raw_query_string or url.raw_fragment:
            raise UpstreamError(f"{text!r} has a query; give --upstream as scheme, host and path.")
        if url.raw_user or url.raw_password:
            raise UpstreamError(
                "The URL of --upstream holds a user name or password; credentials come from the "
                "client and are passed on."
            )
        return cls(f"{scheme}://{authority}", url.raw_path.rstrip("/"))

    def url_for(self, target: str) -> URL:
        """Where a request for `target` (path and query, as the client sent it) goes.

        A prefix that the target already starts with is not put before it twice, so that
        `--upstream https://host/v1` serves clients whose base URL ends in /v1 and those whose
        does not.
        """
        path = target.split("?", 1)[0]
        repeated = path == self.prefix or path.startswith(self.prefix + "/")
        prefix = "" if repeated else self.prefix
        return URL(f"{self.origin}{prefix}{target}", encoded=True)


class Dialler:
    """Opens connections to one upstream. Close it when the proxy stops."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        # A WebSocket's connection is its own: after a refusal it is not kept for others.
        self._websockets = _session(force_close=True)
        self._requests = _session(force_close=False)

    async def request(
        self,
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
        options: dict[str, Any] = {
            "headers": CIMultiDict(headers),
            "skip_auto_headers": _NO_EXTRA_HEADERS,
            "allow_redirects": False,
            "data": body,
            "read_until_eof": not websocket,
        }
        url = self.upstream.url_for(target)
        session = self._websockets if websocket else self._requests
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S if websocket else None):
                return await session.request(method, url, **options)
        except TimeoutError:
            reason = "it did not answer in time"
        except aiohttp.ClientConnectorDNSError:
            reason = "its name cannot be resolved"
        except aiohttp.ClientConnectorCertificateError as error:
            reason = f"its certificate is not trusted ({error.certificate_error})"
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno
            reason = os.strerror(number) if number else str(error.os_error)
        except aiohttp.ServerDisconnectedError:
            reason = "it closed the connection without an answer"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # aiohttp's own words may quote the URL, and with it a key in its query.
            words = error.strerror if isinstance(error, OSError) else None
            reason = words or f"no HTTP answer could be read ({type(error).__name__})"
        raise UpstreamError(
            f"rtproxy could not reach {self.upstream.origin}: {reason}. "
            "Check --upstream and the network."
        )

    async def close(self) -> None:
        await self._websockets.close()
        await self._requests.close()


def _session(*, force_close: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=force_close),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=None),
    )
