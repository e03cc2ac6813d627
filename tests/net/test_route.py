"""The way to a server: directly, elsewhere, or through a proxy of the environment."""

import asyncio
import ssl
from collections.abc import Mapping

import pytest

from rtproxy.errors import UpstreamError
from rtproxy.net.lobby import Lobby
from rtproxy.net.route import ConnectTo, Destination, Routes, dial
from tests.net.front import Front, http_proxy, listening


def no_tls() -> ssl.SSLContext:
    raise AssertionError("no TLS is spoken here")


def proxy_of(environ: Mapping[str, str], scheme: str, host: str, port: int = 443) -> str | None:
    proxy = Routes(environ=environ).proxy_for(scheme, host, port)
    return None if proxy is None else f"{proxy} {proxy.authorization or ''}".strip()


@pytest.mark.parametrize(
    ("environ", "scheme", "proxy"),
    [
        ({}, "https", None),
        ({"HTTPS_PROXY": "http://corp:3128"}, "https", "corp:3128"),
        ({"https_proxy": "http://corp:3128"}, "https", "corp:3128"),
        ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:2"}, "https", "a:1"),
        ({"HTTPS_PROXY": "http://corp:3128"}, "http", None),
        ({"HTTP_PROXY": "http://corp:3128"}, "http", "corp:3128"),
        ({"ALL_PROXY": "http://corp:3128"}, "https", "corp:3128"),
        ({"HTTPS_PROXY": "http://a:1", "ALL_PROXY": "http://b:2"}, "https", "a:1"),
        ({"HTTPS_PROXY": "corp:3128"}, "https", "corp:3128"),
        ({"HTTPS_PROXY": "http://corp"}, "https", "corp:80"),
        ({"HTTPS_PROXY": "https://corp"}, "https", "corp:443"),
        ({"HTTPS_PROXY": "http://me:p%40ss@corp:3128"}, "https", "corp:3128 Basic bWU6cEBzcw=="),
        ({"HTTPS_PROXY": "http://corp:1", "NO_PROXY": "openai.com"}, "https", None),
        ({"HTTPS_PROXY": "http://corp:1", "no_proxy": "*"}, "https", None),
        ({"HTTPS_PROXY": ""}, "https", None),
    ],
)
def test_proxies_of_the_environment(
    environ: dict[str, str], scheme: str, proxy: str | None
) -> None:
    assert proxy_of(environ, scheme, "api.openai.com") == proxy


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_needs_no_proxy(host: str) -> None:
    assert proxy_of({"HTTPS_PROXY": "http://corp:3128"}, "https", host) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("socks5://me:secret@corp:1080", "HTTPS_PROXY names a socks5 proxy"),
        ("http://", "HTTPS_PROXY names no proxy"),
        ("http://corp:secret", "HTTPS_PROXY names no proxy"),
        ("http://[secret", "HTTPS_PROXY names no proxy"),
    ],
)
def test_a_proxy_of_another_kind_is_one_sentence(value: str, words: str) -> None:
    with pytest.raises(UpstreamError, match=words) as caught:
        proxy_of({"HTTPS_PROXY": value}, "https", "api.openai.com")
    assert "secret" not in str(caught.value)


def test_a_proxy_variable_that_names_ourselves() -> None:
    routes = Routes(environ={"HTTPS_PROXY": "http://localhost:8787"})
    routes.own = ("127.0.0.1", 8787)
    assert routes.proxy_for("https", "api.openai.com", 443) is None
    routes.own = ("127.0.0.1", 8788)
    assert routes.proxy_for("https", "api.openai.com", 443) is not None


@pytest.mark.parametrize("listening", ["127.0.0.1", "::1", "0.0.0.0"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "0.0.0.0", "::"])
def test_ways_to_name_ourselves(listening: str, host: str) -> None:
    routes = Routes(environ={})
    routes.own = (listening, 8787)
    assert routes.is_own(host, 8787)
    assert not routes.is_own(host, 8788)
    assert not routes.is_own("api.openai.com", 8787)


@pytest.mark.parametrize(
    ("rule", "host", "port", "address"),
    [
        ("api.openai.com:443:127.0.0.1:8443", "API.openai.com", 443, ("127.0.0.1", 8443)),
        ("api.openai.com:443:127.0.0.1:8443", "api.openai.com", 80, ("api.openai.com", 80)),
        ("api.openai.com::127.0.0.1:8443", "api.openai.com", 80, ("127.0.0.1", 8443)),
        ("api.openai.com:443:127.0.0.1:", "api.openai.com", 443, ("127.0.0.1", 443)),
        ("::127.0.0.1:8443", "any.test", 1, ("127.0.0.1", 8443)),
        ("any.test:443:[::1]:8443", "any.test", 443, ("::1", 8443)),
        ("[::1]:443::8443", "::1", 443, ("::1", 8443)),
    ],
)
def test_servers_elsewhere(rule: str, host: str, port: int, address: tuple[str, int]) -> None:
    routes = Routes([ConnectTo.parse(rule)], environ={"ALL_PROXY": "http://corp:1"})
    assert routes.address(host, port) == address
    is_elsewhere = address != (host, port)
    assert (routes.proxy_for("https", host, port) is None) is is_elsewhere


@pytest.mark.parametrize(
    "rule", ["", "a:1:b", "a:1:b:c", "a:1:b:99999", "a:0:b:1", "a:1:b:1:c", "[::1:1:b:1", "a:x:b:1"]
)
def test_what_is_no_rule(rule: str) -> None:
    with pytest.raises(ValueError):
        ConnectTo.parse(rule)


@pytest.mark.parametrize(
    ("destination", "origin"),
    [
        (Destination("https", "api.openai.com", 443), "https://api.openai.com"),
        (Destination("https", "api.openai.com", 8443), "https://api.openai.com:8443"),
        (Destination("http", "::1", 80), "http://[::1]"),
    ],
)
def test_origins(destination: Destination, origin: str) -> None:
    assert destination.origin == origin


# --- dialling -------------------------------------------------------------------------------------


async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello")
    writer.close()


async def test_what_a_server_says_first_is_kept() -> None:
    async with listening(greet, Front()) as server:
        transport, lobby = await dial(Routes(environ={}), "127.0.0.1", server.port, no_tls)
        assert await lobby.first() == b"2"
        assert await lobby.take_until(b"hello", 100) == b"220 hello"
        transport.abort()


async def test_through_a_proxy_with_a_password() -> None:
    async with (
        listening(greet, Front()) as server,
        http_proxy({"mail.test:25": server.port}, "me:p@ss") as proxy,
    ):
        environ = {"HTTPS_PROXY": f"http://me:p%40ss@127.0.0.1:{proxy.port}"}
        transport, lobby = await dial(Routes(environ=environ), "mail.test", 25, no_tls)
        assert await lobby.take_until(b"hello", 100) == b"220 hello"
        transport.abort()
    assert proxy.asked == ["CONNECT mail.test:25 HTTP/1.1"]


async def test_a_proxy_that_refuses() -> None:
    async with http_proxy({}, "me:other") as proxy:
        environ = {"HTTPS_PROXY": f"http://me:secret@127.0.0.1:{proxy.port}"}
        with pytest.raises(UpstreamError) as caught:
            await dial(Routes(environ=environ), "mail.test", 25, no_tls)
    where = f"127.0.0.1:{proxy.port}"
    assert str(caught.value) == (
        f"rtproxy could not reach mail.test:25 through the proxy {where}: it refused with 407."
    )


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 20", b"x" * 100_000])
async def test_a_proxy_that_is_none(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with listening(serve, Front()) as proxy:
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        with pytest.raises(UpstreamError, match="answer"):
            await dial(Routes(environ=environ), "mail.test", 25, no_tls)


async def test_nobody_listens() -> None:
    async with listening(greet, Front()) as server:
        pass
    with pytest.raises(UpstreamError, match=f"could not reach 127.0.0.1:{server.port}: "):
        await dial(Routes(environ={}), "127.0.0.1", server.port, no_tls)


async def test_a_lobby_hands_over_all_that_has_happened() -> None:
    class Heard(asyncio.Protocol):
        def __init__(self) -> None:
            self.events: list[object] = []

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.events.append("made")

        def data_received(self, data: bytes) -> None:
            self.events.append(data)

        def eof_received(self) -> None:
            self.events.append("eof")

        def connection_lost(self, exc: Exception | None) -> None:
            self.events.append(exc)

    class Anything(asyncio.Transport):
        def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    lobby, heard, error = Lobby(), Heard(), ConnectionResetError()
    lobby.data_received(b"a")
    lobby.data_received(b"b")
    lobby.eof_received()
    lobby.connection_lost(error)
    assert lobby.is_over
    lobby.hand_over(Anything(), heard)
    assert heard.events == ["made", b"ab", "eof", error]
