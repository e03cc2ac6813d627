"""Reading a tape as a script, and the small values that it rests on."""

import json
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.errors import PathError, ReplayError
from rtproxy.realtime.jsonpath import PathPattern, format_path
from rtproxy.replay.action import Close, Eof, Ping, Reset
from rtproxy.replay.message import appended_audio, audio_size, parse_message
from rtproxy.replay.pacing import parse_speed
from rtproxy.replay.player import Player
from rtproxy.replay.script import read_script
from rtproxy.replay.splice import replace_spans, value_span
from rtproxy.tape.record import Seal, Trailer, Unknown
from tests.replay.taped import Tape, added, captured, event, read_capture, user
from tests.replay.test_player import play, texts


def test_what_each_server_step_waits_for() -> None:
    tape = Tape().server("session.created").client("session.update").append(100, 200)
    tape.server("session.updated").client("input_audio_buffer.commit").append(50)
    tape.server("input_audio_buffer.committed")
    script = read_script(tape.records)
    assert [step.gate for step in script.server] == [(0, 0, 0), (1, 0, 300), (2, 1, 50)]
    assert [step.anchor for step in script.server] == ["start", "client", "audio"]
    assert script.segments == (300, 50)
    assert script.realtime


@captured
def test_captures_are_understood(capture: Path) -> None:
    script = read_script(read_capture(capture))
    assert script.realtime
    assert not script.client_ids - {step.adopts for step in script.client}
    adopted = [step for step in script.client if step.adopts]
    assert len(adopted) == sum(step.type == "conversation.item.create" for step in script.client)


def test_pings_and_the_servers_end_are_played() -> None:
    tape = Tape().server("session.created").control("ping", True, payload=b"abcd")
    tape.control("pong", False, payload=b"abcd").client("response.create")
    tape.control("close", True, code=4000, reason="no model").control("close", code=4000)
    actions, player = play(tape, [])
    assert actions[1] == Ping(b"abcd", 2)
    actions = player.receive(event("response.create"), 1.0)
    assert actions == [Close(4000, "no model", 5)]
    assert player.over
    assert player.finish().ok
    for name, action in (("eof", Eof(1)), ("reset", Reset(1))):
        assert play(Tape().control(name, True), [])[0] == [action]


def test_the_clients_end_is_left_to_the_client() -> None:
    tape = Tape().client("response.create").server("response.done").control("close", code=1000)
    tape.server("rate_limits.updated").control("close", True, code=1000).control("eof", True)
    actions, player = play(tape, [event("response.create")])
    assert len(texts(actions)) == 1
    assert player.closed(1000, "", 2.0) == []
    assert player.finish().ok


def test_refusals_gaps_and_foreign_records() -> None:
    tape = Tape().control("refused", True, status=401, body="{}").control("gap").control("marker")
    tape.records += [Unknown(9, 7, ()), Seal(8, 0, {}), Trailer(0)]
    script = read_script(tape.records)
    assert script.refusal == {"status": 401, "body": "{}"}
    assert script.gaps == (2,)
    assert script.header is not None
    assert not script.realtime


def test_an_empty_tape_is_complete() -> None:
    actions, player = play([], [])
    assert actions == []
    assert player.complete
    assert player.finish().ok


def test_recorded_pace_is_kept_from_the_cause() -> None:
    tape = Tape().wait(80).server("session.created").client("response.create")
    tape.wait(180).server("response.created").wait(80).server("response.done")
    player = Player(read_script(tape.records), speed=2.0)
    assert player.next_due == -inf
    assert player.advance(100.0) == []
    assert player.next_due == pytest.approx(100.05)
    assert len(player.advance(100.05)) == 1
    assert player.receive(event("response.create"), 200.0) == []
    assert player.next_due == pytest.approx(200.1)
    assert len(player.advance(200.1)) == 1
    assert player.next_due == pytest.approx(200.15)
    assert len(player.advance(300.0)) == 1
    assert player.complete
    assert player.next_due is None


def test_a_late_shell_does_not_make_the_rest_late() -> None:
    """Due times follow from one another, not from when the shell got round to sending."""
    tape = Tape().client("response.create")
    for _ in range(5):
        tape.server("response.output_text.delta")
    player = Player(read_script(tape.records))
    player.receive(event("response.create"), 0.0)
    dues = []
    while (due := player.next_due) is not None:
        dues.append(due)
        player.advance(due + 0.015)
    assert dues == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])


def test_audio_at_once_makes_what_is_heard_come_at_once_but_keeps_the_answers_pace() -> None:
    tape = Tape().append(960).server("input_audio_buffer.speech_started").append(960)
    tape.server("input_audio_buffer.speech_stopped").server("response.created")
    for _ in range(3):
        tape.append(960).wait(300).server("response.output_audio.delta")
    player = Player(read_script(tape.records))
    player.advance(0.0)
    for _ in range(5):
        player.receive(json.dumps(json.loads(str(tape.records[1].payload))), 0.0)  # type: ignore[union-attr]
    dues = []
    while (due := player.next_due) is not None:
        dues += [due] * len(player.advance(due))
    assert dues == pytest.approx([0.02, 0.02, 0.04, 0.38, 0.72, 1.06])


@pytest.mark.parametrize(("text", "speed"), [("1", 1), ("2.5x", 2.5), ("max", inf), (" MAX ", inf)])
def test_speeds(text: str, speed: float) -> None:
    assert parse_speed(text) == speed
    for nonsense in ("0", "-1", "fast", "", "nan"):
        with pytest.raises(ReplayError, match="is no speed"):
            parse_speed(nonsense)


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("session.instructions", ("session", "instructions"), True),
        ("$.session", ("session", "instructions"), True),
        ("session.instructions", ("session",), False),
        ("item.content[*].text", ("item", "content", 3, "text"), True),
        ("item.content[0].text", ("item", "content", 1, "text"), False),
        ("$..text", ("item", "content", 3, "text"), True),
        ("..text", ("text",), True),
        ("item..text", ("session", "text"), False),
        ("item..text", ("item", "a", "b", "text", 0), True),
        ("session.*", ("session", "x"), True),
        ("session.*", ("session",), False),
        ("a['b.c']", ("a", "b.c"), True),
    ],
)
def test_paths(pattern: str, path: tuple[str | int, ...], covered: bool) -> None:
    assert PathPattern(pattern).covers(path) is covered


@pytest.mark.parametrize("text", ["", "$", "a[", "a[x]", "..", "a]"])
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(PathError, match="is no JSON path"):
        PathPattern(text)


@given(st.lists(st.one_of(st.integers(0, 99), st.from_regex(r"[a-z_. é]{1,8}", fullmatch=True))))
def test_a_path_as_text_names_itself(steps: list[str | int]) -> None:
    if steps:
        assert PathPattern(format_path(tuple(steps))).covers(tuple(steps))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    found: list[tuple[tuple[str | int, ...], Any]] = [(path, value)]
    members: Any = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for key, inner in members:
        found += places(inner, (*path, key))
    return found


@settings(max_examples=60)
@given(value=json_values, indent=st.sampled_from([None, 0, 3]), ascii_only=st.booleans())
def test_a_span_is_where_the_value_stands(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    for path, inner in places(value):
        span = value_span(text, path)
        assert span is not None
        assert json.loads(text[slice(*span)]) == inner
        assert json.loads(replace_spans(text, [(*span, json.dumps(inner))])) == value
    assert value_span(text, ("no such key", 7)) is None


def test_appends_however_they_are_written() -> None:
    assert appended_audio('{"type":"x","audio" : "AAAA"}') == "AAAA"
    assert appended_audio('{"type":"x","audio":"AA\\/\\u0041"}') == "AA/A"
    assert appended_audio('{"type":"x","audio":null}') is None
    assert appended_audio('{"type":"x","audio":"AAAA') is None
    assert audio_size("AAA=") == 2
    assert audio_size("AA==") == 1
    assert audio_size("AAAA\nAAAA") == 6
    assert audio_size("AAAA AAAA") == 6


def test_messages_that_cannot_be_parsed_stay_what_they_are() -> None:
    assert parse_message("{") == "{"
    assert parse_message(b"{}") == b"{}"
    deep = "[" * 500 + "]" * 500
    assert parse_message(deep) == deep
    wide = "[" + ",".join(["[]"] * 500) + "]"
    assert parse_message(wide) == json.loads(wide)


def test_many_players_share_one_script() -> None:
    tape = Tape().server("session.created").client(user("a", id="c")).server(added("a", "c"))
    script = read_script(tape.records)
    players = [Player(script, speed=inf) for _ in range(200)]
    for number, player in enumerate(players):
        player.advance(0.0)
        (action,) = player.receive(user("a", id=f"n{number}"), 0.0)
        assert f'"n{number}"' in action.payload  # type: ignore[union-attr]
    assert all(player.finish().ok for player in players)
