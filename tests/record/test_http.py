"""HTTP requests through the proxy: streamed, unchanged, and taped where they are realtime's."""

import asyncio
import errno
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from rtproxy.errors import UpstreamError
from rtproxy.record.exchange import HttpMode
from rtproxy.record.proxy import Proxy, Settings
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event
from rtproxy.tape.writer import TapeWriter


class Server:
    """Echoes what it gets, streams events one by one when it is told to, breaks off."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {"X-Method": request.method, "X-Target": request.raw_path, "X-Got": "a"}
        response = web.Response(status=207, reason="Odd Reason", body=body, headers=headers)
        response.headers.add("X-Got", "b")
        response.headers["Content-Type"] = request.headers.get("Content-Type", "text/plain")
        return response

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for n in range(3):
            await response.write(b"event: tick\nda")
            await response.write(f"ta: {n}\n\n".encode())
            await self.go_on.wait()
            self.go_on.clear()
        return response

    async def break_off(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"only this")
        assert request.transport is not None
        request.transport.close()
        return response


@asynccontextmanager
async def stage(folder: Path, http: HttpMode = "realtime") -> AsyncIterator[tuple[Server, Proxy]]:
    server = Server()
    app = web.Application(client_max_size=2**26)
    app.router.add_get("/v1/realtime/stream", server.stream)
    app.router.add_get("/v1/realtime/broken", server.break_off)
    app.router.add_route("*", "/{tail:.*}", server.echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    settings = Settings(upstream=f"http://{host}:{port}", port=0, out=folder, http=http)
    try:
        async with Proxy(settings) as proxy:
            yield server, proxy
    finally:
        await runner.cleanup()


def tapes(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.rtape"))


@pytest.mark.parametrize(
    ("mode", "path", "taped"),
    [
        ("realtime", "/v1/realtime/calls", True),
        ("realtime", "/v1/live/sessions", True),
        ("realtime", "/v1/chat/completions", False),
        ("realtime", "/v1/realtimeish", False),
        ("all", "/v1/chat/completions", True),
        ("none", "/v1/realtime/calls", False),
    ],
)
async def test_which_requests_are_taped(
    tmp_path: Path, mode: HttpMode, path: str, taped: bool
) -> None:
    async with stage(tmp_path, mode) as (_, proxy), aiohttp.ClientSession() as session:
        async with session.post(proxy.url + path, data=b"v=0\r\n") as answer:
            assert await answer.read() == b"v=0\r\n"
    assert len(tapes(tmp_path)) == taped


async def test_a_request_and_its_answer_pass_unchanged(tmp_path: Path) -> None:
    target = "/v1/realtime/calls?a=%2Fb&&c=1%20+2"
    async with stage(tmp_path) as (_, proxy), aiohttp.ClientSession() as session:
        body = json.dumps({"sdp": "x" * 5_000_000}).encode()
        headers = {"Content-Type": "application/json"}
        async with session.request(
            "PATCH", URL(proxy.url + target, encoded=True), data=BytesIO(body), headers=headers
        ) as answer:
            assert (answer.status, answer.reason) == (207, "Odd Reason")
            assert answer.headers["X-Method"] == "PATCH"
            assert answer.headers["X-Target"] == target
            assert answer.headers.getall("X-Got") == ["a", "b"]
            assert await answer.read() == body
    (path,) = tapes(tmp_path)
    with open_tape(path) as tape:
        assert tape.state == "sealed"
        assert tape.header.fields["request"]["method"] == "PATCH"
        assert tape.header.fields["request"]["target"] == target
        assert tape.header.fields["response"]["status"] == 207
        events = [record for record in tape if isinstance(record, Event)]
    assert [event.payload for event in events] == [body.decode(), body.decode()]
    assert [event.from_server for event in events] == [False, True]


async def test_no_header_is_made_up(tmp_path: Path) -> None:
    """What the server did not say, such as who it is, the client does not hear."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nx-Only: this\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    raw = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = raw.sockets[0].getsockname()[1]
    settings = Settings(upstream=f"http://127.0.0.1:{port}", port=0, out=tmp_path)
    async with raw, Proxy(settings) as proxy, aiohttp.ClientSession() as session:
        async with session.get(f"{proxy.url}/v1/models") as answer:
            assert await answer.read() == b"ok"
            assert answer.raw_headers == ((b"x-Only", b"this"), (b"Content-Length", b"2"))


async def test_server_sent_events_arrive_one_by_one(tmp_path: Path) -> None:
    async with stage(tmp_path) as (server, proxy), aiohttp.ClientSession() as session:
        async with session.get(f"{proxy.url}/v1/realtime/stream") as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            for n in range(3):
                event = await answer.content.readuntil(b"\n\n")
                assert event == f"event: tick\ndata: {n}\n\n".encode()
                server.go_on.set()  # the next one is not sent before this one is here
            assert await answer.content.read() == b""
    (path,) = tapes(tmp_path)
    with open_tape(path) as tape:
        events = [record.payload for record in tape if isinstance(record, Event)]
    assert events == [f"event: tick\ndata: {n}\n\n" for n in range(3)]


async def test_an_answer_that_breaks_off_does_so_for_the_client(tmp_path: Path) -> None:
    async with stage(tmp_path) as (_, proxy), aiohttp.ClientSession() as session:
        async with session.get(f"{proxy.url}/v1/realtime/broken") as answer:
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
    (path,) = tapes(tmp_path)
    with open_tape(path) as tape:
        assert tape.state == "sealed"
        assert "reset" in [record.name for record in tape if isinstance(record, Control)]


async def test_an_upstream_that_is_down(tmp_path: Path) -> None:
    closed = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    await closed.wait_closed()
    settings = Settings(upstream=f"http://127.0.0.1:{port}", port=0, out=tmp_path)
    async with Proxy(settings) as proxy, aiohttp.ClientSession() as session:
        async with session.post(f"{proxy.url}/v1/realtime/sessions", json={}) as answer:
            assert answer.status == 502
            told = await answer.json()
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(f"{proxy.url}/v1/realtime?model=m")
        assert caught.value.status == 502
    assert told["error"]["code"] == "upstream_unreachable"
    assert f"127.0.0.1:{port}" in told["error"]["message"]
    assert "Connection refused" in told["error"]["message"]
    assert len(tapes(tmp_path)) == 2
    for path in tapes(tmp_path):
        with open_tape(path) as tape:
            (refused,) = (record for record in tape if isinstance(record, Control))
            assert refused.name == "refused"
            assert refused.data["status"] == 502
            assert b"upstream_unreachable" in refused.data["body"]


async def test_a_foreign_host_is_refused_on_loopback(tmp_path: Path) -> None:
    async with stage(tmp_path) as (_, proxy), aiohttp.ClientSession() as session:
        for host, status in (("evil.example", 421), ("localhost:1", 207), ("[::1]:9", 207)):
            async with session.get(f"{proxy.url}/x", headers={"Host": host}) as answer:
                assert answer.status == status


async def test_a_proxy_of_ourselves_is_refused(tmp_path: Path) -> None:
    """It would pass each request on to itself, without end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = Settings(upstream=f"http://localhost:{port}", port=port, out=tmp_path)
    with pytest.raises(UpstreamError, match="itself listens"):
        await Proxy(settings).start()
    with socket.create_server(("127.0.0.1", port)):
        pass  # it is not listened on


@pytest.mark.parametrize("upgrade", [False, True])
async def test_a_disk_that_is_full_at_the_end_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upgrade: bool
) -> None:
    """A request's answer, and a refused handshake: whatever the tape's last write is."""
    seal = TapeWriter.seal

    def full(writer: TapeWriter, *rest: Any) -> None:
        monkeypatch.setattr("rtproxy.tape.writer.os.write", no_room)
        seal(writer, *rest)
        monkeypatch.undo()

    def no_room(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TapeWriter, "seal", full)
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"} if upgrade else {}
    async with stage(tmp_path) as (_, proxy), aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{proxy.url}/v1/realtime/echo") as answer:
            assert answer.status == 207
    (said,) = proxy.status.failures
    (path,) = tapes(tmp_path)
    assert "No space left on device" in said
    assert said.endswith(f"{path.name} ends here.")


async def test_a_disk_that_fills_between_two_events_of_one_read_is_no_end_of_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = TapeWriter.flush

    def fails(writer: TapeWriter) -> bool:
        if writer.next_seq:  # the first event is on its way
            monkeypatch.setattr("rtproxy.tape.writer.os.write", no_room)
        return flush(writer)

    def no_room(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TapeWriter, "flush", fails)
    headers = {"Content-Type": "text/event-stream"}
    events = b"data: 1\n\ndata: 2\n\n"

    async def two_at_once(_: Server, request: web.Request) -> web.Response:
        return web.Response(body=events, headers=headers)

    monkeypatch.setattr(Server, "echo", two_at_once)
    async with stage(tmp_path) as (_, proxy), aiohttp.ClientSession() as session:
        async with session.get(f"{proxy.url}/v1/realtime/echo") as answer:
            assert await answer.read() == events
    (said,) = proxy.status.failures
    assert "No space left on device" in said
