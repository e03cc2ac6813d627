"""Makes tapes of what other tools have recorded: opens the file, finds its format, writes.

    file ── detect ──→ sources ── redact ──→ a tape each

Of a large file nothing is read into memory but a message at a time. A tape appears under its name
at once, is live while it is written, and is removed again when it cannot be finished.
"""

import contextlib
import mmap
import os
import re
import stat
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rtproxy.convert import audio_folder, flow_source, har_source, jsonl_source
from rtproxy.convert.detection import detect, is_compressed
from rtproxy.convert.imported_tape import ImportedTape
from rtproxy.convert.source import LeftOut, Source
from rtproxy.errors import ConvertError
from rtproxy.tape.library import Library
from rtproxy.tape.record import Event

SUFFIX = ".rtape"
MAX_SPOOLED = 1 << 33
"""What comes through a pipe, or out of a compressed file, may have this many bytes."""
FREE_SPOOLED = 1 << 28
MAPPED = 1 << 24
"""Files beyond so many bytes are mapped. One that somebody cuts off meanwhile, as programs do that
begin it anew, would end whoever has it mapped with SIGBUS; smaller ones are read at once."""
MAX_RATIO = 200
"""A compressed file that holds more than FREE_SPOOLED may hold so many times its own size."""
MAX_NOTES = 20
"""So many things left out are told one by one."""

_PIECE = 1 << 18
_TICK = 1000
_READERS = {
    "har": har_source.sources,
    "mitmproxy": flow_source.sources,
    "jsonl": jsonl_source.sources,
}


@dataclass(slots=True)
class Imported:
    """What became of a file: its tapes, and what is on none."""

    tapes: list[Path] = field(default_factory=list)
    unsealed: list[Path] = field(default_factory=list)
    """Tapes of recordings that broke off, as the file says."""
    events: int = 0
    lost: int = 0
    """Things left out that would have been on a tape."""
    notes: list[str] = field(default_factory=list)
    """What was left out, in words; of the first MAX_NOTES things."""
    untold: int = 0
    """Further things that were left out."""

    def leave_out(self, left: LeftOut) -> None:
        self.lost += left.lost
        if len(self.notes) < MAX_NOTES:
            self.notes.append(left.what)
        else:
            self.untold += 1


@dataclass(slots=True)
class Place:
    """Where tapes go: into a folder under names of their own, or the only one to a file."""

    out: Path
    taken: bool = False

    @property
    def is_folder(self) -> bool:
        return self.out.is_dir() or self.out.suffix != SUFFIX

    def open(self, tape: ImportedTape) -> bool:
        """Create a tape where it goes; False where there is no place for another."""
        if self.is_folder:
            started = tape.started_ns
            if started is None or not 0 < started < 1 << 63:
                started = time.time_ns()
            Library(self.out).create(started, tape.open)
        elif self.taken:
            return False
        else:
            self.taken = True
            tape.open(self.out)
        return True


def import_file(
    path: Path,
    place: Place,
    redact: Sequence[re.Pattern[str]] = (),
    watch: Callable[[Imported], None] = lambda _: None,
) -> Imported:
    """Make tapes of all recordings in a file, or of a folder of audio; `-` is standard input.

    `watch` is called now and then with what has been done so far.

    Raises ConvertError where there is none, TapeWriteError where a tape cannot be written. What
    has been written by then stays.
    """
    if place.out.name.endswith(f"{SUFFIX}.zst"):
        name = place.out.name.removesuffix(".zst")
        raise ConvertError(
            f"A tape is not packed while it is written; give {name}, then pack it with rtproxy "
            "tape pack."
        )
    found = Imported()
    if path.is_dir():
        _write(audio_folder.source(path), place, found, redact, lambda: watch(found))
        return found
    with _opened(path) as file:

        def tick() -> None:
            file.forget()
            watch(found)

        try:
            format_, data = detect(file.view)
        except ValueError as error:
            raise ConvertError(f"{path} {error}.") from None
        try:
            for source in _READERS[format_](data):
                if isinstance(source, LeftOut):
                    found.leave_out(source)
                else:
                    _write(source, place, found, redact, tick)
        except ValueError as error:
            if not found.tapes:
                raise ConvertError(f"{path} cannot be imported: {error}.") from None
            found.leave_out(LeftOut(str(error)))
    if not found.tapes:
        why = f": {found.notes[0]}" if found.notes else ""
        raise ConvertError(f"There is no recording in {path} that can be imported{why}.")
    return found


def _write(
    source: Source,
    place: Place,
    found: Imported,
    redact: Sequence[re.Pattern[str]],
    tick: Callable[[], None],
) -> None:
    """Make the tape of one recording."""
    tape = ImportedTape(source, redact)
    if not place.open(tape):
        found.leave_out(LeftOut(f"a further recording; give a folder with -o, beside {place.out}"))
        return
    try:
        for number, part in enumerate(source.parts, start=1):
            if (left := tape.take(part)) is not None:
                found.leave_out(left)
            found.events += isinstance(part, Event)
            if number % _TICK == 0:
                tick()
        tape.close()
    except BaseException:
        tape.drop()
        raise
    if tape.is_empty and "request" not in source.fields and source.complete:
        tape.drop()
        place.taken = False
        return
    found.tapes.append(tape.path)
    if tape.unsealed:
        found.unsealed.append(tape.path)


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A file's bytes. What has been read need not stay in memory: it is in the file."""

    view: memoryview
    map: mmap.mmap | None = None

    def forget(self) -> None:
        if self.map is not None:
            with contextlib.suppress(OSError, ValueError):
                self.map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        # A part that somebody still holds keeps the mapping; it goes with the last of them.
        with contextlib.suppress(BufferError):
            self.view.release()
            if self.map is not None:
                self.map.close()


@contextmanager
def _opened(path: Path) -> Iterator[_Mapped]:
    """A file, mapped if it is not small; what comes through a pipe or is compressed is spooled
    first.

    Raises ConvertError where it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_open(path))
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                file = _spooled(stack, path, file.read)
            mapped = _mapped(stack, file)
            if is_compressed(mapped.view):
                most = max(FREE_SPOOLED, len(mapped.view) * MAX_RATIO)
                mapped = _mapped(stack, _spooled(stack, path, _decompressed(file), most))
        except OSError as error:
            raise ConvertError(f"{path} cannot be read: {error.strerror}.") from None
        except zlib.error:
            raise ConvertError(f"{path} looks compressed, but it cannot be decompressed.") from None
        yield mapped


def _open(path: Path) -> IO[bytes]:
    if str(path) == "-":
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise ConvertError(f"There is no file {path}.") from None
    except ValueError as error:
        raise ConvertError(f"{str(path)!r} cannot be read: {error}.") from None


def _mapped(stack: contextlib.ExitStack, file: IO[bytes]) -> _Mapped:
    if os.fstat(file.fileno()).st_size <= MAPPED:
        file.seek(0)
        return _Mapped(memoryview(file.read()))
    made = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    mapped = _Mapped(memoryview(made), made)
    stack.callback(mapped.close)
    return mapped


def _spooled(
    stack: contextlib.ExitStack,
    path: Path,
    read: Callable[[int], bytes],
    most: int = MAX_SPOOLED,
) -> IO[bytes]:
    """All that `read` gives, in a file without a name. Raises ConvertError where it is too much."""
    spool = stack.enter_context(tempfile.TemporaryFile(prefix="rtproxy-"))  # noqa: SIM115
    size, most = 0, min(most, MAX_SPOOLED)
    while piece := read(_PIECE):
        size += len(piece)
        if size > most:
            raise _too_much(path, most)
        spool.write(piece)
    spool.flush()
    return spool


def _too_much(path: Path, most: int) -> ConvertError:
    if most == MAX_SPOOLED:
        return ConvertError(f"{path} holds more than {MAX_SPOOLED >> 30} GiB.")
    return ConvertError(
        f"{path} holds more than {most >> 20} MiB, {MAX_RATIO} times its size and more, as no "
        "recording does; if you trust it, decompress it with gzip -d."
    )


def _decompressed(file: IO[bytes]) -> Callable[[int], bytes]:
    """Reads a gzip or zlib file, as far as it goes. What it returns raises zlib.error."""
    file.seek(0)
    decompressor = zlib.decompressobj(32 + zlib.MAX_WBITS)

    def read(size: int) -> bytes:
        while not decompressor.eof:
            raw = decompressor.unconsumed_tail or file.read(size)
            if not raw:
                break
            if piece := decompressor.decompress(raw, size):
                return piece
        return b""

    return read
