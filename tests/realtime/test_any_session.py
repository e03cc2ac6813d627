"""Whatever stands on a tape, there is a session to it, and never an exception."""

import base64
import json
import random
import tracemalloc
from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.realtime.audio import PCM16
from rtproxy.realtime.dialect import CLIENT_EVENTS, LIVE_EVENTS, SERVER_EVENTS
from rtproxy.realtime.session import Session
from rtproxy.tape.record import Control, Event, Header, Record, Unknown
from tests.realtime.scenarios import CASES, Case
from tests.realtime.simulated import call_records

IDS = st.sampled_from(["a", "b", "c", "root", "", None, 7])
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.none() | st.text(max_size=2) | st.dictionaries(st.text(max_size=2), st.none())),
)
POSITIONS = st.one_of(st.integers(-10, 5000), st.sampled_from([1e300, 2**62, None, "10"]))
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS,
        "type": st.sampled_from(["message", "function_call", "function_call_output", "mcp_call"]),
        "role": st.sampled_from(["user", "assistant", "system", None, 3]),
        "status": st.sampled_from(["completed", "incomplete", None]),
        "call_id": IDS,
        "name": JUNK,
        "arguments": JUNK,
        "output": JUNK,
        "content": st.just([{"type": "input_text", "text": "hello"}]) | JUNK,
    },
)
RESPONSES = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS,
        "conversation": st.sampled_from(["none", "auto", None]),
        "conversation_id": IDS,
        "metadata": JUNK | st.just({"k": "v"}),
        "status": st.sampled_from(["completed", "failed", "cancelled", "incomplete", None]),
        "status_details": st.sampled_from(
            [
                {"reason": "turn_detected"},
                {"error": {"code": "rate_limit_exceeded", "type": None, "message": 4}},
                None,
                [],
            ]
        ),
        "output": st.lists(ITEMS, max_size=2) | JUNK,
        "usage": st.sampled_from([{"input_tokens": 3, "output_tokens": 1e300}, None, 4]),
    },
)
SESSIONS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["realtime", "transcription"]),
        "turn_detection": st.sampled_from(
            [
                None,
                {"type": "server_vad", "silence_duration_ms": 200, "prefix_padding_ms": 300},
                {"silence_duration_ms": "x", "create_response": False, "interrupt_response": False},
                4,
            ]
        ),
        "audio": st.just({"input": {"format": {"type": "audio/pcmu"}}}) | JUNK,
        "input_audio_transcription": st.just({"model": "whisper-1"}) | JUNK,
        "voice": JUNK,
        "tools": JUNK,
        "modalities": JUNK,
    },
)
ERRORS = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from(
            [
                "conversation_already_has_active_response",
                "session_expired",
                "input_audio_buffer_commit_empty",
                None,
                5,
            ]
        ),
        "event_id": IDS,
        "param": st.sampled_from(["session.voice", "response", None, 1]),
        "message": JUNK,
    },
)
PAYLOADS = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(CLIENT_EVENTS | SERVER_EVENTS | LIVE_EVENTS | {"new.event"}))},
    optional={
        "event_id": IDS,
        "item_id": IDS,
        "previous_item_id": IDS,
        "response_id": IDS,
        "call_id": IDS,
        "audio_start_ms": POSITIONS,
        "audio_end_ms": POSITIONS,
        "audio": st.sampled_from(["AAAA" * 300, "AA", "?", None, 4]),
        "delta": st.sampled_from(["AAAA" * 900, "word", "", None, {}]),
        "transcript": JUNK,
        "text": JUNK,
        "arguments": JUNK,
        "item": ITEMS | JUNK,
        "response": RESPONSES | JUNK,
        "session": SESSIONS | JUNK,
        "error": ERRORS | JUNK,
        "rate_limits": st.just([{"name": "tokens"}]) | JUNK,
    },
)


@st.composite
def tapes(draw: st.DrawFn) -> list[Record]:
    """Records of any kind in any order, some of them missing, at any times."""
    records: list[Record] = []
    seq = draw(st.integers(0, 3))
    t_ns = 0
    for _ in range(draw(st.integers(0, 40))):
        seq += draw(st.sampled_from([1, 1, 1, 1, 1, 0, 3, -2]))
        t_ns += draw(st.sampled_from([0, 10_000_000, 300_000_000, 7_000_000_000, -5]))
        flags = draw(st.integers(0, 15))
        kind = draw(st.integers(0, 20))
        if kind == 0:
            name = draw(st.sampled_from(["close", "eof", "reset", "gap", "refused", "x"]))
            data = {"code": draw(JUNK), "reason": draw(JUNK)}
            records.append(Control(seq, t_ns, flags, name, data))
        elif kind == 1:
            records.append(Event(seq, t_ns, flags, draw(st.binary(max_size=4) | st.text())))
        elif kind == 2:
            records.append(Unknown(99, seq, ()) if draw(st.booleans()) else Header({"times": 3}))
        else:
            records.append(Event(seq, t_ns, flags, json.dumps(draw(PAYLOADS))))
    return records


def look_at_everything(records: Sequence[Record]) -> Session:
    session = Session.fold(records)
    orjson.dumps(session.to_json(), option=orjson.OPT_NON_STR_KEYS)
    for turn in session.turns:
        for key, value in session.measure(turn).items():
            assert value is None or value >= 0, key
    for finding in session.findings:
        assert finding.turn is None or 0 < finding.turn <= len(session.turns)
    assert [turn.n for turn in session.turns] == list(range(1, len(session.turns) + 1))
    return session


@settings(max_examples=30, deadline=None)
@given(tapes())
def test_any_records_make_a_session(records: list[Record]) -> None:
    look_at_everything(records)


@pytest.mark.parametrize("name", ["session.updated", "session.update", "response.created"])
def test_what_is_nested_beyond_all_measure_is_passed_over(name: str) -> None:
    deep = '{"audio":' * 900 + "1" + "}" * 900
    body = f'{{"type":"{name}","session":{deep},"response":{{"id":"r","metadata":{deep}}}}}'
    look_at_everything([Event(n, n, flags, body) for n, flags in enumerate([0, 1, 0, 1])])


def test_no_audio_is_kept() -> None:
    """Memory grows by what is told of an append, a few bytes, not by its audio."""
    audio = base64.b64encode(bytes(PCM16.size(20))).decode()
    payload = f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}'
    tracemalloc.start()
    session = Session.fold(Event(n, n * 20_000_000, 0, payload) for n in range(20_000))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert session.clock.total_ms == 400_000
    assert kept < 1 << 20


@cache
def played(name: str) -> list[Record]:
    (case,) = [case for case in CASES if case.name == name]
    return call_records(case.toml)


LIVELY = ["barge-in, truncated right", "slow tool", "active response", "push to talk", "beta"]


@pytest.mark.parametrize("name", LIVELY)
def test_valid_events_in_any_order_make_a_session(name: str) -> None:
    records = played(name)
    for seed in range(4):
        shuffled = records[:]
        random.Random(seed).shuffle(shuffled)
        look_at_everything(shuffled)


@pytest.mark.parametrize("name", LIVELY)
def test_any_fields_may_be_null_or_point_nowhere(name: str) -> None:
    for seed in range(4):
        chance = random.Random(seed)
        look_at_everything([_spoilt(record, chance) for record in played(name)])


def _spoilt(record: Record, chance: random.Random) -> Record:
    if not isinstance(record, Event) or isinstance(record.payload, bytes):
        return record
    event = json.loads(record.payload)
    _spoil(event, chance)
    return Event(record.seq, record.t_ns, record.flags, json.dumps(event))


def _spoil(value: dict[str, Any], chance: random.Random) -> None:
    for key, inner in value.items():
        if chance.random() < 0.05 and key != "type":
            value[key] = None
        elif key.endswith("id") and isinstance(inner, str) and chance.random() < 0.1:
            value[key] = f"nowhere_{chance.random()}"
        elif isinstance(inner, dict):
            _spoil(inner, chance)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_half_a_session_has_no_findings_that_the_whole_has_not(case: Case) -> None:
    """Up to any moment, from any moment on, or with a hole, nothing is found that is not there."""
    records = call_records(case.toml)
    codes = {code for code, _ in case.findings}
    for cut in range(1, len(records), max(1, len(records) // 12)):
        before = look_at_everything(records[:cut])
        assert {finding.code for finding in before.findings} <= codes
        after = look_at_everything([records[0], *records[cut:]])
        assert {finding.code for finding in after.findings} <= codes
        holed = look_at_everything(records[:cut] + records[cut + 25 :])
        assert {finding.code for finding in holed.findings} <= codes
