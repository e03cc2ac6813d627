"""A call as its records tell it: one pass over a tape, in whatever state the tape is.

    call = Call()
    for record in tape:
        call.take(record)

No audio is kept. At any moment the call says what is known by then. Nothing that a record holds is
trusted: fields may be missing, null or of another type, ids may point nowhere, events may be
unknown or come in any order.
"""

from collections.abc import Callable, Mapping
from typing import Any

from rtproxy.realtime.answers import ANSWERS, Answers
from rtproxy.realtime.audio import base64_size
from rtproxy.realtime.audio_clock import AudioClock
from rtproxy.realtime.config import Config
from rtproxy.realtime.dialect import Dialect, dialect_of, dialect_of_session
from rtproxy.realtime.event import (
    RealtimeEvent,
    mapping,
    mappings,
    number,
    parse,
    plain_append,
    string,
)
from rtproxy.realtime.item import typed_text
from rtproxy.realtime.levels import Levels
from rtproxy.realtime.problem import Causes, Ending, Problem
from rtproxy.realtime.response import Ask
from rtproxy.realtime.turn import Turn
from rtproxy.realtime.turns import Created, Turns
from rtproxy.realtime.updates import Update, Updates
from rtproxy.tape.record import FROM_SERVER, NOT_FORWARDED, Control, Event, Header, Record, Unknown

ENDINGS = {"close", "eof", "reset", "refused", "protocol_error"}
SHORTEST_MS = 2.0
"""Audio in pieces shorter than this on average was cut by who recorded it: nobody sends so little.

The smallest frames of voice codecs are 2.5 ms long (Opus, RFC 6716 §2.1.4); clients send 10 and
more, servers 50 and more.
"""
LARGEST = 1e12
"""Positions beyond this many ms, 30 years of audio, are no positions."""


class Call:
    """State of a call. Times are ms on the tape; positions ms on the input-audio clock.

    With `levels` the loudness of both sides' audio is kept too, which takes about as long as all
    the rest.
    """

    def __init__(self, levels: bool = False) -> None:
        self.header: Header | None = None
        self.events = 0
        self.first_ms: float | None = None
        self.now_ms = 0.0
        """Time of the last record."""
        self.id: str | None = None
        self.dialect: Dialect | None = None
        self.gaps: list[tuple[int, int]] = []
        """Records that are missing: first and last seq of each gap."""
        self.config = Config()
        self.configs: list[Config] = []
        self.updates = Updates()
        self.clock = AudioClock()
        self.turns = Turns(self.clock)
        self.answers = Answers(self.turns, lambda: not self.plays, levels=levels)
        self.input_levels = Levels() if levels else None
        """Of the caller's audio, by position."""
        self.problems: list[Problem] = []
        self.rate_limits: list[Mapping[str, Any]] = []
        """What the server said last of the limits."""
        self.ending: Ending | None = None
        self.appends = 0
        self.hurries = type(self).meet is Call.meet
        """Whether plain appends are only heard; who wants to meet every event does not hurry."""
        self._causes = Causes()
        self._next_seq: int | None = None
        self._transcribed = 0
        self._told: Turn | None = None  # whose tools have answered since the last response.create

    @property
    def from_start(self) -> bool:
        """Whether the session's start is on the tape."""
        return self.answers.from_start

    @property
    def times_known(self) -> bool:
        """Whether the tape has times; one that was made of a file without them has none."""
        if self.header is not None and self.header.fields.get("times") is False:
            return False
        return self.first_ms is None or self.now_ms > 0

    @property
    def input_complete(self) -> bool:
        """Whether the caller's audio is on the tape, whole and from the session's start."""
        cut = self.appends > 0 and self.clock.total_ms < SHORTEST_MS * self.appends
        return self.clock.whole and not cut

    @property
    def output_complete(self) -> bool:
        """Whether the assistant's audio is on the tape as long as it was."""
        answers = self.answers
        if not answers.audio_events:
            return not answers.elsewhere
        return answers.audio_ms >= SHORTEST_MS * answers.audio_events

    @property
    def plays(self) -> bool:
        """Whether what the virtual player says means anything."""
        return self.times_known and self.output_complete

    def take(self, record: Record) -> None:
        """Take the next record. Never raises."""
        if isinstance(record, Event):
            self._notice(record)
            self.events += 1
            # What the proxy did not pass on has not happened to the other side.
            if not record.flags & NOT_FORWARDED:
                if self.hurries and self._take_append(record):
                    return
                try:  # noqa: SIM105  # quicker, and this is for every event of a tape
                    self.meet(parse(record))
                except RecursionError:
                    pass  # nobody means what is nested so deep
        elif isinstance(record, Control):
            self._notice(record)
            if record.name in ENDINGS and self.ending is None:
                self.ending = Ending.of(record, self.now_ms)
            elif record.name == "gap":
                self._damage(record.seq, record.seq)
        elif isinstance(record, Header):
            self.header = record
        elif isinstance(record, Unknown) and record.seq is not None:
            self._follow(record.seq)

    def _take_append(self, record: Event) -> bool:
        """Take an append without the way by an event. False for what is none."""
        payload = record.payload
        if type(payload) is not str or record.flags & FROM_SERVER:
            return False
        plain = plain_append(payload)
        if plain is None:
            return False
        self._causes.note("input_audio_buffer.append", plain[0], record.seq)
        self.hear(plain[1])
        return True

    def take_append(self, record: Event, event_id: str | None, audio: str) -> None:
        """Take an append that `plain_append` has understood already; quicker than `take`."""
        if not self.hurries:
            self.take(record)
            return
        self._notice(record)
        self.events += 1
        self._causes.note("input_audio_buffer.append", event_id, record.seq)
        self.hear(audio)

    def _notice(self, record: Event | Control) -> None:
        t_ms = record.t_ns / 1e6
        if t_ms > self.now_ms:
            self.now_ms = t_ms
        if record.seq == self._next_seq and self.first_ms is not None:
            self._next_seq += 1
            return
        if self.first_ms is None:
            self.first_ms = self.now_ms
            if self._next_seq is None and record.seq > 0:
                self.answers.from_start = self.clock.whole = False
        self._follow(record.seq)

    def _follow(self, seq: int) -> None:
        if self._next_seq is not None and seq > self._next_seq:
            self._damage(self._next_seq, seq - 1)
        self._next_seq = max(seq + 1, self._next_seq or 0)

    def _damage(self, first: int, last: int) -> None:
        self.gaps.append((first, last))
        self.clock.lose()
        self.turns.damage()
        for response in self.answers.responses.active.values():
            response.whole = False

    def meet(self, event: RealtimeEvent) -> None:
        """An event of the session has happened; `take` calls it for what was passed on."""
        name = event.name
        if not event.from_server:
            self._causes.note(name, event.event_id, event.seq)
            handler = _CLIENT.get(name)
            if handler is not None:
                handler(self, event)
            return
        if self.dialect is None and event.type is not None:
            self.dialect = dialect_of((event.type,))
        answer = ANSWERS.get(name)
        if answer is not None:
            answer(self.answers, event, self.now_ms)
            return
        handler = _SERVER.get(name)
        if handler is not None:
            handler(self, event)

    # What the client does.

    def _append(self, event: RealtimeEvent) -> None:
        self.hear(string(event.data, "audio") or "")

    def hear(self, audio: str) -> None:
        """Base64 of the caller's audio came; `take` calls it for every append."""
        size = base64_size(audio)
        if size:
            self.appends += 1
            self.clock.append(size, self.answers.formats.input, self.now_ms)
            if self.input_levels is not None:
                self.input_levels.add(audio, self.answers.formats.input)

    def _commit(self, event: RealtimeEvent) -> None:
        self.turns.commit(self.now_ms, event.seq)

    def _clear(self, event: RealtimeEvent) -> None:
        self.turns.clear(event.seq)

    def _update(self, event: RealtimeEvent) -> None:
        session = mapping(event.data, "session")
        self.updates.ask(Update(event.seq, self.now_ms, event.event_id, session))

    def _create_item(self, event: RealtimeEvent) -> None:
        item = mapping(event.data, "item")
        kind, role, turn = string(item, "type"), string(item, "role"), None
        if kind == "function_call_output":
            call = self.answers.conversation.call(string(item, "call_id"), None)
            if call is not None and call.output_ms is None:
                call.answer(item.get("output"), self.now_ms, event.seq)
                self._told = self.answers.turn_of(call.response_id)
        elif role == "user":
            turn = self.turns.type(typed_text(item), self.now_ms, event.seq)
        elif role == "assistant":
            self.turns.forget_typed()  # what was typed before is history, told again
        self.turns.made(Created(event.seq, string(item, "id"), kind, role, turn))

    def _ask(self, event: RealtimeEvent) -> None:
        asked = mapping(event.data, "response")
        outside = asked.get("conversation") == "none"
        turn = None if outside else self._asked_turn()
        ask = Ask(
            event.seq,
            self.now_ms,
            event.event_id,
            outside,
            mapping(asked, "metadata"),
            turn.n if turn else None,
        )
        self.answers.responses.asks.append(ask)
        if turn is not None:
            turn.ask(self.now_ms)

    def _asked_turn(self) -> Turn | None:
        """The turn that a request is about: the latest, or that of the tools that were answered.

        A tool may answer when the caller has gone on; then the latest turn has an answer, or is
        getting one without being asked.
        """
        current, told, self._told = self.turns.current, self._told, None
        if told is None or current is None:
            return current
        waits = not current.responses and current is not self.turns.promised
        return current if waits else told

    def _cancel(self, event: RealtimeEvent) -> None:
        responses = self.answers.responses
        named = responses.find(string(event.data, "response_id"))
        response = named or responses.in_conversation
        if response is not None and response.cancel_seq is None:
            response.cancel_seq = event.seq
        self._stop_playing(event, named.id if named is not None else None)

    def _stop_playing(self, event: RealtimeEvent, response_id: str | None = None) -> None:
        interruptions = self.answers.interruptions
        interruptions.cancel(response_id, self.now_ms, event.seq, self.turns.open)
        self.answers.tell_turns()

    def _cleared(self, event: RealtimeEvent) -> None:
        response = self.answers.responses.find(event.response_id)
        if response is not None and self.turns.open is not None:
            response.silenced = True
        self._stop_playing(event)

    def _truncate(self, event: RealtimeEvent) -> None:
        heard, item_id = position(event.data, "audio_end_ms"), string(event.data, "item_id")
        interruptions, speaking = self.answers.interruptions, self.turns.open
        interruptions.truncate(
            item_id, heard, self.now_ms, event.seq, speaking, by_server=event.from_server
        )
        self.answers.tell_turns()
        item = self.answers.conversation.items.get(item_id or "")
        if item is not None and event.from_server:
            item.truncated_ms = heard

    # The session, and its errors.

    def _session(self, event: RealtimeEvent) -> None:
        session = mapping(event.data, "session")
        self.answers.formats.observe(event)
        self.id = string(session, "id") or self.id
        self.dialect = dialect_of_session(session) or self.dialect
        self.config = self.config.followed_by(session, self.now_ms, event.seq)
        self.configs.append(self.config)
        if event.name == "session.updated":
            self.updates.confirm(session, event.seq)

    def _error(self, event: RealtimeEvent) -> None:
        problem = self._causes.problem(event.data, self.now_ms, event.seq)
        cause = problem.cause_type
        if problem.still_active or cause == "response.create":
            problem = self._refuse_response(problem)
        elif cause == "session.update":
            problem = self.updates.refuse(problem)
        elif cause == "input_audio_buffer.commit":
            self.turns.refuse_commit()
        elif cause == "conversation.item.create":
            self.turns.refuse_item(problem.cause_seq)
        self.problems.append(problem)

    def _refuse_response(self, problem: Problem) -> Problem:
        """What was refused is the client's request, or else what the server would have said."""
        ask = self.answers.responses.refuse(problem.event_id, inside=problem.still_active)
        turn = self.turns.number(ask.turn) if ask else self.turns.promised
        if ask is None:
            self.turns.promised = None
            problem = problem if problem.certain else problem.without_cause
        if turn is not None:
            turn.refused = problem
        return problem

    def _limits(self, event: RealtimeEvent) -> None:
        self.rate_limits = mappings(event.data, "rate_limits")

    # What the server hears.

    def _speech_started(self, event: RealtimeEvent) -> None:
        start = position(event.data, "audio_start_ms")
        turn = self.turns.speak(event.item_id, start, self.now_ms, event.seq, self.config)
        if self.config.interrupts and not self.config.transcribes_only:
            self.answers.interruptions.speak(self.now_ms, event.seq, turn)
            self.answers.tell_turns()

    def _speech_stopped(self, event: RealtimeEvent) -> None:
        end = position(event.data, "audio_end_ms")
        self.turns.fall_silent(event.item_id, end, self.now_ms, event.seq, self.config)

    def _committed(self, event: RealtimeEvent) -> None:
        self.turns.committed(event.item_id, self.now_ms, event.seq, self.config)

    def _timeout(self, event: RealtimeEvent) -> None:
        self.turns.time_out(event.item_id, self.now_ms, event.seq)

    def _transcribing(self, event: RealtimeEvent) -> None:
        if event.item_id is None:
            return
        transcript = self.turns.transcript(event.item_id)
        if event.name.endswith(".delta"):
            transcript.pieces.append(event.text)
            return
        transcript.done_ms, transcript.done_seq = self.now_ms, event.seq
        if event.name.endswith(".failed"):
            transcript.error = mapping(event.data, "error")
        else:
            whole = event.data.get("transcript")
            transcript.whole = whole if isinstance(whole, str) else transcript.text
            self._transcribed += 1
            transcript.order = self._transcribed


def position(data: Mapping[str, Any], key: str) -> float | None:
    """A field that counts milliseconds, if it can be one."""
    value = number(data, key)
    return value if value is not None and 0 <= value <= LARGEST else None


Handler = Callable[[Call, RealtimeEvent], None]

_CLIENT: dict[str, Handler] = {
    "session.update": Call._update,
    "input_audio_buffer.append": Call._append,
    "session.input_audio.append": Call._append,
    "session.input_audio_buffer.append": Call._append,
    "input_audio_buffer.commit": Call._commit,
    "input_audio_buffer.clear": Call._clear,
    "conversation.item.create": Call._create_item,
    "conversation.item.truncate": Call._truncate,
    "response.create": Call._ask,
    "response.cancel": Call._cancel,
    "output_audio_buffer.clear": Call._stop_playing,
}
_SERVER: dict[str, Handler] = {
    "error": Call._error,
    "session.created": Call._session,
    "session.updated": Call._session,
    "rate_limits.updated": Call._limits,
    "input_audio_buffer.speech_started": Call._speech_started,
    "input_audio_buffer.speech_stopped": Call._speech_stopped,
    "input_audio_buffer.committed": Call._committed,
    "input_audio_buffer.timeout_triggered": Call._timeout,
    "conversation.item.input_audio_transcription.delta": Call._transcribing,
    "conversation.item.input_audio_transcription.completed": Call._transcribing,
    "conversation.item.input_audio_transcription.failed": Call._transcribing,
    "conversation.item.truncated": Call._truncate,
    "output_audio_buffer.cleared": Call._cleared,
}
