"""What a caller knows of the conversation it is in, from the server's events alone.

It reads both dialects, forgives what is missing, and decides nothing: that is for `conduct`.
Times are milliseconds of the call.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rtproxy.realtime.audio import PCM16, base64_size, parse_format
from rtproxy.realtime.dialect import canonical, session_field
from rtproxy.simulate.playback import Playback
from rtproxy.simulate.report import CallReport, Turn

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function that the model called, and when its arguments were complete."""

    id: str
    name: str
    at: float


class Conversation:
    """State of a call: the session, the response that is active, turns, calls, playback."""

    def __init__(self) -> None:
        self.report = CallReport()
        self.playback = Playback()
        self.created = False
        self.configured = False
        """Whether the server answered the first session.update, be it with an error."""
        self.active: str | None = None
        """Id of the response that is being made."""
        self.answered = True
        """Whether what was last said has had its reply, to the end."""
        self.first_audio: float | None = None
        """When the first audio of the reply to the last turn arrived."""
        self.calls: dict[str, FunctionCall] = {}
        self.owed: list[frozenset[str]] = []
        """Calls, by response, after whose outputs the model waits to be asked to go on."""
        self._output_format = PCM16
        self._awaited: set[str] = set()
        self._turn_of_response: dict[str, Turn] = {}
        self._turn_of_item: dict[str, Turn] = {}
        self._calls_of: dict[str, list[str]] = {}

    @property
    def settled(self) -> bool:
        """Whether the server owes nothing and nothing is under way."""
        return self.answered and self.active is None and not self.owed

    @property
    def last_error(self) -> str:
        """The message of the last error event, or nothing."""
        return str(self.report.errors[-1].get("message") or "") if self.report.errors else ""

    def begin_turn(self, words: str, now: float) -> None:
        """The caller begins to say `words`; a response made from now on answers them."""
        self.report.turns.append(Turn(words, now))
        self.expect_reply()

    def expect_reply(self) -> None:
        self.answered = False
        self.first_audio = None
        self._awaited.clear()

    def interrupt(self, item_id: str) -> None:
        """The caller cut an item off."""
        if item_id in self._turn_of_item:
            self._turn_of_item[item_id].interrupted = True

    def receive(self, event: Event, now: float) -> str:
        """Take one event from the server; returns its type in the names of GA."""
        name = canonical(_text(event, "type"))
        handler = _HANDLERS.get(name)
        if handler is not None:
            handler(self, event, now)
        return name

    def conclude(self, now: float) -> CallReport:
        """The report, with what was heard of every reply until `now`."""
        for turn in self.report.turns:
            turn.heard_ms = turn.received_ms = 0.0
        for item_id, turn in self._turn_of_item.items():
            turn.heard_ms += self.playback.heard_ms(item_id, now)
            turn.received_ms += self.playback.received_ms(item_id)
        return self.report

    def _session(self, event: Event, _now: float) -> None:
        session = _table(event, "session")
        self.created = True
        self.configured = self.configured or event.get("type") != "session.created"
        self.report.session_id = _text(session, "id") or self.report.session_id
        self.report.model = _text(session, "model") or self.report.model
        form = parse_format(session_field(session, "output_audio_format"))
        self._output_format = form or self._output_format

    def _error(self, event: Event, _now: float) -> None:
        self.configured = True
        self.report.errors.append(_table(event, "error"))

    def _response_created(self, event: Event, _now: float) -> None:
        response_id = _text(_table(event, "response"), "id")
        self.active = response_id
        self._awaited.add(response_id)
        if self.report.turns:
            self._turn_of_response[response_id] = self.report.turns[-1]

    def _response_done(self, event: Event, now: float) -> None:
        response = _table(event, "response")
        response_id, status = _text(response, "id"), _text(response, "status")
        for item in _tables(response, "output"):
            self._call(item, response_id, now)
        if self.active == response_id:
            self.active = None
        turn = self._turn_of_response.get(response_id)
        if turn is not None:
            turn.statuses.append(status)
        calls = self._calls_of.pop(response_id, [])
        if calls and status != "cancelled":
            self.owed.append(frozenset(calls))
        elif response_id in self._awaited:
            # A response that the caller's own speech cancelled will be followed by another.
            why = _text(_table(response, "status_details"), "reason")
            self.answered = not (status == "cancelled" and why == "turn_detected")

    def _item_done(self, event: Event, now: float) -> None:
        self._call(_table(event, "item"), _text(event, "response_id"), now)

    def _call(self, item: Event, response_id: str, now: float) -> None:
        call_id = _text(item, "call_id")
        if item.get("type") != "function_call" or not call_id or call_id in self.calls:
            return
        self.calls[call_id] = FunctionCall(call_id, _text(item, "name"), now)
        self._calls_of.setdefault(response_id, []).append(call_id)
        turn = self._turn_of_response.get(response_id)
        if turn is not None:
            turn.tools.append(_text(item, "name"))

    def _audio(self, event: Event, now: float) -> None:
        turn = self._turn_of(event)
        ms = self._output_format.duration_ms(base64_size(_text(event, "delta")))
        index = event.get("content_index")
        self.playback.add(_text(event, "item_id"), index if isinstance(index, int) else 0, ms, now)
        if _text(event, "response_id") in self._awaited and self.first_audio is None:
            self.first_audio = now
        if turn is not None and turn.first_audio_ms is None:
            turn.first_audio_ms = now

    def _words(self, event: Event, _now: float) -> None:
        turn = self._turn_of(event)
        if turn is not None:
            item_id = _text(event, "item_id")
            turn.replies[item_id] = turn.replies.get(item_id, "") + _text(event, "delta")

    def _all_words(self, event: Event, _now: float) -> None:
        turn = self._turn_of(event)
        if turn is not None:
            turn.replies[_text(event, "item_id")] = _text(event, "transcript") or _text(
                event, "text"
            )

    def _committed(self, event: Event, _now: float) -> None:
        if self.report.turns:
            self._turn_of_item[_text(event, "item_id")] = self.report.turns[-1]

    def _understood(self, event: Event, _now: float) -> None:
        turn = self._turn_of_item.get(_text(event, "item_id"))
        if turn is not None:
            turn.transcript = _text(event, "transcript")

    def _turn_of(self, event: Event) -> Turn | None:
        """The turn that a delta answers; remembers whose its item is."""
        turn = self._turn_of_response.get(_text(event, "response_id"))
        if turn is not None:
            self._turn_of_item[_text(event, "item_id")] = turn
        return turn


_HANDLERS: dict[str, Callable[[Conversation, Event, float], None]] = {
    "session.created": Conversation._session,
    "session.updated": Conversation._session,
    "error": Conversation._error,
    "response.created": Conversation._response_created,
    "response.done": Conversation._response_done,
    "response.output_item.done": Conversation._item_done,
    "response.output_audio.delta": Conversation._audio,
    "response.output_audio_transcript.delta": Conversation._words,
    "response.output_audio_transcript.done": Conversation._all_words,
    "response.output_text.delta": Conversation._words,
    "response.output_text.done": Conversation._all_words,
    "input_audio_buffer.committed": Conversation._committed,
    "conversation.item.input_audio_transcription.completed": Conversation._understood,
}


def _text(table: Event, key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _table(table: Event, key: str) -> Event:
    value = table.get(key)
    return value if isinstance(value, Mapping) else {}


def _tables(table: Event, key: str) -> Iterable[Event]:
    value = table.get(key)
    return (
        [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
    )
