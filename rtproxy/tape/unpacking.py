"""Unpacks a tape that is opened packed: what zstd holds, as far as it is sound and not too much."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rtproxy.errors import NotATapeError, TapeError

ZSTD = b"\x28\xb5\x2f\xfd"
"""What a packed tape begins with."""
MAX_UNPACKED = 1 << 33
"""A packed tape may hold this many bytes."""
FREE_UNPACKED = 1 << 28
MAX_RATIO = 1000
"""A packed tape that holds more than FREE_UNPACKED may hold so many times its own size."""

_WINDOW = 1 << 27
_PIECE = 1 << 18


def max_unpacked(size: int) -> int:
    """How many bytes a packed tape of `size` may hold."""
    return min(MAX_UNPACKED, max(FREE_UNPACKED, size * MAX_RATIO))


def unpacked(path: Path, source: int) -> int:
    """Decompress to a temporary file without a name; returns its descriptor.

    What is damaged is unpacked up to there. Raises TapeError, and OSError where `source` cannot be
    read.
    """
    most, size = max_unpacked(os.fstat(source).st_size), 0
    with (
        tempfile.TemporaryFile(prefix="rtproxy-", buffering=0) as out,
        os.fdopen(os.dup(source), "rb") as file,
    ):
        for piece in _pieces(path, file):
            size += len(piece)
            if size > most:
                raise _too_much(path, most)
            _write(path, out.fileno(), piece)
        if size == 0:
            raise NotATapeError(f"{path} looks packed, but it cannot be unpacked.")
        return os.dup(out.fileno())


def _pieces(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """What a file holds, up to where it is damaged."""
    try:
        import zstandard
    except ImportError:
        raise TapeError(
            f"{path} is packed, and reading it needs zstandard: pip install 'rtproxy[zstd]'."
        ) from None
    told = 0
    try:
        for piece in _stream(zstandard, file):
            told += len(piece)
            yield piece
        return
    except zstandard.ZstdError:
        edge = file.tell() - _PIECE
    # The piece with the damage gave nothing, though most of it may be sound: once more, and there
    # byte by byte.
    file.seek(0)
    try:
        for piece in _stream(zstandard, _Careful(file, edge)):
            yield piece[max(0, told) :]
            told -= len(piece)
    except zstandard.ZstdError:
        return


def _stream(zstandard: Any, file: Any) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    reader = decompressor.stream_reader(file, read_size=_PIECE, read_across_frames=True)
    while piece := reader.read1(_PIECE):
        yield piece


class _Careful:
    """A file that is read byte by byte from `edge` on."""

    def __init__(self, file: BinaryIO, edge: int) -> None:
        self._file = file
        self._edge = edge

    def read(self, size: int) -> bytes:
        return self._file.read(max(1, min(size, self._edge - self._file.tell())))


def _write(path: Path, fd: int, data: bytes) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError as error:
        raise TapeError(
            f"{path} cannot be unpacked to {tempfile.gettempdir()}: {error.strerror}."
        ) from None


def _too_much(path: Path, most: int) -> TapeError:
    if most == MAX_UNPACKED:
        return TapeError(f"{path} holds more than {MAX_UNPACKED >> 30} GiB.")
    return TapeError(
        f"{path} holds more than {most >> 20} MiB, {MAX_RATIO:,} times its size and more, as no "
        "call does; if you trust it, unpack it with zstd -d."
    )
