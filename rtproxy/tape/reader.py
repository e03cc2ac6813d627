"""Opens a tape and reads its records; a damaged, live or packed one too."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from rtproxy.errors import NotATapeError, TapeDamagedError, TapeError, TapeVersionError
from rtproxy.tape.codec import MAX_BODY, TRAILER_SIZE, decode, frame_at
from rtproxy.tape.record import MAGIC, MAJOR, Event, Header, Record, Seal, Trailer
from rtproxy.tape.scanner import Damage, Scanned, Scanner
from rtproxy.tape.summary import Summary
from rtproxy.tape.unpacking import ZSTD, unpacked

State = Literal["sealed", "live", "crashed"]

KNOWN_REQUIREMENTS = frozenset[str]()
"""Names in a header's `requires` that this version knows."""

_SEARCHED = 1 << 26  # where the header is damaged, a sound record must start this early
_LOOKS_LIKE = {
    b"{": "JSON", b"[": "JSON", b"\xff\xd8\xff": "a JPEG image", b"\x89PNG": "a PNG image",
    b"PK": "a zip archive", b"\x1f\x8b": "gzip", b"RIFF": "audio", b"ID3": "audio",
    b"OggS": "audio", b"fLaC": "audio", b"<": "HTML or XML", b"SQLite": "a database",
}  # fmt: skip


def open_tape(path: str | Path) -> "Tape":
    """Open a tape, packed (.rtape.zst) or not.

    Raises NotATapeError, TapeVersionError, TapeDamagedError when nothing on it can be read, and
    TapeError when the file cannot be opened.
    """
    path = Path(path)
    fd = _open(path)
    try:
        packed = os.pread(fd, len(ZSTD), 0) == ZSTD
        if packed:
            whole = unpacked(path, fd)
            os.close(fd)
            fd = whole
    except OSError as error:
        os.close(fd)
        raise TapeError(f"{path} cannot be read: {error.strerror}.") from None
    except TapeError:
        os.close(fd)
        raise
    tape = Tape(path, fd, packed=packed)
    try:
        tape.look()
    except TapeError:
        tape.close()
        raise
    return tape


class Tape:
    """An open tape; made by `open_tape`, to be closed or used in a `with`.

    `state` is what it was when the tape was opened. `damage` lists what the latest pass over the
    records has met so far.
    """

    def __init__(self, path: Path, fd: int, *, packed: bool = False) -> None:
        self.path = path
        self.packed = packed
        self._fd = fd
        self._seal_offset = 0
        self._scanner = Scanner(self._read)
        self.header = Header({})
        self.state: State = "crashed"
        self.seal: Seal | None = None

    def look(self) -> None:
        """Find out header, state and seal. Raises what `open_tape` raises."""
        # The lock first: a tape sealed between the two looks would else pass for a crashed one.
        live = self.is_live()
        self._seal_offset, seal = self._find_seal()
        self.header = self._find_header()
        # A message may hold what looks like seal and trailer, but its sender does not know the id.
        known = not self.header.fields.get("damaged")
        if seal is not None and (seal.data.get("id") == self.header.id or not known):
            self.seal = seal
            self.state = "sealed"
        elif live:
            self.state = "live"

    @property
    def size(self) -> int:
        """Bytes of the tape now; it grows while live."""
        return os.fstat(self._fd).st_size

    @property
    def damage(self) -> list[Damage]:
        """What the latest pass has met so far; a header that is damaged is known from the start."""
        return self._scanner.damage

    def __iter__(self) -> Iterator[Record]:
        """Every sound record: the header first, then events, controls, …, seal and trailer.

        Each call is a pass of its own. A header that is damaged is replaced by what is known.
        Raises TapeError when the file cannot be read any more.
        """
        headed = False
        for scanned in self.scan():
            if not headed and not isinstance(scanned.record, Header):
                yield self.header
            headed = True
            yield scanned.record

    def events(self) -> Iterator[Event]:
        """The messages alone."""
        return (record for record in self if isinstance(record, Event))

    def scan(self) -> Iterator[Scanned]:
        """Every sound record with its place in the file and its bytes."""
        yield from self.new_scanner().scan(self.size, final=self.state != "live")

    def new_scanner(self) -> Scanner:
        """Begin a pass that the caller steps through; `damage` is then what that pass meets."""
        self._scanner = Scanner(self._read)
        return self._scanner

    def summary(self) -> Summary:
        """The counts in the seal, or else by one pass over the records."""
        if self.seal is not None:
            return Summary.from_map(self.seal.data)
        summary = Summary()
        for scanned in self.scan():
            summary.add(scanned.record, scanned.offset)
        return summary

    @property
    def seal_offset(self) -> int | None:
        """Where the seal starts, which is the number of bytes that its SHA-256 covers."""
        return self._seal_offset if self.seal is not None else None

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the tape as they are, unpacked; fewer at its end. Raises TapeError."""
        return self._read(offset, size)

    def is_live(self) -> bool:
        """Whether somebody is recording to the tape now."""
        return not self.packed and is_locked(self._fd)

    def close(self) -> None:
        """Close the file; once is enough and more does no harm."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            self.close()

    def _read(self, offset: int, size: int) -> bytes:
        try:
            return os.pread(self._fd, size, offset)
        except OSError as error:
            raise TapeError(f"{self.path} cannot be read: {error.strerror}.") from None

    def _find_seal(self) -> tuple[int, Seal | None]:
        """The seal, by way of the trailer, when both are sound and at the end."""
        size = self.size
        with contextlib.suppress(TapeDamagedError):
            trailer = decode(self._read(size - TRAILER_SIZE, TRAILER_SIZE)) if size > 32 else None
            if isinstance(trailer, Trailer) and trailer.seal_offset < size - TRAILER_SIZE:
                length = size - TRAILER_SIZE - trailer.seal_offset
                frame = frame_at(self._read(trailer.seal_offset, 16))
                if frame is not None and frame.size == length <= MAX_BODY:
                    seal = decode(self._read(trailer.seal_offset, length))
                    if isinstance(seal, Seal):
                        return trailer.seal_offset, seal
        return 0, None

    def _find_header(self) -> Header:
        size = self.size
        if size == 0:
            raise NotATapeError(f"{self.path} is empty, not a tape.")
        first = next(self._scanner.scan(min(size, _SEARCHED)), None)
        if first is None:
            start = self._read(0, 64)
            if MAGIC.encode() in start:
                raise TapeDamagedError(f"{self.path} is a tape, but no record on it is readable.")
            looks = next((f": it looks like {what}" for magic, what in _LOOKS_LIKE.items()
                          if start.lstrip().startswith(magic)), "")  # fmt: skip
            raise NotATapeError(f"{self.path} is not a tape{looks}.")
        if not isinstance(first.record, Header):
            name = self.path.name.removesuffix(".zst").removesuffix(".rtape")
            return Header({"id": name, "connection": "websocket", "damaged": True})
        check_version(self.path, first.record)
        return first.record


def check_version(path: Path, header: Header) -> None:
    """Raise TapeVersionError when this version cannot be sure to read the tape rightly."""
    if header.major != MAJOR:
        raise TapeVersionError(
            f"{path} has tape format {header.major}.{header.minor}, but this rtproxy reads "
            f"{MAJOR}.x; use a newer rtproxy."
        )
    requires = header.fields.get("requires") or []
    names = requires if isinstance(requires, list) else [requires]
    if unknown := [str(name)[:50] for name in names if str(name) not in KNOWN_REQUIREMENTS]:
        raise TapeVersionError(
            f"{path} requires {', '.join(unknown)!a}, which this rtproxy does not know; "
            "use a newer one."
        )


def is_locked(fd: int) -> bool:
    """Whether a writer holds the tape's advisory lock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def _open(path: Path) -> int:
    try:
        # Not blocking, so that a named pipe is refused instead of waited for.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise TapeError(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TapeError(f"{path} cannot be opened: {reason}.") from None
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise TapeError(f"{path} is a folder, not a tape; name one of the tapes in it.")
    raise NotATapeError(f"{path} is not a file.")
