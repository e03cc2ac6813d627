"""The trace holds to the rules of its format, and shows what happened when it did."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from rtproxy.cli.main import rtproxy
from rtproxy.convert.trace import trace
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import built_in, load
from rtproxy.tape.escape import visible
from rtproxy.tape.record import Control, Event, Record
from tests.realtime.simulated import call_records
from tests.realtime.story import Story
from tests.tapes import write_tape

Made = dict[str, Any]
UNPLAYED = {"bad-key", "refused-401"}
"""Scenarios that refuse the connection, or wait for what never comes in virtual time."""
CALLS = sorted(set(built_in()) - UNPLAYED)
PHASES = {"M", "X", "C", "s", "f", "i"}


def traced(records: list[Record]) -> list[Made]:
    session = Session.fold(records, levels=True)
    made = orjson.loads(b"".join(trace(session, records, "call.rtape")))
    assert set(made) == {"displayTimeUnit", "otherData", "traceEvents"}
    events: list[Made] = made["traceEvents"]
    check(events)
    return events


def simulated(name: str) -> list[Record]:
    return call_records(load(name))


def check(events: list[Made]) -> None:
    """The format's rules, and what Perfetto asks for beyond them."""
    slices: dict[int, list[tuple[int, int]]] = defaultdict(list)
    flows: dict[int, dict[str, Made]] = defaultdict(dict)
    for event in events:
        assert event["ph"] in PHASES
        assert event["pid"] == 1
        assert isinstance(event["name"], str)
        assert event["name"]
        if event["ph"] == "M":
            assert event["name"] in {"process_name", "thread_name", "thread_sort_index"}
            continue
        assert isinstance(event["ts"], int)
        assert event["ts"] >= 0
        match event["ph"]:
            case "X":
                assert event["dur"] > 0
                slices[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
            case "C":
                assert all(isinstance(v, int | float) for v in event["args"].values())
            case "s" | "f":
                assert event["ph"] not in flows[event["id"]], "an arrow has one end of each kind"
                flows[event["id"]][event["ph"]] = event
    for spans in slices.values():
        nested(spans)
    for ends in flows.values():
        assert set(ends) == {"s", "f"}
        assert ends["s"]["ts"] <= ends["f"]["ts"]
        for end in ends.values():
            assert any(a <= end["ts"] < b for a, b in slices[end["tid"]]), "it hangs in the air"
    named = {e["tid"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    assert set(slices) <= named


def nested(spans: list[tuple[int, int]]) -> None:
    """Slices of one thread lie one after the other, or inside one another."""
    ends: list[int] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        while ends and ends[-1] <= start:
            ends.pop()
        assert not ends or end <= ends[-1]
        ends.append(end)


def on_lane(events: list[Made], lane: str) -> list[Made]:
    (thread,) = {
        e["tid"]
        for e in events
        if e["ph"] == "M" and e["name"] == "thread_name" and e["args"]["name"] == lane
    }
    return [e for e in events if e.get("tid") == thread and e["ph"] in "Xi"]


def counters(events: list[Made], name: str) -> list[tuple[int, float]]:
    return [
        (e["ts"], next(iter(e["args"].values())))
        for e in events
        if e["ph"] == "C" and e["name"] == name
    ]


@pytest.mark.parametrize("name", CALLS)
def test_every_call_makes_a_sound_trace(name: str) -> None:
    records = simulated(name)
    session = Session.fold(records)
    events = traced(records)
    turns = on_lane(events, "turns")
    assert len(turns) == len(session.turns.all)
    heard = sum(e["dur"] for e in on_lane(events, "assistant") if e["name"] != "ran dry")
    expected = sum(track.heard_ms(float("inf")) for track in session.tracks)
    assert heard / 1000 == pytest.approx(expected, abs=1)
    assert [e["name"] for e in on_lane(events, "findings")] == [f.code for f in session.findings]


def test_what_happened_when_it_did() -> None:
    events = traced(simulated("support-call"))
    (tool,) = on_lane(events, "tools")
    assert tool["name"] == "lookup_order"
    assert tool["dur"] == pytest.approx(250_000, abs=1000)
    first = on_lane(events, "responses")[0]
    assert first["name"] == "response completed"
    parts = [
        e["name"]
        for e in on_lane(events, "responses")
        if first["ts"] <= e["ts"] < first["ts"] + first["dur"]
    ]
    assert parts == ["response completed", "queue", "model"]
    assert [e["name"] for e in on_lane(events, "caller")] == ["speech", "endpoint"] * 2
    (unheard,) = on_lane(events, "never heard")
    assert unheard["name"].startswith("It has shipped")


def test_the_lead_counts_what_is_queued() -> None:
    """It rises by each delta, falls as time passes, and is gone where playback was flushed."""
    records = simulated("barge-in")
    session = Session.fold(records)
    lead = counters(traced(records), "buffer lead")
    assert min(ms for _, ms in lead) == 0
    cut = next(track.cut_ms for track in session.tracks if track.cut_ms is not None)
    at_cut = [ms for ts, ms in lead if ts == round(cut * 1000)]
    assert at_cut[-1] == 0
    assert at_cut[0] > 1000
    for (t, ms), (after, less) in itertools.pairwise(lead):
        falls = ms - (after - t) / 1000
        assert less >= falls - 0.01 or less == 0


def test_a_hole_is_where_the_lead_was_gone() -> None:
    records = simulated("choppy")
    events = traced(records)
    holes = [e for e in on_lane(events, "assistant") if e["name"] == "ran dry"]
    assert holes
    zeros = {ts for ts, ms in counters(events, "buffer lead") if ms == 0}
    assert all(any(abs(hole["ts"] - ts) <= 1 for ts in zeros) for hole in holes)


def test_arrows_lead_from_cause_to_effect() -> None:
    events = traced(simulated("support-call"))
    seqs = {(e["tid"], e["ts"]): e for e in events if e.get("cat") == "message"}
    starts = {e["id"]: seqs[e["tid"], e["ts"]] for e in events if e["ph"] == "s"}
    ends = {e["id"]: seqs[e["tid"], e["ts"]] for e in events if e["ph"] == "f"}
    pairs = {(starts[n]["name"], ends[n]["name"]) for n in starts}
    assert ("session.update", "session.updated") in pairs
    assert ("response.created", "response.done") in pairs
    assert ("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped") in pairs


def test_levels_are_those_of_the_audio() -> None:
    events = traced(simulated("default"))
    caller = counters(events, "caller dBFS")
    assert min(db for _, db in caller) < -55, "the room"
    assert max(db for _, db in caller) > -30, "the voice"
    assert counters(events, "assistant dBFS")


def test_slices_that_overlap_get_lanes_of_their_own() -> None:
    story = Story()
    story.client("response.create").wait(10).begin("a")
    story.client("response.create", response={"conversation": "none"}).wait(10)
    story.begin("b", conversation_id=None).wait(100).say("a", 100).wait(50).end("a")
    story.wait(50).end("b")
    lanes = {
        e["args"]["name"]
        for e in traced(story.records)
        if e["ph"] == "M" and e["name"] == "thread_name"
    }
    assert {"responses", "responses 2"} <= lanes


def test_hostile_names_are_escaped() -> None:
    story = Story(model="\x1b]0;x\x07")
    story.speak(500).hear("i", 300, 400)
    story.server(
        "conversation.item.input_audio_transcription.completed",
        item_id="i",
        transcript="\x1b[31m\u202e</script>",
    )
    story.reply("\x1b[2J", words="\x9b31m")
    told = json.dumps({"type": "\ud800", "error": {"message": "\udfff"}})
    story.records.append(Event(len(story.records) - 1, round(story.now_ms * 1e6), 1, told))
    made = orjson.loads(b"".join(trace(Session.fold(story.records), story.records, "\x1b[1m")))
    for text in texts(made):
        assert visible(text) == text


def texts(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


@pytest.mark.parametrize("cut", [1, 10, 60, 200])
def test_half_a_call_makes_a_sound_trace(cut: int) -> None:
    records = simulated("support-call")
    traced(records[:cut])
    traced([records[0], *records[cut:]])


def test_what_happened_on_the_connection_is_told_as_by_inspect() -> None:
    body = b'{"error": "no"}' + b" " * 5_000
    made = traced([Control(0, 5_000_000, 1, "refused", {"status": 401, "body": body})])
    (refused,) = [one for one in made if one.get("name") == "rtproxy.refused"]
    assert refused["args"]["detail"] == '401 · “{"error": "no"}”'


def test_the_command(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", simulated("tool"))
    out = tmp_path / "call.trace.json"
    done = CliRunner().invoke(rtproxy, ["export", "trace", str(tape), "-o", str(out)])
    assert (done.exit_code, done.output) == (0, "")
    check(orjson.loads(out.read_bytes())["traceEvents"])


def test_a_tape_without_times_is_one_sentence(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", Story().begin("r").end("r").records)
    done = CliRunner().invoke(rtproxy, ["export", "trace", str(tape)])
    assert done.exit_code == 2
    assert "has no times" in done.stderr
    assert done.stdout == ""
