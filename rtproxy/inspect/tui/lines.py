"""A list of lines of any number, of which those are made that are to be seen."""

from typing import ClassVar, Protocol

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rtproxy.inspect.tui.line import Line, line
from rtproxy.inspect.tui.painting import strip_of

GUTTER = 2
"""Cells before each line for its sign."""


class Source(Protocol):
    """Gives lines by number."""

    def __len__(self) -> int: ...
    def heading(self, width: int, /) -> Line | None: ...
    def line(self, index: int, width: int, /) -> Line: ...
    def sign(self, index: int, /) -> str: ...


class LineList(ScrollView, can_focus=True):
    """A list, one line of which is chosen. It tells when another one is, and when it is meant."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "go(0)", show=False),
        Binding("end", "go(-1)", show=False),
        Binding("enter", "mean", show=False),
    ]
    DEFAULT_CSS = """
    LineList { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """

    class Moved(Message):
        """Another line was chosen by hand."""

        def __init__(self, list_: "LineList", index: int) -> None:
            super().__init__()
            self.list = list_
            self.index = index

    class Meant(Message):
        """The chosen line was entered."""

        def __init__(self, list_: "LineList", index: int) -> None:
            super().__init__()
            self.list = list_
            self.index = index

    def __init__(self, source: Source, id: str) -> None:
        super().__init__(id=id)
        self.source = source
        self.chosen = 0

    @property
    def _top(self) -> int:
        """Lines that the heading takes."""
        return 0 if self.source.heading(80) is None else 1

    @property
    def _page(self) -> int:
        return max(1, self.size.height - self._top)

    def update(self, chosen: int | None = None) -> None:
        """The lines are others, or another one is chosen."""
        count = len(self.source)
        if chosen is not None:
            self.chosen = chosen
        self.chosen = max(0, min(self.chosen, count - 1))
        size = Size(self.size.width, count + self._top)
        if size != self.virtual_size:
            self.virtual_size = size
        self._reveal()
        self.refresh()

    def _reveal(self) -> None:
        """Scroll as far as need be; to what is far away so that its surroundings are seen too."""
        first, last = self.scroll_offset.y, self.scroll_offset.y + self._page - 1
        if first <= self.chosen <= last:
            return
        if first - 1 <= self.chosen <= last + 1:
            self._scroll(self.chosen if self.chosen < first else self.chosen - self._page + 1)
        else:
            self._scroll(max(0, self.chosen - self._page // 3))

    def _scroll(self, y: int) -> None:
        self.scroll_to(y=y, animate=False, force=True, immediate=True)

    def on_resize(self) -> None:
        self.update()

    def render_line(self, y: int) -> Strip:
        width, base = self.scrollable_content_region.width, self.rich_style
        heading = self.source.heading(width - GUTTER)
        if heading is not None:
            if y == 0:
                return self._strip("", heading, width, base, chosen=False)
            y -= 1
        index = y + self.scroll_offset.y
        if index >= len(self.source):
            return Strip.blank(width, base)
        found = self.source.line(index, width - GUTTER)
        here = index == self.chosen
        sign = "▸" if here else self.source.sign(index)
        return self._strip(sign, found, width, base, chosen=here and self.has_focus)

    def _strip(self, sign: str, found: Line, width: int, base: Style, *, chosen: bool) -> Strip:
        shown = line((f"{sign:<{GUTTER}}", "sign"), *found.pieces)
        return strip_of(shown, width, base, chosen=chosen)

    def on_click(self, event: events.Click) -> None:
        index = event.y - self._top + self.scroll_offset.y
        if event.y >= self._top and index < len(self.source):
            again = index == self.chosen and event.chain > 1
            self._choose(index)
            if again:
                self.action_mean()

    def action_move(self, by: int) -> None:
        self._choose(self.chosen + by)

    def action_page(self, by: int) -> None:
        self._choose(self.chosen + by * self._page)

    def action_go(self, index: int) -> None:
        self._choose(len(self.source) - 1 if index < 0 else index)

    def action_mean(self) -> None:
        if self.chosen < len(self.source):
            self.post_message(self.Meant(self, self.chosen))

    def _choose(self, index: int) -> None:
        count = len(self.source)
        index = max(0, min(index, count - 1))
        if count and index != self.chosen:
            self.update(index)
            self.post_message(self.Moved(self, index))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
