"""How clients come in: plainly, with TLS, or through a forward proxy; on one address for all."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from rtproxy.errors import ListenError
from rtproxy.net.listener import IDLE_S, Server, SiteFactory, listen
from rtproxy.net.refusal import refuse
from rtproxy.net.route import Routes
from rtproxy.net.stop import Stop
from rtproxy.net.takeover import raw_headers
from rtproxy.net.token import Token
from rtproxy.net.tunnel import Tunnels
from rtproxy.wire.address import is_loopback, origin_form
from rtproxy.wire.handshake import Headers

if TYPE_CHECKING:
    from rtproxy.net.authority import Authority
    from rtproxy.net.forward import Forwarder

REALTIME_HOSTS = ("api.openai.com", "*.openai.azure.com")
"""Hosts whose sessions are looked into when the user names none."""

MOST_TOLD = 100
"""Sentences about clients that were not served, after which no more are said."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a server of ours offers to clients."""

    host: str
    port: int
    tls: bool = False
    """Clients connect with TLS, to a certificate of the local CA."""
    forward: bool = False
    """It is a forward proxy too."""
    intercept: Sequence[str] = ()
    """Patterns of the hosts whose connections a forward proxy looks into."""
    ca_folder: Path | None = None
    """Where the local CA is, if it is not at its usual place."""
    token: Token | None = None
    """What clients must know; without it there are none from elsewhere."""
    idle_s: float = IDLE_S
    """How long a connection may ask for nothing, or take until it has asked."""

    def __post_init__(self) -> None:
        if self.token is None and not self.forward and not is_loopback(self.host):
            raise ListenError(
                f"{self.host} can be reached from other machines, and whoever reaches it could "
                "use it; add --allow-remote, which has clients know a token."
            )
        if self.forward and not is_loopback(self.host):
            raise ListenError(
                "A forward proxy passes on whatever it is asked to, so --forward listens on "
                "loopback only; leave --listen out, or give it 127.0.0.1."
            )
        if self.forward and self.tls:
            raise ListenError(
                "--tls is for clients that are pointed at rtproxy, --forward for those that are "
                "not; choose one of them."
            )


class Entrance:
    """Listens for clients as `access` says, and hands their requests to `serve`.

    `routes` and `proxy_context` are for a forward proxy's tunnels; without `tunnels` it refuses
    them. `tell` is called with where a client wanted to go, and a sentence: why it could not.
    `serve` calls `take` first.
    """

    def __init__(
        self,
        serve: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        access: Access,
        *,
        routes: Routes,
        tunnels: Tunnels | None,
        proxy_context: Callable[[], ssl.SSLContext],
        tell: Callable[[str, str], None],
        shutdown_s: float = 0.0,
    ) -> None:
        self.url = ""
        """Where clients are to be pointed, the token included; empty until we listen."""
        self.authority: Authority | None = None
        """The CA that clients must trust, if they must."""
        self.forwarder: Forwarder | None = None
        self._serve = serve
        self._access = access
        self._routes = routes
        self._tunnels = tunnels
        self._proxy_context = proxy_context
        self._tell = tell
        self._told: set[tuple[str, str]] = set()
        self._shutdown_s = shutdown_s
        self._runner: web.ServerRunner | None = None
        self._server: Server | None = None

    async def open(self) -> None:
        """Listen; on return, clients can connect. Raises TlsError or ListenError."""
        access = self._access
        if not (access.tls or access.forward):
            await self._listen(Server(self._serve, idle_s=access.idle_s))
            return
        from rtproxy.net.authority import Authority
        from rtproxy.net.forward import Forwarder
        from rtproxy.net.leaves import Leaves
        from rtproxy.net.tls_server import TlsServer, TlsSite

        self.authority = Authority.open(access.ca_folder)
        leaves = Leaves(self.authority)
        server = TlsServer(
            self._serve, leaves, partial(self._tell_once, access.host), idle_s=access.idle_s
        )
        if access.tls:
            await self._listen(server, TlsSite)
            return
        self.forwarder = Forwarder(
            server,
            self._routes,
            access.intercept,
            tunnels=self._tunnels,
            proxy_context=self._proxy_context,
            tell=self._tell_once,
        )
        await self._listen(server)

    def take(self, request: web.BaseRequest) -> tuple[str, Headers] | web.Response:
        """What a request is for: its target and its headers, without what is only for us.

        Or the answer to one that does not know our token.
        """
        target, headers = origin_form(request.raw_path), raw_headers(request)
        token = self._access.token
        if token is None:
            return target, headers
        taken = token.take(target, headers)
        if taken is not None:
            return taken
        return refuse(
            401,
            "rtproxy is open to other machines here, so clients must know the token that it "
            "printed: http://HOST:PORT/t/TOKEN as their base URL, or the header X-Rtproxy-Token.",
            code="token_missing",
        )

    async def shut(self, stop: Stop, grace_s: float) -> None:
        """Take no more clients, and give those whose requests are being answered some time."""
        if self._runner is None or self._server is None:
            return
        for site in self._runner.sites:
            await site.stop()
        self._server.crowd.dismiss()
        await self.settle(stop, grace_s)

    async def settle(self, stop: Stop, seconds: float) -> None:
        """Wait until no request is being answered, `seconds` at most."""
        if self._server is not None:
            await stop.wait_for([self._server.crowd.all_served()], seconds)

    async def close(self) -> None:
        """Stop listening and end what is still there, after `shutdown_s` at most."""
        await self.shut(Stop(), self._shutdown_s)
        if self.forwarder is not None:
            self.forwarder.close()
        if self._server is not None:
            await self._server.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _listen(self, server: Server, site: SiteFactory = web.TCPSite) -> None:
        access = self._access
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=self._shutdown_s)
        url = await listen(runner, access.host, access.port, site)
        self.url = url + (access.token.prefix if access.token is not None else "")
        self._runner, self._server = runner, server
        self._routes.own = runner.addresses[0][:2]

    def _tell_once(self, where: str, sentence: str) -> None:
        """A client that tries again and again is told of once."""
        if (where, sentence) not in self._told and len(self._told) < MOST_TOLD:
            self._told.add((where, sentence))
            self._tell(where, sentence)
