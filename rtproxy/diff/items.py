"""The items of a session, put together from all events that tell of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rtproxy.diff.fields import covered, ga_settings, merge, parsed, part_type, without
from rtproxy.diff.normal import Fields, NormalCall, NormalItem, NormalTurn, Part
from rtproxy.diff.outline import Outline
from rtproxy.diff.reading import Note
from rtproxy.diff.sound import Sound
from rtproxy.realtime.answers import CALLS
from rtproxy.realtime.event import mapping, mappings, number, string
from rtproxy.realtime.turns import MAX_WAITING

Data = Mapping[str, Any]

TELLING = frozenset({
    "conversation.item.added", "conversation.item.done", "response.output_item.added",
    "response.output_item.done",
})  # fmt: skip
"""Events with an item that is as the conversation has it."""
WHOLE = {
    "response.output_text.done": "text",
    "response.output_audio_transcript.done": "transcript",
}
"""Events with all that a part says, and where."""
ITEM_KEYS = frozenset({
    "id", "object", "type", "role", "status", "content", "name", "arguments", "call_id", "output",
})  # fmt: skip
PART_KEYS = frozenset({"type", "text", "transcript", "audio"})
RESPONSE_KEYS = frozenset({
    "id", "object", "status", "status_details", "output", "conversation_id", "conversation",
})  # fmt: skip
TEXTS = ("text", "transcript", "arguments", "output")


class Items:
    """Learns of items from notes, in order; then puts each where it belongs."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._reading = outline.reading
        self._items: dict[str, NormalItem] = {}
        self._notes: dict[str, Note] = {}
        """The first note of each item."""
        self._texts: dict[str, set[str]] = {}
        self._made: list[tuple[Note, Data]] = []
        """Items that the client made and the server has not confirmed yet."""
        self.told = set(outline.echoes.confirming)
        """Seqs of events of which everything is told elsewhere."""

    def learn(self, note: Note) -> None:
        """Take over what an event says of items and of responses."""
        fields = note.fields
        item = mapping(fields, "item")
        if not note.from_server:
            if note.name == "conversation.item.create" and item:
                self._learn_made(note, item)
            return
        if note.name in TELLING and item:
            self._learn_item(item, note)
        elif note.name in ("response.created", "response.done"):
            self._learn_response(mapping(fields, "response"), note)
        item_id = string(fields, "item_id")
        if item_id is None or not note.name.startswith(("response.", "input_audio_buffer.")):
            return
        part = fields.get("part")
        if isinstance(part, dict):
            self._learn_part(self._item(item_id, note), _index(fields), part)
        elif note.name in WHOLE:
            text = string(fields, WHOLE[note.name])
            self._learn_part(self._item(item_id, note), _index(fields), {"text": text or ""})
        elif note.name.startswith("input_audio_buffer."):
            self._item(item_id, note)

    def settle(self) -> None:
        """Everything is learnt: put items where they belong."""
        conversation = self._reading.answers.conversation
        for item_id, known in conversation.items.items():
            if item_id not in self._items and self._call(item_id) is None and known.text:
                item = self._items[item_id] = NormalItem(known.seq)
                item.type, item.role, item.status = known.type, known.role, known.status
        for item_id, item in self._items.items():
            told = conversation.items.get(item_id)
            if item.text is None and told is not None and told.text:
                item.parts.setdefault(0, Part()).text = told.text
            item.parts = dict(sorted(item.parts.items()))
            self._texts[item_id] = self._said(item_id, item)
            self._place(item_id, item)
        for key, trace in self._reading.said.items():  # audio of no known item
            response = self._outline.responses.get(key)
            if not self._reading.output_complete:
                continue
            item = NormalItem(response.seq if response else 0, sound=Sound.whole(trace))
            (response or self._outline.session).items.append(item)
        self._label()

    def _label(self) -> None:
        """What stands for each id in its turn."""
        outline, counts = self._outline, Counter[tuple[int | None, str]]()
        kinds = (("response", outline.turn_ids()), ("item", self._owners()))
        for kind, owners in kinds:
            for id_, turn in owners:
                counts[turn, kind] += 1
                outline.labels[id_] = turn, f"{kind} {counts[turn, kind]}"

    def _owners(self) -> Iterator[tuple[str, int | None]]:
        """Items and tool calls, and the number of the turn of each."""
        outline = self._outline
        for item_id, note in self._notes.items():
            turn = outline.turn_of(note)
            yield item_id, turn.n if turn is not None else None
        yield from outline.call_ids()

    def item_of(self, note: Note) -> NormalItem | None:
        """The item that an event of the server is about."""
        item_id = string(note.fields, "item_id") or string(mapping(note.fields, "item"), "id")
        return self._items.get(item_id) if item_id else None

    def call_of(self, note: Note) -> NormalCall | None:
        """The tool call that an event of the server is about."""
        item = mapping(note.fields, "item")
        item_id = string(note.fields, "item_id") or string(item, "id")
        call_id = string(note.fields, "call_id") or string(item, "call_id")
        outline = self._outline
        return outline.call_of_item.get(item_id or "") or outline.calls.get(call_id or "")

    def says(self, note: Note, text: Any) -> bool:
        """Whether the item that an event is about says this, or begins with it."""
        item_id = string(note.fields, "item_id") or string(mapping(note.fields, "item"), "id")
        return self._says(item_id, text)

    def odd(self, note: Note) -> Fields:
        """What the bodies in an event say that what they are of does not say in the end."""
        left: Fields = {}
        body = mapping(note.fields, "response")
        output = [self._odd_item(item) for item in mappings(body, "output")]
        if any(output):
            left["response"] = {"output": output}
        if item := self._odd_item(mapping(note.fields, "item")):
            left["item"] = item
        part = mapping(note.fields, "part")
        if part and (text := self._odd_text(string(note.fields, "item_id"), part)):
            left["part"] = text
        return left

    def unsaid(self, item: Data, turn: NormalTurn | None) -> Fields:
        """What an item of the client's says besides what is known to be said in the turn."""
        left = {key: value for key, value in item.items() if key not in ("id", "object", "status")}
        typed = self._outline.typed(turn)
        parts = [
            {key: value for key, value in part.items() if key != "text" or value not in typed}
            for part in mappings(item, "content")
        ]
        return left | ({"content": parts} if parts else {})

    def _learn_made(self, note: Note, item: Data) -> None:
        call = self._outline.calls.get(string(item, "call_id") or "")
        if string(item, "type") != "function_call_output" or call is None:
            self._made.append((note, item))
            del self._made[:-MAX_WAITING]
        elif call.output_seq == note.seq:
            self.told.add(note.seq)

    def _learn_response(self, body: Data, note: Note) -> None:
        for item in mappings(body, "output"):
            self._learn_item(item, note)
        response = self._outline.response_of(note)
        if response is not None:
            fields = {key: value for key, value in body.items() if key not in RESPONSE_KEYS}
            settings = self._outline.settings(note.config)
            merge(response.fields, without(ga_settings(fields), settings))

    def _learn_item(self, body: Data, note: Note) -> None:
        item_id, type_ = string(body, "id"), string(body, "type")
        if item_id is None:
            return
        call = self._outline.call_of_item.get(item_id)
        if type_ in CALLS and call is None:
            call = self._outline.calls.get(string(body, "call_id") or "")
        if type_ == "function_call_output":
            call = self._outline.calls.get(string(body, "call_id") or "")
            if call is not None:
                if call.output is None:  # somebody else gave it
                    call.output, call.output_seq = parsed(string(body, "output")), note.seq
                self.told.add(note.seq)
                return
        self._confirm(item_id, body, note)
        fields = {key: value for key, value in body.items() if key not in ITEM_KEYS}
        if call is not None:
            merge(call.fields, fields)
            return
        for key in ("name", "arguments", "output"):
            if key in body:
                fields[key] = parsed(string(body, key))
        item = self._item(item_id, note)
        item.type = string(body, "type") or item.type
        item.role = string(body, "role") or item.role
        item.status = string(body, "status") or item.status
        merge(item.fields, fields)
        for index, part in enumerate(mappings(body, "content")):
            self._learn_part(item, index, part)

    def _learn_part(self, item: NormalItem, index: int, body: Data) -> None:
        part = item.parts.get(index)
        if part is None:
            part = item.parts[index] = Part()
        if type_ := string(body, "type"):
            part.type = part_type(type_, item.role)
        if text := string(body, "text") or string(body, "transcript"):
            part.tell(text)
        merge(part.fields, {key: value for key, value in body.items() if key not in PART_KEYS})

    def _item(self, item_id: str, note: Note) -> NormalItem:
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = NormalItem(note.seq)
            self._notes[item_id] = note
        return item

    def _confirm(self, item_id: str, body: Data, note: Note) -> None:
        """The server has an item that the client may have made."""
        if item_id in self._items or note.name != "conversation.item.added":
            return
        for index, (made, item) in enumerate(self._made):
            made_id = string(item, "id")
            if made_id == item_id if made_id else string(item, "type") == string(body, "type"):
                if covered(mappings(item, "content"), mappings(body, "content")):
                    self.told.add(made.seq)
                del self._made[index]
                return

    def _said(self, item_id: str, item: NormalItem) -> set[str]:
        """All that an item says, in the ways in which it is told."""
        texts = {part.text for part in item.parts.values()} | {item.text or ""}
        known = self._reading.turns.transcripts.get(item_id)
        return texts | ({known.text} if known is not None and known.text else set())

    def _says(self, item_id: str | None, text: Any) -> bool:
        if not isinstance(text, str) or not text:
            return not text
        call = self._call(item_id)
        if call is not None:
            told, arguments = parsed(text), call.arguments
            partial = isinstance(arguments, str) and arguments.startswith(text)
            return partial or told in (arguments, call.output, call.name)
        said = self._texts.get(item_id or "", set())
        return any(whole.startswith(text) for whole in said)

    def _call(self, item_id: str | None) -> NormalCall | None:
        return self._outline.call_of_item.get(item_id or "")

    def _odd_item(self, item: Data) -> Fields:
        item_id = string(item, "id")
        left = {key: item[key] for key in TEXTS if not self._says(item_id, item.get(key))}
        parts = [self._odd_text(item_id, part) for part in mappings(item, "content")]
        return left | ({"content": parts} if any(parts) else {})

    def _odd_text(self, item_id: str | None, part: Data) -> Fields:
        return {key: part[key] for key in TEXTS if not self._says(item_id, part.get(key))}

    def _place(self, item_id: str, item: NormalItem) -> None:
        """Put an item into its response, its turn, or before all turns."""
        outline = self._outline
        known = self._reading.answers.conversation.items.get(item_id)
        response = outline.responses.get(known.response_id or "") if known is not None else None
        turn = outline.turn_of(self._notes[item_id]) if item_id in self._notes else None
        trace = self._reading.said.pop(item_id, None)
        if trace is not None and self._reading.output_complete:
            item.sound = Sound.whole(trace)
        if response is not None:
            response.items.append(item)
            return
        transcript = self._reading.turns.transcripts.get(item_id)
        heard = transcript.text if transcript is not None else None
        for part in item.parts.values():  # what the turn says already
            if part.text in outline.typed(turn) or part.text == heard:
                part.text = ""
        (outline.session.items if turn is None else turn.items).append(item)


def _index(fields: Data) -> int:
    """Which part of an item an event is about."""
    value = number(fields, "content_index")
    return value if isinstance(value, int) else 0
