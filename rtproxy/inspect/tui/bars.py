"""Bars of the screen: lines of text, and the names of the panes."""

from collections.abc import Callable, Iterator, Sequence

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rtproxy.inspect.tui.arrangement import Pane
from rtproxy.inspect.tui.line import Ink, Line, Piece, line
from rtproxy.inspect.tui.painting import strip_of


class Bar(Widget):
    """Lines that are made anew whenever they are shown; `make(width)` gives them."""

    DEFAULT_CSS = "Bar { height: auto; }"

    def __init__(self, make: Callable[[int], Sequence[Line]], id: str) -> None:
        super().__init__(id=id)
        self._make = make

    def get_content_height(self, _container: object, _viewport: object, width: int) -> int:
        return len(self._make(width))

    def render_line(self, y: int) -> Strip:
        lines, base = self._make(self.size.width), self.rich_style
        if y >= len(lines):
            return Strip.blank(self.size.width, base)
        return strip_of(lines[y], self.size.width, base)


class Tabs(Widget):
    """The names of panes, of which some are open and one has the focus."""

    DEFAULT_CSS = "Tabs { height: 1; }"

    class Picked(Message):
        """A name was clicked."""

        def __init__(self, pane: Pane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.names: list[tuple[Pane, str, int]] = []
        self.open: set[Pane] = set()
        self.focused: Pane | None = None

    def show(
        self, names: list[tuple[Pane, str, int]], open_: set[Pane], focused: Pane | None
    ) -> None:
        """Show these names, each with its text and the cell at which it stands at the least."""
        self.names, self.open, self.focused = names, open_, focused
        self.refresh()

    def _places(self) -> Iterator[tuple[Pane, str, int]]:
        """Where each name begins."""
        at = 0
        for pane, text, least in self.names:
            at = max(at, least)
            yield pane, text, at
            at += len(text) + 3

    def render_line(self, _y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        pieces: list[Piece] = []
        used = 0
        for pane, text, at in self._places():
            ink: Ink = "heading" if pane in self.open else "quiet"
            ink = "strong" if pane == self.focused else ink
            pieces += [("─" * (at - used + 1), "quiet"), (" ", ""), (text, ink), (" ", "")]
            used = at + len(text) + 3
        return strip_of(line(*pieces, ("─" * (width - used), "quiet")), width, base)

    def on_click(self, event: events.Click) -> None:
        for pane, text, at in self._places():
            if at <= event.x < at + len(text) + 3:
                self.post_message(self.Picked(pane))
                return
