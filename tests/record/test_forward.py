"""The forward proxy while it records: what it looks into, what it passes on, what it refuses."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets

from rtproxy.errors import ListenError
from rtproxy.net.authority import Authority
from rtproxy.net.leaves import Leaves
from rtproxy.net.route import ConnectTo
from rtproxy.record.proxy import Proxy, Settings
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from rtproxy.tape.reader import open_tape
from tests.net.front import Front, http_proxy, listening, tls_front
from tests.record.test_clients import API_KEY, MODEL, SCENARIO, check_tape, converse_in_json

HOST = "api.openai.com"
OTHER = "other.example"


@dataclass
class Stage:
    """A forward proxy, and a server that goes by two names: one intercepted, one not."""

    proxy: Proxy
    server: SimulatedServer
    front: Front
    theirs: Authority
    told: list[str]

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self.proxy.url.rsplit(":", 1)[1])

    @property
    def trust(self) -> ssl.SSLContext:
        """For a client that trusts our CA and no other."""
        assert self.proxy.authority is not None
        return ssl.create_default_context(cafile=self.proxy.authority.path)

    async def connect(self, where: str, early: bytes = b"") -> tuple[bytes, Any, Any]:
        """Ask for a tunnel: the head of the answer, and the connection."""
        reader, writer = await asyncio.open_connection(*self.address)
        request = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode()
        writer.write(request + early)
        return await reader.readuntil(b"\r\n\r\n"), reader, writer


@asynccontextmanager
async def stage(folder: Path, **options: Any) -> AsyncIterator[Stage]:
    theirs = Authority.open(folder / "theirs")
    async with (
        SimulatedServer(Scenario.parse(SCENARIO, "clients.toml"), seed=7) as server,
        tls_front(server.url, Leaves(theirs).context(HOST, OTHER)) as front,
    ):
        rules = [ConnectTo.parse(f"{name}:443:127.0.0.1:{front.port}") for name in (HOST, OTHER)]
        plain = server.url.rsplit(":", 1)[1]
        rules += [ConnectTo.parse(f"{name}:80:127.0.0.1:{plain}") for name in (HOST, OTHER)]
        settings = {
            "port": 0,
            "out": folder / "tapes",
            "forward": True,
            "ca_folder": folder / "ours",
            "upstream_ca": theirs.path,
            "connect_to": rules,
        }
        proxy = Proxy(Settings(**(settings | options)))  # type: ignore[arg-type]
        told: list[str] = []
        proxy.status.watch = lambda traffic, sentence: told.append(f"{traffic.name} {sentence}")
        async with proxy:
            yield Stage(proxy, server, front, theirs, told)
        assert not proxy.status.failures


async def test_a_session_with_an_intercepted_host_is_taped(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        async with websockets.connect(
            f"wss://{HOST}/v1/realtime?model={MODEL}",
            additional_headers={"Authorization": f"Bearer {API_KEY}"},
            max_size=None,
            ssl=on.trust,
            proxy=on.proxy.url,
        ) as client:
            log = await converse_in_json(client.send, client.recv)
    check_tape(tmp_path / "tapes", log)
    (path,) = (tmp_path / "tapes").glob("*.rtape")
    with open_tape(path) as tape:
        assert tape.header.fields["upstream"] == f"https://{HOST}"
        assert tape.header.fields["request"]["target"] == f"/v1/realtime?model={MODEL}"


@pytest.mark.parametrize("intercepted", [True, False])
async def test_a_session_without_tls(tmp_path: Path, intercepted: bool) -> None:
    """ws:// through CONNECT, as browsers and `websockets` do it, and by an absolute URL, as
    aiohttp does."""
    host = HOST if intercepted else OTHER
    async with stage(tmp_path) as on:
        async with websockets.connect(
            f"ws://{host}:80/v1/realtime?model={MODEL}", max_size=None, proxy=on.proxy.url
        ) as client:
            await converse_in_json(client.send, client.recv)
        async with aiohttp.ClientSession() as session:
            for scheme in ("http", "ws"):  # and puts it into the request as it was given
                url = f"{scheme}://{host}/v1/realtime?model={MODEL}"
                async with session.ws_connect(url, proxy=on.proxy.url) as socket:
                    await converse_in_json(socket.send_str, socket.receive_str)
    tapes = list((tmp_path / "tapes").glob("*.rtape"))
    assert len(tapes) == (3 if intercepted else 0)
    for path in tapes:
        with open_tape(path) as tape:
            assert tape.header.fields["upstream"] == f"http://{HOST}"


async def test_other_hosts_pass_untouched(tmp_path: Path) -> None:
    """Their own certificate is seen, and what is said is not."""
    async with stage(tmp_path) as on:
        trust = ssl.create_default_context(cafile=on.theirs.path)
        async with websockets.connect(
            f"wss://{OTHER}/v1/realtime?model={MODEL}",
            max_size=None,
            ssl=trust,
            proxy=on.proxy.url,
        ) as client:
            seen = client.transport.get_extra_info("ssl_object").getpeercert()
            await converse_in_json(client.send, client.recv)
        organisation = dict(part[0] for part in seen["issuer"])
        theirs = on.theirs.name
    assert organisation["commonName"] == theirs
    assert list((tmp_path / "tapes").iterdir()) == []
    passed = f"{OTHER}:443 passed on unread, no tape (--intercept {OTHER} tapes it)"
    assert on.told == [f"{OTHER}:443 opened", passed]
    assert on.proxy.status.bytes > 10_000


async def test_http_with_an_intercepted_host(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, aiohttp.ClientSession() as session:
        for scheme in ("https", "http"):
            url = f"{scheme}://{HOST}/v1/models"
            for _ in range(2):  # on one connection
                async with session.get(url, proxy=on.proxy.url, ssl=on.trust) as response:
                    assert (await response.json())["object"] == "list"
        url = f"https://{HOST}/v1/realtime/client_secrets"
        async with session.post(url, json={}, proxy=on.proxy.url, ssl=on.trust) as response:
            assert (await response.json())["value"].startswith("ek_")
    (path,) = (tmp_path / "tapes").glob("*.rtape")
    with open_tape(path) as tape:
        assert tape.header.connection == "http"
        assert tape.header.fields["request"]["target"] == "/v1/realtime/client_secrets"


async def test_plain_http_with_other_hosts(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, aiohttp.ClientSession() as session:
        url = f"http://{OTHER}/v1/realtime/client_secrets"
        async with session.post(url, json={}, proxy=on.proxy.url) as response:
            assert (await response.json())["value"].startswith("ek_")
    assert list((tmp_path / "tapes").iterdir()) == []


@pytest.mark.parametrize("pattern", ["other.example", "*.EXAMPLE", "*"])
async def test_more_hosts_are_intercepted_on_request(tmp_path: Path, pattern: str) -> None:
    async with stage(tmp_path, intercept=[pattern]) as on:
        async with websockets.connect(
            f"wss://{OTHER}/v1/realtime?model={MODEL}", ssl=on.trust, proxy=on.proxy.url
        ) as client:
            assert "session.created" in str(await client.recv())
    assert len(list((tmp_path / "tapes").glob("*.rtape"))) == 1


async def test_a_server_whose_certificate_is_not_trusted(tmp_path: Path) -> None:
    async with stage(tmp_path, upstream_ca=None) as on:
        with pytest.raises(websockets.InvalidStatus) as caught:
            await websockets.connect(f"wss://{HOST}/v1/realtime", ssl=on.trust, proxy=on.proxy.url)
    assert caught.value.response.status_code == 502
    assert b"--upstream-ca" in (caught.value.response.body or b"")


async def test_a_client_that_does_not_trust_us_is_told_of(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(f"https://{HOST}/v1/models", proxy=on.proxy.url)
        while not on.told:
            await asyncio.sleep(0.01)
    (sentence,) = on.told
    assert sentence.startswith(f"{HOST}:443 A client ")
    assert "rtproxy ca" in sentence


# --- what a client sends at once ------------------------------------------------------------------


async def test_a_handshake_that_comes_with_the_connect(tmp_path: Path) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    async with stage(tmp_path) as on:
        client = on.trust.wrap_bio(incoming, outgoing, server_hostname=HOST)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        head, reader, writer = await on.connect(f"{HOST}:443", early=outgoing.read())
        assert head.startswith(b"HTTP/1.1 200 ")
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(await reader.read(65536))
        client.write(f"GET /v1/models HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        writer.write(outgoing.read())
        while True:
            try:
                answer = client.read(65536)
                break
            except ssl.SSLWantReadError:
                incoming.write(await reader.read(65536))
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_plain_request_that_comes_with_the_connect(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        request = f"GET /v1/models HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
        _, reader, writer = await on.connect(f"{HOST}:80", early=request.encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()


async def test_what_comes_with_the_connect_reaches_other_hosts(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while data := await reader.read(65536):
            writer.write(data)
        writer.write(b"bye")
        writer.close()

    async with listening(echo, Front()) as server, stage(tmp_path) as on:
        payload = bytes(range(256)) * 1000
        where = f"127.0.0.1:{server.port}"
        head, reader, writer = await on.connect(where, early=payload[:1000])
        assert head == b"HTTP/1.1 200 Connection established\r\n\r\n"
        writer.write(payload[1000:])
        writer.write_eof()  # passes on, and the other direction stays open
        assert await reader.read() == b"220 hello\r\n" + payload + b"bye"
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        "CONNECT api.openai.com:443 HTTP/1.0\r\n\r\n",  # as Python's http.client did until 3.12
        "CONNECT API.OpenAI.com.:443 HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\n\r\n",
        "CONNECT api.openai.com:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic eDp5\r\n\r\n",
    ],
)
async def test_ways_to_ask_for_an_intercepted_host(tmp_path: Path, head: str) -> None:
    async with stage(tmp_path) as on:

        def ask() -> bytes:
            with socket.create_connection(on.address, timeout=20) as plain:
                plain.sendall(head.encode())
                assert plain.recv(100).startswith(b"HTTP/1.1 200 ")
                with on.trust.wrap_socket(plain, server_hostname=HOST) as client:
                    client.sendall(f"GET /v1/models HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                    return client.recv(100)

        assert (await asyncio.to_thread(ask)).startswith(b"HTTP/1.1 200 OK")


async def test_a_tunnel_in_a_tunnel_is_refused(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        _, reader, writer = await on.connect(
            f"{HOST}:80", early=f"CONNECT {OTHER}:80 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 405 ")
        writer.close()


@pytest.mark.parametrize("by_server", [True, False])
async def test_a_reset_passes_through_a_tunnel(tmp_path: Path, by_server: bool) -> None:
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def reset(writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        if by_server:
            reset(writer)
            return
        writer.write(b"heard")
        try:
            await reader.read()
            ended.set_result(False)
        except ConnectionResetError:
            ended.set_result(True)
        writer.close()

    async with listening(serve, Front()) as server, stage(tmp_path) as on:
        _, reader, writer = await on.connect(f"127.0.0.1:{server.port}")
        writer.write(b"hello")
        if by_server:
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
        else:
            await reader.readexactly(5)
            reset(writer)
            assert await ended
        writer.close()


async def test_a_slow_client_of_a_tunnel_slows_its_server_down(tmp_path: Path) -> None:
    sent = 0
    stalled = asyncio.Event()
    size = 64 * 2**20

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while sent < size:
            writer.write(bytes(2**16))
            sent += 2**16
            draining = asyncio.ensure_future(writer.drain())
            done, _ = await asyncio.wait([draining], timeout=None if stalled.is_set() else 0.5)
            if not done:
                stalled.set()
            await draining
        writer.close()

    async with listening(serve, Front()) as server, stage(tmp_path) as on:
        sock = socket.create_connection(on.address)
        sock.sendall(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await stalled.wait()
        assert sent < 40 * 2**20
        reader, writer = await asyncio.open_connection(sock=sock)
        await reader.readuntil(b"\r\n\r\n")
        received = 0
        while data := await reader.read(2**20):
            received += len(data)
        assert received == size
        writer.close()


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        ("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x", 403),
        ("CONNECT localhost:{port} HTTP/1.1\r\nHost: x", 403),
        ("CONNECT [::1]:{port} HTTP/1.1\r\nHost: x", 403),
        ("CONNECT api.openai.com HTTP/1.1\r\nHost: x", 400),
        ("CONNECT api.openai.com:0 HTTP/1.1\r\nHost: x", 400),
        ("CONNECT /etc/passwd HTTP/1.1\r\nHost: x", 400),
        ("CONNECT a_b..test:443 HTTP/1.1\r\nHost: x", 400),
        ("CONNECT nobody.invalid:443 HTTP/1.1\r\nHost: x", 502),
        ("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x", 502),
        ("GET ftp://api.openai.com/x HTTP/1.1\r\nHost: x", 400),
        ("GET http://nobody.invalid/x HTTP/1.1\r\nHost: nobody.invalid", 502),
        ("GET /v1/models HTTP/1.1\r\nHost: api.openai.com", 421),
        ("GET /v1/models HTTP/1.1\r\nHost: evil.test", 421),
    ],
)
async def test_refusals(tmp_path: Path, request_head: str, status: int) -> None:
    async with stage(tmp_path) as on:
        reader, writer = await asyncio.open_connection(*on.address)
        head = request_head.format(port=on.address[1])
        writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b'"message":' in answer


async def test_requests_to_the_proxy_itself_go_to_the_upstream(tmp_path: Path) -> None:
    """With loopback in no NO_PROXY a program asks the proxy for the proxy."""
    async with stage(tmp_path) as on, aiohttp.ClientSession() as session:
        for url, proxy in ((on.proxy.url, None), (on.proxy.url, on.proxy.url)):
            async with session.get(f"{url}/v1/models", proxy=proxy) as response:
                assert response.status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
async def test_a_forward_proxy_is_on_loopback_only(tmp_path: Path, host: str) -> None:
    with pytest.raises(ListenError, match="loopback only"):
        Proxy(Settings(host=host, port=0, out=tmp_path, forward=True))


async def test_without_forward_nothing_is_forwarded(tmp_path: Path) -> None:
    async with (
        SimulatedServer(Scenario.parse(SCENARIO, "clients.toml")) as server,
        Proxy(Settings(upstream=server.url, port=0, out=tmp_path)) as proxy,
    ):
        address = "127.0.0.1", int(proxy.url.rsplit(":", 1)[1])
        for line, status in ((f"CONNECT {HOST}:443", 405), (f"GET http://{HOST}/", 400)):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(f"{line} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert (await reader.readline()).startswith(f"HTTP/1.1 {status} ".encode())
            writer.close()


# --- behind another proxy, and stopping -----------------------------------------------------------


async def test_tunnels_and_sessions_go_through_the_environments_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, connect_to=[]) as on:
        routes = {f"{HOST}:443": on.front.port, f"{OTHER}:443": on.front.port}
        async with http_proxy(routes, "me:p@ss") as corporate:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{corporate.port}")
            both = ssl.create_default_context(cafile=on.theirs.path)
            assert on.proxy.authority is not None
            both.load_verify_locations(on.proxy.authority.path)
            for host in (HOST, OTHER):
                url = f"wss://{host}/v1/realtime?model={MODEL}"
                async with websockets.connect(url, ssl=both, proxy=on.proxy.url) as client:
                    assert "session.created" in str(await client.recv())
        assert sorted(corporate.asked) == [
            f"CONNECT {HOST}:443 HTTP/1.1",
            f"CONNECT {OTHER}:443 HTTP/1.1",
        ]
    assert len(list((tmp_path / "tapes").glob("*.rtape"))) == 1


async def test_a_stop_ends_all_of_it_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr("rtproxy.record.proxy.FAREWELL_S", 0.2)
    async with stage(tmp_path) as on, aiohttp.ClientSession() as session:
        trust = ssl.create_default_context(cafile=on.theirs.path)
        async with session.get(f"https://{HOST}/v1/models", proxy=on.proxy.url, ssl=on.trust):
            pass  # its connection is kept
        url = f"https://{HOST}/v1/realtime?model={MODEL}"
        sessions = [
            await session.ws_connect(url, proxy=on.proxy.url, ssl=on.trust),
            await session.ws_connect(url.replace(HOST, OTHER), proxy=on.proxy.url, ssl=trust),
        ]
        await asyncio.gather(*(one.receive() for one in sessions))
        _, _, idle = await on.connect(f"{HOST}:443")  # and says nothing more
        began = loop.time()
        await on.proxy.close()
        assert loop.time() - began < 20
        idle.close()
        for one in sessions:
            await one.close()
    (path,) = (tmp_path / "tapes").glob("*.rtape")
    with open_tape(path) as tape:
        assert tape.state == "sealed"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_one_proxy_behind_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """The outer one is found in the environment; neither goes round in a circle."""
    async with stage(tmp_path) as on:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, on.proxy.url)
        assert on.proxy.authority is not None
        settings = Settings(
            upstream=f"{scheme}://{HOST}",
            port=0,
            out=tmp_path / "inner",
            upstream_ca=on.proxy.authority.path,
        )
        async with Proxy(settings) as inner, aiohttp.ClientSession() as session:
            async with session.get(f"{inner.url}/v1/models") as response:
                assert response.status == 200
            url = f"{inner.url}/v1/realtime?model={MODEL}"
            async with session.ws_connect(url) as socket:
                log = await converse_in_json(socket.send_str, socket.receive_str)
    for folder in ("inner", "tapes"):
        check_tape(tmp_path / folder, log)
