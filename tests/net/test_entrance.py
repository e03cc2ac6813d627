"""TLS listeners: clients that come, that refuse us, that say something else, or nothing."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from rtproxy.errors import ListenError, UpstreamError
from rtproxy.net import handshake
from rtproxy.net.authority import Authority
from rtproxy.net.entrance import Access, Entrance
from rtproxy.net.route import Routes
from rtproxy.net.tls_server import LOOPBACK, names_of
from rtproxy.net.token import Token


@dataclass
class Listener:
    """A TLS listener of ours, and what it has said."""

    url: str
    authority: Authority
    said: list[tuple[str, str]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1].partition("/")[0])

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority.path)


async def hello(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text=f"hello {len(await request.read())}")


def no_context() -> ssl.SSLContext:
    raise UpstreamError("nothing is dialled here")


@asynccontextmanager
async def listener(
    folder: Path,
    serve: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] = hello,
    host: str = "127.0.0.1",
    token: Token | None = None,
) -> AsyncIterator[Listener]:
    def tell(where: str, sentence: str) -> None:
        made.said.append((where, sentence))
        made.news.set()

    entrance = Entrance(
        serve,
        Access(host, 0, tls=True, ca_folder=folder, token=token),
        routes=Routes(environ={}),
        tunnels=None,
        proxy_context=no_context,
        tell=tell,
        shutdown_s=1,
    )
    await entrance.open()
    assert entrance.authority is not None
    made = Listener(entrance.url, entrance.authority)
    try:
        yield made
    finally:
        await entrance.close()


async def test_https_is_served_and_said(tmp_path: Path) -> None:
    async with listener(tmp_path) as ours, aiohttp.ClientSession() as session:
        assert ours.url.startswith("https://127.0.0.1:")
        for name in ("localhost", "127.0.0.1"):
            async with session.post(
                f"https://{name}:{ours.port}/", data=b"x" * 300_000, ssl=ours.trust
            ) as response:
                assert await response.text() == "hello 300000"
    assert ours.said == []


async def test_many_at_once(tmp_path: Path) -> None:
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        listener(tmp_path) as ours,
        aiohttp.ClientSession(connector=connector) as session,
    ):

        async def ask() -> str:
            async with session.get(ours.url, ssl=ours.trust) as response:
                return await response.text()

        assert await asyncio.gather(*(ask() for _ in range(50))) == ["hello 0"] * 50


async def test_a_client_that_does_not_trust_us_is_told_of_once(tmp_path: Path) -> None:
    async with listener(tmp_path) as ours, aiohttp.ClientSession() as session:
        for _ in range(3):
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(ours.url)
        await ours.news.wait()
        async with session.get(ours.url, ssl=ours.trust) as response:
            assert response.status == 200
    ((where, sentence),) = ours.said
    assert where == "127.0.0.1"
    assert "rtproxy ca" in sentence


async def test_a_client_that_speaks_plain_http_is_told_of(tmp_path: Path) -> None:
    async with listener(tmp_path) as ours, aiohttp.ClientSession() as session:
        async with session.get(ours.url.replace("https", "http")) as response:
            assert response.status == 400
            assert "https://" in await response.text()
    ((_, sentence),) = ours.said
    assert "https://" in sentence


async def test_garbage_is_told_of(tmp_path: Path) -> None:
    async with listener(tmp_path) as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.port)
        writer.write(b"\x16\x03\x01\x00\x05hello")
        await reader.read()
        writer.close()
        await ours.news.wait()
    ((_, sentence),) = ours.said
    assert sentence.startswith("A client's TLS handshake failed: ")


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x01\x00\x01"])
@pytest.mark.parametrize("reset", [False, True])
async def test_clients_that_hang_up_early(tmp_path: Path, sent: bytes, reset: bool) -> None:
    async with listener(tmp_path) as ours, aiohttp.ClientSession() as session:
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", ours.port)) as client:
                client.sendall(sent)
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        async with session.get(ours.url, ssl=ours.trust) as response:
            assert response.status == 200
    assert len(ours.said) <= 2
    assert all("hung up" in sentence for _, sentence in ours.said)
    assert sent or not ours.said


async def test_a_client_that_never_speaks_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "HANDSHAKE_S", 0.05)
    async with listener(tmp_path) as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.port)
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
    assert ours.said == []


async def test_a_hello_that_comes_byte_by_byte(tmp_path: Path) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    async with listener(tmp_path) as ours:
        client = ours.trust.wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.port)
        asked = False
        while True:
            try:
                if not asked:
                    client.do_handshake()
                    client.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    asked = True
                answer = client.read(1000)
                break
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0)
                incoming.write(await reader.read(65536))
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_request_in_one_segment_with_the_end_of_the_handshake(tmp_path: Path) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    async with listener(tmp_path) as ours:
        client = ours.trust.wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.port)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        writer.write(outgoing.read())
        while True:
            incoming.write(await reader.read(65536))
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
        body = b"x" * 100_000
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        client.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        writer.write(outgoing.read())
        while True:
            try:
                answer = client.read(1000)
                break
            except ssl.SSLWantReadError:
                incoming.write(await reader.read(65536))
        writer.close()
    assert answer.endswith(b"hello 100000")


async def test_the_end_does_not_wait_for_idle_clients(tmp_path: Path) -> None:
    """They keep a connection for later and do not read, so that its end is not answered."""
    loop = asyncio.get_running_loop()
    async with listener(tmp_path) as ours:

        def ask() -> ssl.SSLSocket:
            plain = socket.create_connection(("127.0.0.1", ours.port))
            client = ours.trust.wrap_socket(plain, server_hostname="localhost")
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
            return client

        client = await asyncio.to_thread(ask)
        began = loop.time()
    assert loop.time() - began < 20
    client.close()


async def test_the_end_lets_an_answer_be_finished(tmp_path: Path) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await go_on.wait()
        return web.Response(text="at last")

    async with aiohttp.ClientSession() as session:
        async with listener(tmp_path, slow) as ours:
            answer = asyncio.create_task(session.get(ours.url, ssl=ours.trust))
            await asked.wait()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        async with await answer as response:
            assert await response.text() == "at last"


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("127.0.0.1", LOOPBACK),
        ("localhost", LOOPBACK),
        ("127.0.0.2", (*LOOPBACK, "127.0.0.2")),
        ("Proxy.example.com", ("proxy.example.com",)),
        ("192.168.1.5", ("192.168.1.5",)),
    ],
)
def test_names_that_a_listener_goes_by(host: str, names: tuple[str, ...]) -> None:
    assert names_of(host) == names


@pytest.mark.parametrize("host", ["127.0.0.9", "0.0.0.0"])
async def test_clients_that_come_to_an_address(tmp_path: Path, host: str) -> None:
    """They name no host, so that the certificate must have the address that they have come to."""
    token = Token("a-token-that-is-long-enough") if host == "0.0.0.0" else None
    async with listener(tmp_path, host=host, token=token) as ours:
        async with aiohttp.ClientSession() as session:
            for address in {"127.0.0.9", host.replace("0.0.0.0", "127.0.0.7")}:
                url = f"https://{address}:{ours.port}/"
                async with session.get(url, ssl=ours.trust) as response:
                    assert response.status == 200


def test_a_listener_for_everybody_goes_by_the_machines_own_names() -> None:
    names = names_of("0.0.0.0")
    assert set(LOOPBACK) <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ({"host": "0.0.0.0", "forward": True}, "loopback only"),
        ({"host": "10.0.0.1", "forward": True}, "loopback only"),
        ({"host": "127.0.0.1", "forward": True, "tls": True}, "choose one"),
    ],
)
def test_what_makes_no_sense(access: dict[str, object], words: str) -> None:
    with pytest.raises(ListenError, match=words):
        Access(port=0, **access)  # type: ignore[arg-type]


async def test_an_address_that_is_taken(tmp_path: Path) -> None:
    async with listener(tmp_path) as ours:
        entrance = Entrance(
            hello,
            Access("127.0.0.1", ours.port, tls=True, ca_folder=tmp_path),
            routes=Routes(environ={}),
            tunnels=None,
            proxy_context=no_context,
            tell=lambda _where, _sentence: None,
            shutdown_s=1,
        )
        with pytest.raises(ListenError, match="in use"):
            await entrance.open()
        await entrance.close()
