"""A key that the proxy adds: to requests without one, for allowed pages, and seen by nobody."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rtproxy.record.injection import Injection
from rtproxy.record.proxy import Proxy, Settings

KEY = "sk-proj-1234567890abcdefGHIJKLmnop"
PAGE = "http://localhost:3000"


@dataclass
class Server:
    """A server that notes what it is asked with, and repeats the key in its answers."""

    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.headers))
        if request.headers.get("Upgrade") != "websocket":
            return web.json_response({"error": {"message": f"Incorrect API key provided: {KEY}."}})
        socket = web.WebSocketResponse(protocols=("realtime",))
        await socket.prepare(request)
        await socket.send_str(json.dumps({"type": "error", "message": f"for {KEY}"}))
        await socket.receive()
        return socket


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.serve)
    async with TestServer(app) as running:
        yield str(running.make_url("")).rstrip("/")


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[tuple[Proxy, Server]]:
    server = Server()
    async with serving(server) as url:
        settings = Settings(
            upstream=url, port=0, out=folder, http="all", inject=Injection(KEY, (PAGE,))
        )
        async with Proxy(settings) as proxy:
            yield proxy, server


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ({}, "", KEY),
        ({"Authorization": ""}, "", KEY),
        ({"Authorization": "Bearer sk-rtproxy-record"}, "", KEY),
        ({"Authorization": "Bearer sk-rtproxy"}, "", KEY),
        ({"Authorization": "bearer sk-rtproxy"}, "", KEY),
        ({"Authorization": "Bearer ek_theirs"}, "", "ek_theirs"),
        ({"Authorization": "Bearer ek_theirs", "Origin": "https://evil.test"}, "", "ek_theirs"),
        ({"api-key": "theirs"}, "", None),
        ({}, "?api-key=theirs", None),
        ({"Origin": PAGE}, "", KEY),
        ({"Origin": "HTTP://LOCALHOST:3000"}, "", KEY),
        ({"Origin": "{own}"}, "", KEY),  # websocket-client and React Native say so of themselves
        ({"Sec-Fetch-Site": "none"}, "", KEY),
        ({"Sec-Fetch-Site": "same-origin"}, "", KEY),
    ],
)
@pytest.mark.parametrize("websocket", [False, True])
async def test_who_gets_the_key(
    tmp_path: Path, headers: dict[str, str], query: str, key: str | None, websocket: bool
) -> None:
    async with stage(tmp_path) as (proxy, server), aiohttp.ClientSession() as session:
        url = f"{proxy.url}/v1/realtime{query}"
        headers = {name: value.format(own=proxy.url) for name, value in headers.items()}
        if websocket:
            async with session.ws_connect(url, headers=headers) as socket:
                await socket.receive()
        else:
            async with session.post(url, headers=headers) as response:
                assert response.status == 200
    (asked,) = server.asked
    assert asked.get("Authorization") == (None if key is None else f"Bearer {key}")
    taped = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY.encode() not in taped
    assert taped


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Origin": "https://evil.test"}, "--allow-origin https://evil.test"),
        ({"Origin": "http://localhost:3001"}, "--allow-origin http://localhost:3001"),
        ({"Origin": "null"}, "--allow-origin null"),
        ({"Origin": "http://localhost"}, "--allow-origin http://localhost"),
        ({"Origin": "https://evil.test", "Host": "127.0.0.1"}, "evil.test"),
        ({"Origin": "https://evil.test", "Authorization": "Bearer sk-rtproxy"}, "evil.test"),
        ({"Sec-Fetch-Site": "cross-site"}, "allowed origins only"),
        ({"Sec-Fetch-Site": "same-site"}, "allowed origins only"),
    ],
)
@pytest.mark.parametrize("websocket", [False, True])
async def test_who_does_not(
    tmp_path: Path, headers: dict[str, str], words: str, websocket: bool
) -> None:
    async with stage(tmp_path) as (proxy, server), aiohttp.ClientSession() as session:
        if websocket:
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(f"{proxy.url}/v1/realtime", headers=headers)
            assert caught.value.status == 403
        else:
            async with session.post(f"{proxy.url}/v1/realtime", headers=headers) as response:
                assert response.status == 403
                message = (await response.json())["error"]["message"]
                assert words in message
                assert message.count(".") <= 4
    assert server.asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("offered", "sent", "agreed"),
    [
        (["realtime"], "realtime", "realtime"),
        (["realtime", "openai-insecure-api-key.sk-rtproxy"], "realtime", "realtime"),
        (
            ["realtime", "openai-insecure-api-key.sk-rtproxy-x", "openai-beta.realtime-v1"],
            "realtime, openai-beta.realtime-v1",
            "realtime",
        ),
        (["openai-insecure-api-key.sk-rtproxy"], None, None),
    ],
)
async def test_browsers_offer_a_key_as_a_subprotocol(
    tmp_path: Path, offered: list[str], sent: str | None, agreed: str | None
) -> None:
    async with stage(tmp_path) as (proxy, server), aiohttp.ClientSession() as session:
        async with session.ws_connect(
            f"{proxy.url}/v1/realtime", protocols=offered, headers={"Origin": PAGE}
        ) as socket:
            assert socket.protocol == agreed
            await socket.receive()
    (asked,) = server.asked
    assert asked["Authorization"] == f"Bearer {KEY}"
    assert asked.get("Sec-WebSocket-Protocol") == sent


async def test_a_browsers_own_key_is_left_alone(tmp_path: Path) -> None:
    offered = ["realtime", "openai-insecure-api-key.ek_their_own_key_1234567890"]
    async with stage(tmp_path) as (proxy, server), aiohttp.ClientSession() as session:
        async with session.ws_connect(
            f"{proxy.url}/v1/realtime", protocols=offered, headers={"Origin": "https://a.test"}
        ) as socket:
            await socket.receive()
    (asked,) = server.asked
    assert "Authorization" not in asked
    assert asked["Sec-WebSocket-Protocol"].replace(" ", "").split(",") == offered


async def test_asking_for_permission_needs_no_key(tmp_path: Path) -> None:
    """A browser asks before it sends (CORS), and the answer is the server's."""
    async with stage(tmp_path) as (proxy, server), aiohttp.ClientSession() as session:
        headers = {"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}
        async with session.options(f"{proxy.url}/v1/realtime/calls", headers=headers) as response:
            assert response.status == 200
    (asked,) = server.asked
    assert "Authorization" not in asked


async def test_the_key_goes_to_the_upstream_only(tmp_path: Path) -> None:
    """A forward proxy reaches other hosts, too: they never see it."""
    other, server = Server(), Server()
    async with serving(other) as elsewhere, serving(server) as url:
        settings = Settings(
            upstream=url,
            port=0,
            out=tmp_path / "tapes",
            forward=True,
            intercept=["*"],
            ca_folder=tmp_path / "ca",
            inject=Injection(KEY),
        )
        async with Proxy(settings) as proxy, aiohttp.ClientSession() as session:
            for target in (elsewhere, url):
                async with session.get(f"{target}/v1/realtime", proxy=proxy.url) as response:
                    assert response.status == 200
    assert "Authorization" not in other.asked[0]
    assert server.asked[0]["Authorization"] == f"Bearer {KEY}"


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(Injection(KEY))
    assert KEY not in repr(Settings(inject=Injection(KEY)))
