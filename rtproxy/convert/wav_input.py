"""The server's input buffer, from which it makes the caller's items: what audio each is made of.

With voice detection an item is the audio between the positions that the server names; committed by
the client it is all since the last commit or clear.
"""

from collections import deque
from dataclasses import dataclass

from rtproxy.errors import ConvertError
from rtproxy.realtime.audio import AudioFormat
from rtproxy.realtime.call import position
from rtproxy.realtime.event import RealtimeEvent, mapping, string
from rtproxy.realtime.piece import Piece

MAX_SIZE = 64 << 20
"""Bytes of audio that are kept: 23 minutes at 24 kHz."""
MARGIN_MS = 5000.0
"""How much of what was used is kept: speech may be found to have begun before it."""
MAX_WAITING = 256
SLACK_MS = 100.0
MAX_TIMES = 2
"""Items overlap a little: together they may have so many times what was appended, and a minute."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """An item's audio, perhaps in several formats. `missing_ms` of it are not on the tape."""

    item_id: str
    seq: int
    pieces: list[tuple[AudioFormat, bytes]]
    missing_ms: float


@dataclass(slots=True)
class _Span:
    start_ms: float | None = None
    end_ms: float | None = None


class InputBuffer:
    """Takes the caller's pieces and all events without audio, in order."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[float, Piece]] = deque()  # with their positions in ms
        self._size = 0
        self._total_ms = 0.0
        self._used_ms = 0.0
        self._cut_ms = 0.0
        self._spans: dict[str, _Span] = {}
        self._commits: deque[float] = deque(maxlen=MAX_WAITING)

    def append(self, piece: Piece) -> None:
        """Audio arrived."""
        self._pieces.append((self._total_ms, piece))
        self._total_ms += piece.ms
        self._size += len(piece.data)
        while self._pieces and (
            self._size > MAX_SIZE
            or self._pieces[0][0] + self._pieces[0][1].ms < self._kept_from() - MARGIN_MS
        ):
            self._size -= len(self._pieces.popleft()[1].data)

    def meet(self, event: RealtimeEvent) -> Cutting | None:
        """An event that carries no audio; the item that it makes of the buffer, if it does."""
        match event.name if event.from_server else f"client {event.name}":
            case "input_audio_buffer.speech_started":
                start_ms = position(event.data, "audio_start_ms")
                span = self._span(event.item_id)
                span.start_ms = start_ms if span.start_ms is None else span.start_ms
            case "input_audio_buffer.speech_stopped":
                self._span(event.item_id).end_ms = position(event.data, "audio_end_ms")
            case "input_audio_buffer.committed":
                return self._commit(event)
            case "client input_audio_buffer.commit":
                self._commits.append(self._total_ms)
            case "client input_audio_buffer.clear":
                self._used_ms = self._total_ms
            case "error" if self._commits:
                code = string(mapping(event.data, "error"), "code") or ""
                if code.startswith("input_audio_buffer_commit"):
                    self._commits.pop()
        return None

    def _kept_from(self) -> float:
        """Nothing before this position is needed any more, give or take a little."""
        starts = [span.start_ms for span in self._spans.values() if span.start_ms is not None]
        return min([self._used_ms, *starts])

    def _span(self, item_id: str | None) -> _Span:
        """Where an item's speech lies, as far as the server has said."""
        if len(self._spans) >= MAX_WAITING and item_id not in self._spans:
            self._spans.pop(next(iter(self._spans)))
        return self._spans.setdefault(item_id or "", _Span())

    def _commit(self, event: RealtimeEvent) -> Cutting | None:
        span = self._spans.pop(event.item_id or "", _Span())
        end_ms = self._total_ms if span.end_ms is None else span.end_ms
        if self._commits:
            end_ms = self._commits.popleft()
        start_ms = self._used_ms if span.start_ms is None else span.start_ms
        self._used_ms = max(self._used_ms, min(end_ms, self._total_ms))
        if event.item_id is None:
            return None
        found = list(self._cut(start_ms, end_ms))
        had_ms = sum(audio.duration_ms(len(data)) for audio, data in found)
        self._cut_ms += had_ms
        if self._cut_ms > MAX_TIMES * self._total_ms + 60_000:
            raise ConvertError(
                f"The caller's items have more than {MAX_TIMES} times the audio that was sent, as "
                "they overlap; export it with --per side."
            )
        missing_ms = max(0.0, end_ms - start_ms - had_ms)
        return Cutting(
            event.item_id, event.seq, found, missing_ms if missing_ms > SLACK_MS else 0.0
        )

    def _cut(self, start_ms: float, end_ms: float) -> list[tuple[AudioFormat, bytes]]:
        """The audio between two positions, as far as there is any."""
        found = []
        for begin_ms, piece in reversed(self._pieces):  # what is wanted is mostly at the end
            if begin_ms + piece.ms < start_ms:
                break
            rate, width = piece.audio.rate, piece.audio.bytes_per_sample
            first = max(0, round((start_ms - begin_ms) * rate / 1000))
            last = min(piece.samples, round((end_ms - begin_ms) * rate / 1000))
            if first < last:
                found.append((piece.audio, piece.data[first * width : last * width]))
        return found[::-1]
