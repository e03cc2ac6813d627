"""A dialogue as subtitles: SubRip (.srt) and WebVTT (.vtt, https://www.w3.org/TR/webvtt1/).

Only what was heard is a cue. A long line becomes several cues, each for its share of the time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from rtproxy.realtime.dialogue import Line
from rtproxy.tape.escape import visible

LINE = 42
"""Characters in a line of a subtitle."""
CUE = 2 * LINE
"""Characters in a cue."""
SHORTEST_MS = 800.0
"""What passes faster cannot be read; a cue of no length is none."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Words on the screen, from `start_ms` to `end_ms`."""

    start_ms: float
    end_ms: float
    speaker: str
    text: str


def cues(lines: Iterable[Line]) -> Iterator[Cue]:
    """The cues of lines that have times, in order of their starts."""
    found = [cue for line in lines for cue in _of_line(line)]
    yield from sorted(found, key=lambda cue: cue.start_ms)


def _of_line(line: Line) -> Iterator[Cue]:
    if line.start_ms is None or line.speaker in ("tool", "system"):
        return
    said = line.heard if line.text is not None else f"[{line.note}]"
    shown = visible(" ".join((said or "").split())) + (" —" if line.cut else "")
    pieces = wrap(shown, CUE, break_on_hyphens=False)
    start = line.start_ms
    end = max(line.end_ms or start, start + SHORTEST_MS)
    total = sum(len(piece) for piece in pieces)
    for piece in pieces:
        until = start + (end - line.start_ms) * len(piece) / total
        yield Cue(start, until, line.speaker, piece)
        start = until


def srt(lines: Iterable[Line]) -> Iterator[str]:
    """SubRip: each cue is told by its speaker."""
    for number, cue in enumerate(cues(lines), 1):
        yield str(number)
        yield f"{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}"
        yield from _wrapped(f"{cue.speaker.capitalize()}: {cue.text}")
        yield ""


def vtt(lines: Iterable[Line], title: str) -> Iterator[str]:
    """WebVTT: speakers are voices, tool calls and approximate times are notes."""
    yield "WEBVTT"
    yield ""
    lines = list(lines)
    yield from _note(f"{title}")
    if any(line.approximate and line.start_ms is not None for line in lines):
        yield from _note("Some times are approximate: when it arrived, not when it sounded.")
    for line in lines:
        if line.call is not None and line.start_ms is not None:
            yield from _note(f"{_time(line.start_ms, '.')} tool {line.text}")
    for cue in cues(lines):
        yield f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}"
        first, *rest = _wrapped(cue.text)
        yield f"<v {cue.speaker.capitalize()}>{escape(first, quote=False)}"
        yield from (escape(part, quote=False) for part in rest)
        yield ""


def _note(words: str) -> Iterator[str]:
    """A comment; it may not hold an arrow."""
    yield f"NOTE {visible(' '.join(words.split())).replace('-->', '→')}"
    yield ""


def _wrapped(said: str) -> list[str]:
    """Lines of about the same length; an arrow would end a cue's text."""
    return wrap(said.replace("-->", "→"), max(LINE, -(-len(said) // 2) + 6)) or [""]


def _time(ms: float, point: str) -> str:
    whole = max(0, round(ms))
    seconds, millis = divmod(whole, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{millis:03}"
