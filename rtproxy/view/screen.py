"""Where text is shown: how wide it is, whether it has colours, and whether there is a pager.

Where the output is no terminal it is plain text, as long as it is.
"""

import os
from collections.abc import Iterable
from itertools import chain, islice

import click
from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from rtproxy.tape.escape import visible

LABEL = Style(dim=True)
QUIET = Style(dim=True)
PAUSE = Style(color="yellow")
PLAIN = Style()
TROUBLE = Style(color="red", bold=True)
CLIENT = Style(color="cyan", bold=True)
SERVER = Style(color="green", bold=True)

MIN_WIDTH = 60
LABEL_CELLS = 11
"""Cells of a label and the blank after it."""

ASCII = str.maketrans("·→←↓↑…“”×–━╌─█░▁▂▃▄▅▆▇✓≈●▲■╷│✗", '-><v^~""x-=.-#:_.-=+o*v%iWE||x')
"""For terminals that know nothing else: one character for each sign that is used here."""


class Screen:
    """A rich console, as far as it is needed.

    `width` is None where lines may be as long as they are. With `ascii`, or where the output's
    encoding has no lines and blocks, nothing else is written.
    """

    def __init__(self, console: Console, ascii: bool = False) -> None:
        self.console = console
        self.ascii = ascii or not _has_signs(console.encoding)
        colour = console.color_system is not None and not console.no_color
        self._system = ColorSystem.STANDARD if colour else None
        self.width = console.width if console.is_terminal or _asked_for() else None

    @property
    def coloured(self) -> bool:
        return self._system is not None

    def paint(self, style: Style, text: str) -> str:
        if self._system is None or not text.strip():
            return text
        return style.render(text, color_system=self._system)

    def safe(self, text: str) -> str:
        """Text from a tape as it may be shown here."""
        text = visible(text)
        if self.ascii and not text.isascii():
            text = text.translate(ASCII).encode("ascii", "backslashreplace").decode()
        return text

    def labelled(self, label: str, text: str, style: Style = PLAIN) -> str:
        label, text = self.safe(label), self.safe(text)
        if self.width is not None:
            label = cut(label, LABEL_CELLS - 1)
            text = cut(text, max(self.width, MIN_WIDTH) - LABEL_CELLS)
        return f"{self.paint(LABEL, f'{label:<{LABEL_CELLS - 1}}')} {self.paint(style, text)}"

    def show(self, lines: Iterable[str], pager: bool) -> None:
        """Write lines; through a pager if there is more than one screen of them.

        They are taken only as they are shown. Raises OSError (EPIPE) when nobody reads on.
        """
        if self.ascii:
            lines = (line.translate(ASCII) for line in lines)
        ended = (f"{line}\n" for line in lines)
        if not (pager and self.console.is_terminal):
            for line in ended:
                self.console.file.write(line)
            return
        first = list(islice(ended, max(1, self.console.height - 1)))
        more = next(ended, None)
        if more is None:
            self.console.file.write("".join(first))
        else:
            # None lets click turn colours on in less, which it does only unasked.
            colour = None if self._system is not None else False
            click.echo_via_pager(chain(["".join(first), more], ended), color=colour)


def fit(text: str, width: int) -> str:
    """Text in exactly `width` cells, cut with … where it is longer."""
    if len(text) == width and text.isascii():
        return text
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(cut(text, width), width)


def cut(text: str, width: int) -> str:
    """Text in at most `width` cells, with … for what was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…"


def cut_front(text: str, width: int) -> str:
    """The end of a text in at most `width` cells, with … for what was cut before it."""
    while cell_len(text) > width:
        text = "…" + text.removeprefix("…")[1:]
    return text


def _has_signs(encoding: str) -> bool:
    try:
        "".join(map(chr, ASCII)).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _asked_for() -> bool:
    """Whether the width was set by the user, for output that goes elsewhere."""
    return os.environ.get("COLUMNS", "").isdigit()
