"""The screen: what stands where, and what it shows of the place in the call."""

from typing import Literal

from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from rtproxy.inspect.overview import Overview
from rtproxy.inspect.tui.arrangement import PANES, Pane, visible
from rtproxy.inspect.tui.bars import Bar, Tabs
from rtproxy.inspect.tui.chart import Chart
from rtproxy.inspect.tui.heading import name_line, reading_line, state_words
from rtproxy.inspect.tui.inspection import Inspection
from rtproxy.inspect.tui.lanes import Lanes
from rtproxy.inspect.tui.line import BLANK, Ink, Line, Piece, line
from rtproxy.inspect.tui.lines import GUTTER, LineList
from rtproxy.inspect.tui.loading import Loading
from rtproxy.inspect.tui.painting import wrapped
from rtproxy.inspect.tui.request import Request
from rtproxy.inspect.tui.sources import DetailSource, EventSource, FindingSource, TurnSource
from rtproxy.inspect.tui.work import WORDS, Work
from rtproxy.tape.reader import Tape

ROOMY = 30
"""Lines from which the name of the tape may take two of them."""

HINTS: tuple[tuple[str, str], ...] = (
    ("?", "help"), ("q", "quit"), ("n p", "turns"), ("f F", "findings"), ("←→", "time"),
    ("+ -", "zoom"), ("/", "filter"), ("c e", "cause, effect"), ("Space", "play"),
    ("u", "unfold"), ("1234", "panes"), ("v", "mark"), ("t", "colours"),
)  # fmt: skip

Subject = Literal["event", "turn", "finding"]


EXAMPLES = 'filter: error,response.*  client  t>10s  turn:2  "words"  !*.delta'


class Board(App[None]):
    """What is known, where we are, and the widgets that show it."""

    TITLE = "rtproxy inspect"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    #upper, #lower { height: 1fr; }
    #events { width: 3fr; } #detail { width: 2fr; }
    #prompt { height: 1; border: none; padding: 0; background: $background; }
    #prompt:focus { border: none; }
    """

    def __init__(self, tape: Tape, overview: Overview, request: Request) -> None:
        super().__init__()
        self.tape = tape
        self.overview = overview
        self.request = request
        self.loading = Loading(tape)
        self.place = Inspection(self.loading.session, self.loading.catalogue)
        self.chart = Chart(self.loading.session, self.loading.catalogue)
        self.work = Work(self.place, self.loading, self.chart)
        shelf = self.loading.shelf
        self.turn_source = TurnSource(self.place)
        self.finding_source = FindingSource(self.place)
        self.event_source = EventSource(self.place, shelf)
        self.detail_source = DetailSource(self.place, shelf)
        self.pane: Pane = "events" if request.events or request.filter else "turns"
        self.table: Pane = "turns"
        self.below: Pane = "events"
        self.subject: Subject = "event"
        self.notice: tuple[str, Ink] = ("", "")
        self.playing = False
        self.call: Line = BLANK
        """How the call went, once that is known."""
        self._tables_height: int | str = ""

    @property
    def expected_ms(self) -> float:
        """How long the call is, as far as that is known before it is read."""
        known = self.overview.counted and self.loading.state == "sealed"
        return self.overview.summary.duration_ns / 1e6 if known else 0.0

    def compose(self) -> ComposeResult:
        yield Bar(self._head, id="head")
        yield Lanes(self.place, self.chart)
        yield Bar(self._status, id="status")
        yield Tabs(id="upper-tabs")
        with Vertical(id="upper"):
            yield LineList(self.turn_source, id="turns")
            yield LineList(self.finding_source, id="findings")
        yield Tabs(id="lower-tabs")
        with Horizontal(id="lower"):
            yield LineList(self.event_source, id="events")
            yield LineList(self.detail_source, id="detail")
        yield Bar(self._foot, id="foot")
        yield Input(id="prompt", placeholder=EXAMPLES, compact=True, select_on_focus=False)

    def _head(self, width: int) -> list[Line]:
        found = name_line(self.overview, self.loading)
        if self.size.height < ROOMY:
            lines = [found]
        else:
            lines = list(wrapped(found, width))[:2]
        if self.call is not BLANK:
            lines.append(self.call)
        else:
            phase = self.work.phase
            lines.append(reading_line(self.work.fraction, WORDS[phase] or WORDS["reading"], width))
        return [*lines, *(line((words, "pause")) for words in state_words(self.loading))]

    def _status(self, _width: int) -> list[Line]:
        place = self.place
        span, shown = place.span, place.viewport.span
        turn = place.turn
        pieces: list[Piece] = [(f"{place.cursor_ms / 1000:.3f} s", "strong")]
        if turn is not None:
            pieces.append((f"  turn {turn.n} of {len(place.session.turns)}", ""))
        if not place.viewport.is_whole:
            pieces.append((f"  shown {shown.start_ms / 1000:.2f}–{shown.end_ms / 1000:.2f} s", ""))
        if span is not None:
            pieces.append((f"  marked {span.ms / 1000:.2f} s", "pause"))
        if self.playing:
            pieces.append(("  ▶ playing", "good"))
        if place.filter:
            pieces += [("  / ", "quiet"), (place.filter, "link")]
        text, ink = self.notice
        if text:
            pieces += [("  ", ""), (text, ink)]
        elif self.work.judged and not self.work.idle:
            pieces.append((f"  {WORDS[self.work.phase]} {self.work.fraction:.0%}", "quiet"))
        return [line(*pieces)]

    def _foot(self, width: int) -> list[Line]:
        pieces: list[Piece] = []
        for key, does in HINTS:
            if sum(len(text) for text, _ in pieces) + len(key) + len(does) + 3 > width:
                break
            pieces += [(f" {key} ", "strong"), (f"{does} ", "quiet")]
        return [line(*pieces)]

    @property
    def is_bare(self) -> bool:
        """Whether the board is there, and no help lies over it."""
        return len(self.screen_stack) == 1 and bool(self.query("#prompt"))

    def show(self) -> None:
        """Show where we are, and what is known."""
        if not self.is_bare:
            return
        place = self.place
        self.event_source.link()
        self.list_of("events").update(place.row)
        turn = place.turn
        self.list_of("turns").update(None if turn is None else turn.n - 1)
        self.list_of("findings").update(place.finding)
        self._size_tables()
        self._show_detail()
        lanes = self.query_one(Lanes)
        lanes.refresh(layout=len(lanes.drawn) != lanes.size.height)
        head = self.query_one("#head")
        head.refresh(layout=len(self._head(self.size.width)) != head.size.height)
        self.query_one("#status").refresh()
        self.show_tabs()

    def _show_detail(self) -> None:
        detail = self.list_of("detail")
        width = detail.scrollable_content_region.width - GUTTER
        if detail.display and width > 0:
            detail.update(0 if self._show_subject(width) else None)

    def _show_subject(self, width: int) -> bool:
        """Show what was looked at last; False if it is shown already."""
        place, turn = self.place, self.place.turn
        if self.subject == "turn" and turn is not None:
            return self.detail_source.show_turn(turn, width)
        if self.subject == "finding" and place.finding is not None:
            return self.detail_source.show_finding(place.finding, width)
        return self.detail_source.show_event(width)

    def show_tabs(self) -> None:
        place = self.place
        texts: dict[Pane, str] = {
            "turns": f"1 Turns {len(place.session.turns):,}",
            "findings": f"2 Findings {len(place.findings):,}" if self.work.judged else "2 Findings",
            "events": f"3 Events {len(place.rows):,}",
            "detail": "4 Detail",
        }
        open_ = {pane for pane in PANES if self.list_of(pane).display}
        focused = next((pane for pane in PANES if self.list_of(pane).has_focus), None)
        beside = self.list_of("events").display and self.list_of("detail").display
        detail_at = self.list_of("events").outer_size.width if beside else 0
        at: dict[Pane, int] = {"detail": detail_at}
        names = [(pane, texts[pane], at.get(pane, 0)) for pane in PANES]
        upper, lower = self.query_one("#upper-tabs", Tabs), self.query_one("#lower-tabs", Tabs)
        lower.show(names[2:] if upper.display else names, open_, focused)
        upper.show(names[:2], open_, focused)

    def arrange(self) -> None:
        """Give the room that there is to the panes that should have it."""
        if not self.is_bare:
            return
        width, height = self.size
        shown = visible(width, height, self.pane, self.table, self.below)
        for pane in PANES:
            self.list_of(pane).display = pane in shown
        tables, lower = shown & {"turns", "findings"}, shown & {"events", "detail"}
        upper = self.query_one("#upper")
        upper.display, self.query_one("#lower").display = bool(tables), bool(lower)
        self.query_one("#upper-tabs").display = bool(tables and lower)
        self._size_tables()
        self.move_tabs(above=bool(tables and not lower))
        self.screen.set_focus(self.list_of(self.pane))
        self.call_after_refresh(self.show)

    def _size_tables(self) -> None:
        """Give turns and findings as many lines as they have, where others need room too."""
        height: int | str = "1fr"
        if self.query_one("#lower").display:
            rows = max(len(self.turn_source), len(self.finding_source), 1) + 1
            height = min(rows, self.size.height // 4)
        if height != self._tables_height:
            self._tables_height = height
            self.query_one("#upper").styles.height = height

    def move_tabs(self, *, above: bool) -> None:
        """Keep the names of the panes above the pane that is to be seen."""
        tabs, upper = self.query_one("#lower-tabs"), self.query_one("#upper")
        if above:
            self.screen.move_child(tabs, before=upper)
        else:
            self.screen.move_child(tabs, after=upper)

    def list_of(self, pane: Pane) -> LineList:
        return self.query_one(f"#{pane}", LineList)

    @property
    def prompt(self) -> Input:
        return self.query_one("#prompt", Input)
