"""A session as it is read for comparison: one pass over its records, which need not be kept.

It is a `Session`, with notes of what else its events said, and traces of its audio. What comes
after the connection's end is not read: it may arrive in one run and not in the next.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from rtproxy.diff.ear import Ear
from rtproxy.diff.fields import settle
from rtproxy.diff.sound import Sound, Trace
from rtproxy.realtime.config import Config
from rtproxy.realtime.event import DELTAS, RealtimeEvent, string
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn
from rtproxy.tape.record import Control, Event, Record

ENDS = frozenset({"close", "eof", "reset"})
DELTA_KEYS = frozenset({
    "type", "event_id", "response_id", "item_id", "call_id", "output_index", "content_index",
    "delta", "audio", "obfuscation", "logprobs", "previous_item_id",
})  # fmt: skip
"""Keys of a delta that are known; what else it holds is noted once."""
CALLERS_WORDS = "conversation.item.input_audio_transcription.delta"
ASSISTANTS_WORDS = frozenset({
    "response.output_audio_transcript.delta", "response.output_text.delta"
})  # fmt: skip
LONGEST = 1 << 20
"""Characters that are kept of the pieces of something unknown."""


@dataclass(frozen=True, slots=True)
class Note:
    """An event that is no delta: its settled fields, and the turn in which it came."""

    seq: int
    name: str
    from_server: bool
    fields: Mapping[str, Any]
    turn: Turn | None
    config: Config


@dataclass(slots=True)
class Pieces:
    """Deltas of one thing that no model puts together, and unknown fields of any deltas."""

    note: Note
    texts: list[str]
    size: int = 0
    extra: dict[str, Any] | None = None


class Reading(Session):
    """A session and what is needed to compare it. With `sound` its audio is traced, too."""

    def __init__(self, sound: bool = True) -> None:
        super().__init__()
        self.hurries = True  # of a plain append there is nothing to note
        self.notes: list[Note] = []
        self.pieces: dict[tuple[str, str | None], Pieces] = {}
        """By name and item, or response."""
        self.sound = sound
        self.heard: dict[int, Sound] = {}
        """How the caller sounded, by the seq of the event that ended the speech or committed it."""
        self.said: dict[str, Trace] = {}
        """The assistant's audio by item."""
        self.commits: dict[int, tuple[float, float]] = {}
        """Seq of a client's commit → positions of the audio that it committed."""
        self._ear = Ear()
        self._heard_ms = 0.0
        self._committed_ms = 0.0
        self._over = False

    @classmethod
    def of(cls, records: Iterable[Record], *, sound: bool = True) -> Self:
        """Read a session's records. Never raises of itself."""
        reading = cls(sound)
        for record in records:
            reading.take(record)
        return reading

    def take(self, record: Record) -> None:
        if self._over and isinstance(record, Event | Control):
            return
        super().take(record)
        if isinstance(record, Control) and record.name in ENDS:
            self._over = True

    def hear(self, audio: str) -> None:
        super().hear(audio)
        start_ms, self._heard_ms = self._heard_ms, self.clock.total_ms
        if self.sound and audio:
            self._ear.add(start_ms, self._heard_ms, audio, self.answers.formats.input)

    def meet(self, event: RealtimeEvent) -> None:
        super().meet(event)
        name = event.name
        kind = DELTAS.get(name)
        if kind is not None or name.endswith(".delta"):
            if kind == "audio" and self.sound:
                self._say(event)
            modelled = kind in ("audio", "input_audio") or self._knows_words(event)
            if not modelled or not event.data.keys() <= DELTA_KEYS:
                self._keep_piece(event, "" if modelled else event.text)
            return
        if event.form == "object":
            fields = settle(event.data)
        else:  # what it holds is compared as it is
            fields = {event.form: settle(_shown(event.record.payload))}
        turn = self.turns.open or self.turns.current
        self.notes.append(
            Note(event.seq, name or event.form, event.from_server, fields, turn, self.config)
        )
        if name.startswith("input_audio_buffer."):
            self._listen(event)

    def _say(self, event: RealtimeEvent) -> None:
        """The assistant's audio goes on."""
        key = event.item_id or event.response_id or ""
        trace = self.said.get(key)
        if trace is None:
            trace = self.said[key] = Trace()
        trace.add(event.audio or "", self.answers.formats.of(event))

    def _listen(self, event: RealtimeEvent) -> None:
        """Listen to the caller's audio where a turn of it is over."""
        span = None
        if event.name == "input_audio_buffer.commit":
            span = self.commits[event.seq] = self._committed_ms, self._heard_ms
        turn = self.turns.current
        if turn is not None and turn.speech and turn.speech[-1].stopped_seq == event.seq:
            start, end = turn.speech[-1].onset_position_ms, turn.speech[-1].end_position_ms
            span = (start, end) if start is not None and end is not None else None
        if not event.from_server:
            self._committed_ms = self._heard_ms
        if span is not None and self.sound:
            sound = self._ear.listen(*span)
            if sound is not None:
                self.heard[event.seq] = sound

    def _knows_words(self, event: RealtimeEvent) -> bool:
        """Whether the session has put this piece of text where it belongs."""
        if event.name == CALLERS_WORDS:
            return event.item_id is not None
        known = self.answers.conversation.items
        return event.name in ASSISTANTS_WORDS and event.item_id in known

    def _keep_piece(self, event: RealtimeEvent, text: str) -> None:
        key = (event.name, event.item_id or event.response_id)
        pieces = self.pieces.get(key)
        if pieces is None:
            ids = {
                name: value
                for name in ("item_id", "response_id", "call_id")
                if (value := string(event.data, name)) is not None
            }
            note = Note(
                event.seq,
                event.name,
                event.from_server,
                ids,
                self.turns.open or self.turns.current,
                self.config,
            )
            pieces = self.pieces[key] = Pieces(note, [])
        if pieces.size < LONGEST:
            pieces.texts.append(text)
            pieces.size += len(text) + 1
        extra = {name: event.data[name] for name in event.data.keys() - DELTA_KEYS}
        if extra and pieces.extra is None:
            pieces.extra = settle(extra)


def _shown(payload: str | bytes) -> str:
    return payload if isinstance(payload, str) else f"{len(payload):,} bytes {payload[:4096].hex()}"
