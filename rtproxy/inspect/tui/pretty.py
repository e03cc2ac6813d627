"""JSON as lines, with its audio left out: how long and how loud it is stands in its place."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rtproxy.inspect.tui.line import Line, Piece, line
from rtproxy.realtime.audio import AudioFormat, base64_size, decode_base64, level_db

MAX_STRING = 4_000
"""Characters of a string that are shown."""
MAX_LINES = 4_000
MAX_DEPTH = 40
INDENT = 2
SHORTEST = 256
"""Characters from which a string that may be base64 is taken for audio or other bytes."""
SILENT_DB = -90.0
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_AUDIO_KEYS = {"audio", "delta"}

Path = tuple[str, ...]


class _Full(Exception):  # noqa: N818
    """There are as many lines as are shown; never leaves this module."""


def pretty(value: Any, audio: AudioFormat | None = None) -> list[Line]:
    """A value as lines of JSON. `audio` is how the audio in it is to be read, if it is known."""
    lines: list[Line] = []

    def put(found: Line) -> None:
        if len(lines) == MAX_LINES:
            raise _Full
        lines.append(found)

    try:
        _Writer(put, audio).write(value, (), "", 0)
    except _Full:
        lines.append(line((f"… only the first {MAX_LINES:,} lines are shown", "quiet")))
    return lines


class _Writer:
    def __init__(self, put: Callable[[Line], None], audio: AudioFormat | None) -> None:
        self._put = put
        self._audio = audio

    def write(
        self, value: Any, head: tuple[Piece, ...], tail: str, depth: int, key: str = ""
    ) -> None:
        """Write a value after `head` (its key), before `tail` (a comma)."""
        brackets = "{}" if isinstance(value, dict) else "[]" if isinstance(value, list) else ""
        if brackets and value and depth < MAX_DEPTH:
            self._line(depth, *head, (brackets[0], "quiet"))
            last = len(value) - 1
            for n, (name, inner) in enumerate(_entries(value)):
                inside: tuple[Piece, ...] = ()
                if isinstance(value, dict):
                    inside = ((f'"{name}"', "key"), (": ", "quiet"))
                self.write(inner, inside, "," if n < last else "", depth + 1, name or key)
            self._line(depth, (brackets[1] + tail, "quiet"))
            return
        self._line(depth, *head, *self._scalar(value, brackets, key), (tail, "quiet"))

    def _line(self, depth: int, *pieces: Piece) -> None:
        indent = " " * (INDENT * depth)
        self._put(line((indent, ""), *pieces, hang=INDENT * (depth + 1)))

    def _scalar(self, value: Any, brackets: str, key: str) -> Iterator[Piece]:
        if brackets:
            yield (brackets if not value else f"{brackets[0]} … {brackets[1]}", "quiet")
        elif isinstance(value, str):
            yield from self._string(value, key)
        elif isinstance(value, bytes):
            yield f"({len(value):,} bytes)", "quiet"
        elif value is None or isinstance(value, bool):
            yield "null" if value is None else str(value).lower(), "word"
        else:
            yield str(value)[:MAX_STRING], "number"

    def _string(self, value: str, key: str) -> Iterator[Piece]:
        if len(value) >= SHORTEST and _BASE64.fullmatch(value):
            yield f"({self._elided(value, key)})", "quiet"
            return
        rest = len(value) - MAX_STRING
        shown = value[:MAX_STRING].replace("\\", "\\\\").replace('"', '\\"')
        yield f'"{shown}"' if rest <= 0 else f'"{shown}', "string"
        if rest > 0:
            yield f" … {rest:,} more characters", "quiet"

    def _elided(self, value: str, key: str) -> str:
        what = f"{len(value):,} characters of base64"
        if key not in _AUDIO_KEYS or self._audio is None:
            return what
        return f"{about(value, self._audio)}, {what}"


def about(encoded: str, audio: AudioFormat) -> str:
    """Length and level of base64 audio, such as `200 ms of audio at −23 dB`."""
    ms = audio.duration_ms(base64_size(encoded))
    try:
        level = level_db(audio.decode(decode_base64(encoded)))
    except ValueError:
        return f"{ms:.0f} ms of audio"
    return f"{ms:.0f} ms of audio {loud(level)}"


def loud(db: float) -> str:
    """A level in words, such as `at −23 dB`."""
    return "that is silent" if db < SILENT_DB else f"at −{abs(db):.0f} dB"


def _entries(value: Mapping[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(name), inner) for name, inner in value.items())
    else:
        yield from (("", inner) for inner in value)
