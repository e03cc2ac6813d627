"""Real clients through the proxy to the simulated server: what they saw and sent is the tape."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import openai
import pytest
import websockets

from rtproxy.record.proxy import Proxy, Settings
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from rtproxy.simulate.voice import silence, speech
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Event
from tests.captures import CAPTURES

API_KEY = "sk-proj-4242abcdef4242abcdef4242abcdef"
MODEL = "gpt-realtime"
CHUNK = 4800
SCENARIO = """
name = "clients"
[delays]
queue = 5
first_text = 5
first_audio = 10
session_update = 5
transcription = 20
rate_limits = 5
[audio]
rate = 0
[[reply]]
when = "typed"
text = "I have read your words."
[[reply]]
when = "weather"
[[reply.function_call]]
name = "get_weather"
arguments = { city = "London" }
[[reply]]
when = "12 degrees"
text = "It is 12 degrees in London."
[[reply]]
when = "long story"
text = "Once upon a time there was a very long story that nobody could ever hear to its end."
[reply.delays]
first_text = 20
first_audio = 60000
[transcription]
default = "spoken words"
"""
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def recorded_speech() -> bytes:
    """Real speech where it is at hand, else speech that we make: 24 kHz, mono, s16le."""
    file = CAPTURES / "speech-24khz-s16le.pcm"
    if file.exists():
        return file.read_bytes()
    parts = (silence(300, 24000), speech("good morning to you"), silence(900, 24000))
    return np.concatenate(parts).astype("<i2").tobytes()


@dataclass
class Log:
    """Messages as they passed a client's own socket, verbatim."""

    sent: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


def listen_in(socket: Any) -> Log:
    """Log what goes through a `websockets` connection, without changing it."""
    log = Log()
    send, recv = socket.send, socket.recv

    async def logged_send(message: str | bytes, *args: Any, **kwargs: Any) -> None:
        await send(message, *args, **kwargs)
        log.sent.append(message if isinstance(message, str) else message.decode())

    async def logged_recv(*args: Any, **kwargs: Any) -> str | bytes:
        message: str | bytes = await recv(*args, **kwargs)
        log.seen.append(message if isinstance(message, str) else message.decode())
        return message

    socket.send, socket.recv = logged_send, logged_recv
    return log


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Proxy]:
    """A simulated server and a recording proxy in front of it."""
    async with (
        SimulatedServer(Scenario.parse(SCENARIO, "clients.toml"), seed=7) as server,
        Proxy(Settings(upstream=server.url, port=0, out=folder)) as proxy,
    ):
        yield proxy
        assert not proxy.status.failures


def check_tape(folder: Path, log: Log, *, dialect: str = "ga") -> None:
    """The one tape in the folder holds exactly what the client sent and saw, in order."""
    (path,) = folder.glob("*.rtape")
    with open_tape(path) as tape:
        events = [record for record in tape if isinstance(record, Event)]
        assert tape.state == "sealed"
        assert tape.damage == []
        assert tape.header.origin == "simulated"
        assert tape.summary().dialect == dialect
        assert tape.summary().model == MODEL
    assert [event.payload for event in events if not event.from_server] == log.sent
    seen = [event.payload for event in events if event.from_server]
    # Events that came after the client had stopped reading are on the tape as well.
    assert seen[: len(log.seen)] == log.seen
    assert len(seen) - len(log.seen) <= 3
    kinds = [json.loads(event.payload)["type"] for event in events]
    assert "rate_limits.updated" in kinds


async def until(connection: Any, kind: str) -> Any:
    """The next event of a type; an error on the way fails the test."""
    while True:
        event = await connection.recv()
        assert event.type != "error", event
        if event.type == kind:
            return event


async def converse(connection: Any, names: dict[str, str], session: dict[str, Any]) -> None:
    """A text turn, a spoken turn, a function call, and a response that is cancelled."""
    await until(connection, "session.created")
    await connection.session.update(session={**session, names["modalities"]: ["text"]})
    await until(connection, "session.updated")

    await connection.conversation.item.create(item=typed("these are typed words"))
    await connection.response.create()
    done = await until(connection, "response.done")
    assert getattr(done.response.output[0].content[0], "text", None) == "I have read your words."

    modalities = ["audio"] if names["modalities"] == "output_modalities" else ["text", "audio"]
    await connection.session.update(session={**session, names["modalities"]: modalities})
    await until(connection, "session.updated")
    audio = recorded_speech()
    for at in range(0, len(audio), CHUNK):
        chunk = base64.b64encode(audio[at : at + CHUNK]).decode()
        await connection.input_audio_buffer.append(audio=chunk)
    await until(connection, "input_audio_buffer.speech_started")
    await until(connection, "input_audio_buffer.committed")
    delta = await until(connection, names["audio_delta"])
    assert len(base64.b64decode(delta.delta)) > 100
    await until(connection, "response.done")

    await connection.session.update(session={**session, names["modalities"]: ["text"]})
    await connection.conversation.item.create(item=typed("how is the weather?"))
    await connection.response.create()
    call = await until(connection, "response.function_call_arguments.done")
    assert json.loads(call.arguments) == {"city": "London"}
    await until(connection, "response.done")
    await connection.conversation.item.create(
        item={
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": "12 degrees and foggy",
        }
    )
    await connection.response.create()
    done = await until(connection, "response.done")
    assert done.response.output[0].content[0].text == "It is 12 degrees in London."

    await connection.session.update(session={**session, names["modalities"]: modalities})
    await connection.conversation.item.create(item=typed("tell me a long story"))
    await connection.response.create()
    await until(connection, names["transcript_delta"])
    await connection.response.cancel()
    done = await until(connection, "response.done")
    assert done.response.status == "cancelled"
    await until(connection, "rate_limits.updated")


def typed(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


GA_NAMES = {
    "modalities": "output_modalities",
    "audio_delta": "response.output_audio.delta",
    "transcript_delta": "response.output_audio_transcript.delta",
}
BETA_NAMES = {
    "modalities": "modalities",
    "audio_delta": "response.audio.delta",
    "transcript_delta": "response.audio_transcript.delta",
}
GA_SESSION: dict[str, Any] = {"type": "realtime", "tools": [TOOL]}
BETA_SESSION: dict[str, Any] = {"tools": [TOOL]}


async def test_openai_sdk_ga(tmp_path: Path) -> None:
    async with stage(tmp_path) as proxy:
        client = openai.AsyncOpenAI(api_key=API_KEY, base_url=f"{proxy.url}/v1")
        async with client, client.realtime.connect(model=MODEL) as connection:
            log = listen_in(connection._connection)
            await converse(connection, GA_NAMES, GA_SESSION)
    check_tape(tmp_path, log)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_openai_sdk_beta(tmp_path: Path) -> None:
    async with stage(tmp_path) as proxy:
        base = proxy.url.replace("http://", "ws://") + "/v1"
        client = openai.AsyncOpenAI(api_key=API_KEY, websocket_base_url=base)
        async with client, client.beta.realtime.connect(model=MODEL) as connection:
            log = listen_in(connection._connection)
            await converse(connection, BETA_NAMES, BETA_SESSION)
    check_tape(tmp_path, log, dialect="beta")


async def converse_in_json(send: Any, receive: Any) -> Log:
    """A text turn and a spoken turn over any socket that takes and gives text."""
    log = Log()

    async def say(event: dict[str, Any]) -> None:
        text = json.dumps(event)
        await send(text)
        log.sent.append(text)

    async def wait_for(kind: str) -> dict[str, Any]:
        while True:
            text = await receive()
            log.seen.append(text)
            event: dict[str, Any] = json.loads(text)
            assert event["type"] != "error", event
            if event["type"] == kind:
                return event

    await wait_for("session.created")
    await say({"type": "conversation.item.create", "item": typed("these are typed words")})
    await say({"type": "response.create", "response": {"output_modalities": ["text"]}})
    await wait_for("response.done")
    audio = recorded_speech()
    for at in range(0, len(audio), CHUNK):
        chunk = base64.b64encode(audio[at : at + CHUNK]).decode()
        await say({"type": "input_audio_buffer.append", "audio": chunk})
    await wait_for("response.output_audio.done")
    await wait_for("response.done")
    await wait_for("rate_limits.updated")
    return log


async def test_websockets_with_compression(tmp_path: Path) -> None:
    async with stage(tmp_path) as proxy:
        url = proxy.url.replace("http://", "ws://") + f"/v1/realtime?model={MODEL}"
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with websockets.connect(url, additional_headers=headers, max_size=None) as socket:
            assert socket.response is not None
            assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
            log = await converse_in_json(socket.send, socket.recv)
    check_tape(tmp_path, log)


async def test_aiohttp_with_compression(tmp_path: Path) -> None:
    async with stage(tmp_path) as proxy, aiohttp.ClientSession() as session:
        url = f"{proxy.url}/v1/realtime?model={MODEL}"
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with session.ws_connect(url, headers=headers, compress=15, max_msg_size=0) as socket:
            assert socket.compress
            log = await converse_in_json(socket.send_str, socket.receive_str)
    check_tape(tmp_path, log)
