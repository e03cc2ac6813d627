"""The assistant's side of a call: responses, the items they make, tool calls, audio, words."""

from collections.abc import Callable, Mapping
from typing import Any

from rtproxy.realtime.event import RealtimeEvent, mapping, mappings, string
from rtproxy.realtime.formats import AudioFormats
from rtproxy.realtime.interruptions import Interruptions
from rtproxy.realtime.item import Conversation, Item, typed_text
from rtproxy.realtime.levels import Levels
from rtproxy.realtime.player import Player
from rtproxy.realtime.response import Response, Responses
from rtproxy.realtime.turn import Turn
from rtproxy.realtime.turns import Turns

Data = Mapping[str, Any]

CALLS = ("function_call", "mcp_call")


class Answers:
    """What the server's events about items and responses come to. Times are ms on the tape.

    `blind` says whether there are no times or no whole audio to go by.
    """

    def __init__(self, turns: Turns, blind: Callable[[], bool], *, levels: bool = False) -> None:
        self.turns = turns
        self.formats = AudioFormats()
        self.player = Player()
        self.interruptions = Interruptions(self.player, blind)
        self.responses = Responses()
        self.conversation = Conversation()
        self.from_start = True
        """Whether the session's start is on the tape."""
        self.levels: dict[str, Levels] | None = {} if levels else None
        """Of the assistant's audio, by item."""
        self.elsewhere = False
        """Whether the assistant speaks past this connection: over WebRTC, or a telephone line."""
        self.audio_events = 0
        self.audio_ms = 0.0
        self.rates: set[int] = set()
        """Sample rates in Hz of all audio that came."""

    def tell_turns(self) -> None:
        """Hand new interruptions to the turns whose responses they cut."""
        for cut in self.interruptions.fresh():
            turn = self.turn_of(cut.response_id)
            if turn is not None:
                turn.interruptions.append(cut)

    def turn_of(self, response_id: str | None) -> Turn | None:
        """The turn that a response belongs to."""
        response = self.responses.find(response_id)
        return self.turns.number(response.turn) if response is not None else None

    def item(self, event: RealtimeEvent, now_ms: float) -> None:
        """An item has its place in the conversation, or is complete there."""
        entry = mapping(event.data, "item")
        item_id = string(entry, "id")
        if item_id is None:
            return
        known = item_id in self.conversation.items or self.turns.knows(item_id)
        self._learn(entry, now_ms, event.seq)
        self.conversation.place(item_id, string(event.data, "previous_item_id"))
        answered = self.conversation.calls.get(string(entry, "call_id") or "")
        if answered is not None and string(entry, "type") == "function_call_output":
            # Another connection to the call may answer, of which the server tells this one.
            answered.answer(entry.get("output"), now_ms, event.seq)
        role, text = string(entry, "role"), typed_text(entry)
        if known or self.turns.confirm(item_id, string(entry, "type"), role):
            return
        if role == "user" and text:
            # Somebody else typed it, or the client did before the tape began.
            self.turns.type(text, now_ms, event.seq)

    def deleted(self, event: RealtimeEvent, _now_ms: float) -> None:
        item = self.conversation.items.get(event.item_id or "")
        if item is not None:
            item.deleted = True

    def created(self, event: RealtimeEvent, now_ms: float) -> None:
        """response.created: find who wanted it, and the turn that it belongs to."""
        body = mapping(event.data, "response")
        response_id = string(body, "id")
        if response_id is None or response_id in self.responses.by_id:
            return
        self.formats.observe(event)
        response = self.responses.begin(response_id, now_ms, event.seq)
        promised = self.turns.promised
        ask = self.responses.match(body, promised.ended_ms if promised else None)
        turn = promised or self.turns.current
        if ask is not None:
            response.asked_by, response.out_of_band = "client", ask.out_of_band
            response.ask_ms, response.ask_seq = ask.t_ms, ask.seq
            turn = self.turns.number(ask.turn) or self.turns.current
        elif promised is not None:
            response.asked_by = "server"
            response.ask_ms, response.ask_seq = promised.ended_ms, promised.ended_seq
            self.turns.promised = None
        if not response.out_of_band:
            self._join(response, turn, now_ms)

    def done(self, event: RealtimeEvent, now_ms: float) -> None:
        """response.done: how it ended."""
        body = mapping(event.data, "response")
        response = self._response(event, now_ms)
        if response is None or response.done_ms is not None:
            return
        for entry in mappings(body, "output"):
            self._output(entry, response, now_ms, event.seq, complete=True)
        response.finish(body, now_ms, event.seq)
        self.responses.end(response)
        if response.status == "completed" and response.first_audio_ms is None:
            self.elsewhere = self.elsewhere or said_aloud(body)
        if response.reason == "turn_detected" and response.audio_item is not None:
            by = self.turns.open or self.turns.current
            self.interruptions.stopped(response.id, response.audio_item, now_ms, event.seq, by)
            self.tell_turns()

    def plays_elsewhere(self, _event: RealtimeEvent, _now_ms: float) -> None:
        """The server plays what it says itself, as it does where it sends no audio deltas."""
        self.elsewhere = True

    def output_item(self, event: RealtimeEvent, now_ms: float) -> None:
        response = self._response(event, now_ms)
        entry = mapping(event.data, "item")
        if response is not None:
            complete = event.name.endswith(".done")
            self._output(entry, response, now_ms, event.seq, complete=complete)

    def arguments_done(self, event: RealtimeEvent, now_ms: float) -> None:
        call = self.conversation.call(event.call_id, event.item_id)
        response = self._response(event, now_ms)
        if call is None or response is None:
            return
        call.name = string(event.data, "name") or call.name
        self._own(call.call_id, response)
        call.complete(string(event.data, "arguments"), now_ms, event.seq)

    def mcp_over(self, event: RealtimeEvent, now_ms: float) -> None:
        """The tool of an MCP server has done, or failed; its output comes with the item."""
        call = self.conversation.call_of(event.item_id)
        if call is not None:
            call.answer(call.output, now_ms, event.seq)

    def audio(self, event: RealtimeEvent, now_ms: float) -> None:
        ms = self.formats.duration_ms(event)
        response = self._response(event, now_ms) if event.name.startswith("response.") else None
        item_id = event.item_id or (response.id if response else "")
        self.audio_events += 1
        self.rates.add(self.formats.of(event).rate)
        self.audio_ms += ms
        if self.levels is not None:
            track = self.levels.setdefault(item_id, Levels())
            track.add(event.audio or "", self.formats.of(event))
        if response is not None:
            response.hear(item_id, ms, now_ms, event.seq)
        self.player.add(item_id, response.id if response else None, ms, now_ms, event.seq)

    def words(self, event: RealtimeEvent, now_ms: float) -> None:
        """A piece of text, or of the transcript of what is said, or all of it."""
        response = self._response(event, now_ms)
        if event.item_id is None or response is None:
            return
        item = self.conversation.item(event.item_id, event.seq, now_ms)
        item.response_id = item.response_id or response.id
        response.items.setdefault(item.id, item)
        spoken = "transcript" in event.name
        if event.name.endswith(".delta"):
            item.said.append(event.text)
        else:
            item.words = string(event.data, "transcript" if spoken else "text") or item.words
        if not spoken and response.first_text_ms is None:
            response.first_text_ms, response.first_text_seq = now_ms, event.seq

    def _join(self, response: Response, turn: Turn | None, now_ms: float) -> None:
        """Give a response to its turn; without one it is a greeting, if that can be known."""
        if turn is None:
            turn = self.turns.greet(now_ms, response.seq, known=self.from_start)
        response.turn = turn.n
        turn.responses.append(response)

    def _response(self, event: RealtimeEvent, now_ms: float) -> Response | None:
        """The response that an event is part of; one that began before the tape if unknown."""
        response_id = event.response_id
        if response_id is None:
            return self.responses.in_conversation
        known = self.responses.find(response_id)
        if known is None:
            known = self.responses.begin(response_id, now_ms, event.seq)
            known.created_ms, known.whole = None, False
            self._join(known, self.turns.current, now_ms)
        return known

    def _output(
        self, entry: Data, response: Response, now_ms: float, seq: int, *, complete: bool
    ) -> None:
        """An item that a response makes."""
        item = self._learn(entry, now_ms, seq)
        if item is not None:
            item.response_id = response.id
            response.items.setdefault(item.id, item)
        kind, status = string(entry, "type"), string(entry, "status")
        if kind not in CALLS:
            return
        call = self.conversation.call(string(entry, "call_id"), item.id if item else None)
        if call is None:
            return
        call.kind = kind
        call.name = string(entry, "name") or call.name
        self._own(call.call_id, response)
        if complete and status != "incomplete":
            call.complete(string(entry, "arguments"), now_ms, seq)
        if kind == "mcp_call":
            call.output = string(entry, "output") or call.output
            if entry.get("output") is not None or entry.get("error") is not None:
                call.answer(call.output, now_ms, seq)

    def _own(self, call_id: str, response: Response) -> None:
        """A call is of this response, and of its turn."""
        if call_id not in response.calls:
            call = response.calls[call_id] = self.conversation.calls[call_id]
            call.response_id = response.id
            turn = self.turns.number(response.turn)
            if turn is not None:
                turn.calls.append(call)

    def _learn(self, entry: Data, now_ms: float, seq: int) -> Item | None:
        item_id = string(entry, "id")
        if item_id is None:
            return None
        item = self.conversation.item(item_id, seq, now_ms)
        item.learn(entry)
        return item


def said_aloud(body: Data) -> bool:
    """Whether a response has words that were spoken."""
    parts = (part for item in mappings(body, "output") for part in mappings(item, "content"))
    return any(string(part, "transcript") for part in parts)


ANSWERS: dict[str, Callable[[Answers, RealtimeEvent, float], None]] = {
    "conversation.item.added": Answers.item,
    "conversation.item.done": Answers.item,
    "conversation.item.deleted": Answers.deleted,
    "response.created": Answers.created,
    "response.done": Answers.done,
    "response.output_item.added": Answers.output_item,
    "response.output_item.done": Answers.output_item,
    "output_audio_buffer.started": Answers.plays_elsewhere,
    "output_audio_buffer.stopped": Answers.plays_elsewhere,
    "response.output_audio.delta": Answers.audio,
    "session.output_audio.delta": Answers.audio,
    "response.output_audio_transcript.delta": Answers.words,
    "response.output_audio_transcript.done": Answers.words,
    "response.output_text.delta": Answers.words,
    "response.output_text.done": Answers.words,
    "response.function_call_arguments.done": Answers.arguments_done,
    "response.mcp_call_arguments.done": Answers.arguments_done,
    "response.mcp_call.completed": Answers.mcp_over,
    "response.mcp_call.failed": Answers.mcp_over,
}
"""Canonical name of a server event → what it means here."""
