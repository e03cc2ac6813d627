"""Both sides' audio as the page plays it: every sample once, and where each part of it stands.

    sound = Sound()
    for record in tape:
        sound.take(parse(record))
    sound.finish()
    sound.caller.parts        # as it was appended
    sound.delivered(), sound.heard(session)

The assistant's audio is kept as it arrived. What was heard of it is the same samples at other
times, with parts left out, so the page holds them once and plays them either way.
"""

from dataclasses import dataclass, field

import numpy as np

from rtproxy.inspect.page.lanes import begins_of, unheard_of
from rtproxy.inspect.page.reel import Reel
from rtproxy.realtime.audio import AudioFormat, Samples, decode_base64
from rtproxy.realtime.call import SHORTEST_MS
from rtproxy.realtime.event import DELTAS, RealtimeEvent
from rtproxy.realtime.formats import AudioFormats
from rtproxy.realtime.session import Session

SLACK_MS = 200.0
"""What follows within this is one stream, whose pieces arrive a little early or late."""


@dataclass(frozen=True, slots=True)
class Part:
    """`count` samples of a reel from `first` on, which sound from `t_ms` on without a pause."""

    t_ms: float
    first: int
    count: int


@dataclass(slots=True)
class Stream:
    """Audio that belongs together, and the samples of the reel that it is made of, in order."""

    first_ms: float
    runs: list[tuple[int, int]] = field(default_factory=list)
    half: bytes = b""

    def add(self, first: int, count: int) -> None:
        last = self.runs[-1] if self.runs else None
        if last is not None and sum(last) == first:
            self.runs[-1] = (last[0], last[1] + count)
        else:
            self.runs.append((first, count))

    @property
    def count(self) -> int:
        return sum(count for _, count in self.runs)

    def parts(self, t_ms: float, start: int, count: int, rate: int) -> list[Part]:
        """The samples `start` to `start + count` of it, as they sound from `t_ms` on."""
        found = []
        for first, length in self.runs:
            skipped = min(start, length)
            taken = min(length - skipped, count)
            if taken > 0:
                found.append(Part(t_ms, first + skipped, taken))
                t_ms += taken * 1000 / rate
            start -= skipped
            count -= max(0, taken)
        return found


class Side:
    """One side's reel; what cannot be decoded is silence of the same length."""

    def __init__(self) -> None:
        self.reel: Reel | None = None
        self.events = 0
        self.broken = 0

    @property
    def is_cut(self) -> bool:
        """Whether who made the tape left audio out: nobody sends so little at a time."""
        return self.reel is not None and self.length_ms < SHORTEST_MS * self.events

    @property
    def length_ms(self) -> float:
        return self.reel.length * 1000 / self.reel.rate if self.reel is not None else 0.0

    def add(self, encoded: str, audio: AudioFormat, stream: Stream) -> int:
        """Append a piece of a stream; returns its samples."""
        if self.reel is None:
            self.reel = Reel(audio.rate)
        self.events += 1
        try:
            data = stream.half + decode_base64(encoded)
        except ValueError:
            self.broken += 1
            data = bytes(len(encoded) * 3 // 4)
        size = len(data) // audio.bytes_per_sample * audio.bytes_per_sample
        stream.half = data[size:]
        samples: Samples = audio.decode(data[:size]) if size else np.zeros(0, np.int16)
        first = self.reel.length
        count = self.reel.add(samples, audio.rate)
        stream.add(first, count)
        return count


class Caller(Side):
    """What the client appended, each piece where it came: it was spoken until then."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[Part] = []
        self._stream = Stream(0.0)

    def append(self, encoded: str, audio: AudioFormat, t_ms: float) -> None:
        first = self.reel.length if self.reel is not None else 0
        count = self.add(encoded, audio, self._stream)
        if not count or self.reel is None:
            return
        rate = self.reel.rate
        last = self.parts[-1] if self.parts else None
        over_ms = last.t_ms + last.count * 1000 / rate if last is not None else 0.0
        begin_ms = max(0.0, t_ms - count * 1000 / rate)
        if last is not None and begin_ms <= over_ms + SLACK_MS:
            self.parts[-1] = Part(last.t_ms, last.first, last.count + count)
        else:
            self.parts.append(Part(begin_ms, first, count))


class Sound:
    """Takes a tape's events in order. All times are ms on the tape."""

    def __init__(self) -> None:
        self.caller = Caller()
        self.assistant = Side()
        self._formats = AudioFormats()
        self._items: dict[str, Stream] = {}

    def take(self, event: RealtimeEvent) -> None:
        """Take the next event; most have no audio."""
        self._formats.observe(event)
        encoded = event.audio
        if not encoded:
            return
        t_ms = event.t_ns / 1e6
        if DELTAS.get(event.name) == "input_audio":
            if not event.from_server:
                self.caller.append(encoded, self._formats.of(event), t_ms)
        elif event.from_server:
            stream = self._items.setdefault(_item_of(event), Stream(t_ms))
            self.assistant.add(encoded, self._formats.of(event), stream)

    def finish(self) -> None:
        """No more will come."""
        for side in (self.caller, self.assistant):
            if side.reel is not None:
                side.reel.finish()

    def delivered(self) -> list[Part]:
        """The assistant's audio whole, each item from its first piece on."""
        if self.assistant.reel is None:
            return []
        rate = self.assistant.reel.rate
        parts: list[Part] = []
        for stream in self._items.values():
            parts += stream.parts(stream.first_ms, 0, stream.count, rate)
        return by_time(parts)

    def heard(self, session: Session) -> tuple[list[Part], list[Part]]:
        """Of the assistant's audio what the caller can have heard, when it was heard; and what
        was cut off, where it would have been."""
        heard: list[Part] = []
        unheard: list[Part] = []
        if self.assistant.reel is None:
            return heard, unheard
        rate = self.assistant.reel.rate
        begins = begins_of(session)
        for track in session.tracks:
            stream, start = self._items.get(track.item_id), 0
            if stream is None:
                continue
            for segment in track.segments:
                count = round(segment.ms * rate / 1000)
                heard += stream.parts(segment.start_ms, start, count, rate)
                start += count
            rest = unheard_of(track, begins)
            if rest is not None:
                count = min(stream.count - start, round((rest[1] - rest[0]) * rate / 1000))
                unheard += stream.parts(rest[0], start, count, rate)
        return by_time(heard), by_time(unheard)


def by_time(parts: list[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: part.t_ms)


def _item_of(event: RealtimeEvent) -> str:
    """What the virtual player knows the item as."""
    return event.item_id or event.response_id or ""
