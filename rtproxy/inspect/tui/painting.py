"""Lines made into what a terminal shows: styled, cut or wrapped by cells, and made harmless.

All text of the screen passes through here. None of it is markup: brackets are brackets.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from rtproxy.inspect.tui.line import Ink, Line, Piece
from rtproxy.tape.escape import visible

PLAIN = Style()
QUIET = Style(dim=True)
STYLES: dict[Ink, Style] = {
    "": PLAIN,
    "axis": QUIET,
    "quiet": QUIET,
    "label": QUIET,
    "caller": Style(color="cyan"),
    "waiting": QUIET,
    "heard": Style(color="green"),
    "unheard": Style(color="green", dim=True),
    "dry": Style(color="red", bold=True),
    "good": Style(color="green"),
    "cut": Style(color="yellow"),
    "pause": Style(color="yellow"),
    "tool": Style(color="magenta"),
    "info": Style(color="blue", bold=True),
    "warning": Style(color="yellow", bold=True),
    "error": Style(color="red", bold=True),
    "strong": Style(bold=True),
    "sign": Style(color="blue", bold=True),
    "heading": Style(bold=True, underline=True),
    "client": Style(color="cyan", bold=True),
    "server": Style(color="green", bold=True),
    "link": Style(color="blue", underline=True),
    "key": Style(color="cyan"),
    "string": Style(color="green"),
    "number": Style(color="magenta"),
    "word": Style(color="yellow"),
    "session": Style(color="magenta"),
    "conversation": Style(color="blue"),
    "input": Style(color="cyan"),
    "output": Style(color="green"),
    "response": Style(color="green"),
}
REVERSE = Style(reverse=True)
JOINING = "\u200d\ufe0f"
"""Joiner and variation selector, which make what stands beside them narrower or wider."""
MAX_TEXT = 20_000
"""Characters of a piece that are looked at."""
MAX_WRAPPED = 400
"""Lines that one line is wrapped into at most."""


def strip_of(line: Line, width: int, base: Style, *, chosen: bool = False) -> Strip:
    """A line in exactly `width` cells, cut with … where it is longer.

    The one that is chosen is shown the other way round, in one colour, so that it stands out.
    """
    segments, used = [], 0
    style = base + REVERSE if chosen else base
    for text, ink in line.pieces:
        text = _alone(text)
        cells = cell_len(text)
        if used + cells > width:
            text = cut(text, width - used)
            cells = cell_len(text)
        segments.append(Segment(text, style if chosen else base + STYLES[ink]))
        used += cells
        if used >= width:
            break
    if used < width:
        segments.append(Segment(" " * (width - used), style))
    return Strip(segments, width)


def wrapped(line: Line, width: int) -> Iterator[Line]:
    """A line as lines of at most `width` cells; what follows the first is indented by `hang`."""
    width = max(8, width)
    hang = min(line.hang, width // 2)
    indent: Piece = (" " * hang, "")
    pieces: list[Piece] = []
    used, made = 0, 0
    for text, ink in _words(line.pieces):
        begins = hang if made else 0
        if used + cell_len(text) > width and used > begins:
            yield replace(line, pieces=tuple(pieces), rest=made > 0)
            made, pieces, used, text = made + 1, [indent], hang, text.lstrip(" ")
        parts = islice(_chopped(text, width - used, width - hang), MAX_WRAPPED)
        for n, part in enumerate(parts):
            if n:
                yield replace(line, pieces=tuple(pieces), rest=made > 0)
                made, pieces, used = made + 1, [indent], hang
            pieces.append((part, ink))
            used += cell_len(part)
        if made >= MAX_WRAPPED:
            pieces.append((" …", "quiet"))
            break
    yield replace(line, pieces=tuple(pieces), rest=made > 0)


def _words(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Pieces taken apart into words, each with the blanks before it, all visible."""
    for text, ink in pieces:
        text = _alone(text)
        start = 0
        while start < len(text):
            begin = start
            while begin < len(text) and text[begin] == " ":
                begin += 1
            end = text.find(" ", begin)
            end = len(text) if end < 0 else end
            yield text[start:end], ink
            start = end


def _alone(text: str) -> str:
    """What is shown of a piece's text: nothing at its ends changes the width of its neighbours."""
    text = visible(text[:MAX_TEXT])
    first = next((n for n, char in enumerate(text) if cell_len(char)), len(text))
    head, rest = text[:first], text[first:]
    for char in JOINING:
        head = head.replace(char, f"\\u{ord(char):04x}")
    return f"{head}{rest[:-1]}\\u200d" if rest.endswith("\u200d") else head + rest


def _chopped(text: str, first: int, then: int) -> Iterator[str]:
    """Text in parts: the first of at most `first` cells, the others of at most `then`."""
    if cell_len(text) <= first:
        yield text
        return
    head = chop_cells(text, max(1, first))[0]
    yield head
    yield from chop_cells(text[len(head) :], max(2, then))


def cut(text: str, width: int) -> str:
    """Text in at most `width` cells, with … for what was cut."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    return (chop_cells(text, width - 1)[0] if width > 1 else "") + "…"


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """Text in exactly `width` cells."""
    text = cut(_alone(text), width)
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks
