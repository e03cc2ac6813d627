"""Packs a tape with zstd and unpacks it again: NAME.rtape ↔ NAME.rtape.zst."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from rtproxy.errors import TapeError, TapeWriteError
from rtproxy.tape.placing import put, temporary
from rtproxy.tape.reader import Tape, open_tape
from rtproxy.tape.unpacking import MAX_RATIO, max_unpacked

LEVEL = 9
_PIECE = 1 << 20


def pack(path: Path, out: Path | None = None) -> Path:
    """Write the tape packed, beside it or to `out`; returns where. Every byte stays as it is.

    Raises TapeError when it is no tape, live or packed already, and TapeWriteError when the packed
    one cannot be written, or does not unpack to the same bytes.
    """
    zstandard = _zstandard()
    target = out or path.with_name(f"{path.name}.zst")
    with open_tape(path) as tape:
        _refuse(tape, target)
        if tape.packed:
            raise TapeError(f"{path} is packed already.")
        with temporary(target) as unfinished:
            with _writing(unfinished) as file:
                packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
                # Not as a context, which would try to complete what could not be written.
                packed = packer.stream_writer(file, size=tape.size, closefd=False)
                digest = _copy(tape, packed)
                packed.close()
            if tape.size > max_unpacked(unfinished.stat().st_size):
                raise TapeError(
                    f"{path} would be packed to less than a part in {MAX_RATIO:,}, which no reader "
                    "unpacks; it is kept as it is."
                )
            with open_tape(unfinished) as again:
                if _digest(again) != digest:
                    raise TapeWriteError(f"{target} would not unpack to the same; {path} is kept.")
            put(unfinished, target)
    return target


def unpack(path: Path, out: Path | None = None) -> Path:
    """Write a packed tape unpacked, beside it or to `out`; returns where. Raises as `pack`."""
    name = path.name.removesuffix(".zst")
    target = out or path.with_name(name if name != path.name else f"{name}.unpacked.rtape")
    with open_tape(path) as tape:
        _refuse(tape, target)
        if not tape.packed:
            raise TapeError(f"{path} is not packed.")
        with temporary(target) as unfinished:
            with _writing(unfinished) as file:
                _copy(tape, file)
            put(unfinished, target)
    return target


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise TapeError("Packing needs zstandard: pip install 'rtproxy[zstd]'.") from None
    return zstandard


def _refuse(tape: Tape, target: Path) -> None:
    if tape.state == "live":
        raise TapeError(f"{tape.path} is still being recorded; end the recording first.")
    if os.path.lexists(target):
        raise TapeWriteError(f"{target} exists already; choose another name with -o.")


@contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    """A new file, on disk when it is closed. Raises TapeWriteError."""
    try:
        with path.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise TapeWriteError(f"Cannot write {path}: {error.strerror}.") from error


def _copy(tape: Tape, file: Any) -> bytes:
    """Copy every byte of a tape; returns their SHA-256."""
    digest, at = hashlib.sha256(), 0
    while piece := tape.read(at, _PIECE):
        file.write(piece)
        digest.update(piece)
        at += len(piece)
    return digest.digest()


def _digest(tape: Tape) -> bytes:
    digest, at = hashlib.sha256(), 0
    while piece := tape.read(at, _PIECE):
        digest.update(piece)
        at += len(piece)
    return digest.digest()
