"""A difference on a terminal: how it came out, the metrics, then only what differs.

    for line in Terminal(Screen(Console())).lines(diff):
        print(line)

On a terminal both sides stand beside one another; elsewhere it is a list of `-` and `+` lines.
Nothing from a tape reaches the terminal unescaped.
"""

from collections.abc import Iterator, Sequence
from shlex import quote

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from rtproxy.diff.columns import INDENT, NEW, OLD, Columns
from rtproxy.diff.difference import Diff, Difference
from rtproxy.diff.distribution import SetDiff
from rtproxy.diff.excerpt import sides
from rtproxy.diff.report import (
    MetricRow,
    brief,
    caller,
    compared,
    events,
    groups,
    heading,
    latency,
    metric_rows,
    places,
    remark,
    result,
    set_budgets,
    spread_row,
    told_spreads,
    where,
)
from rtproxy.view.screen import LABEL, LABEL_CELLS, MIN_WIDTH, PAUSE, PLAIN, QUIET, Screen, cut

SAME = Style(color="green", bold=True)
OTHER = Style(color="red", bold=True)
BOLD = Style(bold=True)
LEVEL_CELLS = 10
PROSE = 96
WIDEST = 240
"""Lines of text that are any longer are hard to read."""
MOST_LEFT = 8
"""Cells that the last column of a table has at least."""

Row = tuple[tuple[str, ...], Style]
"""The cells of a table's row, and the style of the last."""


class Terminal:
    """Shows differences on a screen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._columns = Columns(screen)
        self._width = None if screen.width is None else min(max(screen.width, MIN_WIDTH), WIDEST)

    def lines(self, diff: Diff) -> Iterator[str]:
        """Two sessions, line by line."""
        yield from self._head(diff.a, diff.b, diff)
        for note in diff.notes:
            for line in self._wrapped(note):
                yield self._screen.labelled("", line, PAUSE)
        yield from self._metrics(metric_rows(diff))
        for group in groups(diff):
            title, said = heading(group.pair), caller(group.pair)
            if self._width is not None:
                yield ""
                yield self._titled(title, f"“{said}”" if said else "")
            for difference in group.differences:
                if self._width is None:
                    yield from self._unified(title if group.pair else "", difference)
                else:
                    yield from self._beside(difference, self._width)
        yield from self._look(diff)

    def set_lines(self, diff: SetDiff, a: str, b: str) -> Iterator[str]:
        """Two sets of sessions, of which `a` and `b` are the names: pairs, then metrics."""
        yield from self._head(a, b, diff)
        yield from self._pairs(diff)
        yield from self._table(("metric", "a", "b", "change", "95 % interval", "turns", ""), [
            ((row.key, row.a, row.b, row.change, row.interval, row.turns, row.meaning),
             BOLD if row.certain else QUIET)
            for row in map(spread_row, told_spreads(diff))
        ])  # fmt: skip
        yield from self._metrics(set_budgets(diff))
        for pair in diff.pairs:
            if not pair.diff.equal and pair.diff.a and pair.diff.b:
                command = f"rtproxy diff {quote(pair.diff.a)} {quote(pair.diff.b)}"
                yield from self._command(command, "shows a pair")
                return

    def _pairs(self, diff: SetDiff) -> Iterator[str]:
        rows = [(one.name, one.diff.equal, brief(one.diff), latency(one.diff), places(one.diff))
                for one in diff.pairs]  # fmt: skip
        rows += [(name, False, "only in a", "", "") for name in diff.only_a]
        rows += [(name, False, "only in b", "", "") for name in diff.only_b]
        yield from self._table(("pair", "result", "v2v.p50", "where"), [
            ((name, f"{'✓' if equal else '✗'} {how}", slower, where), QUIET)
            for name, equal, how, slower, where in sorted(rows)
        ], left=2)  # fmt: skip

    def _head(self, a: str | None, b: str | None, diff: Diff | SetDiff) -> Iterator[str]:
        """What was compared with what, and how it came out."""
        unified = self._width is None
        yield self._screen.labelled("---" if unified else "a", a or "a", OLD)
        yield self._screen.labelled("+++" if unified else "b", b or "b", NEW)
        yield self._screen.labelled("compared", compared(diff))
        for n, line in enumerate(self._wrapped(result(diff))):
            yield self._screen.labelled("" if n else "result", line, SAME if diff.equal else OTHER)

    # Tables.

    def _metrics(self, rows: Sequence[MetricRow]) -> Iterator[str]:
        """The metrics with the verdicts of the budgets on them."""
        signs = {True: "✓ ", False: "✗ ", None: ""}
        styles = {True: SAME, False: OTHER, None: PLAIN}
        yield from self._table(("metric", "a", "b", "change", ""), [
            ((row.key, row.a, row.b, row.change, f"{signs[row.within]}{row.budget}"),
             styles[row.within])
            for row in rows
        ])  # fmt: skip

    def _table(self, heads: tuple[str, ...], rows: Sequence[Row], left: int = 1) -> Iterator[str]:
        """Columns two spaces apart, after the first `left` to the right; the last is cut to fit."""
        if not rows:
            return
        safe = [tuple(map(self._safe, cells)) for cells, _ in rows]
        widths = [max(map(cell_len, column)) for column in zip(heads, *safe, strict=True)]
        yield ""
        for n, cells in enumerate([heads, *safe]):
            padded = []
            for at, cell in enumerate(cells[:-1]):
                blanks = " " * (widths[at] - cell_len(cell))
                padded.append(cell + blanks if at < left else blanks + cell)
            line, last = "  ".join(padded), cells[-1]
            if self._width is not None:
                last = cut(last, max(MOST_LEFT, self._width - cell_len(line) - 2))
            if n == 0:
                yield self._paint(LABEL, f"{line}  {last}".rstrip())
            else:
                yield f"{line}  {self._paint(rows[n - 1][1], last)}".rstrip()

    # Differences.

    def _titled(self, title: str, said: str) -> str:
        assert self._width is not None
        title = self._safe(title)
        rest = cut(self._safe(said), max(0, self._width - cell_len(title) - 2))
        return f"{self._paint(BOLD, title)}  {self._paint(QUIET, rest)}".rstrip()

    def _beside(self, difference: Difference, width: int) -> Iterator[str]:
        level = self._paint(LABEL, f"  {difference.level:<{LEVEL_CELLS}}")
        place, aside = self._safe(where(difference)), self._aside(difference)
        room = max(MOST_LEFT, width - LEVEL_CELLS - 2 - cell_len(aside) - 3)
        a, b = sides(difference)
        line, cells = self._columns.short(a, b)
        short = a and b and difference.words is None
        if short and cell_len(place) + 2 + cells <= room:
            yield f"{level}{place}  {line}   {self._paint(QUIET, aside)}".rstrip()
            return
        yield f"{level}{cut(place, room)}   {self._paint(QUIET, aside)}".rstrip()
        if short and cells + INDENT <= width:
            yield f"{'':<{INDENT}}{line}"
        elif a or b:
            yield from self._columns.beside(a, b, width)

    def _unified(self, title: str, difference: Difference) -> Iterator[str]:
        about = (title, where(difference), difference.level, self._aside(difference))
        yield ""
        yield self._paint(QUIET, self._safe("@@ " + " · ".join(filter(None, about))))
        yield from self._columns.unified(*sides(difference))

    def _aside(self, difference: Difference) -> str:
        parts = (remark(difference), events(difference))
        return self._safe(" · ".join(filter(None, parts)))

    def _look(self, diff: Diff) -> Iterator[str]:
        """How to look at the first event that differs."""
        for difference in diff.differences:
            for path, seq in ((diff.b, difference.b_seq), (diff.a, difference.a_seq)):
                if path is not None and seq is not None:
                    command = f"rtproxy inspect {quote(path)} --filter '#{seq}'"
                    yield from self._command(command, "shows an event")
                    return

    def _command(self, command: str, purpose: str) -> Iterator[str]:
        """What to do next, if there is room for it: a command line is of use only as a whole."""
        whole = f"{self._safe(command)}   {purpose}"
        if self._width is None or cell_len(whole) <= self._width:
            yield ""
            yield self._paint(QUIET, whole)

    def _wrapped(self, text: str) -> list[str]:
        width = PROSE if self._width is None else self._width - LABEL_CELLS
        wrapped = Text(self._safe(text)).wrap(self._screen.console, width, overflow="fold")
        return [line.plain.rstrip() for line in wrapped]

    def _safe(self, text: str) -> str:
        return self._screen.safe(text)

    def _paint(self, style: Style, text: str) -> str:
        return self._screen.paint(style, text)
