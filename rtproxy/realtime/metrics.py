"""What can be measured of a call. docs/metrics.md defines each metric, with its source.

A metric is null where it is unknown: records are missing, the tape has no times, or audio was cut.
Nothing is guessed. Tags say what a number rests on:

    wire   times and contents of messages on the tape, nothing else
    vad    also the server's voice detection: its positions on the input-audio clock
    est    also the virtual player, which plays as an ideal client would
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import Any, Literal

from rtproxy.realtime.call import Call
from rtproxy.realtime.player import Segment, Track
from rtproxy.realtime.response import Response, token_counts
from rtproxy.realtime.turn import Speech, Turn

Tag = Literal["wire", "vad", "est"]
Unit = Literal["ms", "tokens"]
Value = float | None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a turn: `of` computes it, or gives None where it is unknown."""

    key: str
    unit: Unit
    tag: Tag
    of: "Callable[[Meter, Turn], Value]"


class Meter:
    """Measures a call as it stands; made anew when the call has gone on."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.tracks: dict[str, list[Track]] = {}
        """Audio by response."""
        self._measured: dict[int, dict[str, Value]] = {}
        segments: list[Segment] = []
        for track in call.answers.player.tracks.values():
            segments += track.segments
            if track.response_id is not None:
                self.tracks.setdefault(track.response_id, []).append(track)
        self._played = sorted(segments, key=lambda part: part.start_ms)
        self._starts = [part.start_ms for part in self._played]

    def turn(self, turn: Turn) -> dict[str, Value]:
        """All metrics of a turn by key."""
        found = self._measured.get(turn.n)
        if found is None:
            found = {metric.key: metric.of(self, turn) for metric in METRICS}
            self._measured[turn.n] = found
        return found

    def value(self, turn: Turn, key: str) -> Value:
        return self.turn(turn)[key]

    def session(self) -> dict[str, Any]:
        """Metrics of the whole call: of each in ms its median, maximum and number of turns."""
        turns = [self.turn(turn) for turn in self.call.turns.all]
        spread = {m.key: _spread(t[m.key] for t in turns) for m in METRICS if m.unit == "ms"}
        return {
            **spread,
            "talk_ratio": self.talk_ratio(),
            **self.tokens(),
            "turns": sum(turn.has_caller for turn in self.call.turns.all),
            "responses": len(self.call.answers.responses.by_id),
            "tool_calls": self.tool_calls(),
            "barge_ins": self.barge_ins(),
            "errors": len(self.call.problems),
        }

    def barge_ins(self) -> int:
        """How often the caller cut the assistant off; one speech may cut several items."""
        cuts = (cut for turn in self.call.turns for cut in turn.interruptions)
        known = len({(cut.by.n, cut.started_ms) for cut in cuts if cut.by is not None})
        if self.call.output_complete:
            return known
        # What is not on the tape was cut off where the server says so.
        responses = self.call.answers.responses.by_id.values()
        unheard = (r for r in responses if r.first_audio_ms is None and r.text)
        return known + sum(r.silenced or r.reason == "turn_detected" for r in unheard)

    def tool_calls(self) -> int:
        """How many calls the model made; what the client tells of earlier ones is history."""
        calls = self.call.answers.conversation.calls.values()
        return sum(call.response_id is not None for call in calls)

    def talk_ratio(self) -> Value:
        """The assistant's share of all that was said, from 0 to 1."""
        if not self.call.plays or any(t.kind == "commit" and not t.speech for t in self.call.turns):
            return None  # how much of what a client commits is speech, nobody says
        spoken = [s.spoken_ms for t in self.call.turns.all for s in t.speech]
        heard = sum(track.heard_ms(self.call.now_ms) for t in self.tracks.values() for track in t)
        if any(ms is None for ms in spoken):
            return None
        total = sum(ms for ms in spoken if ms is not None) + heard
        return heard / total if total else None

    def tokens(self) -> dict[str, Value]:
        """Tokens of all responses, also of those outside of the conversation."""
        return _tokens(self.call.answers.responses.by_id.values())

    # The metrics of a turn.

    def voice_to_voice(self, turn: Turn) -> Value:
        return self._since(self.speech_end(turn), self.first_audio(turn))

    def endpoint(self, turn: Turn) -> Value:
        speech = self._speech(turn)
        if speech is None or not self._timed(turn):
            return None
        return self._since(self.speech_end(turn), speech.stopped_ms)

    def queue(self, turn: Turn) -> Value:
        first = turn.responses[0] if turn.responses else None
        return first.queue_ms if first is not None and self._timed(turn) and first.whole else None

    def model(self, turn: Turn) -> Value:
        first = self.first_said(turn)
        return first.model_ms if first is not None and self._timed(turn) else None

    def tool(self, turn: Turn) -> Value:
        known = [call.tool_ms for call in turn.calls if call.tool_ms is not None]
        return sum(known) if known and self._timed(turn) else None

    def audio(self, turn: Turn) -> Value:
        if not self.call.output_complete or not self._whole(turn):
            return None
        return sum((response.audio_ms for response in turn.responses), 0.0)

    def heard(self, turn: Turn) -> Value:
        if not self.call.plays or not self._whole(turn):
            return None
        return sum((track.heard_ms(self.call.now_ms) for track in self.audio_of(turn)), 0.0)

    def prebuffer(self, turn: Turn) -> Value:
        if not self.call.plays or not self._whole(turn):
            return None
        needed = [track.prebuffer_ms for track in self.audio_of(turn)]
        return max(needed) if needed else None

    def barge_in(self, turn: Turn) -> Value:
        last = turn.interrupted
        if last is None or not self._timed(turn):
            return None
        # One speech may cut several items, of which the client truncates one after the other.
        cuts = (cut for cut in turn.interruptions if cut.started_ms == last.started_ms)
        return min((c.reaction_ms for c in cuts if c.reaction_ms is not None), default=None)

    def barge_in_detection(self, turn: Turn) -> Value:
        cut = turn.interrupted
        if cut is None or cut.by is None or not cut.by.speech or not self._timed(cut.by):
            return None
        speech = cut.by.speech[0]
        return self._since(speech.onset_ms, speech.started_ms)

    def overlap(self, turn: Turn) -> Value:
        if not self.call.plays or not self._timed(turn):
            return None
        total = 0.0
        for start, end in self._spoken(turn):
            total += self._played_between(start, end)
        return total if turn.speech else None

    def dead_air(self, turn: Turn) -> Value:
        waited = self.voice_to_voice(turn)
        if waited is None or not self.call.plays:
            return None
        parts = [part for track in self.audio_of(turn) for part in track.segments]
        gaps = ((part.end_ms, after.start_ms) for part, after in pairwise(parts))
        return waited + sum(self._silent_between(start, end) for start, end in gaps)

    # What they rest on.

    def audio_of(self, turn: Turn) -> list[Track]:
        return [track for r in turn.responses for track in self.tracks.get(r.id, ())]

    def first_audio(self, turn: Turn) -> Value:
        """When the turn's first audio came."""
        times = [r.first_audio_ms for r in turn.responses if r.first_audio_ms is not None]
        return min(times) if times and self._whole(turn) else None

    def first_said(self, turn: Turn) -> Response | None:
        """The turn's first response that has audio or text."""
        return next((r for r in turn.responses if r.first_ms is not None and r.whole), None)

    def _whole(self, turn: Turn) -> bool:
        return not turn.damaged and all(response.whole for response in turn.responses)

    def _timed(self, turn: Turn) -> bool:
        return self.call.times_known and not turn.damaged

    def _speech(self, turn: Turn) -> Speech | None:
        return turn.speech[-1] if turn.speech else None

    def speech_end(self, turn: Turn) -> Value:
        """When the caller fell silent: by the server's detection, or the client's commit."""
        if not self._timed(turn):
            return None
        if turn.kind == "commit":
            return turn.ended_ms
        speech = self._speech(turn)
        return speech.fell_silent_ms if speech and self.call.input_complete else None

    def _since(self, start: Value, end: Value) -> Value:
        if start is None or end is None or end < start:
            return None
        return end - start

    def _played_between(self, start_ms: float, end_ms: float) -> float:
        """How much of a span of time the assistant was to be heard in."""
        first = max(0, bisect_right(self._starts, start_ms) - 1)
        total = 0.0
        for part in self._played[first : bisect_left(self._starts, end_ms)]:
            total += max(0.0, min(part.end_ms, end_ms) - max(part.start_ms, start_ms))
        return total

    def _spoken(self, turn: Turn) -> Iterator[tuple[float, float]]:
        """When the caller was to be heard in a turn."""
        for speech in turn.speech:
            start = speech.started_ms if speech.onset_ms is None else speech.onset_ms
            end = speech.stopped_ms if speech.fell_silent_ms is None else speech.fell_silent_ms
            if end is None:  # nobody knows how long it lasted, unless it still does
                end = self.call.now_ms if turn is self.call.turns.open else start
            yield start, end

    def _silent_between(self, start_ms: float, end_ms: float) -> float:
        """How much of a span of time nobody was to be heard in: another turn may lie within."""
        if end_ms <= start_ms:
            return 0.0
        silent, at = 0.0, start_ms
        first = max(0, bisect_left(self._sound, (start_ms,)) - 1)
        for start, end in self._sound[first : bisect_left(self._sound, (end_ms,))]:
            silent += max(0.0, start - at)
            at = min(max(at, end), end_ms)
        return silent + end_ms - at

    @cached_property
    def _sound(self) -> list[tuple[float, float]]:
        """When anybody was to be heard: spans in order, none of which touch."""
        spans = [(part.start_ms, part.end_ms) for part in self._played]
        spans += [span for turn in self.call.turns for span in self._spoken(turn)]
        joined: list[tuple[float, float]] = []
        for start, end in sorted(spans):
            if joined and start <= joined[-1][1]:
                start, before = joined.pop()
                end = max(end, before)
            joined.append((start, end))
        return joined


def _tokens(responses: Iterable[Response]) -> dict[str, Value]:
    total: dict[str, Value] = dict.fromkeys(("tokens_in", "tokens_out", "tokens_cached"))
    for response in responses:
        for key, count in token_counts(response.usage).items():
            total[key] = (total[key] or 0) + count
    return total


def _count(key: str) -> Callable[[Meter, Turn], Value]:
    return lambda _, turn: _tokens(turn.responses)[key]


def _spread(values: Iterable[Value]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    if not known:
        return {"p50": None, "max": None, "n": 0}
    return {"p50": round(median(known), 3), "max": round(max(known), 3), "n": len(known)}


METRICS = (
    Metric("v2v_ms", "ms", "vad", Meter.voice_to_voice),
    Metric("endpoint_ms", "ms", "vad", Meter.endpoint),
    Metric("queue_ms", "ms", "wire", Meter.queue),
    Metric("model_ms", "ms", "wire", Meter.model),
    Metric("tool_ms", "ms", "wire", Meter.tool),
    Metric("audio_ms", "ms", "wire", Meter.audio),
    Metric("heard_ms", "ms", "est", Meter.heard),
    Metric("prebuffer_ms", "ms", "est", Meter.prebuffer),
    Metric("barge_in_ms", "ms", "wire", Meter.barge_in),
    Metric("barge_in_detection_ms", "ms", "vad", Meter.barge_in_detection),
    Metric("overlap_ms", "ms", "est", Meter.overlap),
    Metric("dead_air_ms", "ms", "est", Meter.dead_air),
    Metric("tokens_in", "tokens", "wire", _count("tokens_in")),
    Metric("tokens_out", "tokens", "wire", _count("tokens_out")),
    Metric("tokens_cached", "tokens", "wire", _count("tokens_cached")),
)
"""Every metric of a turn, in the order in which it is shown."""
