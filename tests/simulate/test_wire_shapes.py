"""What the simulated server sends has the shape of the wire: of SDK types and recorded sessions."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, TypeAdapter

from rtproxy.realtime.dialect import (
    BETA_SERVER_EVENTS,
    GA_ONLY_SERVER_EVENTS,
    GA_SERVER_EVENTS,
    LATE_BETA_SERVER_EVENTS,
)
from rtproxy.simulate.library import built_in
from rtproxy.simulate.voice import silence, speech
from tests.simulate.dialogue import Dialogue, Event, folded

TURN = np.concatenate([silence(400), speech("Hello, is anybody there?"), silence(700)])
TYPES = {"ga": "openai.types.realtime", "beta": "openai.types.beta.realtime"}
ON_THE_WIRE_ONLY = {
    # Sent by the live service, not known to the SDK's types: seen in recorded sessions.
    "obfuscation",
    "session.id", "session.object", "session.expires_at",
    "session.audio.input.turn_detection.idle_timeout_ms",
    "session.turn_detection.create_response", "session.turn_detection.interrupt_response",
    "session.client_secret", "session.include", "session.input_audio_noise_reduction",
    "response.usage.input_token_details.cached_tokens_details",
    "response.usage.input_token_details.image_tokens",
}  # fmt: skip
TRANSCRIBED: dict[str, dict[str, Any]] = {
    "ga": {
        "type": "realtime",
        "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}},
    },
    "beta": {"input_audio_transcription": {"model": "whisper-1"}},
}
FAILING = """
[transcription.fails]
[[reply]]
status = "failed"
[[reply]]
status = "incomplete"
"""
UNTYPED = {"transcription_session.created"}
CAPTURES = Path(__file__).parents[2] / "../shared/captures"


def extras(model: Any, path: str = "") -> Iterator[str]:
    """Paths of fields that a typed event has beyond its type."""
    if isinstance(model, list):
        for entry in model:
            yield from extras(entry, path)
    if not isinstance(model, BaseModel):
        return
    for name in model.model_extra or {}:
        yield f"{path}{name}"
    for name in type(model).model_fields:
        yield from extras(getattr(model, name), f"{path}{name}.")


def every_kind_of_event(dialect: str) -> list[Event]:
    """Sessions in which everything happens that the server can send."""
    events: list[Event] = []
    for scenario in built_in().values():
        talk = Dialogue(scenario, dialect=dialect)
        talk.send("session.update", session=TRANSCRIBED[dialect])
        talk.wait(100).say_text("What is the weather in London?").send("response.create").wait()
        for event in talk.of("response.function_call_arguments.done"):
            item = {
                "type": "function_call_output",
                "call_id": event["call_id"],
                "output": "12 degrees",
            }
            talk.send("conversation.item.create", item=item)
        modalities = "output_modalities" if dialect == "ga" else "modalities"
        talk.send("response.create", response={modalities: ["text"]}).wait()
        talk.stream(TURN).wait(900).send("response.cancel").wait()
        for event in talk.of("response.output_item.done"):
            item_id = event["item"]["id"]
            talk.send(
                "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=10
            )
            talk.send("conversation.item.retrieve", item_id=item_id)
            talk.send("conversation.item.delete", item_id=item_id)
        talk.append(TURN[:24_000]).send("input_audio_buffer.clear").send("no.such.event")
        events += talk.wait(3_600_000).events
    talk = Dialogue(FAILING, dialect=dialect)
    talk.send("session.update", session=TRANSCRIBED[dialect])
    talk.stream(TURN).wait().send("response.create").wait()
    listening = Dialogue(dialect=dialect, kind="transcription").stream(TURN)
    if dialect == "beta":
        listening.send("transcription_session.update", session=TRANSCRIBED[dialect])
    else:
        listening.send("session.update", session={"type": "transcription"})
    idle = Dialogue(dialect=dialect)
    if dialect == "ga":
        detection = {"type": "server_vad", "idle_timeout_ms": 5000}
        idle.send(
            "session.update",
            session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}},
        )
        idle.wait(100).send("response.create").wait()
    return events + talk.events + listening.wait().events + idle.events


@pytest.fixture(scope="module", params=["ga", "beta"])
def session(request: pytest.FixtureRequest) -> tuple[str, list[Event]]:
    return request.param, every_kind_of_event(request.param)


def test_every_event_is_what_the_sdk_types_say(session: tuple[str, list[Event]]) -> None:
    dialect, events = session
    # Thousands of types come along: only who runs this has them.
    union: TypeAdapter[Any] = TypeAdapter(import_module(TYPES[dialect]).RealtimeServerEvent)
    for event in events:
        if event["type"] in UNTYPED:
            continue
        typed = union.validate_json(json.dumps(event), strict=True)
        assert typed.type == event["type"]
        assert set(extras(typed)) <= ON_THE_WIRE_ONLY, event


def test_the_sessions_above_have_every_event_of_a_dialect(
    session: tuple[str, list[Event]],
) -> None:
    dialect, events = session
    not_over_websocket = {name for name in GA_SERVER_EVENTS if name.startswith("output_audio_b")}
    if dialect == "ga":
        known = GA_SERVER_EVENTS - not_over_websocket - GA_ONLY_SERVER_EVENTS
        known = known - {"conversation.created", "conversation.item.created"}
        known |= {"conversation.item.added", "conversation.item.done"}
        known |= {"input_audio_buffer.timeout_triggered"}
    else:
        known = (BETA_SERVER_EVENTS | LATE_BETA_SERVER_EVENTS) - not_over_websocket
        known |= UNTYPED
    assert {event["type"] for event in events} == known


def recorded(name: str) -> tuple[list[Event], list[Event]]:
    """Client and server events of a recorded session."""
    lines = [json.loads(line) for line in (CAPTURES / name).read_text("utf-8").splitlines()]
    sides: dict[str, list[Event]] = {"client": [], "server": []}
    for line in lines:
        sides[line["direction"]].append(line["data"])
    return sides["client"], sides["server"]


def shape(value: Any) -> Any:
    """An event with every value replaced by its type; lists by the shapes in them."""
    if isinstance(value, dict):
        return {key: shape(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [shape(entry) for entry in value[:1]]
    return (
        "number"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else (type(value).__name__)
    )


needs_captures = pytest.mark.skipif(not CAPTURES.exists(), reason="no recorded sessions here")


@needs_captures
@pytest.mark.parametrize(
    ("name", "scenario", "skipped"),
    [
        (
            "openai-text-in-audio-out.jsonl",
            '[[reply]]\ntext = "Hi there!"',
            {"rate_limits.updated"},
        ),
        (
            "openai-server-vad-turn.jsonl",
            '[[reply]]\ntext = "Hello, Marcelo! Great to meet you."',
            {"rate_limits.updated"},
        ),
        (
            "openai-tool-call.jsonl",
            """
            [[reply]]
            function_call = { name = "get_weather", arguments = { city = "London" } }
            [[reply]]
            text = "It is foggy and 12 degrees in London."
            """,
            {"rate_limits.updated"},
        ),
        ("openai-three-vad-turns.jsonl", '[[reply]]\ntext = "Hi."\nrepeat = true', set()),
    ],
)
def test_a_recorded_session_is_told_again(name: str, scenario: str, skipped: set[str]) -> None:
    """The recorded client's events bring about events of the recorded shapes."""
    client, server = recorded(name)
    talk = Dialogue(f'model = "gpt-realtime"\n[transcription]\ndefault = "Hello."\n{scenario}')
    speech_file = (CAPTURES / "speech-24khz-s16le.pcm").read_bytes()
    turns = sum(event["type"] == "input_audio_buffer.speech_started" for event in server)
    calls = iter(event["call_id"] for event in server if event["type"].endswith("arguments.done"))
    for event in client:
        if event["type"] == "input_audio_buffer.append":
            continue  # cut short in the recording: the speech itself follows
        sent = json.dumps(event)
        if "function_call_output" in sent:
            own = talk.last("response.function_call_arguments.done")["call_id"]
            sent = sent.replace(next(calls), own)
        talk.send(**json.loads(sent))
        talk.wait(3_000 if event["type"] == "response.create" else 100)
    for _ in range(turns):
        talk.stream(np.frombuffer(speech_file, "<i2"), 100).wait(2_000)
    expected = {event["type"]: event for event in server}
    assert set(talk.types) - skipped == set(expected)
    for event in talk.events:
        if event["type"] not in skipped and event["type"] != "session.created":
            shapes = [shape(e) for e in server if e["type"] == event["type"]]
            assert shape(event) in shapes, event["type"]
            assert list(event) in [list(e) for e in server if e["type"] == event["type"]]
    deltas = {t for t in expected if t.endswith("transcription.delta")} | {
        "conversation.item.input_audio_transcription.completed"
    }
    assert folded(sequence(talk.events, deltas)) == folded(sequence(server, deltas))


def sequence(events: list[Event], asides: set[str]) -> Iterator[str]:
    """Types in order; deltas of a response as one, what runs beside the response left out."""
    for event in events:
        if event["type"] in asides or event["type"] == "rate_limits.updated":
            continue
        is_delta = event["type"].endswith(".delta")
        yield "response.delta" if is_delta else event["type"]


@needs_captures
def test_session_objects_have_the_fields_of_recorded_ones() -> None:
    _, server = recorded("openai-server-vad-turn.jsonl")
    talk = Dialogue(model="gpt-realtime")
    assert shape(talk.last("session.created")) == shape(server[0])
    assert list(talk.last("session.created")["session"])[:4] == list(server[0]["session"])[:4]


@needs_captures
def test_beta_events_have_the_fields_of_a_recorded_gateway() -> None:
    """Azure Voice Live mixes dialects: its beta events are compared, its own extras are not."""
    _, server = recorded("azure-voice-live-vad-turn.jsonl")
    talk = Dialogue('[[reply]]\ntext = "Hi."', dialect="beta").stream(TURN).wait()
    skipped = {"session.created", "session.updated", "conversation.item.done"}
    by_type = {event["type"]: event for event in server}
    compared = 0
    for event in talk.events:
        other = by_type.get(event["type"])
        if other is None or event["type"] in skipped:
            continue
        compared += 1
        if event["type"].startswith("response.") and "response" in event:
            assert set(event["response"]) == set(other["response"])
        else:
            assert list(event) == list(other)
            assert set(event.get("item", {})) == set(other.get("item", {}))
    assert compared > 10
