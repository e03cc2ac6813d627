"""Tapes from the disk, ready for a server: which there are, in what state, and their scripts.

A tape that is named is read at once, so that what is wrong with it is said at once. Those of a
folder are read when their turn comes.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

from rtproxy.errors import ReplayError, TapeDamagedError, TapeError
from rtproxy.replay.recording import Recording, read_recording
from rtproxy.replay.selection import Shelf, Slot
from rtproxy.tape.library import Library
from rtproxy.tape.reader import open_tape
from rtproxy.tape.repair import verify


def load_shelf(paths: Sequence[str | Path], *, salvage: bool = False) -> Shelf:
    """The tapes at `paths`, in order; a folder stands for all tapes in it, by name.

    `salvage` plays what is sound on a damaged tape. Raises TapeError for a tape that cannot be
    played, ReplayError if there is none or one is still being recorded.
    """
    slots: list[Slot] = []
    notes: list[str] = []
    for path in map(Path, paths):
        if path.is_dir():
            slots += _folder(path, salvage, notes)
        else:
            slots.append(_tape(path, salvage, notes))
    if not slots:
        where = ", ".join(map(str, paths)) or "nowhere"
        raise ReplayError(f"There is no tape to play in {where}; record one with rtproxy record.")
    return Shelf(slots, notes)


def _tape(path: Path, salvage: bool, notes: list[str]) -> Slot:
    note, recording = _read(path, salvage)
    if note:
        notes.append(note)
    header = recording.script.header
    assert header is not None
    return Slot.of(str(path), header, lambda: recording, required=True)


def _folder(folder: Path, salvage: bool, notes: list[str]) -> list[Slot]:
    slots = []
    for entry in Library(folder):
        if entry.header is None:
            notes.append(f"{entry.error} It is left out.")
        elif entry.state == "live":
            notes.append(f"{entry.path} is still being recorded; it is left out.")
        else:
            load = _once(partial(_read, entry.path, salvage))
            path, size = str(entry.path), entry.size
            slots.append(Slot.of(path, entry.header, load, required=False, size=size))
    return slots


def _once(read: Callable[[], tuple[str, Recording]]) -> Callable[[], Recording]:
    return lru_cache(maxsize=1)(lambda: read()[1])


def _read(path: Path, salvage: bool) -> tuple[str, Recording]:
    """A sentence about the tape, if there is anything to say, and its recording."""
    found = verify(path)
    if found.state == "live":
        raise ReplayError(f"{path} is still being recorded; end the recording, then replay it.")
    note = ""
    if found.damaged:
        if not salvage:
            raise TapeDamagedError(f"{path} is {found}, or play what is sound with --salvage.")
        note = f"{path} is {found}. What is sound is played."
    elif found.state == "crashed":
        note = f"{path} was not sealed, its recording broke off: it is played as far as it goes."
    try:
        with open_tape(path) as tape:
            recording = read_recording(path.name, tape)
    except OSError as error:
        raise TapeError(f"{path} cannot be read: {error.strerror}.") from None
    return note, recording
