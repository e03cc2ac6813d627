"""How a server is reached: directly, somewhere else on the user's word, or through a proxy."""

import asyncio
import base64
import os
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from rtproxy.errors import UpstreamError
from rtproxy.net.lobby import Lobby
from rtproxy.wire.address import is_here, is_loopback, url_host
from rtproxy.wire.no_proxy import is_covered

CONNECT_TIMEOUT_S = 30.0
LONGEST_HEAD = 64 * 1024
"""Bytes of a proxy's answer to CONNECT that are read."""

STANDARD_PORTS = {"http": 80, "https": 443}

_CONNECT_TO = re.compile(r"(\[[^\]]*\]|[^:\[\]]*):(\d*):(\[[^\]]*\]|[^:\[\]]*):(\d*)")
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r\n)")


@dataclass(frozen=True, slots=True)
class ConnectTo:
    """Connect to another address than a server's own; empty parts stand for any, or for the same.

    The server's name stays what it is in everything else: its certificate is still checked
    against it.
    """

    host: str
    port: int | None
    to_host: str
    to_port: int | None

    @classmethod
    def parse(cls, text: str) -> "ConnectTo":
        """Read `HOST:PORT:OTHER_HOST:OTHER_PORT`, as curl's option of the same name has it."""
        match = _CONNECT_TO.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no HOST:PORT:OTHER_HOST:OTHER_PORT")
        host, port, to_host, to_port = match.groups()
        numbers = [int(number) if number else None for number in (port, to_port)]
        if any(number is not None and not 0 < number < 65536 for number in numbers):
            raise ValueError(f"{text!r} has a port that there is not")
        return cls(host.strip("[]").lower(), numbers[0], to_host.strip("[]"), numbers[1])

    def applies_to(self, host: str, port: int) -> bool:
        return self.host in ("", host.lower()) and self.port in (None, port)


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """A proxy that is asked for connections. Its `url` may hold a password."""

    url: str = field(repr=False)
    host: str
    port: int
    is_tls: bool
    authorization: str | None = field(repr=False)

    def __str__(self) -> str:
        return f"{url_host(self.host)}:{self.port}"

    @classmethod
    def parse(cls, text: str, variable: str) -> "HttpProxy":
        """Read a proxy's URL out of a variable. Raises UpstreamError, without what is secret."""
        try:
            url = urlsplit(text if "://" in text else f"http://{text}")
            port = url.port
        except ValueError:
            url, port = SplitResult("", "", "", "", ""), None
        if url.scheme not in ("http", "https") or not url.hostname:
            kind = f"a {url.scheme} proxy" if url.hostname else "no proxy"
            raise UpstreamError(
                f"{variable} names {kind}; rtproxy goes through http:// and https:// proxies. "
                "Give another, or name the server in NO_PROXY."
            )
        is_tls = url.scheme == "https"
        credentials = None
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            credentials = f"Basic {base64.b64encode(pair.encode()).decode()}"
        whole = url._replace(path="", query="", fragment="").geturl()
        return cls(whole, url.hostname, port or (STANDARD_PORTS[url.scheme]), is_tls, credentials)


@dataclass(frozen=True, slots=True)
class Destination:
    """What a client of a forward proxy wants to reach, whatever address it has."""

    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """The start of its URLs: `https://api.openai.com`."""
        port = "" if STANDARD_PORTS[self.scheme] == self.port else f":{self.port}"
        return f"{self.scheme}://{url_host(self.host)}{port}"


class Routes:
    """Where connections go: `connect_to` first, then the proxies in `environ`.

    `own` is our own address, which a proxy variable may name when it was set for everything.
    """

    def __init__(
        self, connect_to: Sequence[ConnectTo] = (), environ: Mapping[str, str] = os.environ
    ) -> None:
        self.connect_to = tuple(connect_to)
        self.own: tuple[str, int] | None = None
        self._environ = environ

    def address(self, host: str, port: int) -> tuple[str, int]:
        """The address to connect to for a server."""
        for rule in self.connect_to:
            if rule.applies_to(host, port):
                return rule.to_host or host, rule.to_port or port
        return host, port

    def proxy_for(self, scheme: str, host: str, port: int) -> HttpProxy | None:
        """The proxy on the way to a server. Raises UpstreamError if it is of an unknown kind.

        This machine's own servers need none, nor do those that `connect_to` speaks of.
        """
        if is_loopback(host) or any(rule.applies_to(host, port) for rule in self.connect_to):
            return None
        if is_covered(host, port, self._variable("no_proxy")[1]):
            return None
        for name in (f"{scheme}_proxy", "all_proxy"):
            variable, value = self._variable(name)
            if value:
                proxy = HttpProxy.parse(value, variable)
                return None if self.is_own(proxy.host, proxy.port) else proxy
        return None

    def is_own(self, host: str, port: int) -> bool:
        """Whether this is where we listen ourselves."""
        if self.own is None or port != self.own[1]:
            return False
        return host.lower() == self.own[0].lower() or (is_here(host) and is_here(self.own[0]))

    def _variable(self, name: str) -> tuple[str, str]:
        """Name and value of a variable that may be written either way; small letters first."""
        for spelling in (name, name.upper()):
            if self._environ.get(spelling):
                return spelling, self._environ[spelling].strip()
        return name.upper(), ""


async def dial(
    routes: Routes, host: str, port: int, proxy_context: Callable[[], ssl.SSLContext]
) -> tuple[asyncio.Transport, Lobby]:
    """A connection to a server, for bytes that are not ours; `proxy_context` is for TLS proxies.

    The lobby keeps what the server says before somebody listens. Raises UpstreamError.
    """
    loop = asyncio.get_running_loop()
    where = f"{url_host(host)}:{port}"
    proxy = routes.proxy_for("https", host, port)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if proxy is None:
                return await loop.create_connection(Lobby, *routes.address(host, port))
            transport, lobby = await loop.create_connection(
                Lobby, proxy.host, proxy.port, ssl=proxy_context() if proxy.is_tls else None
            )
            try:
                await _ask_for(where, proxy, transport, lobby)
            except BaseException:
                transport.abort()
                raise
            return transport, lobby
    except TimeoutError:
        reason = "it did not answer in time"
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    through = f" through the proxy {proxy}" if proxy else ""
    raise UpstreamError(f"rtproxy could not reach {where}{through}: {reason}.")


async def _ask_for(
    where: str, proxy: HttpProxy, transport: asyncio.Transport, lobby: Lobby
) -> None:
    """Have a proxy make a connection (RFC 9110 §9.3.6)."""
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    transport.write("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n")
    head = await lobby.take_until(b"\r\n\r\n", LONGEST_HEAD)
    status = _STATUS.match(head)
    if status is None:
        raise ValueError("it did not answer as a proxy does")
    if not status[1].startswith(b"2"):
        raise ValueError(f"it refused with {status[1].decode()}")
