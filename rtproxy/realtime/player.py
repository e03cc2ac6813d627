"""A virtual player: what a caller can have heard of the audio that arrived.

It plays as an ideal client does: an item's audio starts when its first delta arrives, or when what
is queued before it has played; when the queue runs dry it waits for the next delta. It stops at
once when it is told to. Devices add some latency to this, networks between it and the ear too.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

MAX_QUEUE = 64
"""Items that may wait to be played; of more than that the first are forgotten."""


@dataclass(frozen=True, slots=True)
class Underrun:
    """The queue ran dry in the middle of an item: when, for how long, which delta ended it."""

    item_id: str
    at_ms: float
    ms: float
    seq: int

    def to_json(self) -> dict[str, Any]:
        return {"item_id": self.item_id, "t_ms": self.at_ms, "ms": self.ms, "seq": self.seq}


@dataclass(slots=True)
class Segment:
    """A piece of audio that plays without a pause: when it starts, how long it lasts."""

    start_ms: float
    ms: float

    @property
    def end_ms(self) -> float:
        return self.start_ms + self.ms


@dataclass(slots=True)
class Track:
    """All audio of one item.

    `first_ms` is the arrival of its first delta. `prebuffer_ms` is how long playback should have
    been held back to never run dry: max over deltas of (arrival − start − audio received before),
    where start is when the first delta played: at its arrival, or after what was queued before.
    `lead_ms` is the least that was still queued when a delta arrived, None before the
    second one; it is negative where playback had run dry. `cut_ms` is when it was flushed.
    """

    item_id: str
    response_id: str | None
    first_ms: float
    received_ms: float = 0.0
    prebuffer_ms: float = 0.0
    lead_ms: float | None = None
    cut_ms: float | None = None
    segments: list[Segment] = field(default_factory=list)
    underruns: list[Underrun] = field(default_factory=list)

    @property
    def end_ms(self) -> float:
        """When the last of it has played."""
        return self.segments[-1].end_ms if self.segments else self.first_ms

    def heard_ms(self, now_ms: float) -> float:
        """How much of it has played by `now_ms`."""
        return sum(min(max(now_ms - part.start_ms, 0.0), part.ms) for part in self.segments)


class Player:
    """Takes audio as it arrives. `now_ms` never goes back."""

    def __init__(self) -> None:
        self.tracks: dict[str, Track] = {}
        """By item id, in order of arrival."""
        self._queue: deque[Track] = deque(maxlen=MAX_QUEUE)  # what may still be playing
        self._ends = 0.0

    def playing(self, now_ms: float) -> bool:
        return now_ms < self._ends

    def add(
        self, item_id: str, response_id: str | None, ms: float, now_ms: float, seq: int
    ) -> None:
        """`ms` of an item's audio arrived. What belongs to an item that was cut is not played."""
        track = self.tracks.get(item_id)
        if track is None:
            track = self.tracks[item_id] = Track(item_id, response_id, now_ms)
        received = track.received_ms
        track.received_ms += ms
        if track.cut_ms is not None:
            return
        if track.segments:
            self._follow(track, received, now_ms, seq)
        start = max(now_ms, self._ends)
        self._ends = start + ms
        if track.segments and track.end_ms >= start - 1e-6:
            track.segments[-1].ms += ms
        else:
            track.segments.append(Segment(start, ms))
        if not self._queue or self._queue[-1] is not track:
            while self._queue and self._queue[0].end_ms <= now_ms:
                self._queue.popleft()
            if track not in self._queue:
                self._queue.append(track)

    def _follow(self, track: Track, received: float, now_ms: float, seq: int) -> None:
        """Note how well a further delta of a track keeps up with playback."""
        late = now_ms - track.segments[0].start_ms - received
        track.prebuffer_ms = max(track.prebuffer_ms, late)
        lead = track.end_ms - now_ms
        track.lead_ms = lead if track.lead_ms is None else min(track.lead_ms, lead)
        if lead < 0:
            dry = max(track.end_ms, self._ends)
            if now_ms > dry:
                track.underruns.append(Underrun(track.item_id, dry, now_ms - dry, seq))

    def flush(self, now_ms: float, response_id: str | None = None) -> Track | None:
        """Stop playing, and drop what is queued; with `response_id` only what is of that response.

        Returns the item that was sounding, or was next to sound; None if nothing was left to play.
        """
        cut = [
            track
            for track in self._queue
            if track.end_ms > now_ms and response_id in (None, track.response_id)
        ]
        for track in cut:
            self._cut(track, now_ms)
        self._ends = max([now_ms, *(track.end_ms for track in self._queue)])
        return cut[0] if cut else None

    def drop(self, item_id: str, now_ms: float) -> Track | None:
        """Stop playing one item, and what is queued after it; None if it had played to its end."""
        track = self.tracks.get(item_id)
        if track is None or track.cut_ms is not None:
            return None
        if track.end_ms <= now_ms:
            track.cut_ms = now_ms  # what still comes of it is not played
            return None
        self.flush(now_ms)
        return track

    @staticmethod
    def _cut(track: Track, now_ms: float) -> None:
        track.cut_ms = now_ms
        for part in track.segments:
            part.ms = min(max(now_ms - part.start_ms, 0.0), part.ms)
        track.segments = [part for part in track.segments if part.ms > 0]
