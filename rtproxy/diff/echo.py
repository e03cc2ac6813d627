"""Which of the server's events only confirm what the client asked for."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from rtproxy.diff.reading import Note
from rtproxy.realtime.event import string

CONFIRMED_BY = {
    "conversation.item.truncate": "conversation.item.truncated",
    "conversation.item.delete": "conversation.item.deleted",
    "conversation.item.retrieve": "conversation.item.retrieved",
    "input_audio_buffer.clear": "input_audio_buffer.cleared",
    "output_audio_buffer.clear": "output_audio_buffer.cleared",
    "session.update": "session.updated",
}
"""A client's event → the server's that confirms it, for the same item if it names one."""
CONFIRMATIONS = frozenset(CONFIRMED_BY.values())


@dataclass(frozen=True, slots=True)
class Echoes:
    """Seqs of the server's events that confirm one of the client's, and of the client's that were
    never confirmed."""

    confirming: set[int] = field(default_factory=set)
    unconfirmed: set[int] = field(default_factory=set)


def find_echoes(notes: Iterable[Note]) -> Echoes:
    """Match confirmations with what they confirm, first come, first served."""
    found = Echoes()
    waiting: dict[tuple[str, str | None], deque[int]] = {}
    for note in notes:
        if not note.from_server and note.name in CONFIRMED_BY:
            waiting.setdefault((CONFIRMED_BY[note.name], _item(note)), deque()).append(note.seq)
        elif note.from_server and note.name in CONFIRMATIONS:
            asked = waiting.get((note.name, _item(note)))
            if asked:
                asked.popleft()
                found.confirming.add(note.seq)
    for asked in waiting.values():
        found.unconfirmed.update(asked)
    return found


def _item(note: Note) -> str | None:
    if note.name == "conversation.item.retrieved":
        item = note.fields.get("item")
        return string(item, "id") if isinstance(item, dict) else None
    return string(note.fields, "item_id")
