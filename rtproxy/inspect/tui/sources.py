"""What the lists show: turns, findings, events, detail. Lines are made when they are to be seen."""

from collections import OrderedDict
from collections.abc import Callable

from rtproxy.inspect.listing import Row
from rtproxy.inspect.tui.detail import event_lines, finding_lines, turn_lines
from rtproxy.inspect.tui.event_row import Columns, columns_for, event_line, heading
from rtproxy.inspect.tui.inspection import Inspection, place_of
from rtproxy.inspect.tui.line import BLANK, Line, line
from rtproxy.inspect.tui.painting import wrapped
from rtproxy.inspect.tui.shelf import Shelf, row_at
from rtproxy.inspect.tui.tables import columns_for as turn_columns
from rtproxy.inspect.tui.tables import finding_line, turn_heading, turn_line
from rtproxy.realtime.turn import Turn

Make = Callable[[], list[Line]]

KEPT_ROWS = 512
CAUSE, EFFECT, BOTH = "↑", "↓", "↕"


class TurnSource:
    """The table of turns."""

    def __init__(self, place: Inspection) -> None:
        self._place = place
        self.slow: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self._place.session.turns)

    def heading(self, width: int) -> Line | None:
        return turn_heading(turn_columns(width))

    def line(self, index: int, width: int) -> Line:
        session = self._place.session
        return turn_line(session, session.turns[index], turn_columns(width), self.slow)

    def sign(self, _index: int) -> str:
        return ""


class FindingSource:
    """The findings, or that there are none."""

    def __init__(self, place: Inspection) -> None:
        self._place = place
        self.known = False
        """Whether the whole tape has been read."""

    def __len__(self) -> int:
        return len(self._place.findings)

    def heading(self, _width: int) -> Line | None:
        if self._place.findings:
            return line((f"{'':<4} {'at s':>8} {'':<8} {'finding':<16} what happened", "label"))
        return line(("Nothing was found to be wrong." if self.known else "Not known yet.", "label"))

    def line(self, index: int, _width: int) -> Line:
        mark, finding = self._place.findings[index]
        return finding_line(mark, finding, self._place.catalogue.ms(place_of(finding)))

    def sign(self, _index: int) -> str:
        return ""


class EventSource:
    """The list of events. The rows that were seen last are kept."""

    def __init__(self, place: Inspection, shelf: Shelf) -> None:
        self._place = place
        self._shelf = shelf
        self._rows: OrderedDict[int, Row] = OrderedDict()
        self._listed: object = None
        self._causes: frozenset[int] = frozenset()
        self._effects: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self._place.rows)

    def heading(self, width: int) -> Line | None:
        if self._place.filter and self._place.rows.complete and not len(self):
            return line(("No event fits the filter; Esc shows all of them.", "pause"))
        return heading(self._columns(width))

    def line(self, index: int, width: int) -> Line:
        return event_line(self.row(index), self._columns(width))

    def sign(self, index: int) -> str:
        cause, effect = index in self._causes, index in self._effects
        return BOTH if cause and effect else CAUSE if cause else EFFECT if effect else ""

    def link(self) -> None:
        """Another record is looked at: note the rows that are linked with it."""
        place = self._place
        causes = (place.rows.row_of(at) for at in place.linked(back=True))
        effects = (place.rows.row_of(at) for at in place.linked(back=False))
        self._causes = frozenset(row for row in causes if row is not None)
        self._effects = frozenset(row for row in effects if row is not None)

    def row(self, index: int) -> Row:
        place = self._place
        if self._listed is not place.rows:
            self._rows.clear()
            self._listed = place.rows
        kept = self._rows.get(index)
        # A row at the end of the list may still grow.
        if kept is not None and kept.count == place.rows.counts[index]:
            self._rows.move_to_end(index)
            return kept
        row = self._rows[index] = row_at(place.rows, index, place.catalogue, self._shelf)
        if len(self._rows) > KEPT_ROWS:
            self._rows.popitem(last=False)
        return row

    def _columns(self, width: int) -> Columns:
        catalogue = self._place.catalogue
        if not len(catalogue):
            return columns_for(width, 0, 0.0)
        return columns_for(width, catalogue.seqs[-1], catalogue.times[-1] / 1e6)


class DetailSource:
    """All about the event that is looked at, or the turn or finding that was entered."""

    def __init__(self, place: Inspection, shelf: Shelf) -> None:
        self._place = place
        self._shelf = shelf
        self._subject: tuple[object, ...] = ()
        self._logical: list[Line] = []
        self._lines: list[Line] = []
        self._width = 0

    def __len__(self) -> int:
        return len(self._lines)

    def heading(self, _width: int) -> Line | None:
        return None

    def line(self, index: int, _width: int) -> Line:
        return self._lines[index] if index < len(self._lines) else BLANK

    def sign(self, index: int) -> str:
        found = self._lines[index]
        return "↵" if found.seq is not None and not found.rest else ""

    def seq(self, index: int) -> int | None:
        """Where a line leads to."""
        return self._lines[index].seq if index < len(self._lines) else None

    def show_event(self, width: int) -> bool:
        """Show the record that is looked at; False if it is shown already."""
        place = self._place
        row = place.row
        count = 0 if row is None else place.rows.counts[row]
        key = ("event", place.at, count, len(place.links), len(place.findings))
        return self._show(key, width, lambda: event_lines(place, self._shelf))

    def show_turn(self, turn: Turn, width: int) -> bool:
        return self._show(("turn", turn.n), width, lambda: turn_lines(self._place, turn))

    def show_finding(self, index: int, width: int) -> bool:
        return self._show(("finding", index), width, lambda: finding_lines(self._place, index))

    def _show(self, key: tuple[object, ...], width: int, make: Make) -> bool:
        fresh = key != self._subject
        if fresh:
            self._subject, self._logical = key, make()
        if fresh or width != self._width:
            self._width = width
            self._lines = [part for found in self._logical for part in wrapped(found, width)]
        return fresh
