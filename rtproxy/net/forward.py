"""The forward proxy: CONNECT, for servers that are ours to play and for all others.

                  ┌▶ intercepted: TLS with our certificate, then requests as any others
CONNECT host:port ┤
                  └▶ any other host: bytes to and fro, which we cannot read
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from yarl import URL

from rtproxy.errors import UpstreamError
from rtproxy.net.certificate import normal_host
from rtproxy.net.handshake import TLS_RECORD, HandshakeError, first_byte
from rtproxy.net.lobby import Lobby
from rtproxy.net.refusal import refuse
from rtproxy.net.route import STANDARD_PORTS, Destination, Routes, dial
from rtproxy.net.takeover import Hung, Taken, take_client
from rtproxy.net.tap import Side, join
from rtproxy.net.tls_server import TlsServer
from rtproxy.net.tunnel import Tunnels
from rtproxy.wire.address import split_authority, url_host

WEBSOCKET_SCHEMES = {"ws": "http", "wss": "https"}
"""What a WebSocket's handshake is a request of; some clients ask a proxy for `GET ws://…`."""

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Forwarder:
    """Serves the requests that only a proxy gets.

    `intercepted` are patterns of host names. Without `tunnels`, connections to other hosts are
    refused. `tell` is called with a host and a sentence about a client that could not be served.
    """

    def __init__(
        self,
        server: TlsServer,
        routes: Routes,
        intercepted: Sequence[str],
        *,
        tunnels: Tunnels | None,
        proxy_context: Callable[[], ssl.SSLContext],
        tell: Callable[[str, str], None],
    ) -> None:
        self._server = server
        self._routes = routes
        self._intercepted = tuple(pattern.lower() for pattern in intercepted)
        self._tunnels = tunnels
        self._proxy_context = proxy_context
        self._tell = tell
        self._destinations: dict[RequestHandler, Destination] = {}
        self._open: set[Side] = set()

    def intercepts(self, host: str) -> bool:
        """Whether connections to a host are looked into."""
        return any(fnmatchcase(host.lower(), pattern) for pattern in self._intercepted)

    def destination_of(self, request: web.BaseRequest) -> Destination | None:
        """Where a request is to go: by the tunnel that it came in, or by its absolute form.

        None for one that is addressed to ourselves. Raises ValueError for a target of no server.
        """
        tunnelled = self._destinations.get(request.protocol)
        if tunnelled is not None or request.raw_path.startswith("/"):
            return tunnelled
        url = URL(request.raw_path, encoded=True)
        scheme = WEBSOCKET_SCHEMES.get(url.scheme, url.scheme)
        if scheme not in STANDARD_PORTS or not url.host or not url.port:
            raise ValueError(f"{request.raw_path!r} is no URL of a server")
        if self._routes.is_own(url.host, url.port):
            return None
        return Destination(scheme, url.host, url.port)

    async def connect(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve a CONNECT request until its connection is gone."""
        if request.protocol in self._destinations:
            return refuse(405, "A server is reached already; it is asked for no other one.")
        try:
            named, port = split_authority(request.raw_path)
        except ValueError:
            named, port = "", 0
        host = normal_host(named)
        if host is None:
            return refuse(400, "CONNECT is for HOST:PORT.")
        where = f"{url_host(host)}:{port}"
        if self._routes.is_own(host, port):
            return refuse(403, f"{where} is rtproxy itself, which needs no proxy.")
        if self.intercepts(host):
            return await self._intercept(request, host, port)
        if self._tunnels is None:
            return self.decline(host, port)
        return await self._tunnel(request, where, host, port, self._tunnels)

    def decline(self, host: str, port: int) -> web.Response:
        """The answer to a request for a host that is not to be reached."""
        where = f"{url_host(host)}:{port}"
        sentence = (
            "Hosts that are on no tape are not reached during a replay; answer for this one with "
            f"--intercept {host}, or reach all others, by https, with --tunnel."
        )
        self._tell(where, sentence)
        return refuse(403, f"{where}: {sentence}")

    def close(self) -> None:
        """Cut the tunnels; what is intercepted ends with the server."""
        for side in self._open:
            side.transport.abort()

    async def _intercept(self, request: web.BaseRequest, host: str, port: int) -> Taken:
        transport, early = take_client(request)
        handler = self._server.stand_by(transport)
        try:
            if not isinstance(transport, Hung):
                await self._begin(transport, handler, early, host, port)
                await self._server.wait_for(handler)
        except HandshakeError as error:
            self._tell(f"{url_host(host)}:{port}", str(error))
        finally:
            self._destinations.pop(handler, None)
            self._server.forget(handler)
            transport.abort()
            request.protocol.connection_lost(None)
        return Taken()

    async def _begin(
        self,
        transport: asyncio.Transport,
        handler: RequestHandler,
        early: bytes,
        host: str,
        port: int,
    ) -> None:
        """Tell the client that it is connected, and serve what it begins: TLS, or plain HTTP."""
        lobby = Lobby()
        transport.set_protocol(lobby)
        transport.write(ESTABLISHED)
        if early:
            lobby.data_received(early)
        first = await first_byte(lobby)
        if not first:
            transport.abort()
            self._server.forget(handler)
        elif first == TLS_RECORD:
            self._destinations[handler] = Destination("https", host, port)
            await self._server.secure(handler, transport, (host,), lobby)
        else:
            self._destinations[handler] = Destination("http", host, port)
            lobby.hand_over(transport, handler)

    async def _tunnel(
        self, request: web.BaseRequest, where: str, host: str, port: int, tunnels: Tunnels
    ) -> web.StreamResponse:
        recorder = tunnels.begin(where)
        failure = ""
        try:
            above, lobby = await dial(self._routes, host, port, self._proxy_context)
            below, early = take_client(request)
            client = Side(below, request.protocol, recorder, from_server=False)
            server = Side(above, asyncio.Protocol(), recorder, from_server=True)
            await self._join(client, server, lobby, early)
        except UpstreamError as error:
            failure = str(error)
            return refuse(502, failure)
        finally:
            tunnels.end(recorder, failure)
        return Taken()

    async def _join(self, client: Side, server: Side, lobby: Lobby, early: bytes) -> None:
        sides = {client, server}
        self._open |= sides
        try:
            join(client, server)
            if not client.transport.is_closing():
                client.transport.write(ESTABLISHED)
            lobby.repeat_to(server)
            if early:
                client.data_received(early)
            if isinstance(client.transport, Hung):
                client.connection_lost(None)
            await asyncio.wait([client.gone, server.gone])
        finally:
            self._open -= sides
            for side in sides:
                if not side.gone.done():
                    side.transport.abort()
