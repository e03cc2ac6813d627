"""The caller's audio, of which only speech is listened to."""

from collections import deque

from rtproxy.diff.sound import Sound, Trace
from rtproxy.realtime.audio import AudioFormat, base64_size

Piece = tuple[float, float, str, AudioFormat, int]
"""(from, to, base64, format, bytes of this format before it)."""
KEPT = 1 << 25
"""Characters of base64 that wait for the server to say where speech is: 8 minutes of 24 kHz."""


class Ear:
    """Keeps the latest audio as it came, and decodes what speech is found in.

    Most of what a microphone sends is silence. Positions are ms on the input-audio clock.
    """

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._size = 0
        self._format: AudioFormat | None = None
        self._bytes = 0

    def add(self, start_ms: float, end_ms: float, encoded: str, audio: AudioFormat) -> None:
        """The next piece, from where to where it reaches."""
        if audio != self._format:
            self._format, self._bytes = audio, 0
        self._pieces.append((start_ms, end_ms, encoded, audio, self._bytes))
        self._bytes += base64_size(encoded)
        self._size += len(encoded)
        while self._size > KEPT:
            self._size -= len(self._pieces.popleft()[2])

    def listen(self, start_ms: float, end_ms: float) -> Sound | None:
        """How it sounded between two positions; None where that is not kept any more.

        What lies before the end is dropped: speech after speech is decoded once.
        """
        while self._pieces and self._pieces[0][1] <= start_ms:
            self._size -= len(self._pieces.popleft()[2])
        if not self._pieces or self._pieces[0][0] > start_ms:
            return None
        first_ms, _, _, audio, before = self._pieces[0]
        trace = Trace(exact=False)
        trace.begin(audio, before)
        while self._pieces and self._pieces[0][0] < end_ms:
            _, _, encoded, audio, _ = self._pieces.popleft()
            self._size -= len(encoded)
            trace.add(encoded, audio)
        trace.finish()
        return Sound.part(trace, start_ms - first_ms, end_ms - first_ms)
