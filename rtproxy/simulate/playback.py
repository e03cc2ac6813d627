"""What a caller has heard of the audio it was sent: a player's queue on a clock, without sound.

Audio starts to play when it arrives, or when what is queued before it has played.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Segment:
    """A piece of one item's audio: when it starts to play and how long it lasts, in ms."""

    start: float
    ms: float


@dataclass(slots=True)
class Track:
    """All audio of one content part of an item."""

    item_id: str
    content_index: int
    segments: list[Segment] = field(default_factory=list)
    received: float = 0.0
    cut: bool = False

    def heard(self, now: float) -> float:
        """Milliseconds of it that have been played."""
        return sum(min(max(now - part.start, 0.0), part.ms) for part in self.segments)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where playback was cut off: what of the item was heard, and what had arrived, in ms."""

    item_id: str
    content_index: int
    heard_ms: float
    received_ms: float


class Playback:
    """The player. `now` never goes back; times are milliseconds of the call."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, int], Track] = {}
        self.ends = 0.0
        """When all that is queued has been played."""

    def add(self, item_id: str, content_index: int, ms: float, now: float) -> None:
        """Queue `ms` of audio. What belongs to an item that was cut off is not played."""
        key = (item_id, content_index)
        track = self._tracks.setdefault(key, Track(item_id, content_index))
        track.received += ms
        if not track.cut:
            start = max(now, self.ends)
            self.ends = start + ms
            if track.segments and track.segments[-1].start + track.segments[-1].ms == start:
                track.segments[-1].ms += ms
            else:
                track.segments.append(Segment(start, ms))

    def playing(self, now: float) -> bool:
        return now < self.ends

    def heard_ms(self, item_id: str, now: float) -> float:
        """Milliseconds of an item that have been played."""
        return sum(track.heard(now) for track in self._tracks.values() if track.item_id == item_id)

    def received_ms(self, item_id: str) -> float:
        return sum(track.received for track in self._tracks.values() if track.item_id == item_id)

    def flush(self, now: float) -> Cut | None:
        """Stop playing at once; tells what was cut off, or None if nothing was playing."""
        if not self.playing(now):
            return None
        cut: Cut | None = None
        for track in self._tracks.values():
            last = track.segments[-1] if track.segments else None
            if last is None or last.start + last.ms <= now:
                continue
            if cut is None:  # the one that sounds; those after it were not heard at all
                heard = track.heard(now)
                cut = Cut(track.item_id, track.content_index, heard, track.received)
            track.cut = True
            for part in track.segments:
                part.ms = min(max(now - part.start, 0.0), part.ms)
        self.ends = now
        return cut
