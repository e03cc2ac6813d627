"""The caller over real sockets, against a server written by hand."""

import asyncio
import base64
import json
import socket
import struct
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import WSCloseCode, WSMsgType, web

from rtproxy.errors import ScenarioError, UpstreamError
from rtproxy.realtime.audio import PCM16
from rtproxy.simulate.caller import Caller, endpoint, load_recordings
from rtproxy.simulate.report import CallEvent
from rtproxy.simulate.script import Script
from rtproxy.simulate.voice import speech, speech_ms

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server whose every path is `handler`; yields its base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


class Server:
    """Answers each response.create with `reply`; notes what it was sent and asked."""

    def __init__(self, *reply: dict[str, Any]) -> None:
        self.reply = reply
        self.events: list[dict[str, Any]] = []
        self.request: web.Request | None = None
        self.close_code: int | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.request = request
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json({"type": "session.created", "session": {"id": "sess_1", "model": "m"}})
        async for message in ws:
            if message.type is not WSMsgType.TEXT:
                continue
            event = message.json()
            self.events.append(event)
            if event["type"] == "session.update":
                await ws.send_json({"type": "session.updated", "session": event["session"]})
            elif event["type"] == "response.create":
                for answer in self.reply:
                    await ws.send_json(answer)
        self.close_code = ws.close_code
        return ws

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


def response(*deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "response.created", "response": {"id": "r"}},
        *({"response_id": "r", "item_id": "i", "content_index": 0, **delta} for delta in deltas),
        {"type": "response.done", "response": {"id": "r", "status": "completed"}},
    ]


def script(*steps: dict[str, Any], **keys: Any) -> Script:
    return Script.parse({"step": list(steps), "speed": 20, **keys}, "call.toml")


async def test_a_typed_call() -> None:
    server = Server(*response({"type": "response.output_text.delta", "delta": "Hello."}))
    seen: list[CallEvent] = []
    async with serving(server.handle) as url:
        report = await Caller(
            url, script({"text": "Hi"}, {"wait": "reply"}), api_key="sk-test", on_event=seen.append
        ).run()
    assert server.request is not None
    assert server.request.path_qs == "/v1/realtime?model=gpt-realtime"
    assert server.request.headers["Authorization"] == "Bearer sk-test"
    assert "OpenAI-Beta" not in server.request.headers
    assert [turn.reply for turn in report.turns] == ["Hello."]
    assert report.types(from_server=True) == [
        "session.created", "response.created", "response.output_text.delta", "response.done",
    ]  # fmt: skip
    assert [event.event for event in report.sent] == server.events
    assert seen == report.events
    assert (server.close_code, report.close_code) == (1000, 1000)


async def test_beta_says_so_in_its_header() -> None:
    server = Server(*response())
    async with serving(server.handle) as url:
        await Caller(url, script({"text": "Hi"}, dialect="beta", compress=True)).run()
    assert server.request is not None
    assert server.request.headers["OpenAI-Beta"] == "realtime=v1"
    assert "permessage-deflate" in server.request.headers["Sec-WebSocket-Extensions"]


class Hours:
    """A clock that goes on only when the caller rests, and by as long as it means to rest."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s

    @asynccontextmanager
    async def timeout(self, seconds: float | None) -> AsyncIterator[None]:
        if seconds is None or seconds >= 1:  # a server that has to answer, in time of its own
            yield
            return
        self.s += seconds + 1e-9
        await asyncio.sleep(0)
        raise TimeoutError


@pytest.mark.parametrize("late_ms", [0, 42])
async def test_speech_arrives_whole_and_in_time(
    late_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, hours = Server(*response()), Hours()
    words = "One two three four five."
    told = script(
        {"say": words}, {"commit": True}, {"respond": True}, {"wait": "reply"},
        session={"turn_detection": "none"}, chunk_ms=50, speed=10,
    )  # fmt: skip
    appends: list[float] = []

    def notice(event: CallEvent) -> None:
        if event.type.endswith("append"):
            appends.append(event.t_ms)
            if len(appends) == 3:
                hours.s += late_ms / 1000

    monkeypatch.setattr(asyncio, "timeout", hours.timeout)
    async with serving(server.handle) as url:
        await Caller(url, told, clock=hours, on_event=notice).run()
    audio = b"".join(base64.b64decode(event.get("audio", "")) for event in server.events)
    assert np.array_equal(PCM16.decode(audio), speech(words))
    # Each chunk goes out when it is due, and being late does not add up.
    start, free = appends[0], appends[2] + late_ms
    due = [start + 5 * n for n in range(-(-speech_ms(words) // 50))]
    assert appends == pytest.approx([*due[:3], *(max(t, free) for t in due[3:])], abs=0.001)
    assert due[-1] > free


async def test_the_server_is_still_heard_after_hanging_up() -> None:
    """What a server sends before it answers the CLOSE belongs to the call."""

    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(autoclose=False)
        await ws.prepare(request)
        await ws.send_json({"type": "session.created", "session": {}})
        assert (await ws.receive()).type is WSMsgType.CLOSE
        await ws.send_frame(b'{"type": "rate_limits.updated"}', WSMsgType.TEXT)
        await ws.close(code=1000)
        return ws

    async with serving(handler) as url:
        report = await Caller(url, script({"hang_up": True})).run()
    assert report.types(from_server=True) == ["session.created", "rate_limits.updated"]


async def test_hanging_up_carries_code_and_reason() -> None:
    closed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json({"type": "session.created", "session": {}})
        message = await ws.receive()
        closed.set_result((message.data, message.extra))
        return ws

    async with serving(handler) as url:
        await Caller(url, script({"hang_up": True, "code": 4001, "reason": "später"})).run()
    assert closed.result() == (4001, "später")


async def test_a_server_that_closes_is_named_with_its_reason() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json({"type": "error", "error": {"message": "Incorrect API key."}})
        await ws.close(code=3000, message=b"invalid_api_key")
        return ws

    async with serving(handler) as url:
        caller = Caller(url, script({"text": "Hi"}))
        with pytest.raises(UpstreamError) as caught:
            await caller.run()
    assert str(caught.value) == (
        f"{url.replace('http', 'ws')}/v1/realtime ended the call with code 3000 (invalid_api_key) "
        "before the caller had finished; its last error was: Incorrect API key."
    )
    assert (caller.report.close_code, caller.report.close_reason) == (3000, "invalid_api_key")
    assert [error["message"] for error in caller.report.errors] == ["Incorrect API key."]


async def test_a_reset_is_an_error_and_not_a_traceback() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json({"type": "session.created", "session": {}})
        await ws.receive()
        assert request.transport is not None
        raw = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
        return ws

    async with serving(handler) as url:
        with pytest.raises(UpstreamError, match="broke the connection off before the caller"):
            await Caller(url, script({"say": "Hello there, is anybody listening?"})).run()


@pytest.mark.parametrize("status", [401, 403, 404, 429, 599])
async def test_a_refusal_is_one_sentence(status: int) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no"}}, status=status)

    async with serving(handler) as url:
        with pytest.raises(UpstreamError, match=f"realtime refused the call with {status}"):
            await Caller(url + "?api-key=secret&model=m", script({"text": "Hi"})).run()


async def test_nobody_listening_is_one_sentence() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(UpstreamError, match=r"cannot be reached.*is a server listening there"):
            await Caller(f"ws://127.0.0.1:{port}", script({"text": "Hi"})).run()


async def test_a_server_that_stays_silent_runs_out_of_patience() -> None:
    async with serving(Server().handle) as url:
        with pytest.raises(UpstreamError, match=r"sent no reply within 0\.05 s"):
            told = script({"text": "Hi"}, {"wait": "reply"}, patience_ms=50)
            await Caller(url, told).run()


async def test_what_is_no_event_is_kept_and_passed_over() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("not JSON")
        await ws.send_bytes(b"\x00\xff")
        await ws.send_str("[1]")
        await ws.send_json({"type": "session.created", "session": None})
        await ws.receive()
        await ws.close(code=WSCloseCode.OK)
        return ws

    async with serving(handler) as url:
        report = await Caller(url, script({"wait": 1})).run()
    assert [event.raw for event in report.received][:3] == ["not JSON", b"\x00\xff", "[1]"]
    assert report.types(from_server=True) == ["", "", "", "session.created"]


@pytest.mark.parametrize(
    ("url", "dialled"),
    [
        ("http://host:1", "ws://host:1/v1/realtime?model=m"),
        ("https://host/", "wss://host/v1/realtime?model=m"),
        ("ws://host/v1", "ws://host/v1/realtime?model=m"),
        ("wss://host/v1/realtime", "wss://host/v1/realtime?model=m"),
        ("ws://host/v1/realtime?model=other", "ws://host/v1/realtime?model=other"),
        ("ws://host/v1/realtime?call_id=c", "ws://host/v1/realtime?call_id=c"),
        ("wss://h/openai/v1?api-key=k", "wss://h/openai/v1/realtime?api-key=k&model=m"),
        (
            "wss://h/openai/realtime?api-version=1&deployment=d",
            "wss://h/openai/realtime?api-version=1&deployment=d",
        ),
        ("ws://[::1]:8787", "ws://[::1]:8787/v1/realtime?model=m"),
    ],
)
def test_base_urls_become_endpoints(url: str, dialled: str) -> None:
    assert str(endpoint(url, "m")) == dialled


@pytest.mark.parametrize("url", ["", "host:80", "ftp://host", "http://", "/v1", "http://h:99999"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UpstreamError, match="is no address of a Realtime server"):
        endpoint(url, "m")


def test_files_are_spoken_as_they_are(tmp_path: Path) -> None:
    samples = speech("From a file.", rate=16_000)
    (tmp_path / "raw.pcm").write_bytes(PCM16.encode(samples))
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(PCM16.encode(np.repeat(samples, 2)))
    told = Script.parse(
        {"step": [{"file": "raw.pcm", "rate": 16_000}, {"file": "stereo.wav"}]},
        str(tmp_path / "call.toml"),
    )
    recordings = load_recordings(told)
    assert len(recordings["raw.pcm"]) == len(samples) * 3 // 2
    assert np.array_equal(recordings["stereo.wav"], samples)


@pytest.mark.parametrize("name", ["absent.pcm", "text.wav", "wide.wav"])
def test_a_file_that_cannot_be_spoken_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.wav").write_text("hello")
    with wave.open(str(tmp_path / "wide.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(24_000)
        file.writeframes(bytes(6))
    told = Script.parse({"step": [{"file": name}]}, str(tmp_path / "call.toml"))
    with pytest.raises(ScenarioError, match=f"{name} cannot be read"):
        Caller("ws://127.0.0.1:1", told)


def test_events_are_readable_as_json() -> None:
    event = CallEvent(1.0, True, json.dumps({"type": "x", "n": 1}))
    assert (event.type, event.event["n"]) == ("x", 1)
