"""Tapes as they are read to be compared: one, or all in a folder."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rtproxy.diff.difference import Level
from rtproxy.diff.normal import NormalSession
from rtproxy.diff.normalise import normalise
from rtproxy.diff.reading import Reading
from rtproxy.errors import DiffError, TapeError
from rtproxy.tape.library import SUFFIXES
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event


@dataclass(frozen=True, slots=True)
class Recording:
    """A tape that was read. `damaged` says how many places on it are damaged; `kept` is None if
    another process has read it."""

    path: Path
    kept: Reading | None
    session: NormalSession
    state: Literal["sealed", "live", "crashed"]
    damaged: int

    @property
    def reading(self) -> Reading:
        """The session as it was read, for who draws it."""
        assert self.kept is not None, "another process has read it"
        return self.kept


def read_tape(path: Path, level: Level) -> Recording:
    """Read a tape; its audio is looked at if the level asks for it. Raises TapeError."""
    reading = Reading(sound=level == "audio")
    with open_tape(path) as tape:
        reading.take(tape.header)
        for record in tape:
            reading.take(record)
        session = normalise(reading, str(path))
        return Recording(path, reading, session, tape.state, len(tape.damage))


def times_of(path: Path, seqs: Collection[int]) -> dict[int, float]:
    """When these records came, in ms, as far as they are on the tape. Raises TapeError."""
    if not seqs:
        return {}
    wanted = set(seqs)
    with open_tape(path) as tape:
        return {
            record.seq: record.t_ns / 1e6
            for record in tape
            if isinstance(record, Event | Control) and record.seq in wanted
        }


def tapes_in(folder: Path) -> dict[str, Path]:
    """The tapes in a folder and below it, by name: their path in it, without .rtape or .rtape.zst.

    Raises TapeError when a folder cannot be read.
    """
    found: dict[str, Path] = {}
    try:
        paths = sorted(folder.rglob("*"))
    except OSError as error:
        raise TapeError(f"{folder} cannot be read: {error.strerror}.") from None
    for path in paths:
        suffix = next((s for s in reversed(SUFFIXES) if path.name.endswith(s)), None)
        inside = path.relative_to(folder)
        if suffix is not None and not any(part.startswith(".") for part in inside.parts):
            found.setdefault(str(inside).removesuffix(suffix), path)
    return found


@dataclass(frozen=True, slots=True)
class Match:
    """Two tapes of one name, or one that has no other."""

    name: str
    a: Path | None
    b: Path | None


def match_tapes(a: Path, b: Path) -> list[Match]:
    """The tapes of two folders by name.

    Raises DiffError where one is no folder or neither holds a tape, TapeError where one cannot be
    read.
    """
    for path, other in ((a, b), (b, a)):
        if not path.is_dir():
            raise DiffError(
                f"{other} is a folder and {path} is not; name two tapes or two folders of tapes."
            )
    first, second = tapes_in(a), tapes_in(b)
    if not first and not second:
        raise DiffError(f"There is no tape in {a}, nor in {b}.")
    names = sorted({*first, *second})
    return [Match(name, first.get(name), second.get(name)) for name in names]
