"""The lanes on the screen: where the moment is, what is marked, and what the mouse does to them."""

from collections.abc import Iterator
from itertools import pairwise

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rtproxy.inspect.timeline import Lane, Span
from rtproxy.inspect.tui.chart import Chart
from rtproxy.inspect.tui.inspection import Inspection
from rtproxy.inspect.tui.painting import REVERSE, STYLES

LABEL_CELLS = 11
SCROLLED = 0.1
"""The part of what is shown by which the wheel scrolls."""


class Lanes(Widget):
    """Draws what the chart has for what is shown."""

    DEFAULT_CSS = "Lanes { height: auto; }"

    class Zoomed(Message):
        """The wheel was turned over a moment: `steps` is 1 to zoom in, −1 to zoom out."""

        def __init__(self, steps: int, at_ms: float) -> None:
            super().__init__()
            self.steps = steps
            self.at_ms = at_ms

    class Scrolled(Message):
        """The lanes are to be scrolled by a part of what is shown."""

        def __init__(self, part: float) -> None:
            super().__init__()
            self.part = part

    class Pointed(Message):
        """A moment was clicked, or marked by dragging from `start_ms`."""

        def __init__(self, at_ms: float, start_ms: float | None = None) -> None:
            super().__init__()
            self.at_ms = at_ms
            self.start_ms = start_ms

    def __init__(self, place: Inspection, chart: Chart) -> None:
        super().__init__(id="lanes")
        self._place = place
        self._chart = chart
        self._pressed: float | None = None

    @property
    def cells(self) -> int:
        """Cells across which time runs."""
        return max(10, self.size.width - LABEL_CELLS)

    @property
    def drawn(self) -> list[Lane]:
        return self._chart.lanes(self._place.viewport.span, self.cells)

    def get_content_height(self, _container: object, _viewport: object, width: int) -> int:
        span = self._place.viewport.span
        return len(self._chart.lanes(span, max(10, width - LABEL_CELLS)))

    def render_line(self, y: int) -> Strip:
        lanes, base = self.drawn, self.rich_style
        if y >= len(lanes):
            return Strip.blank(self.size.width, base)
        lane = lanes[y]
        label = Segment(f"{lane.name:<{LABEL_CELLS}}", base + STYLES["label"])
        return Strip([label, *self._segments(lane, base, axis=not lane.name)])

    def _segments(self, lane: Lane, base: Style, *, axis: bool) -> Iterator[Segment]:
        """The lane's runs, taken apart where the cursor stands, and what is marked on the axis."""
        cursor = self._cell(self._place.cursor_ms)
        marked = self._marked() if axis else range(0)
        at = 0
        for text, tone in lane.runs():
            style = base + STYLES[tone]
            edges = {0, len(text)}
            for edge in (cursor, cursor + 1, marked.start, marked.stop):
                if at < edge < at + len(text):
                    edges.add(edge - at)
            ordered = sorted(edges)
            for start, end in pairwise(ordered):
                turned = at + start == cursor or at + start in marked
                yield Segment(text[start:end], style + REVERSE if turned else style)
            at += len(text)

    def _cell(self, t_ms: float) -> int:
        span = self._place.viewport.span
        cell = int((t_ms - span.start_ms) / span.ms * self.cells)
        if span.start_ms <= t_ms <= span.end_ms:
            return min(cell, self.cells - 1)
        return -1

    def _marked(self) -> range:
        span, shown = self._place.span, self._place.viewport.span
        if span is None or span.end_ms < shown.start_ms or span.start_ms > shown.end_ms:
            return range(0)
        first = self._cell(max(span.start_ms, shown.start_ms))
        return range(first, self._cell(min(span.end_ms, shown.end_ms)) + 1)

    def _moment(self, x: int) -> float:
        span: Span = self._place.viewport.span
        return span.start_ms + max(0, x - LABEL_CELLS + 0.5) / self.cells * span.ms

    # The mouse.

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, -1)

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        event.stop()
        self.post_message(self.Scrolled(-SCROLLED))

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        event.stop()
        self.post_message(self.Scrolled(SCROLLED))

    def _wheel(self, event: events.MouseEvent, direction: int) -> None:
        event.stop()
        if event.shift or event.ctrl:
            self.post_message(self.Scrolled(-direction * SCROLLED))
        else:
            self.post_message(self.Zoomed(direction, self._moment(event.x)))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._pressed = self._moment(event.x)
        self.capture_mouse()
        self.post_message(self.Pointed(self._pressed))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._pressed is not None:
            at = self._moment(event.x)
            if self._cell(at) != self._cell(self._pressed):
                self.post_message(self.Pointed(at, self._pressed))

    def on_mouse_up(self, _event: events.MouseUp) -> None:
        self._pressed = None
        self.release_mouse()
