"""WAV files as they are written: a header, and then samples of two bytes, or codes of G.711.

RIFF WAVE as in Multimedia Programming Interface and Data Specifications 1.0 (IBM, Microsoft, 1991);
the format tags of G.711 and their `fact` chunk as in New Multimedia Data Types and Data Techniques
3.0 (Microsoft, 1994).
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtproxy.realtime.audio import AudioFormat, to_int16

TAGS = {"pcm16": 1, "g711_alaw": 6, "g711_ulaw": 7}
MAX_SIZE = (1 << 32) - 1 - 64
"""Bytes of samples that a WAV file can hold, with room for its header."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How samples are laid out in a file: `audio` of one side or more, by turns."""

    audio: AudioFormat
    channels: int = 1

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return self.audio.bytes_per_sample * self.channels

    @property
    def limit_ms(self) -> float:
        """How much a WAV file of this layout can hold."""
        return MAX_SIZE / self.frame * 1000 / self.audio.rate

    def pack(self, samples: NDArray[np.int16]) -> bytes | memoryview:
        """Samples of shape (n,) or (n, channels) as the file holds them."""
        if self.audio.encoding == "pcm16":
            return np.ascontiguousarray(samples, dtype="<i2").reshape(-1).view(np.uint8).data
        return self.audio.encode(samples.reshape(-1))


def header(layout: Layout, size: int) -> bytes:
    """What stands before `size` bytes of samples. Raises ValueError for more than MAX_SIZE."""
    if size > MAX_SIZE:
        raise ValueError("a WAV file holds at most 4 GiB")
    tag, rate = TAGS[layout.audio.encoding], layout.audio.rate
    about = struct.pack(
        "<HHIIHH",
        tag,
        layout.channels,
        rate,
        rate * layout.frame,
        layout.frame,
        8 * layout.audio.bytes_per_sample,
    )
    if tag != TAGS["pcm16"]:
        about += struct.pack("<H", 0)  # the size of what the format adds to this
    chunks = _chunk(b"fmt ", about)
    if tag != TAGS["pcm16"]:
        chunks += _chunk(b"fact", struct.pack("<I", size // layout.frame))
    length = 4 + len(chunks) + 8 + size + size % 2
    return (
        b"RIFF" + struct.pack("<I", length) + b"WAVE" + chunks + b"data" + struct.pack("<I", size)
    )


def padding(size: int) -> bytes:
    """What stands after so many bytes of samples: chunks have even lengths."""
    return bytes(size % 2)


def mono(stereo: NDArray[np.int16]) -> NDArray[np.int16]:
    """Both sides in one: their sum, as on a telephone line, clipped where they are too loud."""
    if not stereo.any():
        return np.zeros(len(stereo), dtype=np.int16)
    return to_int16(stereo.astype(np.int32).sum(axis=1))


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data
