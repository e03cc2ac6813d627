"""Finds cause and effect in a call: by ids where events have them, else by order.

    linker = Linker()
    for record in records:
        session.take(record)
        linker.take(record)
    links = linker.links(session)

or `links_of(records, session)` where the records can be read once more.

What two events say of each other (a request and its answer, an item and its transcript, a call and
its output) is followed here, record by record. What it takes an understanding of the call to know
(who asked for a response, what an error is about, which speech cut which reply) the session says.
"""

from array import array
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rtproxy.realtime.event import RealtimeEvent, mapping, parse, string
from rtproxy.realtime.links import Links, Why
from rtproxy.realtime.problem import blamed
from rtproxy.realtime.session import Session
from rtproxy.tape.record import NOT_FORWARDED, Control, Event, Record

_LATEST_NS = (1 << 63) - 1
"""Stands for any later time that a tape may claim."""
REQUESTS = {
    "conversation.item.truncated": "conversation.item.truncate",
    "conversation.item.deleted": "conversation.item.delete",
    "conversation.item.retrieved": "conversation.item.retrieve",
    "input_audio_buffer.cleared": "input_audio_buffer.clear",
    "output_audio_buffer.cleared": "output_audio_buffer.clear",
}
"""Answer → the request that it answers, about the same item."""
_REQUESTS = frozenset(REQUESTS.values())
MAX_WAITING = 256
"""Requests without an id that may wait for their answer."""

Entry = Mapping[str, Any]


def links_of(records: Iterable[Record], session: Session) -> Links:
    """The links between these records, which `session` has taken. Never raises."""
    linker = Linker()
    for record in records:
        linker.take(record)
    return linker.links(session)


class Linker:
    """Takes the records of a call as they come, each in the same time."""

    def __init__(self) -> None:
        self._links = Links()
        self._responses: dict[str, int] = {}  # where each began
        self._begun: set[tuple[int, str]] = set()  # what each has sent a first piece of
        self._made: dict[str, int] = {}  # item → where its response began
        self._unmade: dict[str, int] = {}  # item → where it was placed before a response had it
        self._placed: dict[str, int] = {}
        self._calls: dict[str, int] = {}  # call or approval → where it was complete
        self._spoken: dict[str, int] = {}  # item → where its speech began
        self._ended: dict[str, int] = {}  # item → where its speech ended
        self._committed: dict[str, int] = {}
        self._requests: dict[tuple[str, str | None], int] = {}
        self._commits: deque[int] = deque(maxlen=MAX_WAITING)
        self._creates: deque[tuple[int, Entry]] = deque(maxlen=MAX_WAITING)
        self._pings: OrderedDict[tuple[bool, bytes], int] = OrderedDict()
        self._inputs: deque[int] = deque(maxlen=MAX_WAITING)  # what nobody has asked about yet
        self._heard: int | None = None  # what was committed last, and has no response yet
        self._speaking: int | None = None
        self._response_done: int | None = None
        self._server_error: int | None = None  # the server's last word, if it is an error
        self._closed: tuple[int, bool] | None = None
        self._appends = array("q")
        self._append_times = array("q")

    def take(self, record: Record) -> None:
        """Take the next record. Never raises."""
        if isinstance(record, Event):
            self.note(parse(record))
        elif isinstance(record, Control):
            self._control(record)

    def note(self, event: RealtimeEvent) -> None:
        """Take the next event, decoded; one that was not passed on led to nothing."""
        if event.record.flags & NOT_FORWARDED:
            return
        if not event.from_server:
            handler = _CLIENT.get(event.name)
            if handler is not None:
                handler(self, event)
            return
        self._server_error = event.seq if event.name == "error" else None
        handler = _SERVER.get(event.name)
        if handler is not None:
            handler(self, event)
        if event.name.startswith("response."):
            self._part(event)

    def links(self, session: Session) -> Links:
        """The links so far, with what `session` knows of; `session` has taken the same records."""
        links = self._links.copy()
        for update in session.updates:
            if update.answer_seq is not None:
                links.add(update.seq, update.answer_seq, "answer")
        for problem in session.problems:
            if problem.cause_seq is not None:
                links.add(problem.cause_seq, problem.seq, "error")
        for response in session.responses:
            if response.ask_seq is not None:
                why: Why = "ask" if response.asked_by == "client" else "reply"
                links.add(response.ask_seq, response.seq, why)
            if response.cancel_seq is not None:
                links.add(response.seq, response.cancel_seq, "cut")
                if response.done_seq is not None:
                    links.add(response.cancel_seq, response.done_seq, "cancel")
        self._interruptions(links, session)
        for turn in session.turns:
            for speech in turn.speech:
                self._append_of(links, speech.onset_ms, speech.started_seq)
                self._append_of(links, speech.fell_silent_ms, speech.stopped_seq)
        return links

    def _interruptions(self, links: Links, session: Session) -> None:
        for cut in session.answers.interruptions.all:
            response = session.answers.responses.find(cut.response_id)
            told = {s for s in (cut.reaction_seq, cut.truncated_seq) if s is not None}
            if response is not None:
                for seq in told or {cut.seq}:
                    if seq not in (response.done_seq, response.cancel_seq):
                        links.add(response.seq, seq, "cut")
            spoken = [] if cut.by is None else cut.by.speech
            speech = next((s for s in reversed(spoken) if s.started_seq <= cut.seq), None)
            if speech is None:
                continue
            if response is not None and response.reason == "turn_detected" and response.done_seq:
                told.add(response.done_seq)
            for seq in told:
                links.add(speech.started_seq, seq, "interrupt")

    def _append_of(self, links: Links, t_ms: float | None, seq: int | None) -> None:
        """Link the append that came at a time to what was heard in it."""
        if t_ms is None or seq is None:
            return
        at = bisect_left(self._append_times, round(t_ms * 1e6))
        if at < len(self._appends) and self._appends[at] < seq:
            links.add(self._appends[at], seq, "heard")

    # What the client does.

    def _append(self, event: RealtimeEvent) -> None:
        if event.audio and (not self._append_times or event.t_ns >= self._append_times[-1]):
            self._appends.append(event.seq)
            self._append_times.append(min(event.t_ns, _LATEST_NS))

    def _commit(self, event: RealtimeEvent) -> None:
        self._commits.append(event.seq)

    def _create(self, event: RealtimeEvent) -> None:
        entry = mapping(event.data, "item")
        answered = string(entry, "call_id") if _is_output(entry) else None
        cause = self._calls.get(answered or string(entry, "approval_request_id") or "")
        if cause is not None:
            self._links.add(cause, event.seq, "output")
        self._creates.append((event.seq, entry))
        self._inputs.append(event.seq)

    def _ask(self, event: RealtimeEvent) -> None:
        about = [*self._inputs, *([] if self._heard is None else [self._heard])]
        for seq in about:
            self._links.add(seq, event.seq, "about")
        self._inputs.clear()
        self._heard = None

    def _request(self, event: RealtimeEvent) -> None:
        self._requests[event.name, event.item_id] = event.seq

    # What the server does.

    def _answer(self, event: RealtimeEvent) -> None:
        asked = self._requests.pop((REQUESTS[event.name], event.item_id), None)
        if asked is not None:
            self._links.add(asked, event.seq, "answer")

    def _begin(self, event: RealtimeEvent) -> None:
        if event.response_id is not None:
            self._responses.setdefault(event.response_id, event.seq)
        self._heard = None

    def _part(self, event: RealtimeEvent) -> None:
        """An event of a response."""
        response_id = event.response_id
        if response_id is not None:
            began = self._responses.setdefault(response_id, event.seq)
        elif event.item_id in self._made:
            began = self._made[event.item_id]
        else:
            return
        kind = event.delta_kind
        if kind is None or (began, kind) not in self._begun:
            self._links.add(began, event.seq, "part")
            if kind is not None:
                self._begun.add((began, kind))
        else:
            self._links.piece(event.seq, began)

    def _output(self, event: RealtimeEvent) -> None:
        """An item that a response makes, begun or complete."""
        entry, item_id = mapping(event.data, "item"), event.item_id
        began = self._responses.get(event.response_id or "")
        if item_id is not None and began is not None and item_id not in self._made:
            self._made[item_id] = began
            placed = self._unmade.pop(item_id, None)
            if placed is not None:
                self._links.add(began, placed, "part")
        if event.name.endswith(".done"):
            self._complete(string(entry, "call_id") if _is_call(entry) else item_id, event.seq)

    def _arguments(self, event: RealtimeEvent) -> None:
        self._complete(event.call_id or event.item_id, event.seq)

    def _complete(self, call_id: str | None, seq: int) -> None:
        if call_id is not None:
            self._calls.setdefault(call_id, seq)

    def _done(self, event: RealtimeEvent) -> None:
        self._response_done = event.seq

    def _limits(self, event: RealtimeEvent) -> None:
        if self._response_done is not None:
            self._links.add(self._response_done, event.seq, "follow")
            self._response_done = None

    def _item(self, event: RealtimeEvent) -> None:
        """An item has its place in the conversation, or (GA) is complete there."""
        item_id, seq = event.item_id, event.seq
        if item_id is None:
            return
        placed = self._placed.setdefault(item_id, seq)
        if placed != seq:
            self._links.add(placed, seq, "complete")
        elif item_id in self._committed:
            self._links.add(self._committed[item_id], seq, "place")
        elif item_id in self._made:
            self._links.add(self._made[item_id], seq, "part")
        else:
            asked = self._created(mapping(event.data, "item"))
            if asked is not None:
                self._links.add(asked, seq, "answer")
            else:
                self._unmade[item_id] = seq

    def _created(self, entry: Entry) -> int | None:
        """The client's request that made an item, taken off the list."""
        for waiting in self._creates:
            seq, asked = waiting
            keys = ("id",) if string(asked, "id") else ("type", "role", "call_id")
            if all(string(asked, key) == string(entry, key) for key in keys):
                self._creates.remove(waiting)
                return seq
        return None

    def _progress(self, event: RealtimeEvent) -> None:
        """A list of tools comes to the item that it is for."""
        placed = self._placed.get(event.item_id or "")
        if placed is not None:
            self._links.add(placed, event.seq, "complete")

    def _started(self, event: RealtimeEvent) -> None:
        self._speaking = event.seq
        if event.item_id is not None:
            self._spoken[event.item_id] = event.seq

    def _stopped(self, event: RealtimeEvent) -> None:
        started = self._spoken.get(event.item_id or "", self._speaking)
        if started is not None:
            self._links.add(started, event.seq, "stop")
        self._speaking = None
        if event.item_id is not None:
            self._ended[event.item_id] = event.seq

    def _timeout(self, event: RealtimeEvent) -> None:
        if event.item_id is not None:
            self._ended[event.item_id] = event.seq

    def _commits_made(self, event: RealtimeEvent) -> None:
        item_id, seq = event.item_id or "", event.seq
        ended = self._ended.get(item_id)
        if ended is not None:
            self._links.add(ended, seq, "commit")
        elif self._commits:
            self._links.add(self._commits.popleft(), seq, "answer")
        if event.item_id is not None:
            self._committed[item_id] = seq
            placed = self._unmade.pop(item_id, None)
            if placed is not None:
                self._links.add(seq, placed, "place")
        self._heard = seq

    def _transcript(self, event: RealtimeEvent) -> None:
        item_id = event.item_id or ""
        source = self._committed.get(item_id, self._placed.get(item_id))
        if source is None:
            return
        if event.delta_kind is not None and (source, "input") in self._begun:
            self._links.piece(event.seq, source)
            return
        self._begun.add((source, "input"))
        self._links.add(source, event.seq, "transcript")

    def _error(self, event: RealtimeEvent) -> None:
        """A commit that was refused gets no answer any more."""
        if self._commits and blamed(mapping(event.data, "error")) == "input_audio_buffer.commit":
            self._commits.pop()

    # What is on the connection beside messages.

    def _control(self, control: Control) -> None:
        if control.name in ("ping", "pong"):
            self._echo(control)
        elif control.name == "close":
            before, self._closed = self._closed, (control.seq, control.from_server)
            if before is not None and before[1] != control.from_server:
                self._links.add(before[0], control.seq, "answer")
            elif self._server_error is not None and control.from_server:
                self._links.add(self._server_error, control.seq, "follow")

    def _echo(self, control: Control) -> None:
        payload = control.data.get("payload")
        key = (control.from_server, payload if isinstance(payload, bytes) else b"")
        if control.name == "ping":
            self._pings[key] = control.seq
            if len(self._pings) > MAX_WAITING:
                self._pings.popitem(last=False)
            return
        asked = self._pings.pop((not control.from_server, key[1]), None)
        if asked is not None:
            self._links.add(asked, control.seq, "answer")


def _is_output(entry: Entry) -> bool:
    return string(entry, "type") == "function_call_output"


def _is_call(entry: Entry) -> bool:
    return string(entry, "type") == "function_call"


Handler = Callable[[Linker, RealtimeEvent], None]

_CLIENT: dict[str, Handler] = {
    "input_audio_buffer.append": Linker._append,
    "session.input_audio.append": Linker._append,
    "session.input_audio_buffer.append": Linker._append,
    "input_audio_buffer.commit": Linker._commit,
    "conversation.item.create": Linker._create,
    "response.create": Linker._ask,
    **dict.fromkeys(_REQUESTS, Linker._request),
}
_SERVER: dict[str, Handler] = {
    "error": Linker._error,
    "response.created": Linker._begin,
    "response.done": Linker._done,
    "response.output_item.added": Linker._output,
    "response.output_item.done": Linker._output,
    "response.function_call_arguments.done": Linker._arguments,
    "rate_limits.updated": Linker._limits,
    "conversation.item.added": Linker._item,
    "conversation.item.done": Linker._item,
    "mcp_list_tools.in_progress": Linker._progress,
    "mcp_list_tools.completed": Linker._progress,
    "mcp_list_tools.failed": Linker._progress,
    "input_audio_buffer.speech_started": Linker._started,
    "input_audio_buffer.speech_stopped": Linker._stopped,
    "input_audio_buffer.timeout_triggered": Linker._timeout,
    "input_audio_buffer.committed": Linker._commits_made,
    "conversation.item.input_audio_transcription.delta": Linker._transcript,
    "conversation.item.input_audio_transcription.completed": Linker._transcript,
    "conversation.item.input_audio_transcription.failed": Linker._transcript,
    "conversation.item.input_audio_transcription.segment": Linker._transcript,
    **dict.fromkeys(REQUESTS, Linker._answer),
}
