"""Credentials reach the server unchanged, and no file holds any of them."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import openai
import pytest
import websockets
from aiohttp import web

from rtproxy.record.proxy import Proxy, Settings
from rtproxy.record.status import Status
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import REDACTED, Control, Event

API_KEY = "sk-proj-Zm9vYmFy-0123456789abcdefghij_KLMNOP"
QUERY_KEY = "0123456789abcdef0123456789ABCDEF"
EPHEMERAL = "ek_68af296e8e408191a1120ab6383263c2"
CLIENT_SECRET = "cs/9876+54321=='\"ü-secret"
MCP_TOKEN = "ya29.a0-Mcp_Token~value"
MCP_HEADER = "mcp header value 42"
COOKIE = "session-cookie-1f3a"
PING_KEY = API_KEY.encode()


class Server:
    """A server that checks nothing, keeps what it is told, and repeats secrets back."""

    def __init__(self) -> None:
        self.heads: list[dict[str, str]] = []
        self.targets: list[str] = []
        self.messages: list[str] = []
        self.bodies: list[bytes] = []

    async def talk(self, request: web.Request) -> web.WebSocketResponse:
        self.heads.append(dict(request.headers))
        self.targets.append(request.raw_path)
        socket = web.WebSocketResponse(protocols=("realtime",))
        socket.headers["Set-Cookie"] = f"id={COOKIE}; Path=/"
        await socket.prepare(request)
        await socket.send_json(
            {
                "type": "session.created",
                "session": {"client_secret": {"value": CLIENT_SECRET, "expires_at": 1}},
            }
        )
        async for message in socket:
            self.messages.append(message.data)
            event = json.loads(message.data)
            await socket.send_json({"type": "session.updated", "session": event.get("session")})
            key = f"Incorrect API key provided: {API_KEY[:8]}***********{API_KEY[-4:]}."
            await socket.send_json({"type": "error", "error": {"message": key}})
            await socket.send_str(f'{{"type":"error","echo":{json.dumps(API_KEY)}}}')
            await socket.close(code=3000, message=f"no {API_KEY}".encode())
        return socket

    async def mint(self, request: web.Request) -> web.Response:
        """POST /v1/realtime/client_secrets, compressed as the live service answers."""
        self.heads.append(dict(request.headers))
        self.bodies.append(await request.read())
        body = gzip.compress(
            json.dumps({"value": EPHEMERAL, "session": {"type": "realtime"}}).encode()
        )
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return web.Response(body=body, headers=headers)

    async def sessions(self, request: web.Request) -> web.Response:
        """POST /v1/realtime/sessions, beta."""
        self.bodies.append(await request.read())
        return web.json_response({"client_secret": {"value": CLIENT_SECRET, "expires_at": 9}})

    async def refuse(self, request: web.Request) -> web.Response:
        self.heads.append(dict(request.headers))
        return web.json_response({"error": {"message": f"bad key {QUERY_KEY}"}}, status=401)


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[tuple[Server, Proxy]]:
    server = Server()
    app = web.Application()
    app.router.add_get("/v1/realtime", server.talk)
    app.router.add_get("/openai/realtime", server.refuse)
    app.router.add_post("/v1/realtime/client_secrets", server.mint)
    app.router.add_post("/v1/realtime/sessions", server.sessions)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    settings = Settings(upstream=f"http://{host}:{port}", port=0, out=folder)
    try:
        async with Proxy(settings) as proxy:
            yield server, proxy
        assert not proxy.status.failures
    finally:
        await runner.cleanup()


def assert_nowhere(folder: Path, *secrets: str) -> None:
    """No file has any of the secrets, plain, escaped, percent-encoded or in base64."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        data = path.read_bytes()
        for secret in secrets:
            forms = {
                secret.encode(),
                json.dumps(secret)[1:-1].encode(),
                json.dumps(secret).replace("/", "\\/")[1:-1].encode(),
                quote(secret, safe="").encode(),
                base64.b64encode(secret.encode()).rstrip(b"=")[:-1],
            }
            for form in forms:
                assert form not in data, f"{form!r} is in {path.name}"
                assert form[: len(form) // 2 + 4] not in data


async def test_the_sdk_s_key_and_what_the_server_says_of_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as (server, proxy):
        client = openai.AsyncOpenAI(api_key=API_KEY, base_url=f"{proxy.url}/v1")
        async with client, client.realtime.connect(model="gpt-realtime") as connection:
            seen = [await connection.recv_bytes()]
            await connection.session.update(
                session={
                    "type": "realtime",
                    "instructions": "Be kind.",
                    "tools": [
                        {
                            "type": "mcp",
                            "server_label": "crm",
                            "server_url": "https://crm.example/mcp",
                            "authorization": MCP_TOKEN,
                            "headers": {"X-Tenant": MCP_HEADER},
                        }
                    ],
                }
            )
            seen += [await connection.recv_bytes() for _ in range(3)]
    assert server.heads[0]["Authorization"] == f"Bearer {API_KEY}"
    assert MCP_TOKEN in server.messages[0]
    assert MCP_HEADER in server.messages[0]
    assert json.loads(seen[0])["session"]["client_secret"]["value"] == CLIENT_SECRET
    assert API_KEY.encode() in seen[3]

    (path,) = tmp_path.glob("*.rtape")
    with open_tape(path) as tape:
        assert ["Authorization", "Bearer REDACTED:"] in [
            [name, value[:16]] for name, value in tape.header.fields["request"]["headers"]
        ]
        events = [record for record in tape if isinstance(record, Event)]
        closes = [r for r in tape if isinstance(r, Control) and r.name == "close"]
    assert all(event.flags & REDACTED for event in events)
    assert '"instructions": "Be kind."' in str(events[1].payload)
    assert closes[0].data["reason"].startswith("no REDACTED:")
    assert_nowhere(tmp_path, API_KEY, CLIENT_SECRET, MCP_TOKEN, MCP_HEADER, COOKIE)
    assert_nowhere(tmp_path, API_KEY[:8] + "***********" + API_KEY[-4:])


async def test_keys_in_query_subprotocol_and_header(tmp_path: Path) -> None:
    async with stage(tmp_path) as (server, proxy):
        base = proxy.url.replace("http://", "ws://")
        protocols = [
            "realtime",
            f"openai-insecure-api-key.{EPHEMERAL}",
            "openai-organization.org-1f2e3d4c",
        ]
        async with websockets.connect(
            f"{base}/v1/realtime?model=m&api-key={QUERY_KEY}",
            subprotocols=[websockets.Subprotocol(name) for name in protocols],
            additional_headers={"Cookie": f"a={COOKIE}"},
        ) as socket:
            assert socket.subprotocol == "realtime"
            await socket.recv()
        async with aiohttp.ClientSession() as session:
            url = f"{proxy.url}/openai/realtime?deployment=d"
            async with session.get(
                url,
                headers={
                    "api-key": QUERY_KEY,
                    "Connection": "Upgrade",
                    "Upgrade": "websocket",
                    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                    "Sec-WebSocket-Version": "13",
                },
            ) as refused:
                assert refused.status == 401
                assert QUERY_KEY in await refused.text()
    assert server.targets == [f"/v1/realtime?model=m&api-key={QUERY_KEY}"]
    assert server.heads[0]["Sec-WebSocket-Protocol"].replace(" ", "") == ",".join(protocols)
    assert server.heads[1]["api-key"] == QUERY_KEY
    assert len(list(tmp_path.glob("*.rtape"))) == 2
    assert_nowhere(tmp_path, QUERY_KEY, EPHEMERAL, COOKIE, "org-1f2e3d4c")


async def test_ephemeral_keys_over_http(tmp_path: Path) -> None:
    async with stage(tmp_path) as (server, proxy), aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        body = {"session": {"type": "realtime", "model": "gpt-realtime"}}
        mint = f"{proxy.url}/v1/realtime/client_secrets"
        async with session.post(mint, json=body, headers=headers) as answer:
            assert (await answer.json())["value"] == EPHEMERAL
        async with session.post(
            f"{proxy.url}/v1/realtime/sessions", json={"model": "m"}, headers=headers
        ) as answer:
            assert (await answer.json())["client_secret"]["value"] == CLIENT_SECRET
    assert json.loads(server.bodies[0]) == body
    assert server.heads[0]["Authorization"] == f"Bearer {API_KEY}"
    tapes = sorted(tmp_path.glob("*.rtape"))
    assert len(tapes) == 2
    for path in tapes:
        with open_tape(path) as tape:
            assert tape.header.connection == "http"
            question, answered = [record for record in tape if isinstance(record, Event)]
            assert not question.from_server
            assert answered.from_server
            assert "REDACTED:" in str(answered.payload)
    assert_nowhere(tmp_path, API_KEY, EPHEMERAL, CLIENT_SECRET)


async def test_a_key_in_the_query_of_a_request_that_fails(tmp_path: Path) -> None:
    """Whatever goes wrong upstream, its words do not carry the URL anywhere."""

    async def talk_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"this is no HTTP\r\n\r\n")
        await writer.drain()
        writer.close()

    nonsense = await asyncio.start_server(talk_nonsense, "127.0.0.1", 0)
    port = nonsense.sockets[0].getsockname()[1]
    settings = Settings(upstream=f"http://127.0.0.1:{port}", port=0, out=tmp_path)
    said: list[str] = []
    async with nonsense, Proxy(settings, Status(watch=lambda _, what: said.append(what))) as proxy:
        async with aiohttp.ClientSession() as session:
            query = f"?model=m&api-key={QUERY_KEY}"
            async with session.post(f"{proxy.url}/v1/realtime/sessions{query}") as answer:
                assert answer.status == 502
                assert QUERY_KEY not in await answer.text()
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(f"{proxy.url}/v1/realtime{query}")
    assert len(list(tmp_path.glob("*.rtape"))) == 2
    assert said
    assert QUERY_KEY not in " ".join(said)
    assert_nowhere(tmp_path, QUERY_KEY)
