"""From a session as it was read to its normal form.

    Reading ── lay out ──▶ turns, responses, calls        Outline
            ── learn ───▶ items, from all that tell of them
            ── place ───▶ events, less what is told elsewhere

An event that says again what an item, a response or the session's settings say is no news, and
there is a lot of that in the protocol: a transcript comes in five events. Only what an event
says that is not so at its place is left in it.
"""

from rtproxy.diff.fields import ga_settings, impersonal, settle, without
from rtproxy.diff.items import Items
from rtproxy.diff.normal import Fields, NormalCall, NormalEvent, NormalSession, NormalTurn
from rtproxy.diff.outline import Outline
from rtproxy.diff.reading import Note, Pieces, Reading
from rtproxy.realtime.event import mapping

PASSED_OVER = frozenset({
    "conversation.created",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.segment",
    "rate_limits.updated",
})  # fmt: skip
"""Events of which everything is told elsewhere, or in one dialect only."""
OF_SESSION = frozenset({
    "session.created", "session.update", "session.updated",
})  # fmt: skip
UNTYPED = "object"
"""JSON that is no event, such as the body of an HTTP request: it is told nowhere else."""
PLACES = frozenset({
    "type", "item_id", "response_id", "call_id", "output_index", "content_index",
    "previous_item_id", "session", "response", "item", "part",
})  # fmt: skip
"""Keys that say where something belongs; what is there is compared there."""
TEXTS = frozenset({"text", "transcript", "arguments", "output", "name"})
ORDERED = ("response.", "input_audio_buffer.", "conversation.item.added")
"""Events about an item whose order means something; others come when they come."""
POSITIONS = frozenset({"audio_start_ms", "audio_end_ms"})
"""On the input-audio clock, which counts what is said and all silence before."""


def normalise(reading: Reading, name: str | None = None) -> NormalSession:
    """The normal form of a session; `name` is what it is called."""
    return Normaliser(reading, name).session


class Normaliser:
    """Makes one normal form."""

    def __init__(self, reading: Reading, name: str | None) -> None:
        self._reading = reading
        self._outline = Outline(reading, name)
        self.session = self._outline.session
        self._items = Items(self._outline)
        for note in reading.notes:
            self._items.learn(note)
        self._items.settle()
        for pieces in reading.pieces.values():
            self._place_pieces(pieces)
        for note in reading.notes:
            self._place(note)
        self._outline.finish()

    def _place(self, note: Note) -> None:
        name = note.name
        if note.seq in self._items.told:
            return
        if note.from_server and name in PASSED_OVER:
            self._heed(note)
            return
        if name == UNTYPED:
            self._put(self._outline.turn_of(note), note, dict(note.fields))
        elif name in OF_SESSION:
            self._put(None, note, self._wanted(note) if name == "session.update" else _rest(note))
        elif not note.from_server:
            self._place_client(note)
        elif name in ("response.created", "response.done"):
            response = self._outline.response_of(note)
            if response is None:
                self._put(self._outline.turn_of(note), note, _bare(note))
            else:
                event = NormalEvent(name, note.seq, {**_rest(note), **self._items.odd(note)})
                response.events.append(event)
        else:
            self._place_server(note)

    def _heed(self, note: Note) -> None:
        """Of an event that is passed over, keep what it says otherwise than its item."""
        owner = self._items.call_of(note) or self._items.item_of(note)
        odd = self._items.odd(note).get("item")
        if owner is not None and odd:
            owner.fields[note.name] = odd

    def _place_server(self, note: Note) -> None:
        turn, left = self._outline.turn_of(note), _bare(note)
        call, item = self._items.call_of(note), self._items.item_of(note)
        owner = call or item
        if owner is not None:
            left = {**self._news(note, call), **self._items.odd(note)}
            if note.name.startswith(ORDERED):
                left = self._outline.labelled(_placeless(note, left), turn)
                owner.events.append(NormalEvent(note.name, note.seq, left))
                return
            left |= _reference(note)
        elif note.name == "error":
            left = {"error": self._error(note)}
        self._put(turn, note, _placeless(note, left))

    def _place_client(self, note: Note) -> None:
        turn = self._outline.turn_of(note)
        left = {**_rest(note), **_reference(note)}
        response, item = mapping(note.fields, "response"), mapping(note.fields, "item")
        if response:
            left["response"] = ga_settings(response)
        if item:
            left["item"] = self._items.unsaid(item, turn)
        self._put(turn, note, left | self._unconfirmed(note))

    def _place_pieces(self, pieces: Pieces) -> None:
        note, text, extra = pieces.note, "".join(pieces.texts), pieces.extra
        call, item = self._items.call_of(note), self._items.item_of(note)
        if call is not None and "arguments" in note.name:
            call.arguments = text if call.arguments is None else call.arguments
            text = ""
        owner = call or item
        if extra and owner is not None:
            owner.fields.setdefault("deltas", {}).update(extra)
            extra = None
        if text or extra:
            said = {"delta": settle(text)} if text else {}
            self._put(self._outline.turn_of(note), note, {**(extra or {}), **said})

    def _put(self, turn: NormalTurn | None, note: Note, left: Fields) -> None:
        """Put an event where those are that belong to nothing else."""
        if isinstance(left.get("error"), dict):
            left["error"] = impersonal(left["error"])
        events = self.session.events if turn is None else turn.events
        event = NormalEvent(note.name, note.seq, self._outline.labelled(left, turn))
        events.setdefault(note.name, []).append(event)

    def _news(self, note: Note, call: NormalCall | None) -> Fields:
        """What an event about an item says besides what the item says."""
        left = _rest(note)
        for key in TEXTS & left.keys():
            if self._items.says(note, left[key]) or (call is not None and left[key] == call.name):
                del left[key]
        return left

    def _wanted(self, note: Note) -> Fields:
        """Settings that a session.update asked for and did not get."""
        wanted = ga_settings(mapping(note.fields, "session"))
        missed = without(wanted, self._outline.settings_after(note.seq))
        left = _rest(note) | self._unconfirmed(note)
        return left | ({"session": missed} if missed else {})

    def _unconfirmed(self, note: Note) -> Fields:
        outline = self._outline
        silent = note.seq in outline.echoes.unconfirmed and not outline.refused(note.seq)
        return {"confirmed": False} if silent else {}

    def _error(self, note: Note) -> Fields:
        error = dict(mapping(note.fields, "error"))
        cause = self._outline.cause_of(note.seq)
        return error | ({"event": cause} if cause else {})


def _rest(note: Note) -> Fields:
    return {key: value for key, value in note.fields.items() if key not in PLACES}


def _bare(note: Note) -> Fields:
    """All of an event that belongs to nothing known."""
    return {key: value for key, value in note.fields.items() if key != "type"}


def _reference(note: Note) -> Fields:
    """The ids by which an event that stands among others says what it is about."""
    keys = ("item_id", "response_id", "call_id")
    return {key: note.fields[key] for key in keys if key in note.fields}


def _placeless(note: Note, left: Fields) -> Fields:
    """Without positions in all of the caller's audio."""
    if not note.name.startswith("input_audio_buffer."):
        return left
    return {key: value for key, value in left.items() if key not in POSITIONS}
