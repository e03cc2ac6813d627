"""The screen that a tape is shown on."""

from collections.abc import Iterator
from datetime import tzinfo

from rich.cells import cell_len
from rich.style import Style

from rtproxy.inspect.overview import Overview
from rtproxy.view import screen
from rtproxy.view.screen import (
    ASCII,
    CLIENT,
    LABEL,
    LABEL_CELLS,
    MIN_WIDTH,
    PAUSE,
    PLAIN,
    QUIET,
    SERVER,
    TROUBLE,
    cut,
    cut_front,
    fit,
)

__all__ = [
    "ASCII", "CLIENT", "LABEL", "LABEL_CELLS", "MIN_WIDTH", "PAUSE", "PLAIN", "QUIET", "SERVER",
    "TROUBLE", "Screen", "cut", "fit",
]  # fmt: skip

SHORTEST_PATH = 20
"""Cells that a path keeps, whatever stands behind it."""
STATES = {"sealed": PLAIN, "live": CLIENT, "crashed": PAUSE, "damaged": TROUBLE}


class Screen(screen.Screen):
    """A screen that knows what is said of a tape before its events."""

    def header(self, overview: Overview, zone: tzinfo | None) -> Iterator[str]:
        """What the tape is, line by line; dates are in `zone`, or else in this machine's."""
        for label, text in overview.lines(zone):
            style = PLAIN
            if label == "tape":
                style = Style(bold=True) + STATES[overview.state]
                text = self._with_state(text, overview.path)
            yield self.labelled(label, text, style)

    def _with_state(self, text: str, path: str) -> str:
        """The line of a path and what follows it, cut at the path's front where it is too long."""
        if self.width is None:
            return text
        state = self.safe(text[len(path) :])
        room = max(self.width, MIN_WIDTH) - LABEL_CELLS - cell_len(state)
        return cut_front(self.safe(path), max(SHORTEST_PATH, room)) + state
