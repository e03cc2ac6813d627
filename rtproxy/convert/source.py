"""What an imported file holds, whatever its format: recordings, each a header and what follows.

Readers of a format yield sources; `importing` makes a tape of each. A reader knows nothing of
tapes on disk, and a source is read once, from its start to its end.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Literal

from rtproxy.tape.record import MINOR, Control, Event, Seal, Unknown

Unknowable = Literal["handshake", "times", "pings", "close", "transcripts"]
"""What an import may not know; the words stand on the tape.

| word | |
|---|---|
| `handshake` | request and answer by which the connection began |
| `times` | when each message was sent |
| `pings` | control frames: pings and pongs |
| `close` | how and by whom the connection was ended |
| `transcripts` | what is said in some of the audio |
"""

MAX_NS = (1 << 63) - 1

TEXT, BINARY = 1, 2
"""Opcodes of messages (RFC 6455 §5.2)."""
REALTIME_PATH = re.compile(r"(^|/)(realtime|live)(/|$)")
"""Paths of Realtime endpoints; of other HTTP requests nothing is imported."""
SHOWN = 100
"""Characters of a URL or a word in a file that are said about it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something in the file that does not get onto the tape, in words.

    `lost` is False for what does not belong on a tape, such as a request for a picture.
    """

    what: str
    lost: bool = True


@dataclass(frozen=True, slots=True)
class Missing:
    """So many records are known to be missing here."""

    records: int


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A framed record of a kind that this version does not know, to be copied as it is."""

    data: bytes
    record: Unknown


Part = Event | Control | Seal | Missing | Verbatim | LeftOut


@dataclass(frozen=True, slots=True)
class Source:
    """One recording in a file. The `seq` of its events and controls means nothing.

    `fields` is the map of the tape's header, not redacted. A source that is not `complete` gets
    a seal only if it brings one.
    """

    fields: Mapping[str, Any]
    parts: Iterator[Part]
    minor: int = MINOR
    complete: bool = True


def imported(
    format_: str,
    *,
    program: str | None = None,
    unknown: Sequence[Unknowable] = (),
    made_up: Sequence[str] = (),
) -> dict[str, Any]:
    """The header's fields that say where a tape comes from and what it cannot know."""
    about: dict[str, Any] = {"format": format_}
    if program:
        about["program"] = program[:200]
    about["unknown"] = list(unknown)
    if made_up:
        about["made_up"] = list(made_up)
    fields: dict[str, Any] = {"origin": "imported", "imported": about}
    if "times" in unknown:
        fields["times"] = False
    return fields


def nanoseconds(value: float, unit: int = 10**9) -> int:
    """Seconds, or what has `unit` ns, as nanoseconds that a tape can hold; 0 for what is no number.

    As exact as the number is: a double holds seconds since 1970 to a quarter of a microsecond.
    """
    if isnan(value):
        return 0
    value = max(-MAX_NS / unit, min(MAX_NS / unit, value))
    whole = int(value)
    return kept(whole * unit + round((value - whole) * unit))


def kept(ns: float) -> int:
    """Nanoseconds, kept within what a tape can hold; 0 for what is no number."""
    return 0 if isnan(ns) else int(max(-MAX_NS - 1, min(MAX_NS, ns)))


def others_left_out(number: int, noun: str) -> LeftOut:
    """What is said of requests in a file that are none of ours."""
    plural = f"{noun} that is" if number == 1 else f"{noun}s that are"
    return LeftOut(f"{number:,} {plural} not for a Realtime endpoint", lost=False)
