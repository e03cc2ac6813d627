"""TLS on either side of the proxy: certificates, protocols, slow readers, and how things end."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import websockets

from rtproxy.net import tap
from rtproxy.net.authority import Authority
from rtproxy.net.leaves import Leaves
from rtproxy.net.route import ConnectTo
from rtproxy.record.proxy import Proxy, Settings
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from rtproxy.tape.record import Control, Event
from rtproxy.wire.frame import Opcode, encode_close, encode_frame
from tests.net.front import Front, http_proxy, tls_front
from tests.record.test_clients import API_KEY, MODEL, SCENARIO, check_tape, converse_in_json
from tests.record.tlskit import Where, way_with_tls
from tests.record.wirekit import (
    Way,
    Wire,
    accept_head,
    listening,
    play_through_proxy,
    records_in,
    request_head,
)

MASK = b"\x01\x02\xfe\xff"
HOST = "api.openai.com"


@asynccontextmanager
async def secured_server(folder: Path) -> AsyncIterator[tuple[Front, Authority]]:
    """A simulated server for api.openai.com with a certificate of a CA of its own."""
    authority = Authority.open(folder)
    async with (
        SimulatedServer(Scenario.parse(SCENARIO, "clients.toml"), seed=7) as server,
        tls_front(server.url, Leaves(authority).context(HOST)) as front,
    ):
        yield front, authority


async def test_a_session_with_tls_on_both_sides(tmp_path: Path) -> None:
    async with secured_server(tmp_path / "theirs") as (front, theirs):
        settings = Settings(
            upstream=f"wss://{HOST}",
            port=0,
            out=tmp_path / "tapes",
            connect_to=[elsewhere(front)],
            tls=True,
            ca_folder=tmp_path / "ours",
            upstream_ca=theirs.path,
        )
        async with Proxy(settings) as proxy:
            assert proxy.authority is not None
            trust = ssl.create_default_context(cafile=proxy.authority.path)
            url = f"{proxy.url.replace('https', 'wss')}/v1/realtime?model={MODEL}"
            headers = {"Authorization": f"Bearer {API_KEY}"}
            async with websockets.connect(
                url, additional_headers=headers, max_size=None, ssl=trust
            ) as client:
                log = await converse_in_json(client.send, client.recv)
        assert not proxy.status.failures
    check_tape(tmp_path / "tapes", log)
    assert set(front.asked) == {"http/1.1"}  # though the server would speak h2


# --- certificates of servers ----------------------------------------------------------------------


async def ask(proxy: Proxy, *, websocket: bool) -> tuple[int, str]:
    """Status and message of what a client is answered."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"} if websocket else {}
    async with aiohttp.ClientSession() as session:
        path = "realtime" if websocket else "models"
        async with session.get(f"{proxy.url}/v1/{path}", headers=headers) as response:
            body = await response.json()
            return response.status, body.get("error", {}).get("message", "")


@pytest.mark.parametrize("websocket", [False, True])
@pytest.mark.parametrize("is_known", [False, True])
async def test_a_certificate_that_is_not_trusted_is_one_sentence(
    tmp_path: Path, websocket: bool, is_known: bool
) -> None:
    """Signed by nobody we know, or made for another host."""
    async with secured_server(tmp_path / "theirs") as (front, theirs):
        settings = Settings(
            upstream=f"https://127.0.0.1:{front.port}",
            port=0,
            out=tmp_path / "tapes",
            upstream_ca=theirs.path if is_known else None,
        )
        async with Proxy(settings) as proxy:
            status, message = await ask(proxy, websocket=websocket)
    assert status == 502
    why = (
        "IP address mismatch, certificate is not valid for '127.0.0.1'"
        if is_known
        else "self-signed certificate in certificate chain"
    )
    assert message == (
        f"rtproxy does not trust the certificate of https://127.0.0.1:{front.port}: {why}. If it "
        "is right, give the certificate of who signed it with --upstream-ca FILE."
    )
    if websocket:
        refused = [one for one in records_in(tmp_path / "tapes") if isinstance(one, Control)]
        assert [one.name for one in refused] == ["refused"]


@pytest.mark.parametrize("trusting", ["authority", "insecure"])
async def test_a_certificate_that_is_trusted(tmp_path: Path, trusting: str) -> None:
    async with secured_server(tmp_path / "theirs") as (front, theirs):
        settings = Settings(
            upstream=f"https://{HOST}",
            port=0,
            out=tmp_path / "tapes",
            connect_to=[elsewhere(front)],
            upstream_ca=theirs.path if trusting == "authority" else None,
            insecure=trusting == "insecure",
        )
        async with Proxy(settings) as proxy:
            assert await ask(proxy, websocket=False) == (200, "")


async def test_a_server_that_does_not_speak_tls(tmp_path: Path) -> None:
    async with SimulatedServer(Scenario.parse(SCENARIO, "clients.toml")) as server:
        settings = Settings(
            upstream=server.url.replace("http", "https"), port=0, out=tmp_path / "tapes"
        )
        async with Proxy(settings) as proxy:
            status, message = await ask(proxy, websocket=False)
    assert status == 502
    assert "no TLS connection could be made" in message
    assert message.endswith("Check --upstream and the network.")


def elsewhere(front: Front) -> ConnectTo:
    return ConnectTo.parse(f"::127.0.0.1:{front.port}")


# --- through a proxy of the environment -----------------------------------------------------------


@pytest.mark.parametrize("websocket", [False, True])
async def test_servers_are_reached_through_the_environments_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, websocket: bool
) -> None:
    async with secured_server(tmp_path / "theirs") as (front, theirs):
        async with http_proxy({f"{HOST}:443": front.port}, "me:p@ss") as corporate:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{corporate.port}")
            settings = Settings(
                upstream=f"https://{HOST}",
                port=0,
                out=tmp_path / "tapes",
                upstream_ca=theirs.path,
            )
            async with Proxy(settings) as proxy, aiohttp.ClientSession() as session:
                if websocket:
                    url = f"{proxy.url}/v1/realtime?model={MODEL}"
                    async with session.ws_connect(url) as client:
                        log = await converse_in_json(client.send_str, client.receive_str)
                else:
                    async with session.get(f"{proxy.url}/v1/models") as response:
                        assert response.status == 200
            assert corporate.asked == [f"CONNECT {HOST}:443 HTTP/1.1"]
    if websocket:
        check_tape(tmp_path / "tapes", log)


async def test_the_password_of_a_proxy_that_refuses_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with http_proxy({}, "me:other") as corporate:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{corporate.port}")
        settings = Settings(upstream=f"https://{HOST}", port=0, out=tmp_path / "tapes")
        async with Proxy(settings) as proxy:
            status, message = await ask(proxy, websocket=True)
    assert (status, message) == (
        502,
        f"rtproxy could not reach https://{HOST} through the proxy 127.0.0.1:{corporate.port}: "
        "the proxy refused with 407. Check --upstream and the network.",
    )
    assert b"secret" not in b"".join(path.read_bytes() for path in (tmp_path / "tapes").iterdir())


async def test_servers_in_no_proxy_are_reached_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with SimulatedServer(Scenario.parse(SCENARIO, "clients.toml")) as server:
        async with Proxy(Settings(upstream=server.url, port=0, out=tmp_path / "tapes")) as proxy:
            assert await ask(proxy, websocket=False) == (200, "")


# --- slow readers and ends ------------------------------------------------------------------------


@pytest.fixture(params=["client", "server", "both"])
def way(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    where: Where = request.param
    made = way_with_tls(where, tmp_path / "authorities")
    monkeypatch.setattr("tests.record.wirekit.way", made)
    return made


FRAME = encode_frame(Opcode.BINARY, bytes(64 * 1024))
FRAMES = 1000


@pytest.mark.parametrize("way", ["both"], indirect=True)
async def test_a_slow_client_slows_the_server_down_and_loses_nothing(
    tmp_path: Path, way: Way
) -> None:
    sent = 0
    stalled = asyncio.Event()

    async def server(wire: Wire) -> None:
        nonlocal sent
        await wire.take_head()
        await wire.send(accept_head())
        for _ in range(FRAMES):
            sending = asyncio.ensure_future(wire.send(FRAME))
            done, _ = await asyncio.wait([sending], timeout=None if stalled.is_set() else 0.5)
            if not done:
                stalled.set()
            await sending
            sent += 1
        await wire.rest()

    async def client(wire: Wire) -> None:
        await wire.send(request_head())
        await wire.take_head()
        await stalled.wait()
        assert sent * len(FRAME) < 40 * 2**20  # what the kernel holds on the way, and little more
        for _ in range(FRAMES):
            assert len(await wire.take(len(FRAME))) == len(FRAME)
        wire.finish()
        await wire.rest()

    seen = await play_through_proxy(client, server, tmp_path / "tapes")
    assert seen.client.endswith(FRAME * FRAMES)
    assert len(seen.events) == FRAMES


async def test_a_client_that_is_killed_is_an_end_and_no_reset(
    tmp_path: Path, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel ends the stream; it could not say so in TLS any more."""
    monkeypatch.setattr(tap, "LINGER_S", 0.2)

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head())
        await wire.rest()

    async def client(wire: Wire) -> None:
        await wire.send(request_head())
        await wire.take_head()
        await wire.send(encode_frame(Opcode.TEXT, b"last words", mask=MASK))
        wire.sock.shutdown(socket.SHUT_WR)
        await wire.rest()

    seen = await play_through_proxy(client, server, tmp_path / "tapes")
    assert seen.server_end == "eof"
    assert [event.payload for event in seen.events] == ["last words"]
    assert [(one.name, one.from_server) for one in seen.controls][:1] == [("eof", False)]
    assert "reset" not in {one.name for one in seen.controls}


@pytest.mark.parametrize("way", ["server"], indirect=True)
async def test_the_last_words_of_a_tls_server_to_a_client_that_half_closed(
    tmp_path: Path, way: Way
) -> None:
    goodbye = encode_frame(Opcode.CLOSE, encode_close(1000, "goodbye"))

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head())
        await wire.take(len(encode_frame(Opcode.CLOSE, encode_close(1000), mask=MASK)))
        await asyncio.sleep(0.05)  # the client's end of stream has reached the proxy
        await wire.send(goodbye)

    async def client(wire: Wire) -> None:
        await wire.send(request_head())
        await wire.take_head()
        await wire.send(encode_frame(Opcode.CLOSE, encode_close(1000), mask=MASK))
        wire.finish()
        await wire.rest()

    seen = await play_through_proxy(client, server, tmp_path / "tapes")
    assert seen.client.endswith(goodbye)
    assert tap.LINGER_S > 1


async def test_a_stop_seals_the_tape_though_nobody_answers_the_end(
    tmp_path: Path, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither end reads any more: the end of TLS is not answered."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr("rtproxy.record.proxy.FAREWELL_S", 0.2)

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head() + encode_frame(Opcode.TEXT, b"hello"))
        await stopped.wait()

    stopped = asyncio.Event()
    async with listening(server, way) as (port, done):
        settings = Settings(
            upstream=f"{way.scheme}://127.0.0.1:{port}",
            port=0,
            out=tmp_path / "tapes",
            **way.settings,
        )
        async with Proxy(settings) as proxy:
            sock = socket.create_connection(("127.0.0.1", int(proxy.url.rsplit(":", 1)[1])))
            sock.setblocking(False)
            wire = await way.client(sock) if way.client is not None else Wire(sock)
            await wire.send(request_head())
            await wire.take_head()
            await wire.take(2)
            began = loop.time()
        assert loop.time() - began < 20
        wire.close()
        stopped.set()
        await done
    records = records_in(tmp_path / "tapes")
    assert [record.payload for record in records if isinstance(record, Event)] == ["hello"]
