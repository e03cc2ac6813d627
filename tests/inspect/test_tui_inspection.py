"""Going about in a call, on values: places, what is shown, and what is drawn of it."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.inspect.entry import entry_of
from rtproxy.inspect.timeline import Span, Timeline
from rtproxy.inspect.tui.arrangement import PANES, Pane, visible
from rtproxy.inspect.tui.catalogue import Catalogue
from rtproxy.inspect.tui.chart import ORDER, Chart
from rtproxy.inspect.tui.inspection import Inspection, place_of
from rtproxy.inspect.tui.stage import Extents, Stage
from rtproxy.inspect.tui.viewport import SHORTEST_MS, Viewport
from rtproxy.realtime.linking import links_of
from rtproxy.realtime.session import Session
from rtproxy.tape.record import Control, Event, Record
from tests.inspect.tui_desk import call
from tests.realtime.scenarios import CASES, Case

# What is shown.


def test_zooming_keeps_the_moment_where_it_is() -> None:
    shown = Viewport.whole(10_000).zoomed(0.5, 4_000)
    assert (shown.span.start_ms, shown.span.end_ms) == (2_000, 7_000)
    assert shown.zoomed(2, 4_000).is_whole


def test_nothing_leaves_the_call() -> None:
    shown = Viewport.whole(10_000).zoomed(0.1, 0)
    assert shown.span == Span(0, 1_000)
    assert shown.scrolled(-500).span == Span(0, 1_000)
    assert shown.scrolled(99_999).span == Span(9_000, 10_000)
    assert shown.zoomed(1e-9, 500).span.ms == SHORTEST_MS


def test_a_moment_comes_into_view() -> None:
    shown = Viewport.whole(10_000).between(2_000, 3_000)
    assert shown.revealing(2_500) is shown
    assert shown.revealing(6_000).span == Span(5_750, 6_750)
    assert shown.revealing_span(Span(5_000, 5_400)).span == Span(4_700, 5_700)
    assert shown.revealing_span(Span(5_000, 9_000)).span == Span(5_000, 9_000)


def test_a_call_that_grows_is_still_shown_whole() -> None:
    assert Viewport.whole(1_000).grown(2_000).span == Span(0, 2_000)
    part = Viewport.whole(1_000).between(0, 500)
    assert part.grown(2_000).span == Span(0, 500)
    assert part.grown(2_000).total_ms == 2_000


STEPS = st.lists(
    st.tuples(st.sampled_from("zsbr"), st.floats(-3, 3), st.floats(-5_000, 40_000)), max_size=12
)


@given(STEPS, st.floats(0, 30_000))
def test_whatever_is_done_a_part_of_the_call_is_shown(
    steps: list[tuple[str, float, float]], total_ms: float
) -> None:
    shown = Viewport.whole(total_ms)
    for what, amount, at_ms in steps:
        match what:
            case "z":
                shown = shown.zoomed(2**amount, at_ms)
            case "s":
                shown = shown.scrolled(at_ms)
            case "b":
                shown = shown.between(at_ms, at_ms + amount * 1_000)
            case "r":
                shown = shown.revealing(at_ms)
        span = shown.span
        assert span.start_ms >= -1e-6
        assert span.end_ms <= shown.total_ms + 1e-6
        assert span.ms >= SHORTEST_MS - 1e-6


@pytest.mark.parametrize(
    ("size", "chosen", "expected"),
    [
        ((80, 24), "turns", {"turns"}),
        ((80, 24), "detail", {"detail"}),
        ((120, 24), "events", {"events", "detail"}),
        ((120, 24), "findings", {"findings"}),
        ((80, 50), "events", {"turns", "events"}),
        ((120, 40), "events", {"turns", "events", "detail"}),
        ((200, 50), "findings", {"findings", "events", "detail"}),
    ],
)
def test_panes_have_the_room_that_there_is(
    size: tuple[int, int], chosen: Pane, expected: set[Pane]
) -> None:
    table: Pane = chosen if chosen in ("turns", "findings") else "turns"
    below: Pane = chosen if chosen in ("events", "detail") else "events"
    assert visible(*size, chosen, table, below) == expected
    assert chosen in expected <= set(PANES)


# Where we are.


@dataclass
class Call:
    """A simulated call that has been read."""

    records: list[Record]
    session: Session
    catalogue: Catalogue
    place: Inspection
    chart: Chart


def known(name: str) -> Call:
    records = call(name)
    session, catalogue = Session.fold(records, levels=True), Catalogue()
    for record in records:
        if isinstance(record, Event | Control):
            catalogue.add(entry_of(record), 0, 1)
    place = Inspection(session, catalogue)
    place.rows.extend(10**6)
    place.settle(links_of(records, session), session.findings)
    chart = Chart(session, catalogue)
    chart.prepare(place.findings)
    if session.loudness is not None:
        chart.hear(session.loudness)
    return Call(records, session, catalogue, place, chart)


def test_turns_are_gone_through_one_by_one() -> None:
    found = known("barge-in, truncated wrong")
    place, turns = found.place, found.session.turns
    seen = []
    while (n := place.turn_after(1)) is not None:
        place.go_to_turn(n)
        assert place.turn is turns[n - 1]
        assert place.seq == turns[n - 1].seq
        seen.append(n)
    assert seen == [1, 2]
    assert place.turn_after(-1) == 1
    place.go_to_turn(1)
    assert place.turn_after(-1) is None
    assert place.go_to_turn(3) is None


def test_from_any_moment_the_next_turn_is_the_next() -> None:
    place = known("barge-in, truncated wrong").place
    place.go_to_time(2_000)
    assert place.turn_after(1) == 2
    assert place.turn_after(-1) == 1


def test_findings_are_gone_through_one_by_one() -> None:
    found = known("rate limit")
    place = found.place
    expected = len(found.session.findings)
    seen = []
    while (index := place.finding_after(1)) is not None:
        finding = place.go_to_finding(index)
        assert finding is not None
        assert place.seq == place_of(finding)
        seen.append(index)
    assert seen == list(range(expected))
    place.go_to_time(place.viewport.total_ms)
    assert place.finding_after(1) is None
    assert place.finding_after(-1) == expected - 1
    assert place.go_to_finding(99) is None


def test_a_moment_has_the_record_that_came_last() -> None:
    found = known("clean")
    place = found.place
    place.go_to_time(1_000)
    assert place.seq is not None
    times = {seq: found.catalogue.ms(seq) for seq in found.catalogue.seqs}
    assert place.seq == max(seq for seq, ms in times.items() if ms is not None and ms <= 1_000)
    place.go_to_time(-5)
    assert (place.cursor_ms, place.catalogue.times[place.at]) == (0, 0)
    place.go_to_time(1e9)
    assert place.cursor_ms == place.viewport.total_ms
    assert place.at == len(found.catalogue) - 1


def test_a_step_is_a_cell() -> None:
    place = known("clean").place
    place.step(10, 100)
    assert place.cursor_ms == pytest.approx(place.viewport.total_ms / 10)
    place.zoom(1)
    assert place.viewport.span.ms == pytest.approx(place.viewport.total_ms / 2)
    place.step(-1, 100)
    assert place.cursor_ms == pytest.approx(place.viewport.total_ms * (0.1 - 0.005))


def test_scrolling_takes_the_moment_along() -> None:
    place = known("clean").place
    place.zoom(2)
    before = place.cursor_ms - place.viewport.span.start_ms
    place.scroll(0.5)
    assert place.viewport.span.start_ms > 0
    assert place.cursor_ms - place.viewport.span.start_ms == pytest.approx(before)
    at = place.cursor_ms
    place.zoom_whole()
    place.scroll(0.5)
    assert place.cursor_ms == at


def test_causes_lead_to_one_another_and_back() -> None:
    found = known("slow tool")
    place = found.place
    names = [found.catalogue.name(at).name for at in range(len(found.catalogue))]
    place.go_to(len(names) - 1 - names[::-1].index("response.created"))
    path = [names[place.at]]
    while causes := place.linked(back=True):
        place.go_to(causes[-1])
        path.append(names[place.at])
    assert path[:5] == [
        "response.created",
        "response.create",
        "conversation.item.create",
        "response.function_call_arguments.done",
        "response.created",
    ]
    for name in reversed(path[:-1]):
        assert place.go_back()
        assert names[place.at] == name
    assert place.go_back()
    assert not place.go_back()


def test_what_is_marked_is_what_is_heard_else_the_turn() -> None:
    found = known("two turns, transcribed")
    place = found.place
    place.go_to_time(0)
    assert place.turn is None or place.turn.n == 1
    place.go_to_turn(2)
    turn = place.selection
    assert turn.start_ms < found.session.turns[1].began_ms < turn.end_ms
    place.mark()
    place.go_to_time(place.cursor_ms + 700)
    assert place.selection.ms == pytest.approx(700)
    place.mark()
    place.go_to_time(0)
    assert place.selection.ms == pytest.approx(700)
    place.mark()
    assert place.marked is None
    assert place.selection != turn


def test_listing_other_rows_keeps_the_place() -> None:
    place = known("clean").place
    place.go_to(60)
    folded = place.row
    place.relist(folded=False)
    place.rows.extend(10**6)
    assert place.row == place.at == 60
    assert folded is not None
    assert folded < 60
    place.relist(keep=("#10", lambda at: at == 10))
    place.rows.extend(10**6)
    assert place.row == 0


def test_an_empty_tape_is_a_place_too() -> None:
    place = Inspection(Session(), Catalogue())
    place.settle(place.links, [])
    assert (place.seq, place.row, place.turn) == (None, None, None)
    assert place.linked(back=True) == []
    assert (place.turn_after(1), place.finding_after(1), place.go_back()) == (None, None, False)
    place.go_to_time(5)
    place.zoom(3)
    assert place.selection == place.viewport.span


# What is drawn.


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_any_part_is_drawn_as_the_whole_session_would_be(case: Case) -> None:
    """What lies outside of what is shown is not looked at, and is not missed."""
    found = known(case.name)
    stage = Stage(found.session, found.session.loudness)
    edges = [found.session.now_ms * n / 7 for n in range(8)]
    for start, end in [*pairwise(edges), (0.0, found.session.now_ms), (100.0, 130.0)]:
        span = Span(start, end)
        part = Timeline(stage.within(span), found.catalogue, span, 70).lanes(found.place.findings)
        whole = Timeline(found.session, found.catalogue, span, 70).lanes(found.place.findings)
        shown = {lane.name: lane.text for lane in part}
        assert shown == {lane.name: lane.text for lane in whole}


def test_what_was_drawn_is_drawn_once() -> None:
    found = known("barge-in, truncated wrong")
    chart, span = found.chart, found.place.viewport.span
    lanes = chart.lanes(span, 100)
    assert chart.lanes(span, 100) is lanes
    assert chart.drawings == 1
    chart.lanes(span, 101)
    assert chart.drawings == 2
    chart.prepare(found.place.findings)
    chart.lanes(span, 101)
    assert chart.drawings == 3


def test_lanes_keep_their_place_wherever_we_look() -> None:
    found = known("barge-in, truncated wrong")
    whole = [lane.name for lane in found.chart.lanes(Span(0, found.session.now_ms), 80)]
    assert whole == [name for name in ORDER if name in whole]
    assert {"", "caller", "turns", "assistant", "responses", "events", "findings"} == set(whole)
    part = [lane.name for lane in found.chart.lanes(Span(8_000, 8_010), 80)]
    assert part == whole


def test_the_lane_of_events_shows_who_sent_what_and_trouble() -> None:
    found = known("refused setting")
    lanes = {lane.name: lane for lane in found.chart.lanes(Span(0, found.session.now_ms), 400)}
    runs = list(lanes["events"].runs())
    assert any(tone == "error" and "!" in text for text, tone in runs)
    assert any(tone == "heard" and "←" in text for text, tone in runs)
    narrow = {lane.name: lane for lane in found.chart.lanes(Span(0, 1e7), 3)}
    assert narrow["events"].text[0] == "!"


SPANS = st.tuples(st.floats(-10, 100), st.floats(0, 50)).map(lambda s: (s[0], s[0] + s[1]))


@given(st.lists(SPANS, max_size=15), SPANS)
def test_what_is_within_a_span_is_found(
    spans: list[tuple[float, float]], at: tuple[float, float]
) -> None:
    start, end = at
    found = Extents(spans, lambda span: span).within(Span(start, end))
    seen = [span for span in spans if span[0] <= end and span[1] >= start]
    assert sorted(seen) == sorted(span for span in found if span[0] <= end and span[1] >= start)


def test_of_many_things_few_are_looked_at() -> None:
    things = Extents(range(10_000), lambda n: (n * 10.0, n * 10.0 + 5))
    assert len(things) == 10_000
    assert things.within(Span(5_000, 5_100)) == list(range(500, 511))
