"""Real sessions, captured without times and with their audio cut: structure, and nothing else."""

import json
from pathlib import Path

import pytest

from rtproxy.realtime.session import Session
from rtproxy.tape.record import FROM_SERVER, Event, Header, Record
from tests.captures import CAPTURES

HELLO = "Hello, my name is Marcelo."
WEATHER = "It is foggy and 12 degrees in London."
TURNS: dict[str, list[tuple[str, str, str]]] = {
    "azure-voice-live-vad-turn": [
        (
            "speech",
            "Cześć, nazywam się Marcelo.",
            "Hi Marcelo, nice to meet you! How can I help you today?",
        )
    ],
    "openai-server-vad-turn": [
        ("speech", HELLO, "Hello, Marcelo! Great to meet you. How can I help you today?")
    ],
    "openai-text-in-audio-out": [("text", "Say a short greeting.", "Hi there!")],
    "openai-three-vad-turns": [
        ("speech", HELLO, "Hi Marcelo! Nice to meet you."),
        ("speech", HELLO, "Hi Marcelo! Great to meet you."),
        ("speech", HELLO, "Hey Marcelo, nice meeting you."),
    ],
    "openai-tool-call": [("text", "What is the weather in London?", WEATHER)],
}
"""Capture → of each turn its kind, what the caller said, what the assistant said."""

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason="there are no captures beside it")


def records(path: Path) -> list[Record]:
    """A capture as an importer would tape it: all at the same time, as there are no times."""
    header = Header({"id": "1", "connection": "websocket", "origin": "imported"})
    found: list[Record] = [header]
    for seq, line in enumerate(path.read_text("utf-8").splitlines()):
        entry = json.loads(line)
        flags = FROM_SERVER if entry["direction"] == "server" else 0
        found.append(Event(seq, 0, flags, json.dumps(entry["data"])))
    return found


def session(name: str) -> Session:
    return Session.fold(records(CAPTURES / f"{name}.jsonl"))


def test_every_capture_is_looked_at() -> None:
    assert {path.stem for path in CAPTURES.glob("*.jsonl")} == set(TURNS)


@pytest.mark.parametrize("name", TURNS)
def test_turns_roles_and_transcripts(name: str) -> None:
    found = session(name)
    told = [(turn.kind, turn.user, turn.assistant) for turn in found.turns]
    assert told == TURNS[name]
    assert {turn.end for turn in found.turns} == {"completed"}
    roles = [item.role for item in found.items if item.type == "message"]
    assert roles == ["user", "assistant"] * len(TURNS[name])
    assert found.dialect == ("beta" if name.startswith("azure") else "ga")


def test_the_tool_call_is_of_the_turn_that_caused_it() -> None:
    found = session("openai-tool-call")
    (call,) = found.turns[0].calls
    assert call.name == "get_weather"
    assert json.loads(call.arguments or "") == {"city": "London"}
    assert call.output == WEATHER
    assert [response.asked_by for response in found.turns[0].responses] == ["client", "client"]


@pytest.mark.parametrize("name", TURNS)
def test_nothing_is_reported_from_times_and_audio_that_are_not_there(name: str) -> None:
    found = session(name)
    assert not found.times_known
    assert found.audio_complete == (name == "openai-tool-call")  # which has no audio at all
    assert found.findings == []
    for turn in found.turns:
        timed = {key for key, value in found.measure(turn).items() if key.endswith("_ms") and value}
        assert timed == set()
    assert found.metrics["talk_ratio"] is None
    assert found.metrics["barge_ins"] == 0


@pytest.mark.parametrize("name", TURNS)
def test_every_prefix_and_every_rest_is_a_session_without_a_false_finding(name: str) -> None:
    whole = records(CAPTURES / f"{name}.jsonl")
    for cut in range(1, len(whole), 7):
        assert Session.fold(whole[:cut]).findings == []
        rest = Session.fold([whole[0], *whole[cut:]])
        assert rest.findings == []
        rest.to_json()
