"""The turns, responses and tool calls of a session, and which event is about which."""

from bisect import bisect_right
from collections.abc import Collection, Iterator
from typing import Any

from rtproxy.diff.echo import find_echoes
from rtproxy.diff.fields import ga_settings, impersonal, parsed, settle
from rtproxy.diff.normal import (
    Fields,
    NormalCall,
    NormalResponse,
    NormalSession,
    NormalTurn,
)
from rtproxy.diff.reading import Note, Reading
from rtproxy.diff.sound import Sound
from rtproxy.realtime.config import Config
from rtproxy.realtime.event import mapping, string
from rtproxy.realtime.item import ToolCall
from rtproxy.realtime.response import Response
from rtproxy.realtime.turn import Turn

NUMBERS = (
    "talk_ratio", "tokens_in", "tokens_out", "tokens_cached", "turns", "responses", "tool_calls",
    "barge_ins", "errors",
)  # fmt: skip
"""Metrics of a session that are not of its turns."""
ORIGIN_HEADER = "rtproxy-origin"


class Outline:
    """Lays out a session's normal form, and finds the place of each event in it."""

    def __init__(self, reading: Reading, name: str | None) -> None:
        self.reading = reading
        self.echoes = find_echoes(reading.notes)
        self.responses: dict[str, NormalResponse] = {}
        self.calls: dict[str, NormalCall] = {}
        """By call_id."""
        self.call_of_item: dict[str, NormalCall] = {}
        self.labels: dict[str, tuple[int | None, str]] = {}
        """Id → the turn that it is of, and what stands for it there."""
        self.session = self._session(name)
        self._settings: dict[int, Fields] = {}
        self._turns: dict[int, NormalTurn] = {}
        self._turn_of_seq: dict[int, NormalTurn | None] = {}
        self._causes = {problem.seq: problem for problem in reading.problems}
        self._last = Config()
        self._configs = {config.seq: config for config in reading.configs}
        """By the seq from which on each is in force."""
        self._refused = {problem.cause_seq for problem in reading.problems}
        self._typed: dict[int, frozenset[str]] = {}
        self._began = [turn.seq for turn in reading.turns]
        answered = {n.fields["response"]["id"]: n.config for n in reading.notes if _creates(n)}
        for turn in reading.turns:
            self._lay_out(turn, answered)
        for response in reading.responses:
            self._note_asks(response)
            if response.out_of_band:
                self.session.responses.append(self._response(response))
                self.session.calls += [self._call(call) for call in response.calls.values()]

    def turn_of(self, note: Note) -> NormalTurn | None:
        """The turn that an event is about: by the ids in it, by its cause, or by its time."""
        if note.seq not in self._turn_of_seq:
            self._turn_of_seq[note.seq] = self._find_turn(note)
        return self._turn_of_seq[note.seq]

    def response_of(self, note: Note) -> NormalResponse | None:
        body = mapping(note.fields, "response")
        response_id = string(note.fields, "response_id") or string(body, "id")
        return self.responses.get(response_id) if response_id else None

    def cause_of(self, seq: int) -> str | None:
        """The type of the client's event behind an error."""
        problem = self._causes.get(seq)
        return problem.cause_type if problem is not None else None

    def typed(self, turn: NormalTurn | None) -> Collection[str]:
        """What the caller typed in a turn."""
        return self._typed.get(turn.n, ()) if turn is not None else ()

    def turn_ids(self) -> Iterator[tuple[str, int | None]]:
        """Ids of responses, and the number of the turn of each."""
        for response in self.reading.responses:
            turn = self._turn_of_response(response)
            yield response.id, turn.n if turn is not None else None

    def call_ids(self) -> Iterator[tuple[str, int | None]]:
        """Ids of tool calls, and the number of the turn of each."""
        for call in self.reading.tool_calls:
            response = self.reading.answers.responses.find(call.response_id)
            turn = self._turn_of_response(response) if response is not None else None
            yield call.call_id, turn.n if turn is not None else None

    def refused(self, seq: int) -> bool:
        """Whether an error answered an event of the client's."""
        return seq in self._refused

    def settings(self, config: Config) -> Fields:
        """Settings in GA's shape."""
        found = self._settings.get(id(config))
        if found is None:
            found = self._settings[id(config)] = ga_settings(settle(config.fields))
        return found

    def settings_after(self, seq: int) -> Fields:
        """The settings that answered a session.update, or else those in force at the end."""
        update = self.reading.updates.get(seq)
        answer = update.answer_seq if update is not None else None
        return self.settings(self._configs.get(answer, self.reading.config))

    def labelled(self, value: Any, turn: NormalTurn | None) -> Any:
        """A value with ids replaced by what they stand for in the turn."""
        if isinstance(value, list):
            return [self.labelled(inner, turn) for inner in value]
        if not isinstance(value, dict):
            return value
        found = {}
        for key, inner in value.items():
            if isinstance(inner, str) and (key == "id" or key.endswith("_id")):
                found[key] = self._label(inner, turn.n if turn is not None else None)
            else:
                found[key] = self.labelled(inner, turn)
        return found

    def finish(self) -> None:
        """What takes the whole session to be known."""
        reading = self.reading
        for turn, normal in zip(reading.turns, self.session.turns, strict=True):
            normal.metrics = reading.measure(turn)
            normal.spoken_ms = _spoken_ms(turn, reading)
            if reading.input_complete:
                normal.sound = _sound(turn, reading)

        self._label_fields(self.session, None)
        for normal in self.session.turns:
            self._label_fields(normal, normal)

    def _label_fields(self, side: NormalSession | NormalTurn, turn: NormalTurn | None) -> None:
        """No ids in what nobody knows, either."""
        for response in side.responses:
            response.fields = self.labelled(response.fields, turn)
        for call in side.calls:
            call.fields = self.labelled(call.fields, turn)
        for item in (*side.items, *(item for r in side.responses for item in r.items)):
            item.fields = self.labelled(item.fields, turn)

    def _session(self, name: str | None) -> NormalSession:
        reading = self.reading
        ending, config = reading.ending, reading.config
        metrics = reading.metrics
        return NormalSession(
            name=name,
            origin=reading.origin,
            dialect=reading.dialect,
            replay_of=_replay_of(reading),
            times_known=reading.times_known,
            audio_complete=reading.audio_complete,
            missing=sum(last - first + 1 for first, last in reading.gaps),
            settings=ga_settings(settle(config.fields)),
            settings_seq=config.seq,
            ending={} if ending is None else _ending(ending.to_json()),
            ending_seq=None if ending is None else ending.seq,
            limits={
                limit["name"]: settle(limit.get("limit"))
                for limit in reading.rate_limits
                if isinstance(limit.get("name"), str)
            },
            limits_seq=None,
            numbers={key: metrics.get(key) for key in NUMBERS},
        )

    def _lay_out(self, turn: Turn, answered: dict[str, Config]) -> None:
        turns = self.session.turns
        first = next((r.id for r in turn.responses if r.id in answered), None)
        if first is not None:
            config = answered[first]
        else:
            config = self._last if turns else self._config_at(turn.seq)
        self._last = config
        said = next((t.done_seq for t in turn.transcripts if t.done_seq is not None), None)
        normal = NormalTurn(
            turn.n,
            turn.kind,
            turn.seq,
            turn.began_ms,
            turn.user,
            said or turn.seq,
            self.settings(config),
            config.seq,
        )
        normal.responses = [self._response(response) for response in turn.responses]
        normal.calls = [self._call(call) for call in turn.calls]
        self._turns[id(turn)] = normal
        self._typed[turn.n] = frozenset(turn.typed)
        turns.append(normal)

    def _note_asks(self, response: Response) -> None:
        turn = self._turn_of_response(response)
        for seq in (response.ask_seq, response.cancel_seq):
            if seq is not None and (seq == response.cancel_seq or response.asked_by == "client"):
                self._turn_of_seq[seq] = turn

    def _config_at(self, seq: int) -> Config:
        """The settings in force at a record."""
        before = [config for config in self.reading.configs if (config.seq or 0) <= seq]
        return before[-1] if before else Config()

    def _response(self, response: Response) -> NormalResponse:
        found = self.responses[response.id] = NormalResponse(
            response.seq,
            response.status,
            response.reason,
            impersonal(settle(dict(response.error))),
            response.done_seq,
        )
        return found

    def _call(self, call: ToolCall) -> NormalCall:
        found = self.calls[call.call_id] = NormalCall(
            call.done_seq,
            call.name,
            call.kind,
            parsed(call.arguments),
            parsed(call.output),
            call.output_seq,
            response=self.responses.get(call.response_id or ""),
        )
        if found.response is not None:
            found.response.calls.append(found)
        if call.item_id:
            self.call_of_item[call.item_id] = found
        return found

    def _turn_of_response(self, response: Response) -> NormalTurn | None:
        turn = self.reading.turns.number(response.turn)
        return None if turn is None or response.out_of_band else self._turns.get(id(turn))

    def _find_turn(self, note: Note) -> NormalTurn | None:
        reading, fields = self.reading, note.fields
        responses = reading.answers.responses
        item = mapping(fields, "item")
        response_id = string(fields, "response_id") or string(mapping(fields, "response"), "id")
        item_id = string(fields, "item_id") or string(item, "id")
        call_id = string(fields, "call_id") or string(item, "call_id")
        known = reading.answers.conversation.items.get(item_id or "")
        call = reading.answers.conversation.calls.get(call_id or "")
        owners = [response_id, *(thing.response_id for thing in (known, call) if thing)]
        for owner in owners:
            response = responses.find(owner)
            if response is not None:
                return self._turn_of_response(response)
        turn = reading.turns.of_item(item_id)
        problem = self._causes.get(note.seq)
        if turn is None and problem is not None and problem.cause_seq in self._turn_of_seq:
            return self._turn_of_seq[problem.cause_seq]
        return self._at(turn or note.turn, note.seq)

    def _at(self, turn: Turn | None, seq: int) -> NormalTurn | None:
        """A turn; for one that turned out to be none, the turn that it was told for."""
        if turn is None:
            return None
        if id(turn) in self._turns:
            return self._turns[id(turn)]
        index = min(bisect_right(self._began, seq), len(self._began) - 1)
        return self.session.turns[index] if index >= 0 else None

    def _label(self, id_: str, turn: int | None) -> str:
        if id_ not in self.labels:
            return "another" if id_ != "root" else id_
        n, label = self.labels[id_]
        return label if n == turn else f"{label.split()[0]} of another turn"


def _creates(note: Note) -> bool:
    body = note.fields.get("response")
    named = isinstance(body, dict) and isinstance(body.get("id"), str)
    return note.name == "response.created" and note.from_server and named


def _ending(found: Fields) -> Fields:
    return {key: found[key] for key in ("name", "by", "code") if found[key] is not None}


def _replay_of(reading: Reading) -> str | None:
    header = reading.header
    if header is None or header.origin != "replayed":
        return None
    response = header.fields.get("response")
    headers = response.get("headers") if isinstance(response, dict) else None
    for pair in headers if isinstance(headers, list) else ():
        if isinstance(pair, list | tuple) and len(pair) == 2 and pair[0] == ORIGIN_HEADER:
            return str(pair[1]).partition("tape=")[2]
    return ""


def _spoken_ms(turn: Turn, reading: Reading) -> float | None:
    """How long the caller spoke, or how much the client committed."""
    if turn.kind == "commit":
        span = reading.commits.get(turn.ended_seq or -1)
        return span[1] - span[0] if span is not None else None
    lengths = [speech.spoken_ms for speech in turn.speech]
    known = [ms for ms in lengths if ms is not None]
    return sum(known) if known and len(known) == len(lengths) else None


def _sound(turn: Turn, reading: Reading) -> Sound | None:
    """How the caller sounded in a turn, if all of it is known."""
    seqs = [turn.ended_seq] if turn.kind == "commit" else [s.stopped_seq for s in turn.speech]
    sounds = [reading.heard[seq] for seq in seqs if seq in reading.heard]
    return Sound.joined(sounds) if sounds and len(sounds) == len(seqs) else None
