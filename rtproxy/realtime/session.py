"""A session: what happened in a call, what can be measured of it, and what went wrong.

    session = Session.from_tape(tape)
    for turn in session.turns:
        print(turn.n, turn.user, turn.assistant, session.measure(turn)["v2v_ms"])
    for finding in session.findings:
        print(finding.severity, finding.message, finding.next)

It also follows a session that goes on: `take` each record as it comes, and ask at any time.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self

from rtproxy.realtime.call import Call
from rtproxy.realtime.event import string
from rtproxy.realtime.finding import Finding
from rtproxy.realtime.findings import find
from rtproxy.realtime.item import Item, ToolCall
from rtproxy.realtime.loudness import Loudness
from rtproxy.realtime.metrics import Meter
from rtproxy.realtime.plain import plain
from rtproxy.realtime.player import Track
from rtproxy.realtime.problem import Problem
from rtproxy.realtime.response import Response
from rtproxy.realtime.transcript import Transcript
from rtproxy.realtime.turn import Speech, Turn
from rtproxy.tape.record import Event, Header, Record


class Recording(Protocol):
    """An open tape, or anything that gives records."""

    def __iter__(self) -> Any: ...


class Session(Call):
    """A call and its judgement. All times are ms from the tape's start.

    `times_known` and `audio_complete` say what the metrics could rest on; where they are False,
    what needs times or audio is None and is not judged.
    """

    def __init__(self, levels: bool = False) -> None:
        super().__init__(levels)
        self._meter: Meter | None = None
        self._findings: list[Finding] | None = None

    @classmethod
    def fold(cls, records: Iterable[Record], *, levels: bool = False) -> Self:
        """The session that these records tell of, in one pass. Never raises of itself."""
        session = cls(levels)
        for record in records:
            session.take(record)
        return session

    @classmethod
    def from_tape(cls, tape: Recording, *, levels: bool = False) -> Self:
        """The session on a tape; `tape` iterates over records and may have a `header`."""
        session = cls(levels)
        header = getattr(tape, "header", None)
        if isinstance(header, Header):
            session.take(header)
        for record in tape:
            session.take(record)
        return session

    def take(self, record: Record) -> None:
        """Take the next record. Never raises."""
        self._meter = self._findings = None
        super().take(record)

    def take_append(self, record: Event, event_id: str | None, audio: str) -> None:
        """Take an append that is known to be one; quicker than `take`. Never raises."""
        self._meter = self._findings = None
        super().take_append(record, event_id, audio)

    @property
    def model(self) -> str | None:
        return self.config.model

    @property
    def origin(self) -> str | None:
        """How the tape came to be: recorded, simulated, replayed, imported, …"""
        return self.header.origin if self.header is not None else None

    @property
    def audio_complete(self) -> bool:
        """Whether both sides' audio is on the tape, as long as it was."""
        return self.input_complete and self.output_complete and not self.gaps

    @property
    def responses(self) -> list[Response]:
        """All responses as they began, also those outside of the conversation."""
        return list(self.answers.responses.by_id.values())

    @property
    def items(self) -> list[Item]:
        """The conversation's items as they stand in it."""
        return list(self.answers.conversation.order())

    @property
    def tool_calls(self) -> list[ToolCall]:
        return list(self.answers.conversation.calls.values())

    @property
    def transcripts(self) -> list[Transcript]:
        """What was understood of the caller's audio, in order of the first word of it."""
        return list(self.turns.transcripts.values())

    @property
    def tracks(self) -> list[Track]:
        """The assistant's audio by item: what arrived, when it played, where it ran dry."""
        return list(self.answers.player.tracks.values())

    @property
    def loudness(self) -> Loudness | None:
        """How loud the caller was at each moment; None where no levels are kept."""
        if self.input_levels is None:
            return None
        return Loudness.of(self.input_levels.values(), self.clock)

    @property
    def errors(self) -> list[Problem]:
        return self.problems

    @property
    def meter(self) -> Meter:
        """Measures the session as it stands."""
        if self._meter is None:
            self._meter = Meter(self)
        return self._meter

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics of the whole session."""
        return self.meter.session()

    def measure(self, turn: Turn) -> Mapping[str, float | None]:
        """Metrics of a turn by key."""
        return self.meter.turn(turn)

    @property
    def findings(self) -> list[Finding]:
        if self._findings is None:
            self._findings = find(self.meter)
        return self._findings

    def to_json(self) -> dict[str, Any]:
        """The parts of `rtproxy.inspect/1` that are about the session."""
        found = {
            "session": self._about(),
            "turns": [self._turn(turn) for turn in self.turns.all],
            "metrics": self.metrics,
            "findings": [finding.to_json() for finding in self.findings],
        }
        document: dict[str, Any] = plain(found)
        return document

    def _about(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "model": self.model,
            "dialect": self.dialect,
            "origin": self.origin,
            "duration_ms": self.now_ms,
            "events": self.events,
            "times_known": self.times_known,
            "audio_complete": self.audio_complete,
            "from_start": self.from_start,
            "missing": [list(gap) for gap in self.gaps],
            "config": [config.to_json() for config in self.configs],
            "errors": [problem.to_json() for problem in self.problems],
            "rate_limits": [dict(limit) for limit in self.rate_limits],
            "ending": self.ending.to_json() if self.ending is not None else None,
            "items": [item.to_json() for item in self.answers.conversation.order()],
            "out_of_band": [r.to_json() for r in self.responses if r.out_of_band],
        }

    def _turn(self, turn: Turn) -> dict[str, Any]:
        return {
            "n": turn.n,
            "kind": turn.kind,
            "t_ms": turn.began_ms,
            "seq": turn.seq,
            "end": turn.end,
            "user": turn.user,
            "assistant": turn.assistant,
            "tools": [call.to_json() for call in turn.calls],
            "metrics": dict(self.measure(turn)),
            "speech": [_speech(speech) for speech in turn.speech],
            "items": turn.item_ids,
            "responses": [self._response(response) for response in turn.responses],
            "interruptions": [cut.to_json() for cut in turn.interruptions],
            "transcription_error": next(
                (
                    string(said.error, "message") or string(said.error, "code")
                    for said in turn.transcripts
                    if said.error is not None
                ),
                None,
            ),
            "damaged": turn.damaged,
        }

    def _response(self, response: Response) -> dict[str, Any]:
        timed = self.times_known and response.whole
        tracks = self.meter.tracks.get(response.id, ()) if self.plays else ()
        return {
            **response.to_json(),
            "queue_ms": response.queue_ms if timed else None,
            "model_ms": response.model_ms if timed else None,
            "audio_ms": response.audio_ms if self.output_complete and response.whole else None,
            "heard_ms": sum(t.heard_ms(self.now_ms) for t in tracks) if tracks else None,
            "underruns": [hole.to_json() for track in tracks for hole in track.underruns],
        }


def _speech(speech: Speech) -> dict[str, Any]:
    return {
        "audio_start_ms": speech.start_ms,
        "audio_end_ms": speech.end_ms,
        "spoken_ms": speech.spoken_ms,
        "started_ms": speech.started_ms,
        "started_seq": speech.started_seq,
        "stopped_ms": speech.stopped_ms,
        "stopped_seq": speech.stopped_seq,
    }
