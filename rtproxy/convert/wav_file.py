"""Audio files written as their samples come: WAV by ourselves, all others by ffmpeg."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from rtproxy.convert.output import output
from rtproxy.convert.wav import MAX_SIZE, Layout, header, padding
from rtproxy.errors import ConvertError

ENCODERS = {
    "mp3": ("-f", "mp3", "-c:a", "libmp3lame", "-q:a", "2"),
    "ogg": ("-f", "ogg", "-c:a", "libvorbis", "-q:a", "5"),
    "flac": ("-f", "flac", "-c:a", "flac"),
    "opus": ("-f", "ogg", "-c:a", "libopus", "-b:a", "48k"),
}
"""Format → what ffmpeg is told of it. Names are also the endings of files."""
FORMATS = ("wav", *ENCODERS)
HOLE = 1 << 14
"""Bytes of zeros from which on they are passed over."""


class Sink(Protocol):
    """Takes samples of shape (n,) or (n, channels), or their bytes. `size` is of all, in bytes."""

    size: int

    def write(self, samples: NDArray[np.int16]) -> None: ...

    def write_bytes(self, data: bytes | memoryview) -> None: ...


@contextmanager
def audio_file(
    path: Path | None, layout: Layout, form: str = "wav", *, force: bool = False
) -> Iterator[Sink]:
    """A file to write samples to, which is there whole or not at all; None is standard output.

    `form` is one of FORMATS. Raises ConvertError where the file is there already, cannot be
    written or would be too large, and where ffmpeg is missing or fails.
    """
    if path is None or str(path) == "-":
        # Headers tell lengths, which are known in the end.
        with Spool() as spool:
            with explained(), _sink(spool.file, layout, form) as sink:
                yield sink
            spool.file.seek(0)
            with output(None) as out:
                shutil.copyfileobj(spool.file, out, 1 << 20)
        return
    if form != "wav":
        encoder()
    with output(path, force=force) as file, _sink(file, layout, form) as sink:
        yield sink


class Spool:
    """A file without a name for what is needed again soon. Raises ConvertError when it is full."""

    def __init__(self) -> None:
        with explained():
            made = tempfile.TemporaryFile(prefix="rtproxy-")  # noqa: SIM115  # closed on exit
        self.file = cast(BinaryIO, made)
        self._end = 0

    def add(self, data: bytes) -> int:
        """Put bytes away; tells where they are."""
        place, self._end = self._end, self._end + len(data)
        with explained():
            self.file.seek(place)
            self.file.write(data)
        return place

    def read(self, place: int, size: int) -> bytes:
        self.file.seek(place)
        return self.file.read(size)

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        # Closing flushes, and what cannot be flushed is not needed any more.
        with suppress(OSError):
            self.file.close()


@contextmanager
def explained() -> Iterator[None]:
    """Errors of a temporary file as ConvertError."""
    try:
        yield
    except OSError as error:
        raise ConvertError(
            f"A temporary file in {tempfile.gettempdir()} cannot be written: {error.strerror}."
        ) from None


def encoder() -> str:
    """The ffmpeg that pydub uses. Raises ConvertError if there is none."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydub warns of what is said better below
        from pydub import AudioSegment
    found = shutil.which(str(AudioSegment.converter))
    if found is None:
        raise ConvertError(
            f"{', '.join(ENCODERS)} are made by ffmpeg, which is not installed; install it, or "
            "export WAV."
        )
    return found


@contextmanager
def _sink(file: BinaryIO, layout: Layout, form: str) -> Iterator[Sink]:
    if form == "wav":
        wave = _Wave(file, layout)
        yield wave
        wave.finish()
        return
    with _Encoded(file, layout, form) as encoded:
        yield encoded


class _Wave:
    """A WAV file. Its header is written again when its length is known.

    Zeros are passed over, as a call may be silent for hours: a hole reads as zeros, and takes no
    room on most disks.
    """

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._layout = layout
        self.size = 0
        file.write(header(layout, 0))

    def write(self, samples: NDArray[np.int16]) -> None:
        self.write_bytes(self._layout.pack(samples))

    def write_bytes(self, data: bytes | memoryview) -> None:
        self.size += len(data)
        if self.size > MAX_SIZE:
            raise too_long(self._layout)
        if len(data) >= HOLE and not np.frombuffer(data, np.uint8).any():
            self._file.seek(len(data), os.SEEK_CUR)
        else:
            self._file.write(data)

    def finish(self) -> None:
        """Write what stands after the samples, and how many there are before them."""
        self._file.write(padding(self.size))
        self._file.truncate()
        self._file.seek(0)
        self._file.write(header(self._layout, self.size))
        self._file.seek(0, 2)


class _Encoded:
    """Samples that ffmpeg compresses; it writes the file by itself, as its headers need that."""

    def __init__(self, file: BinaryIO, layout: Layout, form: str) -> None:
        self._layout = layout
        self.size = 0
        self._complaint = tempfile.TemporaryFile(prefix="rtproxy-")  # noqa: SIM115
        command = [
            encoder(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
            "-f", "s16le", "-ar", str(layout.audio.rate), "-ac", str(layout.channels),
            "-i", "pipe:0", *ENCODERS[form], "-map_metadata", "-1", f"/dev/fd/{file.fileno()}",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=self._complaint, pass_fds=(file.fileno(),)
        )

    def __enter__(self) -> "_Encoded":
        return self

    def write(self, samples: NDArray[np.int16]) -> None:
        self.write_bytes(self._layout.pack(samples))

    def write_bytes(self, data: bytes | memoryview) -> None:
        assert self._process.stdin is not None
        self.size += len(data)
        try:
            self._process.stdin.write(data)
        except OSError:
            raise self._failure() from None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._process.stdin is not None
        if kind is not None:
            self._process.kill()
        with self._complaint:
            # What ffmpeg, having ended, did not read is of no use.
            with suppress(OSError):
                self._process.stdin.close()
            if self._process.wait() and kind is None:
                raise self._failure()

    def _failure(self) -> ConvertError:
        self._process.wait()
        self._complaint.seek(0)
        said = self._complaint.read(100_000).decode(errors="replace").strip().splitlines()
        return ConvertError(
            f"ffmpeg could not encode the audio: {said[-1] if said else 'unknown'}."
        )


def too_long(layout: Layout) -> ConvertError:
    """What to raise for more than a WAV file can hold; other formats hold no more here."""
    return ConvertError(
        f"It lasts longer than the {layout.limit_ms / 3_600_000:.0f} hours that a WAV file of "
        "4 GiB holds; export single turns, or with a lower --rate."
    )
