"""Where somebody is in a call: the moment, the record, the part that is shown, what is marked.

All that the keys do is done here, on values: a terminal shows it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from rtproxy.inspect.timeline import Span, marks_of, span_of
from rtproxy.inspect.tui.catalogue import Catalogue
from rtproxy.inspect.tui.folding import Folding, Keep
from rtproxy.inspect.tui.viewport import Viewport
from rtproxy.realtime.finding import Finding
from rtproxy.realtime.links import Links
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn

Filter = tuple[str, Keep | None]
"""A filter as it was written, and what it keeps; None for everything."""

MAX_HISTORY = 200
ZOOM = 2.0
"""How much a step zooms."""


class Inspection:
    """A place in a call, and ways to go on from it."""

    def __init__(self, session: Session, catalogue: Catalogue) -> None:
        self.session = session
        self.catalogue = catalogue
        self.links = Links()
        self.rows = Folding(catalogue)
        self.viewport = Viewport.whole(session.now_ms)
        self.cursor_ms = 0.0
        self.at = 0
        """The record that is looked at, by its number."""
        self.findings: list[tuple[str, Finding]] = []
        """With their marks, in the order of the tape."""
        self.finding: int | None = None
        """The finding that was gone to, until something else is."""
        self.folded = True
        self.filter = ""
        self.marked: tuple[float, float | None] | None = None
        self._keep: Keep | None = None
        self._history: list[int] = []
        self._turn_seqs: list[int] = []

    # What is known.

    def settle(self, links: Links, findings: Iterable[Finding]) -> None:
        """The call has been read, as far as it goes."""
        self.links = links
        self.findings = marks_of(findings)
        self.grow(self.session.now_ms)

    def grow(self, total_ms: float) -> None:
        """So much of the call is known, or is known to come."""
        self.viewport = self.viewport.grown(total_ms)
        self._turn_seqs = [turn.seq for turn in self.session.turns]

    @property
    def seq(self) -> int | None:
        """The seq of the record that is looked at."""
        return self.catalogue.seqs[self.at] if self.at < len(self.catalogue) else None

    @property
    def row(self) -> int | None:
        """The row of the event list in which it stands, or else the one before."""
        return self.rows.row_of(self.at) if self.at < len(self.catalogue) else None

    @property
    def turn(self) -> Turn | None:
        """The turn that it came in."""
        if self.seq is None:
            return None
        return self.session.turns.number(bisect_right(self._turn_seqs, self.seq))

    @property
    def span(self) -> Span | None:
        """What is marked, as far as it goes."""
        if self.marked is None:
            return None
        start, end = self.marked
        end = self.cursor_ms if end is None else end
        return Span(min(start, end), max(start, end))

    @property
    def selection(self) -> Span:
        """What is to be heard: what is marked, or else the turn, or else what is shown."""
        if self.span is not None and self.span.ms > 0:
            return self.span
        turn = self.turn
        return self.viewport.span if turn is None else span_of(self.session, turn)

    # Time.

    def go_to_time(self, t_ms: float) -> None:
        """Look at a moment, and at the last record that had come by then."""
        self.cursor_ms = min(max(0.0, t_ms), self.viewport.total_ms)
        self.at = self.catalogue.at_time(self.cursor_ms)
        self.finding = None
        self.viewport = self.viewport.revealing(self.cursor_ms)

    def step(self, cells: float, width: int) -> None:
        """Move by so many of the `width` cells of the lanes."""
        self.go_to_time(self.cursor_ms + cells * self.viewport.span.ms / max(1, width))

    def scroll(self, part: float) -> None:
        """Scroll the lanes by a part of what is shown; a moment that is seen goes with them."""
        before = self.viewport.span
        self.viewport = self.viewport.scrolled(part * before.ms)
        moved = self.viewport.span.start_ms - before.start_ms
        if moved and before.start_ms <= self.cursor_ms <= before.end_ms:
            self.go_to_time(self.cursor_ms + moved)

    def zoom(self, steps: float, at_ms: float | None = None) -> None:
        """Zoom in, or out where `steps` is negative, around a moment."""
        centre = self.cursor_ms if at_ms is None else at_ms
        self.viewport = self.viewport.zoomed(ZOOM**-steps, centre)

    def zoom_whole(self) -> None:
        self.viewport = Viewport.whole(self.viewport.total_ms)

    def zoom_selection(self) -> None:
        """Show what is marked, or else the turn."""
        span = self.selection
        self.viewport = self.viewport.between(span.start_ms, span.end_ms)

    # Records, turns, findings.

    def go_to(self, at: int, *, remember: bool = True) -> None:
        """Look at a record, and at the moment at which it came."""
        if not 0 <= at < len(self.catalogue):
            return
        if remember and at != self.at:
            self._history.append(self.at)
            del self._history[:-MAX_HISTORY]
        self.at = at
        self.finding = None
        self.cursor_ms = min(max(0.0, self.catalogue.times[at] / 1e6), self.viewport.total_ms)
        self.viewport = self.viewport.revealing(self.cursor_ms)

    def go_to_seq(self, seq: int) -> bool:
        """Look at a record; False if it is not there."""
        at = self.catalogue.find(seq)
        if at is not None:
            self.go_to(at)
        return at is not None

    def go_to_row(self, row: int) -> None:
        """Look at the first record of a row of the event list."""
        if 0 <= row < len(self.rows):
            self.go_to(self.rows.firsts[row], remember=False)

    def go_back(self) -> bool:
        """Look at what was looked at before; False if that was nothing."""
        if not self._history:
            return False
        self.go_to(self._history.pop(), remember=False)
        return True

    def go_to_turn(self, n: int) -> Turn | None:
        """Look at the beginning of a turn, and show all of it."""
        turn = self.session.turns.number(n)
        if turn is None:
            return None
        self.go_to_seq(turn.seq)
        if not self.viewport.is_whole:
            self.viewport = self.viewport.revealing_span(span_of(self.session, turn))
        return turn

    def turn_after(self, step: int) -> int | None:
        """The number of the next turn, or of the one before; None if there is none."""
        seq = -1 if self.seq is None else self.seq
        if step > 0:
            n = bisect_right(self._turn_seqs, seq) + 1
        else:
            n = bisect_left(self._turn_seqs, seq)
        return n if 0 < n <= len(self._turn_seqs) else None

    def finding_after(self, step: int) -> int | None:
        """The next finding, by its place in the list, or the one before; None if there is none."""
        if self.finding is not None:
            index = self.finding + step
            return index if 0 <= index < len(self.findings) else None
        seq = -1 if self.seq is None else self.seq
        places = [place_of(finding) for _, finding in self.findings]
        if step > 0:
            return next((n for n, place in enumerate(places) if place > seq), None)
        return next((n for n in reversed(range(len(places))) if places[n] < seq), None)

    def go_to_finding(self, index: int) -> Finding | None:
        """Look at the record at which a finding shows."""
        if not 0 <= index < len(self.findings):
            return None
        finding = self.findings[index][1]
        self.go_to_seq(place_of(finding))
        self.finding = index
        return finding

    def linked(self, *, back: bool) -> list[int]:
        """Numbers of the records that led to this one, or that it led to."""
        if self.seq is None:
            return []
        links = self.links.causes(self.seq) if back else self.links.effects(self.seq)
        found = (self.catalogue.find(link.seq) for link in links)
        return [at for at in found if at is not None]

    # What is listed, and what is marked.

    def relist(
        self, *, folded: bool | None = None, keep: tuple[str, Keep | None] | None = None
    ) -> None:
        """List other events: folded or not, by another filter."""
        self.folded = self.folded if folded is None else folded
        if keep is not None:
            self.filter, self._keep = keep
        self.rows = Folding(self.catalogue, self._keep, self.folded)

    def mark(self) -> None:
        """Begin to mark a time, end it, or forget it."""
        if self.marked is None:
            self.marked = (self.cursor_ms, None)
        elif self.marked[1] is None and self.marked[0] != self.cursor_ms:
            self.marked = (self.marked[0], self.cursor_ms)
        else:
            self.marked = None


def place_of(finding: Finding) -> int:
    """The seq at which a finding shows; −1 for one without events."""
    return finding.events[-1] if finding.events else -1
