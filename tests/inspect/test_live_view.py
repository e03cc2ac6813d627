"""A call that goes on, as it is drawn again and again."""

import pytest
from rich.cells import cell_len

from rtproxy.inspect.live_view import LiveView
from rtproxy.inspect.overview import Overview
from rtproxy.inspect.timeline import Moments
from rtproxy.realtime.session import Session
from rtproxy.realtime.stage import stage_of
from rtproxy.tape.record import Record
from rtproxy.tape.summary import Summary
from tests.inspect.sample import HEADER, Piece
from tests.inspect.test_terminal import ESCAPE, console
from tests.inspect.test_view import long_call, simulated


def drawn(
    records: list[Record] | list[Piece], width: int = 80, height: int = 40, turn: int | None = None
) -> list[str]:
    """The lines after so many records, without their colours."""
    session, moments = Session(levels=True), Moments()
    for record in moments.note(records):
        session.take(record)
    overview = Overview("call.rtape", HEADER, "live", 9000, Summary())
    view = LiveView(console(width, True), lambda: overview, session, moments, turn=turn)
    return [ESCAPE.sub("", line) for line in view.lines(height)]


@pytest.mark.parametrize("height", [3, 10, 24, 60])
@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("name", ["support-call", "choppy", "rate-limit"])
def test_it_fits_whatever_there_is(name: str, width: int, height: int) -> None:
    records = simulated(name)
    for end in range(1, len(records), 31):
        lines = drawn(records[:end], width, height)
        assert len(lines) <= height
        assert max(map(cell_len, lines)) <= width
        assert lines[0].startswith("tape       call.rtape · live")
        assert lines[1].startswith("now        ")


def test_it_tells_who_has_the_word() -> None:
    records = simulated("support-call")
    told: list[str] = []
    for end in range(1, len(records) + 1):
        session = Session.fold(records[:end])
        now = f"{len(session.turns)} {stage_of(session)}"
        if not told or told[-1] != now:
            told.append(now)
    assert told == [
        "0 quiet",
        "1 caller", "1 waiting", "1 tool", "1 quiet", "1 waiting", "1 assistant",
        "2 caller", "2 waiting", "2 assistant", "2 quiet", "2 over",
    ]  # fmt: skip


def test_of_a_long_call_the_last_is_shown() -> None:
    lines = drawn(long_call(100), height=24)
    assert "turn 100 · quiet · 16:39.0" in lines[1]
    axis = next(line for line in lines if "╷" in line)
    assert "╷16:" in axis
    assert "╷0" not in axis
    assert any("Question 99" in line for line in lines)
    assert not any("Question 50" in line for line in lines)
    # All of them may be wrong; the last of it has room.
    assert any("no-reply" in line and "turn 100" in line for line in lines)


def test_a_short_call_grows_into_its_lanes() -> None:
    records = simulated("support-call")
    widths = [
        len(next(line for line in drawn(records[:end], 80) if line.startswith("caller")))
        for end in (100, 200, 300)
    ]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1] < 80


def test_one_turn_alone() -> None:
    records = simulated("support-call")
    lines = drawn(records, turn=1)
    assert any(line.startswith("   1 ") for line in lines)
    assert not any(line.startswith("   2 ") for line in lines)
    assert drawn(records, turn=9) == drawn(records)
