"""JSON lines as recordings: those that `jsonl` writes, and any of {direction, at?, data}.

A file that `jsonl` has written gives its tape again, record by record. From any other the lines
are taken as messages (`log_line`); what such a file cannot know is marked on the tape.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rtproxy.convert.log_line import Line
from rtproxy.convert.source import (
    LeftOut,
    Missing,
    Part,
    Source,
    Unknowable,
    Verbatim,
    imported,
)
from rtproxy.errors import TapeDamagedError
from rtproxy.realtime.audio import decode_base64
from rtproxy.tape.codec import decode
from rtproxy.tape.record import MAJOR, MINOR, Control, Event, Seal, Unknown

KINDS = {"message", "event", "control", "header", "seal", "trailer", "missing", "unknown"}
"""Those of `jsonl` and of `rtproxy tape dump`; any other word is somebody else's, and ignored."""
OF_INSPECT = "rtproxy."
"""What the types of `rtproxy inspect --ndjson` begin with that are not the protocol's."""
CONTROLS = {"ping", "pong", "close", "eof", "reset", "protocol_error", "refused", "gap", "marker"}
MAX_MISSING = 1 << 62
LONGEST_NAME = 200
MAX_DEPTH = 40
"""What is nested deeper is not kept on a tape."""

_LINE = re.compile(rb"[^\n]*+\n?")
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})")


def sources(data: memoryview) -> Iterator[Source]:
    """The recordings in a file; each is read to its end before the next is there.

    The line of a header begins a new one. Raises ValueError for a header that makes no tape.
    """
    lines = _Lines(data)
    while lines.ahead is not None:
        first = lines.ahead
        if isinstance(first, Line) and kind(first) == "header":
            lines.take()
            yield _tape_again(first, lines)
        else:
            yield _log(data, lines)
        for _ in lines.parts(_Clock()):  # what its reader did not want
            pass


def kind(line: Line) -> str:
    """What a line is; a message where it does not say."""
    word = line.text("kind")
    return word if word in KINDS else "message"


def _read_lines(data: memoryview) -> Iterator[Line | LeftOut]:
    """The lines that say something; what is no JSON object is left out."""
    for number, found in enumerate(_LINE.finditer(data), start=1):
        raw = data[found.start() : found.end()]
        if len(raw) <= 2 and not bytes(raw).strip():
            continue
        try:
            yield Line.parse(number, raw)
        except ValueError as error:
            if bytes(raw[:1000]).strip():
                yield LeftOut(f"line {number:,}: {error}")


class _Lines:
    """The lines of a file, of which one can be looked at before it is taken."""

    def __init__(self, data: memoryview) -> None:
        self._lines = _read_lines(data)
        self.ahead = next(self._lines, None)

    def take(self) -> Line | LeftOut | None:
        taken, self.ahead = self.ahead, next(self._lines, None)
        return taken

    def parts(self, clock: "_Clock") -> Iterator[Part]:
        """What the lines say, up to the next header."""
        while self.ahead is not None:
            line = self.ahead
            if isinstance(line, LeftOut):
                yield line
            elif kind(line) == "header":
                return
            else:
                try:
                    part = _part(line, clock)
                except (ValueError, TapeDamagedError) as error:
                    part = LeftOut(f"line {line.number:,}: {error}")
                if part is not None:
                    yield part
            self.take()


@dataclass(slots=True)
class _Clock:
    """Turns a line's time into ns from the start; a line without one stands at the last one's."""

    origin_ns: int | None = None
    relative: bool = False
    now_ns: int = 0

    def read(self, line: Line) -> int:
        found = line.time(relative=self.relative)
        if found is not None:
            ns, since_1970 = found
            if since_1970:
                if self.origin_ns is None:
                    self.origin_ns = ns
                ns = max(self.now_ns, ns - self.origin_ns)  # whatever order it was logged in
            self.now_ns = ns
        return self.now_ns


def _tape_again(line: Line, lines: _Lines) -> Source:
    """A recording whose header is in the file."""
    fields = line.get("header" if "header" in line.members else "fields")
    if not isinstance(fields, dict):
        raise ValueError(f'line {line.number:,}: the header has no "header"')
    version = _VERSION.fullmatch(line.text("tape") or _dumped_version(line))
    if version is None or int(version[1]) != MAJOR:
        raise ValueError(f"line {line.number:,}: it is of a tape format other than {MAJOR}.x")
    minor = max(MINOR, int(version[2]))
    return Source(
        _map(_bytes_in(fields)), lines.parts(_Clock(relative=True)), minor, complete=False
    )


def _dumped_version(line: Line) -> str:
    if "major" not in line.members:
        return f"{MAJOR}.{MINOR}"
    return f"{line.get('major')}.{line.get('minor')}"


def _log(data: memoryview, lines: _Lines) -> Source:
    """A recording of messages alone."""
    unknown: list[Unknowable] = ["handshake", "pings", "close"]
    clock = _Clock()
    timed, clock.origin_ns = _times(data)
    if not timed:
        unknown.append("times")
    fields = {"connection": "websocket", **imported("jsonl", unknown=unknown)}
    if clock.origin_ns is not None:
        fields["started_ns"] = clock.origin_ns
    return Source(fields, lines.parts(clock))


def _times(data: memoryview) -> tuple[bool, int | None]:
    """Whether every message of a log has a time, and when the first was, if it is since 1970."""
    origin_ns: int | None = None
    first = True
    for line in _read_lines(data):
        if isinstance(line, LeftOut):
            continue
        try:
            if kind(line) == "header":
                break
            found = line.time()
        except ValueError:
            continue
        if found is None:
            return False, None
        if first and found[1]:
            origin_ns = found[0]
        first = False
    return True, origin_ns


def _part(line: Line, clock: _Clock) -> Part | None:
    match kind(line):
        case "seal":
            return Seal(0, clock.read(line), _map(_bytes_in(line.get("data"))))
        case "trailer":
            return None
        case "missing":
            count = line.get("records")
            if type(count) is not int or not 0 < count < MAX_MISSING:
                raise ValueError('"records" is no number of records')
            return Missing(count)
        case "unknown":
            data = decode_base64(line.text("record"))
            record = decode(data)
            if not isinstance(record, Unknown):
                raise ValueError("the record in it is of a known kind")
            return Verbatim(data, record)
        case "control":
            name = line.text("name")[:LONGEST_NAME]
            if not name:
                raise ValueError('the control has no "name"')
            data_ = _map(_bytes_in(line.get("data")))
            return Control(0, clock.read(line), line.flags(), name, data_)
    flags = line.flags()
    if line.text("type").startswith(OF_INSPECT):
        return _of_inspect(line, clock.read(line), flags)
    payload = line.payload()
    return Event(0, clock.read(line), flags, payload)


def _of_inspect(line: Line, t_ns: int, flags: int) -> Event | Control:
    """What `inspect --ndjson` has a name of its own for: a control, text, bytes, other JSON."""
    name = line.text("type").removeprefix(OF_INSPECT)
    if name in CONTROLS:
        return Control(0, t_ns, flags, name, _map(_bytes_in(line.get("event"))))
    if name in ("text", "binary"):
        said = _bytes_in(line.get("event"))
        said = said.get("text") if isinstance(said, dict) else said
        if isinstance(said, str | bytes):
            return Event(0, t_ns, flags, said)
    return Event(0, t_ns, flags, line.payload())


def _bytes_in(value: Any, depth: int = 0) -> Any:
    """A value in which every {"base64": …} is bytes again."""
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, dict):
        if value.keys() == {"base64"} and isinstance(value["base64"], str):
            try:
                return decode_base64(value["base64"])
            except ValueError:
                return value
        return {key: _bytes_in(inner, depth + 1) for key, inner in value.items()}
    return [_bytes_in(inner, depth + 1) for inner in value] if isinstance(value, list) else value


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
