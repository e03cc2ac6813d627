"""What a person sees of a call: the view at several widths, plain and in colour.

After a wanted change, look at the new files: UPDATE_SNAPSHOTS=1 pytest tests/inspect.
"""

import io
import os
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from rtproxy.inspect.overview import Overview
from rtproxy.inspect.screen import LABEL_CELLS, Screen
from rtproxy.inspect.timeline import Lane, Moments, Span, Timeline, marks_of, span_of
from rtproxy.inspect.view import View
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import load
from rtproxy.tape.record import Record
from rtproxy.tape.summary import Summary
from tests.inspect.sample import HEADER, SESSION, Piece, Script, base64_of, sample
from tests.inspect.test_terminal import ESCAPE, SNAPSHOTS, console
from tests.realtime.simulated import call_records

CALLS = ("support-call", "choppy", "rate-limit")


def simulated(name: str) -> list[Record]:
    return call_records(load(name))


def view_of(
    records: list[Record] | list[Piece], screen: Console, turn: int | None = None,
    ascii: bool = False,
) -> View:  # fmt: skip
    session, moments, summary = Session(levels=True), Moments(), Summary()
    session.take(HEADER)
    for record in moments.note(records):
        session.take(record)
        summary.add(record, 0)
    overview = Overview("call.rtape", HEADER, "sealed", 9000, summary)
    return View(
        Screen(screen, ascii), overview, session, moments,
        turn=session.turns.number(turn), zone=UTC,
    )  # fmt: skip


def shown(
    records: list[Record] | list[Piece], width: int | None, colour: bool = False,
    turn: int | None = None, ascii: bool = False,
) -> str:  # fmt: skip
    screen = console(width, colour)
    view = view_of(records, screen, turn, ascii)
    Screen(screen, ascii).show(view.lines(), pager=False)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("width", [80, 100, 200, None], ids=["80", "100", "200", "piped"])
@pytest.mark.parametrize("name", CALLS)
def test_the_view_looks_like_this(name: str, width: int | None, colour: bool) -> None:
    path = SNAPSHOTS / f"view-{name}-{width or 'piped'}-{'colour' if colour else 'plain'}.txt"
    found = shown(simulated(name), width, colour)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(found, "utf-8")
    assert found == path.read_text("utf-8")


@pytest.mark.parametrize("width", [60, 66, 72, 80, 100, 150, 200])
@pytest.mark.parametrize("name", [*CALLS, "sample"])
def test_no_line_of_the_view_is_wider_than_the_terminal(name: str, width: int) -> None:
    records = sample() if name == "sample" else simulated(name)
    for turn in (None, 1):
        plain = shown(records, width, turn=turn)
        assert max(map(cell_len, plain.splitlines())) <= width
        assert ESCAPE.sub("", shown(records, width, colour=True, turn=turn)) == plain


def lanes_of(name: str, width: int = 80, turn: int | None = None) -> dict[str, Lane]:
    session, moments = Session(levels=True), Moments()
    for record in moments.note(simulated(name)):
        session.take(record)
    span = span_of(session, session.turns.number(turn))
    lanes = Timeline(session, moments, span, width).lanes(marks_of(session.findings))
    return {lane.name: lane for lane in lanes}


def test_the_lanes_tell_what_was_heard_and_what_was_not() -> None:
    lanes = lanes_of("support-call", 160)
    assistant = lanes["assistant"].text
    heard, unheard = assistant.index("█"), assistant.index("░")
    assert heard < unheard
    # The caller's second turn begins where the first answer falls silent.
    assert abs(lanes["turns"].text.index("2") - unheard) <= 2
    assert "lookup_order" in lanes["tools"].text
    assert [char for char in lanes["responses"].text if char in "✓~!"] == ["✓", "~", "✓"]
    assert "findings" not in lanes


def test_a_finding_stands_where_it_shows() -> None:
    lanes = lanes_of("choppy")
    assert "×" in lanes["assistant"].text
    assert "▲1" in lanes["findings"].text
    lanes = lanes_of("rate-limit")
    assert lanes["findings"].text.endswith("■1")
    assert lanes["responses"].text.endswith("!")


def test_an_error_stands_where_it_came() -> None:
    call = Script()
    call.server(0, "session.created", session=SESSION)
    call.server(500, "error", error={"message": "No."})
    call.client(1000, "session.update", session={})
    for width in (80, 100):
        lines = shown(call.records, width).splitlines()
        [errors] = [line for line in lines if line.startswith("errors")]
        assert errors[LABEL_CELLS:].strip() == "!"
        assert abs(errors.index("!") - LABEL_CELLS - (width - LABEL_CELLS) / 2) <= 1


def long_call(turns: int, turn_ms: int = 10_000) -> list[Piece]:
    """Typed turns, one after the other."""
    call = Script()
    call.server(0, "session.created", session=SESSION)
    for n in range(turns):
        content = [{"type": "input_text", "text": f"Question {n}"}]
        item = {"type": "message", "role": "user", "content": content}
        call.client(n * turn_ms + 1, "conversation.item.create", item=item)
        call.client(n * turn_ms + 2, "response.create")
        call.server(n * turn_ms + 30, "response.created", response={"id": f"r{n}"})
        done = {"id": f"r{n}", "status": "completed"}
        call.server((n + 1) * turn_ms - 1000, "response.done", response=done)
    return call.records


@pytest.mark.parametrize(
    ("turns", "width", "strips"),
    [(10, 80, 1), (12, 80, 2), (40, 80, 4), (400, 80, 4), (40, 200, 2)],
)
def test_a_long_call_has_strips(turns: int, width: int, strips: int) -> None:
    lines = shown(long_call(turns), width).splitlines()
    lanes = [line[LABEL_CELLS:] for line in lines if line.startswith("turns")]
    assert len(lanes) == strips
    # Each turn's number stands once, in order, as far as there is room.
    numbers = [int(word) for lane in lanes for word in lane.replace("─", " ").split()]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1
    assert (turns > 40) or numbers == list(range(1, turns + 1))
    hint = "--turn N zooms in on a turn"
    assert (hint in lines) is (strips > 1)
    assert "╷0" in lines[next(n for n, line in enumerate(lines) if "╷" in line)]


def test_one_turn_fills_the_width() -> None:
    lanes = lanes_of("support-call", 100, turn=2)
    assert "1" not in lanes["turns"].text
    assert lanes["turns"].text.index("2") < 15
    assert "tools" not in lanes


@given(st.text(alphabet=st.sampled_from("a \x1b[2J\x9b\r\n\t\x07\u202e世👋\ud800"), max_size=60))
def test_nothing_from_the_tape_reaches_the_view_unescaped(text: str) -> None:
    call = Script()
    tool = {"call_id": "call_1", "name": text, "arguments": text}
    ids = {"response_id": text or "r", "item_id": "item_2"}
    call.server(0, "session.created", session=SESSION | {"model": text, "voice": text})
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    call.client(10, "conversation.item.create", item=item)
    call.client(20, "response.create")
    call.server(30, "response.created", response={"id": text or "r"})
    call.server(40, "response.output_audio.delta", delta=base64_of(4800), **ids)
    call.server(41, "response.output_audio_transcript.done", transcript=text, **ids)
    call.server(42, "response.function_call_arguments.done", **tool, **ids)
    error = {"type": text, "code": "rate_limit_exceeded", "message": text}
    details = {"status": "failed", "status_details": {"type": "failed", "error": error}}
    call.server(50, "response.done", response={"id": text or "r", **details})
    call.server(60, "error", error=error)
    for width in (80, 200, None):
        lines = shown(call.records, width)
        assert not set(lines.replace("\n", "")) & set("\x1b\x9b\r\t\x07\u202e\ud800")
        assert width is None or max(map(cell_len, lines.splitlines())) <= width
        assert shown(call.records, width, ascii=True).isascii()


def test_half_a_call_is_shown_as_far_as_it_goes() -> None:
    records = simulated("support-call")
    for end in range(1, len(records), 23):
        for part in (records[:end], records[end:]):
            for turn in (None, 1):
                assert max(map(cell_len, shown(part, 80, turn=turn).splitlines())) <= 80


def test_a_tape_without_times_has_no_lanes() -> None:
    call = Script()
    call.server(0, "session.created", session=SESSION)
    call.server(0, "response.created", response={"id": "r"})
    call.server(0, "response.done", response={"id": "r", "status": "completed"})
    lines = shown(call.records, 80)
    assert "This tape has no times" in lines
    assert "╷" not in lines


def test_ticks_have_room() -> None:
    for seconds in (0.02, 0.3, 4, 75, 600, 5000, 90_000):
        session = Session()
        lane = Timeline(session, Moments(), Span(0, seconds * 1000), 69).lanes()[0]
        assert lane.name == ""
        assert 2 <= lane.text.count("╷") <= 69 // 9 + 1
        assert cell_len(lane.text) == 80 - LABEL_CELLS
