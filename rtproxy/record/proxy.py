"""The recording reverse proxy: listens, tells WebSockets from other requests, stops cleanly."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp import web

from rtproxy.errors import RtproxyError, UpstreamError
from rtproxy.net.entrance import REALTIME_HOSTS, Access, Entrance
from rtproxy.net.listener import IDLE_S
from rtproxy.net.refusal import refuse
from rtproxy.net.route import ConnectTo, Routes
from rtproxy.net.stop import FAREWELL_S, Stop
from rtproxy.net.token import Token
from rtproxy.net.trust import upstream_context
from rtproxy.record.dialler import Dialler
from rtproxy.record.exchange import HttpMode, HttpRelay
from rtproxy.record.injection import Injection
from rtproxy.record.outgoing import Outgoing
from rtproxy.record.status import Status, Traffic
from rtproxy.record.tapes import Tapes
from rtproxy.record.tunnels import CountedTunnels
from rtproxy.record.upstream import Upstream
from rtproxy.record.websocket import WebSocketRelay
from rtproxy.tape.writer import Durability
from rtproxy.wire.address import is_addressed_to
from rtproxy.wire.handshake import is_websocket_upgrade

if TYPE_CHECKING:
    from rtproxy.net.authority import Authority

DEFAULT_UPSTREAM = "https://api.openai.com"
DEFAULT_PORT = 8787
MAX_MESSAGE = 64 * 1024 * 1024
"""Longest message that is put on a tape, in bytes; longer ones pass and leave a gap record."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a proxy is to be run."""

    upstream: str = DEFAULT_UPSTREAM
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    out: Path = field(default_factory=lambda: Path("recordings"))
    http: HttpMode = "realtime"
    durability: Durability = "normal"
    redact: Sequence[re.Pattern[str]] = ()
    max_message: int = MAX_MESSAGE
    tls: bool = False
    """Clients connect with TLS, to a certificate of the local CA."""
    forward: bool = False
    """Serve as a forward proxy too, which looks into connections to the Realtime hosts."""
    intercept: Sequence[str] = ()
    """More hosts to look into, as patterns: `*.example.com`."""
    ca_folder: Path | None = None
    connect_to: Sequence[ConnectTo] = ()
    upstream_ca: Path | None = None
    """Certificates that sign servers' ones, besides those that the system trusts."""
    insecure: bool = False
    """Take servers' certificates whoever signed them."""
    inject: Injection | None = None
    """A key for requests to the upstream that have none."""
    token: Token | None = None
    """What clients must know; with it, they may be on other machines."""
    idle_s: float = IDLE_S
    """How long a connection may ask for nothing, or take until it has asked."""


class Proxy:
    """A proxy in front of a Realtime server, or of all of them, that tapes every session.

    `async with Proxy(settings) as proxy:` listens; `proxy.url` is what clients are pointed at.
    Raises UpstreamError, TlsError, TapeError or ListenError when it cannot begin.
    """

    def __init__(self, settings: Settings, status: Status | None = None) -> None:
        self.settings = settings
        self.status = status or Status()
        self._upstream = Upstream.parse(settings.upstream)
        self._own_secrets = () if settings.token is None else (settings.token.value,)
        self._routes = Routes(settings.connect_to)
        context = partial(upstream_context, settings.upstream_ca, verify=not settings.insecure)
        self._context = cache(context)
        self.access = Access(
            host=settings.host,
            port=settings.port,
            tls=settings.tls,
            forward=settings.forward,
            intercept=(self._upstream.host, *REALTIME_HOSTS, *settings.intercept),
            ca_folder=settings.ca_folder,
            token=settings.token,
            idle_s=settings.idle_s,
        )
        self._entrance = Entrance(
            self.serve,
            self.access,
            routes=self._routes,
            tunnels=CountedTunnels(self.status),
            proxy_context=self._context,
            tell=self.status.remark,
        )

    @property
    def url(self) -> str:
        """Where clients are served; empty until we listen."""
        return self._entrance.url

    @property
    def authority(self) -> "Authority | None":
        """The local CA that clients must trust, if they must; known once we listen."""
        return self._entrance.authority

    async def start(self) -> None:
        """Listen; on return, clients can connect."""
        settings, upstream = self.settings, self._upstream
        # What is wrong with the way to the server is said now, not to the first client.
        self._routes.proxy_for(upstream.scheme, upstream.host, upstream.port)
        if settings.upstream_ca is not None:
            self._context()
        tapes = Tapes(
            settings.out, self.status, durability=settings.durability, redact=settings.redact
        )
        self._dialler = Dialler(self._routes, self._context)
        self._websockets = WebSocketRelay(
            self._dialler, tapes, self.status, max_message=settings.max_message
        )
        self._http = HttpRelay(self._dialler, tapes, self.status, mode=settings.http)
        try:
            await self._entrance.open()
        except RtproxyError:
            await self._dialler.close()
            raise
        if self._routes.is_own(*self._routes.address(upstream.host, upstream.port)):
            await self.close()
            raise UpstreamError(
                f"{upstream.origin} is where rtproxy itself listens, so that it would pass each "
                "request on to itself; give another --upstream or --listen."
            )

    async def close(self, stop: Stop | None = None, grace_s: float = 0.0) -> None:
        """Stop listening, give what is under way `grace_s` to end, close the rest, seal all tapes.

        If `stop` becomes urgent, nothing is waited for any longer.
        """
        stop = stop or Stop()
        await self._entrance.shut(stop, grace_s)
        self._websockets.hang_up("the proxy was stopped")
        await self._websockets.settle(stop, FAREWELL_S)
        await self._entrance.settle(stop, FAREWELL_S)
        await self._websockets.close()
        await self._entrance.close()
        await self._dialler.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        try:
            return await self._answer(request)
        except ConnectionError:
            raise  # the client has gone; nobody is left to be answered
        except Exception as error:
            # Nobody expected this. One request fails, and the others go on.
            what = f"A {request.method} request"
            sentence = f"{what} failed: {type(error).__name__}: {error}. Please report this."
            self.status.fail(Traffic(what), sentence)
            return refuse(500, sentence)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        forwarder = self._entrance.forwarder
        if request.method == "CONNECT" and forwarder is not None:
            return await forwarder.connect(request)
        try:
            destination = forwarder.destination_of(request) if forwarder is not None else None
        except ValueError as error:
            return refuse(400, f"{error}.")
        if destination is None:
            refused = self._refused(request)
            if refused is not None:
                return refused
            upstream, taped = self._upstream, True
        else:
            assert forwarder is not None
            upstream = Upstream(destination.origin)
            taped = forwarder.intercepts(destination.host)
        taken = self._entrance.take(request)
        if isinstance(taken, web.Response):
            return taken
        target, headers = taken
        outgoing = Outgoing(upstream, target, headers, headers, self._own_secrets, taped=taped)
        inject = self.settings.inject
        if (
            inject is not None
            and upstream.origin == self._upstream.origin
            and inject.is_wanted(request.method, target, headers)
        ):
            why_not = inject.why_not(headers, request.scheme)
            if why_not is not None:
                return refuse(403, why_not)
            sent = inject.apply(headers)
            secrets = (*self._own_secrets, inject.key)
            outgoing = replace(outgoing, sent=sent, secrets=secrets)
        if is_websocket_upgrade(request.method, headers):
            return await self._websockets.relay(request, outgoing)
        return await self._http.relay(request, outgoing)

    def _refused(self, request: web.BaseRequest) -> web.Response | None:
        """The answer to a request that is not for us; None if it is."""
        if not is_addressed_to(self.settings.host, request.headers.get("Host", "")):
            return refuse(
                421, "rtproxy listens on loopback only and this Host is another machine's."
            )
        if self.settings.forward:
            return None
        if request.method == "CONNECT":
            return refuse(
                405, "This is a reverse proxy; point the client's base URL at it, or --forward."
            )
        if not request.raw_path.startswith("/"):
            return refuse(400, "This is a reverse proxy; its requests have no scheme and host.")
        return None
