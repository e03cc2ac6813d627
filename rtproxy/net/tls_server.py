"""aiohttp's server, for connections that begin with a TLS handshake of their own.

A connection is TLS from its first byte on a TLS listener, or inside a tunnel that a client has
asked for. Either way a handler of this server is behind it and serves its requests.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from rtproxy.net.certificate import normal_host
from rtproxy.net.handshake import TLS_RECORD, HandshakeError, first_byte, shake_hands
from rtproxy.net.leaves import Leaves
from rtproxy.net.listener import Handler, Server
from rtproxy.net.lobby import Lobby
from rtproxy.wire.address import is_loopback

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANY = ("0.0.0.0", "::", "")

NO_TLS = "A client does not speak TLS; give it the https:// address, or wss:// instead of ws://."
NO_TLS_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"\r\nrtproxy speaks TLS here: use https:// or wss://.\n"
)


class Door(Lobby):
    """Meets a connection on a TLS listener, and keeps what comes before the handshake begins."""

    def __init__(self, server: "TlsServer", hosts: tuple[str, ...]) -> None:
        super().__init__()
        self._server = server
        self._hosts = hosts

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast(asyncio.Transport, transport)
        address = local_address(connection)
        # Whoever listens everywhere goes by the address that a client has come to.
        hosts = self._hosts if address in self._hosts else (*self._hosts, address)
        self._server.admit(connection, hosts, self)


class TlsServer(Server):
    """Serves requests on connections that it is given, and does their handshakes first.

    `tell` is called with a sentence when a client's handshake has failed.
    """

    def __init__(
        self, handler: Handler, leaves: Leaves, tell: Callable[[str], None], **options: Any
    ) -> None:
        super().__init__(handler, **options)
        self.leaves = leaves
        self._tell = tell
        self._gone: dict[RequestHandler, asyncio.Future[None]] = {}
        self._beneath: dict[RequestHandler, asyncio.Transport] = {}
        self._admitting: set[asyncio.Task[None]] = set()

    def door(self, host: str) -> Callable[[], Door]:
        """What a TLS listener on an address makes its protocols with."""
        hosts = names_of(host)
        self.leaves.context(*hosts)  # so that the first client need not wait, and errors show
        return lambda: Door(self, hosts)

    def admit(self, transport: asyncio.Transport, hosts: tuple[str, ...], lobby: Lobby) -> None:
        """Begin the handshake on a new connection."""
        self.crowd.arrive(lobby, transport)
        task = asyncio.get_running_loop().create_task(self._admit(transport, hosts, lobby))
        self._admitting.add(task)
        task.add_done_callback(self._admitting.discard)

    async def secure(
        self,
        handler: RequestHandler,
        transport: asyncio.Transport,
        hosts: tuple[str, ...],
        lobby: Lobby,
    ) -> None:
        """Have `handler`, which stands by, serve what comes inside TLS. Raises HandshakeError.

        `lobby` is the transport's protocol until now.
        """
        try:
            await shake_hands(transport, handler, self.leaves.context(*hosts), lobby)
        except BaseException:
            self.forget(handler)
            raise

    def stand_by(self, transport: asyncio.Transport) -> RequestHandler:
        """A handler for a connection that is to come on `transport`, or inside it."""
        handler = self()
        self._gone[handler] = asyncio.get_running_loop().create_future()
        self._beneath[handler] = transport
        return handler

    async def wait_for(self, handler: RequestHandler) -> None:
        """Return when a handler's connection is gone."""
        gone = self._gone.get(handler)
        if gone is not None:
            await asyncio.shield(gone)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.forget(handler)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """End what is inside TLS first: peers need not answer its end, and what is around waits."""
        for task in self._admitting:
            task.cancel()
        inside = [handler for handler in self.connections if handler in self._gone]
        await asyncio.gather(*(handler.shutdown(timeout) for handler in inside))
        for transport in list(self._beneath.values()):
            transport.abort()
        await super().shutdown(timeout)

    async def _admit(
        self, transport: asyncio.Transport, hosts: tuple[str, ...], lobby: Lobby
    ) -> None:
        try:
            first = await first_byte(lobby)
            if first not in (b"", TLS_RECORD):
                self._tell(NO_TLS)
                transport.write(NO_TLS_ANSWER)
                transport.close()
            elif not first:
                transport.abort()
            else:
                await self.secure(self.stand_by(transport), transport, hosts, lobby)
        except HandshakeError as error:
            self._tell(str(error))
        finally:
            self.crowd.leave(lobby)

    def forget(self, handler: RequestHandler) -> None:
        """Wait no longer for a handler's connection."""
        self._beneath.pop(handler, None)
        gone = self._gone.pop(handler, None)
        if gone is not None and not gone.done():
            gone.set_result(None)


class TlsSite(web.BaseSite):
    """A TLS listener of a runner whose server is a TlsServer."""

    def __init__(self, runner: web.BaseRunner, host: str, port: int, *, backlog: int) -> None:
        super().__init__(runner, backlog=backlog)
        self._host = host
        self._port = port

    @property
    def name(self) -> str:
        return f"https://{self._host}:{self._port}"

    async def start(self) -> None:
        await super().start()
        server = self._runner.server
        assert isinstance(server, TlsServer)
        self._server = await asyncio.get_running_loop().create_server(
            server.door(self._host), self._host, self._port, backlog=self._backlog
        )


def local_address(transport: asyncio.BaseTransport) -> str:
    """The address of our end of a connection, as a certificate names it."""
    name = transport.get_extra_info("sockname") or LOOPBACK[1:2]  # nothing if it is gone already
    text = str(name[0]).partition("%")[0]
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def names_of(host: str) -> tuple[str, ...]:
    """The names and addresses by which clients may reach a listener, the likeliest first."""
    found = [host]
    if is_loopback(host):
        found = [*LOOPBACK, host]
    elif host in ANY:
        found = [socket.gethostname(), *LOOPBACK]
    return tuple(dict.fromkeys(filter(None, map(normal_host, found)))) or LOOPBACK
