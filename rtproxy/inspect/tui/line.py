"""Lines to be shown: pieces of text, each in an ink, and where a line leads to.

Text from a tape is in them as it is; whoever shows a line makes it visible.
"""

from dataclasses import dataclass
from typing import Literal

from rtproxy.inspect.timeline import Tone

Ink = Tone | Literal[
    "strong", "label", "pause", "sign", "client", "server", "link", "heading",
    "key", "string", "number", "word",
    "session", "conversation", "input", "output", "response",
]  # fmt: skip
"""What a piece of text is, which its colour tells."""

Piece = tuple[str, Ink]


@dataclass(frozen=True, slots=True)
class Line:
    """`hang` is the number of cells by which the rest of a line that is too long is indented.

    `seq` is the record that the line leads to. `rest` says that it goes on with the one before.
    """

    pieces: tuple[Piece, ...] = ()
    hang: int = 0
    seq: int | None = None
    rest: bool = False

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)


def line(*pieces: Piece, hang: int = 0, seq: int | None = None) -> Line:
    """A line of these pieces, without those that are empty."""
    return Line(tuple(piece for piece in pieces if piece[0]), hang, seq)


BLANK = Line()
FAMILIES: dict[str, Ink] = {
    "session": "session",
    "conversation": "conversation",
    "input_audio_buffer": "input",
    "output_audio_buffer": "output",
    "response": "response",
    "rate_limits": "quiet",
    "mcp_list_tools": "conversation",
    "error": "error",
    "rtproxy": "quiet",
}
"""Ink of an event's name, by what it begins with."""
TROUBLES: dict[str, Ink] = {
    "rtproxy.close": "pause",
    "rtproxy.eof": "pause",
    "rtproxy.reset": "error",
    "rtproxy.refused": "error",
    "rtproxy.protocol_error": "error",
    "rtproxy.gap": "error",
    "rtproxy.damage": "error",
}


def ink_of(name: str) -> Ink:
    """The ink of an event's name."""
    if name in TROUBLES:
        return TROUBLES[name]
    return "error" if name.endswith(".failed") else FAMILIES.get(name.split(".", 1)[0], "")


def arrow(*, from_server: bool) -> Piece:
    """Which way a record went."""
    return ("←", "server") if from_server else ("→", "client")


def seconds(ms: float) -> str:
    """A moment, to the millisecond."""
    return f"{ms / 1000:.3f} s"
