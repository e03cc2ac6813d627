"""Both values of a difference on a terminal, beside one another or one below the other.

The words that differ are coloured; where there are no colours they stand between the signs that
`git diff --word-diff` uses, `[-old-]` and `{+new+}`.
"""

from collections.abc import Iterator
from itertools import zip_longest

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from rtproxy.diff.excerpt import Span, joined, marked
from rtproxy.view.screen import PLAIN, QUIET, Screen

OLD, NEW = Style(color="red"), Style(color="green")
OLD_WORDS, NEW_WORDS = OLD + Style(bold=True), NEW + Style(bold=True)
INDENT = 4
GUTTER = " │ "


class Columns:
    """Writes spans of text on a screen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def short(self, a: list[Span], b: list[Span]) -> tuple[str, int]:
        """Both on one line, with an arrow, and how many cells that takes."""
        old, new = self._screen.safe(joined(a)), self._screen.safe(joined(b))
        paint = self._screen.paint
        line = f"{paint(OLD_WORDS, old)} → {paint(NEW_WORDS, new)}"
        return line, cell_len(old) + cell_len(new) + 3

    def beside(self, a: list[Span], b: list[Span], width: int) -> Iterator[str]:
        """Two columns; what only one side has takes all of the width."""
        if not (a and b):
            yield from self._alone(a or b, "-" if a else "+", width)
            return
        each = (width - INDENT - len(GUTTER)) // 2
        left, right = self._block(a, each, OLD_WORDS, "[-"), self._block(b, each, NEW_WORDS, "{+")
        for one, other in zip_longest(left, right):
            old = " " * each if one is None else self._rendered(one, each)
            new = "" if other is None else self._rendered(other)
            yield f"{'':<{INDENT}}{old}{self._screen.paint(QUIET, GUTTER)}{new}".rstrip()

    def _alone(self, spans: list[Span], sign: str, width: int) -> Iterator[str]:
        style = OLD_WORDS if sign == "-" else NEW_WORDS
        for line in self._block(spans, width - INDENT - 2, style):
            yield f"{'':<{INDENT}}{self._screen.paint(style, sign)} {self._rendered(line)}"
            sign = " "

    def unified(self, a: list[Span], b: list[Span]) -> Iterator[str]:
        """A line for each side, with a sign before it."""
        for spans, sign, style, words in ((a, "-", OLD, OLD_WORDS), (b, "+", NEW, NEW_WORDS)):
            if spans:
                shown = " ".join(
                    self._screen.paint(
                        words if span.changed else style, self._screen.safe(span.text)
                    )
                    for span in spans
                )
                yield f"{self._screen.paint(style, sign)} {shown}"

    def _block(self, spans: list[Span], width: int, style: Style, sign: str = "") -> list[Text]:
        """Lines of text that are `width` cells wide, with what differs made to be seen."""
        safe = self._screen.safe
        if sign and not self._screen.coloured and any(not span.changed for span in spans):
            text = Text(safe(marked(spans, sign)))
        else:
            text = Text(" ").join(
                Text(safe(span.text), style if span.changed else PLAIN) for span in spans
            )
        return list(text.wrap(self._screen.console, width, overflow="fold"))

    def _rendered(self, line: Text, width: int = 0) -> str:
        line.rstrip()
        painted = "".join(
            self._screen.paint(segment.style or PLAIN, segment.text)
            for segment in line.render(self._screen.console)
        )
        return painted + " " * max(0, width - line.cell_len)
