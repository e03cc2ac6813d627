"""The screen that a tape is shown on."""

from collections.abc import Iterator
from datetime import tzinfo

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
    fit,
)

__all__ = [
    "ASCII", "CLIENT", "LABEL", "LABEL_CELLS", "MIN_WIDTH", "PAUSE", "PLAIN", "QUIET", "SERVER",
    "TROUBLE", "Screen", "cut", "fit",
]  # fmt: skip

STATES = {"sealed": PLAIN, "live": CLIENT, "crashed": PAUSE, "damaged": TROUBLE}


class Screen(screen.Screen):
    """A screen that knows what is said of a tape before its events."""

    def header(self, overview: Overview, zone: tzinfo | None) -> Iterator[str]:
        """What the tape is, line by line; dates are in `zone`, or else in this machine's."""
        for label, text in overview.lines(zone):
            style = PLAIN
            if label == "tape":
                style = Style(bold=True) + STATES[overview.state]
            yield self.labelled(label, text, style)
