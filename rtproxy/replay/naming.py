"""Names for what a server makes, the same in every run: the third item spoken, the first call.

Two runs of one session give the same things other ids. What stays is their part in the session,
and that is what a name tells. With the names of both runs a recorded id leads to the live one.

| name | for |
|---|---|
| `response#2` | the second response |
| `response#2/message#1` | the first message in it (likewise function_call, mcp_call, …) |
| `call:get_weather#1` | the first call of that function in the session |
| `spoken#3` | the third item that came from the caller's audio |
| `item:message:user#1` | the first such item that the client created without an id |
| `session`, `conversation` | those |

The same pass finds the moments that a client waits for, such as `response.done response#2`.
"""

import re
from collections import Counter
from typing import Any

from rtproxy.realtime.dialect import canonical
from rtproxy.replay.message import parse_message

SPEAKING = "response.speaking"
"""The moment of a response's first text or audio. A transcript is not heard and does not count."""
AUDIO_WAITS = frozenset({"session.created", "session.updated", SPEAKING, "response.done"})
"""Moments that the caller's audio waits for. What is heard in it comes when it comes."""

_NTH = frozenset({
    "session.created",
    "session.updated",
    "input_audio_buffer.committed",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "conversation.item.retrieved",
})  # fmt: skip
"""Moments that are told apart by counting.

What only acknowledges, such as conversation.item.truncated, is waited for by nobody.
"""
_NAMED = frozenset({
    "conversation.created",
    "conversation.item.added",
    "response.created",
    "response.done",
    "response.output_item.added",
    "response.function_call_arguments.done",
})  # fmt: skip
_DELTAS = frozenset({"response.output_text.delta", "response.output_audio.delta"})
_RESPONSE_ID = re.compile(r'"response_id"\s*:\s*"([^"\\]*)"')


class Namer:
    """Names the ids of one run as its server messages come. `own` are ids that the client made."""

    def __init__(self, own: frozenset[str] = frozenset()) -> None:
        self.name_of: dict[str, str] = {}
        self.id_of: dict[str, str] = {}
        self._own = own
        self._counts: Counter[str] = Counter()
        self._speaking: set[str] = set()

    def take(self, kind: str, text: str) -> str | None:
        """Learn from a server's message; return the moment that it is, if a client waits for it."""
        kind = canonical(kind)
        if kind in _DELTAS:
            return self._delta(text)
        if kind not in _NTH and kind not in _NAMED:
            return None
        event = _object(text)
        if kind in _NTH:
            self._counts[kind] += 1
            item_id = event.get("item_id")
            if kind in ("input_audio_buffer.speech_started", "input_audio_buffer.committed"):
                self._name(item_id, "spoken")
            self._fix(_object(event.get("session")).get("id"), "session")
            return f"{kind} #{self._counts[kind]}"
        return self._named(kind, event)

    def _named(self, kind: str, event: dict[str, Any]) -> str | None:
        item, response = _object(event.get("item")), _object(event.get("response"))
        match kind:
            case "conversation.created":
                self._fix(_object(event.get("conversation")).get("id"), "conversation")
            case "response.created" | "response.done":
                return f"{kind} {self._name(response.get('id'), 'response')}"
            case "response.output_item.added":
                within = self.name_of.get(str(event.get("response_id")), "response")
                self._name(item.get("id"), f"{within}/{item.get('type')}")
                if item.get("call_id"):
                    self._name(item["call_id"], f"call:{item.get('name')}")
            case "response.function_call_arguments.done":
                name = self._name(event.get("call_id"), f"call:{event.get('name')}")
                return f"{kind} {name}"
            case "conversation.item.added" if not _is_answer(item):
                item_id = str(item.get("id"))
                if item_id in self._own:
                    return f"{kind} {item_id}"
                if item_id not in self.name_of:
                    stem = f"item:{item.get('type')}:{item.get('role')}"
                    return f"{kind} {self._name(item_id, stem)}"
        return None

    def _delta(self, text: str) -> str | None:
        found = _RESPONSE_ID.search(text)
        if found is None or found[1] in self._speaking:
            return None
        self._speaking.add(found[1])
        return f"{SPEAKING} {self._name(found[1], 'response')}"

    def _name(self, new: object, stem: str) -> str:
        """The name of an id; the next of its kind if it has none yet."""
        if not isinstance(new, str):
            return stem
        if new not in self.name_of:
            self._counts[stem] += 1
            self._fix(new, f"{stem}#{self._counts[stem]}")
        return self.name_of[new]

    def _fix(self, new: object, name: str) -> None:
        if isinstance(new, str) and new not in self.name_of:
            self.name_of[new] = name
            self.id_of[name] = new


def _is_answer(item: dict[str, Any]) -> bool:
    """True for an item of a response, which response.output_item.added names."""
    kind = item.get("type")
    return item.get("role") == "assistant" or kind == "function_call" or str(kind).startswith("mcp")


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = parse_message(value)
    return value if isinstance(value, dict) else {}
