"""Every place where a credential may stand, in both directions, however it is wrapped.

A recording process and all that it writes and says are searched for each of them afterwards.
"""

import asyncio
import base64
import gzip
import json
import secrets
import socket
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from rtproxy.record.proxy import Proxy, Settings
from rtproxy.record.status import Status
from rtproxy.tape.reader import open_tape
from rtproxy.tape.repair import verify
from rtproxy.wire.frame import Opcode, encode_frame
from tests.commandline import call
from tests.record.process import recording
from tests.record.test_secrets import assert_nowhere
from tests.record.wirekit import Wire, accept_head, listening, request_head

MASK = b"\x01\x02\x03\x04"
Event = dict[str, Any]


def key() -> str:
    """A key as a provider makes them."""
    return f"sk-proj-{secrets.token_hex(12)}_{secrets.token_hex(8)}"


def opaque() -> str:
    """A credential without a shape."""
    return secrets.token_hex(16)


def encoded(event: Event) -> Event:
    return {"type": "x", "data": base64.b64encode(json.dumps(event).encode()).decode()}


MESSAGES: dict[str, Callable[[str], Event]] = {
    "beta client_secret": lambda s: {"type": "session.created", "session": {"client_secret": {
        "value": s, "expires_at": 1}}},
    "ga value": lambda s: {"value": s, "expires_at": 1, "session": {}},
    "tool authorization": lambda s: {"type": "session.update", "session": {"tools": [
        {"type": "mcp", "server_url": "https://x", "authorization": s}]}},
    "tool headers": lambda s: {"type": "session.updated", "session": {"tools": [
        {"type": "mcp", "headers": {"X-Anything": s}}]}},
    "response tools": lambda s: {"type": "response.create", "response": {"tools": [
        {"type": "mcp", "headers": {"Authorization": f"Bearer {s}"}}]}},
    "tool url": lambda s: {"type": "session.update", "session": {"tools": [
        {"type": "mcp", "server_url": f"https://user:{s}@x/?token={s}"}]}},
    "arguments": lambda s: {"type": "response.function_call_arguments.done",
                            "arguments": json.dumps({"api_key": s})},
    "output": lambda s: {"type": "conversation.item.create", "item": {
        "type": "function_call_output", "output": json.dumps({"a": {"access_token": s}})}},
}  # fmt: skip
SHAPED: dict[str, Callable[[str], Event]] = {
    "in words": lambda s: {"type": "response.output_text.done", "text": f"your key is {s}, ok?"},
    "in an error": lambda s: {"type": "error", "error": {
        "message": f"Incorrect API key provided: {s}. You can find your API key at …"}},
    "in base64 json": lambda s: encoded({"authorization": f"Bearer {s}"}),
    "in a name": lambda s: {"type": "x", s: 1},
}  # fmt: skip
PLACES = {
    **{place: (make, opaque) for place, make in MESSAGES.items()},
    **{place: (make, key) for place, make in SHAPED.items()},
}


def whole(text: bytes, mask: bytes | None) -> bytes:
    return encode_frame(Opcode.TEXT, text, mask=mask)


def in_fragments(text: bytes, mask: bytes | None) -> bytes:
    """Seven bytes a frame, with a ping in the middle."""
    parts = [text[at : at + 7] for at in range(0, len(text), 7)]
    frames = [
        encode_frame(Opcode.TEXT if n == 0 else Opcode.CONTINUATION, part, mask=mask,
                     fin=n == len(parts) - 1)
        for n, part in enumerate(parts)
    ]  # fmt: skip
    frames.insert(len(frames) // 2, encode_frame(Opcode.PING, b"?", mask=mask))
    return b"".join(frames)


def deflated(text: bytes, mask: bytes | None) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    packed = (deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
    return encode_frame(Opcode.TEXT, packed, mask=mask, rsv1=True)


def as_bytes(text: bytes, mask: bytes | None) -> bytes:
    return encode_frame(Opcode.BINARY, text, mask=mask)


def escaped(text: bytes, mask: bytes | None) -> bytes:
    r"""Every character of every string as \u00xx."""
    told = json.dumps(_as_escapes(json.loads(text))).replace("\\\\u", "\\u")
    return encode_frame(Opcode.TEXT, told.encode(), mask=mask)


def _as_escapes(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(f"\\u{ord(char):04x}" for char in value)
    if isinstance(value, dict):
        return {name: _as_escapes(inner) for name, inner in value.items()}
    return [_as_escapes(one) for one in value] if isinstance(value, list) else value


WRAPS = [whole, in_fragments, deflated, as_bytes]
DEFLATE = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"


@pytest.mark.parametrize("wrap", [*WRAPS, escaped])
async def test_messages_in_both_directions(
    tmp_path: Path, wrap: Callable[[bytes, bytes | None], bytes]
) -> None:
    """Each place up and each place down, on one connection; both ends get them unchanged."""
    hidden = {place: (make, made(), made()) for place, (make, made) in PLACES.items()}
    up = [json.dumps(make(one)).encode() for make, one, _ in hidden.values()]
    down = [json.dumps(make(other)).encode() for make, _, other in hidden.values()]
    sent_up = b"".join(wrap(text, MASK) for text in up)
    sent_down = b"".join(wrap(text, None) for text in down)

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(accept_head(DEFLATE))
        assert await wire.take(len(sent_up)) == sent_up
        await wire.send(sent_down)
        await wire.rest()

    async with (
        listening(server) as (port, done),
        recording(f"http://127.0.0.1:{port}", tmp_path / "out") as proxy,
    ):
        wire = Wire(socket.create_connection(("127.0.0.1", proxy.port)))
        await wire.send(request_head(DEFLATE))
        await wire.take_head()
        await wire.send(sent_up)
        assert await wire.take(len(sent_down)) == sent_down
        wire.close()
        await asyncio.wait_for(done, 30)
        assert await proxy.stop() == 0
        (tmp_path / "out" / "said").write_text(proxy.said)
    gone = [one for _, *pair in hidden.values() for one in pair]
    assert_nowhere(tmp_path / "out", *gone)
    (path,) = (tmp_path / "out").glob("*.rtape")
    with open_tape(path) as tape:
        assert len(list(tape.events())) == len(up) + len(down)


QUERIES = ("api-key", "api_key", "apiKey", "key", "Authorization", "ticket")


def in_query(name: str, secret: str) -> tuple[str, dict[str, str]]:
    return f"{name}={quote(secret, safe='')}", {}


HANDSHAKES: dict[str, Callable[[str], tuple[str, dict[str, str]]]] = {
    "authorization": lambda s: ("", {"Authorization": f"Bearer {s}"}),
    "api-key": lambda s: ("", {"api-key": s}),
    **{f"query {name}": partial(in_query, name) for name in QUERIES},
    "subprotocol": lambda s: ("", {
        "Sec-WebSocket-Protocol": f"realtime, openai-insecure-api-key.{s}, openai-project.{s}",
    }),
    "cookie": lambda s: ("", {"Cookie": f"session={s}"}),
}  # fmt: skip


class Mirror:
    """A server that gives every credential back: in headers, bodies, errors, base64 and closes."""

    def __init__(self) -> None:
        self.secret = ""

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        self._expect(request)
        answer = web.WebSocketResponse(protocols=("realtime",))
        answer.headers["Set-Cookie"] = f"back={self.secret}"
        await answer.prepare(request)
        shifted = base64.b64encode(b"x" + self.secret.encode()).decode()
        for said in (self.secret, shifted, quote(self.secret, safe=""), f"Bearer {self.secret}"):
            await answer.send_json({"type": "error", "error": {"message": f"bad: {said}!"}})
        await answer.close(code=3000, message=self.secret.encode()[:100])
        return answer

    async def post(self, request: web.Request) -> web.Response:
        self._expect(request)
        body = await request.text()
        packed = gzip.compress(json.dumps({"value": self.secret, "echo": body}).encode())
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip",
                   "Set-Cookie": f"id={self.secret}"}  # fmt: skip
        return web.Response(body=packed, headers=headers)

    async def refuse(self, request: web.Request) -> web.Response:
        self._expect(request)
        return web.json_response({"error": f"no {self.secret}"}, status=401)

    def _expect(self, request: web.Request) -> None:
        everything = f"{request.raw_path} {dict(request.headers)}"
        assert self.secret in everything or quote(self.secret, safe="") in everything

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/v1/realtime", self.socket)
        app.router.add_get("/v1/realtime/refused", self.refuse)
        app.router.add_post("/v1/realtime/client_secrets", self.post)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()


def head(status: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join((b"HTTP/1.1 " + status, *headers, b"", b""))


ODD_ANSWERS: dict[str, Callable[[bytes], tuple[bytes, bytes]]] = {
    "a header's name": lambda s: (head(b"204 No", s + b": 1"), b""),
    "an encoding": lambda s: (
        head(b"200 OK", b"Content-Length: 1", b"Content-Encoding: " + s), b"x"),
    "a reason": lambda s: (head(b"401 " + s, b"Content-Length: 0"), b""),
    "a refusal's encoding": lambda s: (
        head(b"403 No", b"Content-Length: 1", b"Content-Encoding: " + s), b"x"),
    "a broken chunk": lambda s: (
        head(b"200 OK", b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")
        + b"9\r\n: hello\n\n\r\n", s + b"\r\n"),
    "no status": lambda s: (b"HTTP/9.9 " + s + b"\r\n\r\n", b""),
}  # fmt: skip


@pytest.mark.parametrize("upgrade", [False, True])
@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS.keys())
async def test_an_odd_answer_does_not_give_it_away(
    tmp_path: Path, answer: Callable[[bytes], tuple[bytes, bytes]], upgrade: bool
) -> None:
    secret = opaque()
    first, rest = answer(secret.encode())

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(first)
        if b"hello" in first:
            await hello.wait()
        await wire.send(rest)

    said: list[str] = []
    hello = asyncio.Event()
    status = Status(watch=lambda traffic, sentence: said.append(f"{traffic}{sentence}"))
    async with listening(server) as (port, done):
        settings = Settings(f"http://127.0.0.1:{port}", port=0, out=tmp_path / "out", http="all")
        async with Proxy(settings, status) as proxy:
            wire = Wire(socket.create_connection(("127.0.0.1", int(proxy.url.rsplit(":", 1)[1]))))
            asked = [
                "GET /v1/realtime/{0} HTTP/1.1",
                "Host: localhost",
                "Authorization: Bearer {0}",
            ]
            asked += ["Connection: Upgrade", "Upgrade: websocket"] if upgrade else []
            await wire.send("\r\n".join([*asked, "", ""]).format(secret).encode())
            await wire.take_head()
            if b"hello" in first:
                while b"hello" not in wire.received:
                    assert await wire.take(1)
            hello.set()
            await asyncio.wait_for(done, 30)
            wire.close()
    (tmp_path / "out" / "said").write_text("\n".join(said))
    assert_nowhere(tmp_path / "out", secret)
    (path,) = (tmp_path / "out").glob("*.rtape")
    assert verify(path).state == "sealed"


@pytest.mark.parametrize("upgrade", [False, True])
async def test_what_is_said_of_a_request_that_is_not_taped(tmp_path: Path, upgrade: bool) -> None:
    secret = opaque()

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(head(b"204 No"))

    said: list[str] = []
    status = Status(watch=lambda traffic, sentence: said.append(f"{traffic}{sentence}"))
    async with listening(server) as (port, done):
        settings = Settings(f"http://127.0.0.1:{port}", port=0, out=tmp_path / "out", http="none")
        async with Proxy(settings, status) as proxy:
            headers = {"api-key": secret} | ({"Connection": "Upgrade", "Upgrade": "websocket"}
                                             if upgrade else {})  # fmt: skip
            async with aiohttp.ClientSession(headers=headers) as session:
                target = f"{proxy.url}/users/{secret}?model=gpt-{secret}"
                async with session.get(target) as answer:
                    assert answer.status == 204
            await asyncio.wait_for(done, 30)
    assert any("/users/REDACTED:" in one for one in said)
    assert secret not in "".join(said)


async def test_handshakes_and_what_comes_back_of_them(tmp_path: Path) -> None:
    """As a WebSocket, refused, and over HTTP: nothing is kept, and nothing said."""
    mirror, hidden, out = Mirror(), [], tmp_path / "out"
    async with mirror.serving() as upstream, recording(upstream, out, "--http", "all") as proxy:
        for place, make in HANDSHAKES.items():
            secret = opaque() + ("" if place in ("subprotocol", "cookie") else "+/=~")
            hidden.append(secret)
            mirror.secret = secret
            query, headers = make(secret)
            async with aiohttp.ClientSession(headers=headers) as session:
                url = f"{proxy.url}/v1/realtime?model=m&{query}"
                async with session.ws_connect(URL(url, encoded=True)) as socket:
                    told = [message.data async for message in socket]
                assert secret in told[0]
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await session.ws_connect(URL(url.replace("?", "/refused?"), encoded=True))
                minted = URL(url.replace("?", "/client_secrets?"), encoded=True)
                async with session.post(minted, json={"note": secret}) as answer:
                    assert secret in await answer.text()
        assert await proxy.stop() == 0
        (out / "said").write_text(proxy.said)
    assert_nowhere(out, *hidden)
    assert len(list(out.glob("*.rtape"))) == 3 * len(HANDSHAKES)
    shown(out)
    assert_nowhere(out, *hidden)


async def test_a_server_that_is_gone(tmp_path: Path) -> None:
    """What is said of it names the server, not what the client had for it."""
    hidden, out = [], tmp_path / "out"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with recording(f"http://127.0.0.1:{port}", out) as proxy:
        for make in HANDSHAKES.values():
            secret = opaque()
            hidden.append(secret)
            query, headers = make(secret)
            async with aiohttp.ClientSession(headers=headers) as session:
                url = URL(f"{proxy.url}/v1/realtime?model=m&{query}", encoded=True)
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await session.ws_connect(url)
            assert refused.value.status == 502
        await proxy.stop()
        (out / "said").write_text(proxy.said)
    assert "Connection refused" in proxy.said
    assert_nowhere(out, *hidden)


def shown(out: Path) -> None:
    """Put beside the tapes what our own commands make of some of them."""
    for path in sorted(out.glob("*.rtape"))[:3]:
        for command in (["inspect", "--events"], ["inspect", "--json"], ["tape", "dump"]):
            done = call(*command, path)
            assert done.stdout
            (out / f"{path.name}.{'-'.join(command)}").write_bytes(done.stdout + done.stderr)
