"""A caller's microphone: samples cut into chunks that fall due on an absolute clock.

Chunk n is due at start + n · chunk, so that being late once does not make all later ones late.
"""

import numpy as np
from numpy.typing import NDArray

from rtproxy.realtime.audio import AudioFormat
from rtproxy.simulate.voice import noise, silence

ROOM_MS = 2_000
"""Length of the idle noise before it repeats."""


class Microphone:
    """Yields encoded chunks. `now` is in milliseconds of the call and never goes back.

    An open microphone gives idle noise (level in dBFS, or None for silence) while nobody speaks;
    another gives chunks only while somebody does.
    """

    def __init__(
        self, form: AudioFormat, chunk_ms: int, *, idle: float | None, open_: bool, seed: int = 0
    ) -> None:
        self._form = form
        self._size = max(1, round(form.rate * chunk_ms / 1000))
        self._open = open_
        room = silence(ROOM_MS, form.rate)
        if idle is not None:
            room = noise(ROOM_MS, form.rate, idle, seed)
        repeats = -(-self._size // room.size) + 1
        self._room = np.tile(room, repeats)
        self._room_size = room.size
        self._pending: NDArray[np.int16] = silence(0, form.rate)
        self._origin: float | None = None
        self._sent = 0

    @property
    def busy(self) -> bool:
        """Whether some of what is spoken has not been given out yet."""
        return bool(self._pending.size)

    def start(self, now: float) -> None:
        """Switch it on; the first chunk of an open microphone is due at once."""
        if self._open:
            self._origin, self._sent = now, 0

    def speak(self, samples: NDArray[np.int16], now: float) -> None:
        """Say `samples` (at the format's rate), after what is being said."""
        self._pending = np.concatenate((self._pending, samples))
        if self._origin is None:
            self._origin, self._sent = now, 0

    def due(self) -> float | None:
        """When the next chunk is due; None while it is off."""
        if self._origin is None:
            return None
        return self._origin + self._sent * self._size * 1000 / self._form.rate

    def take(self, now: float) -> bytes | None:
        """The next chunk if it is due."""
        due = self.due()
        if due is None or now < due:
            return None
        chunk = self._pending[: self._size]
        self._pending = self._pending[self._size :]
        if self._open and chunk.size < self._size:
            at = self._sent * self._size % self._room_size
            chunk = np.concatenate((chunk, self._room[at : at + self._size - chunk.size]))
        self._sent += 1
        if not self._open and not self.busy:
            self._origin = None
        return self._form.encode(chunk)
