"""The items of a conversation, the calls of tools among them, and their order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rtproxy.realtime.event import mappings, string

Data = Mapping[str, Any]


@dataclass(slots=True)
class ToolCall:
    """A tool the model called, and what was answered.

    `done_ms` is when the arguments were complete, `output_ms` when the client sent the output of
    its function, or the server said that the tool of an MCP server has done or failed.
    """

    call_id: str
    name: str | None = None
    item_id: str | None = None
    response_id: str | None = None
    kind: str = "function_call"
    arguments: str | None = None
    output: str | None = None
    done_ms: float | None = None
    done_seq: int | None = None
    output_ms: float | None = None
    output_seq: int | None = None

    @property
    def tool_ms(self) -> float | None:
        """How long the tool took, as seen on the wire."""
        if self.done_ms is None or self.output_ms is None:
            return None
        return self.output_ms - self.done_ms

    def complete(self, arguments: str | None, t_ms: float, seq: int) -> None:
        """The arguments are complete; they are so more than once."""
        self.arguments = arguments or self.arguments
        if self.done_ms is None:
            self.done_ms, self.done_seq = t_ms, seq

    def answer(self, output: object, t_ms: float, seq: int) -> None:
        """An output came; of several it is the first."""
        if self.output_ms is None:
            self.output = output if isinstance(output, str) else None
            self.output_ms, self.output_seq = t_ms, seq

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "arguments": self.arguments,
            "output": self.output,
            "call_id": self.call_id,
            "kind": self.kind,
            "tool_ms": self.tool_ms,
            "seq": self.done_seq,
            "output_seq": self.output_seq,
        }


@dataclass(slots=True)
class Item:
    """One item. `said` is its text as far as it came in deltas; `words` is all of it."""

    id: str
    seq: int
    t_ms: float
    type: str | None = None
    role: str | None = None
    status: str | None = None
    response_id: str | None = None
    call_id: str | None = None
    deleted: bool = False
    truncated_ms: float | None = None
    words: str | None = None
    said: list[str] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        return self.words if self.words is not None else "".join(self.said) or None

    def learn(self, entry: Data) -> None:
        """Take over what an item object of an event says; what it leaves out stays."""
        self.type = string(entry, "type") or self.type
        self.role = string(entry, "role") or self.role
        self.status = string(entry, "status") or self.status
        self.call_id = string(entry, "call_id") or self.call_id
        text = content_text(entry)
        if text:
            self.words = text

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": self.type,
            "role": self.role,
            "status": self.status,
            "text": self.text,
            "response_id": self.response_id,
            "call_id": self.call_id,
            "seq": self.seq,
        }


def typed_text(entry: Data) -> str:
    """The text of an item's content parts that was typed, not spoken."""
    return " ".join(filter(None, (string(part, "text") for part in mappings(entry, "content"))))


def content_text(entry: Data) -> str:
    """The text and transcripts of an item's content parts."""
    parts = (string(p, "text") or string(p, "transcript") for p in mappings(entry, "content"))
    return " ".join(part for part in parts if part)


class Conversation:
    """The items in the order in which they stand, which is not that of their arrival.

    Each item is put after its `previous_item_id`; an item whose predecessor is unknown goes last.
    """

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        """By id, in order of arrival."""
        self.calls: dict[str, ToolCall] = {}
        """By call_id, in order of arrival."""
        self._call_of_item: dict[str, ToolCall] = {}
        self._next: dict[str | None, str | None] = {None: None}
        self._last: str | None = None

    def item(self, item_id: str, seq: int, t_ms: float) -> Item:
        """The item of this id, new if it was not known."""
        known = self.items.get(item_id)
        if known is None:
            known = self.items[item_id] = Item(item_id, seq, t_ms)
        return known

    def place(self, item_id: str, previous: str | None) -> None:
        """Put an item after `previous` ("root": first; None: last), unless it has its place."""
        if item_id in self._next:
            return
        before = None if previous == "root" else previous
        if before not in self._next or previous is None:
            before = self._last
        self._next[item_id] = self._next[before]
        self._next[before] = item_id
        if before == self._last:
            self._last = item_id

    def order(self) -> Iterator[Item]:
        """The items of the conversation as they stand, without deleted ones."""
        step = self._next[None]
        while step is not None:
            item = self.items.get(step)
            if item is not None and not item.deleted:
                yield item
            step = self._next[step]

    def call(self, call_id: str | None, item_id: str | None) -> ToolCall | None:
        """The call of this id, new if it was not known; an item's id stands in for a call's."""
        known = self.calls.get(call_id) if call_id else None
        if known is None and item_id:
            known = self._call_of_item.get(item_id)
        if known is None:
            key = call_id or item_id
            if key is None:
                return None
            known = self.calls[key] = ToolCall(key)
        if item_id:
            known.item_id = known.item_id or item_id
            self._call_of_item.setdefault(item_id, known)
        return known

    def call_of(self, item_id: str | None) -> ToolCall | None:
        """The call that an item is, if it is known to be one."""
        return self._call_of_item.get(item_id) if item_id else None
