"""The forward proxy of a replay: a program's usual server is a tape, and nobody else is there."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rtproxy.replay.loader import load_shelf
from rtproxy.replay.server import Settings, TapeServer
from tests.net.front import Front, listening
from tests.replay.follow import TARGET, greeting, write_tape

HOST = "voice.corp.test"


@asynccontextmanager
async def replaying(
    folder: Path, upstream: str | None = f"https://{HOST}", **settings: Any
) -> AsyncIterator[tuple[TapeServer, list[tuple[str, str]]]]:
    """A forward proxy with one tape, and what it has told."""
    fields: dict[str, Any] = {} if upstream is None else {"upstream": upstream}
    path = write_tape(folder / "call.rtape", greeting(), **fields)
    told: list[tuple[str, str]] = []
    chosen = Settings(speed=float("inf"), forward=True, ca_folder=folder / "ca", **settings)
    server = TapeServer(
        load_shelf([path]), chosen, remark=lambda where, sentence: told.append((where, sentence))
    )
    async with server:
        yield server, told


@asynccontextmanager
async def program(server: TapeServer) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that trusts our CA."""
    assert server.authority is not None
    trust = ssl.create_default_context(cafile=server.authority.path)
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(connector=connector, proxy=server.url) as session:
        yield session


async def converse(session: aiohttp.ClientSession, url: str, **options: Any) -> list[str]:
    """Types of what the server of the greeting says."""
    async with session.ws_connect(url, **options) as socket:
        first = await socket.receive_json()
        await socket.send_json({"type": "response.create"})
        return [first["type"], *[(await socket.receive_json())["type"] for _ in range(2)]]


GREETED = ["session.created", "response.created", "response.done"]


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize(
    ("host", "upstream", "settings"),
    [
        (HOST, f"https://{HOST}", {}),
        (HOST, f"http://{HOST}:8080/base", {}),
        ("api.openai.com", None, {}),
        ("mine.openai.azure.com", None, {}),
        ("other.test", None, {"intercept": ["*.test"]}),
    ],
)
async def test_a_usual_server_is_a_tape(
    tmp_path: Path, scheme: str, host: str, upstream: str | None, settings: dict[str, Any]
) -> None:
    async with replaying(tmp_path, upstream, **settings) as (server, told), program(server) as own:
        assert await converse(own, f"{scheme}://{host}{TARGET}") == GREETED
        await server.settle(30)
        assert server.journal.ok
    assert told == []


async def test_the_own_pages_are_at_the_own_address_only(tmp_path: Path) -> None:
    async with replaying(tmp_path) as (server, _), program(server) as own:
        async with own.get(f"https://{HOST}/__rtproxy__/health") as response:
            assert response.status == 404
        async with own.get(f"{server.url}/__rtproxy__/health") as response:
            assert response.status == 200


async def reached(port: int, server: TapeServer) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello")
    writer.close()


async def test_nobody_else_is_there(tmp_path: Path) -> None:
    async with listening(greet, Front()) as other, replaying(tmp_path) as (server, told):
        for _ in range(2):
            answer = await reached(other.port, server)
            assert answer.startswith(b"HTTP/1.1 403 ")
            assert b"--intercept 127.0.0.1, or reach all others, by https, with --tunnel" in answer
        async with program(server) as own, own.get("http://elsewhere.test/") as response:
            assert response.status == 403
    assert [where for where, _ in told] == [f"127.0.0.1:{other.port}", "elsewhere.test:80"]


async def test_others_are_there_if_they_may(tmp_path: Path) -> None:
    async with listening(greet, Front()) as other, replaying(tmp_path, tunnel=True) as (server, _):
        answer = await reached(other.port, server)
        assert answer == b"HTTP/1.1 200 Connection established\r\n\r\n220 hello"


async def test_a_request_for_another_host_is_no_request_for_us(tmp_path: Path) -> None:
    async with replaying(tmp_path) as (server, _), aiohttp.ClientSession() as direct:
        async with direct.get(f"{server.url}/v1/models", headers={"Host": HOST}) as response:
            assert response.status == 421


@pytest.mark.parametrize(
    ("origin", "allowed", "served"),
    [
        ("http://localhost:3000", (), True),
        ("https://evil.test", (), False),
        ("https://app.test", ("https://app.test",), True),
        ("https://evil.test", ("https://app.test",), False),
    ],
)
async def test_pages_that_may_hear_a_tape(
    tmp_path: Path, origin: str, allowed: tuple[str, ...], served: bool
) -> None:
    async with (
        replaying(tmp_path, allow_origin=allowed, loop=True) as (server, _),
        program(server) as own,
    ):
        for url in (f"https://{HOST}{TARGET}", f"{server.url}{TARGET}"):
            if served:
                assert await converse(own, url, origin=origin) == GREETED
                continue
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await converse(own, url, origin=origin)
            assert caught.value.status == 403
