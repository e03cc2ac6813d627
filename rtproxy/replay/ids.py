"""Ids that client and server exchange: where they stand, who made them, how two runs map.

An id is the client's if the first message on the tape that carries it is the client's. Such ids
differ between runs: the recorded one stands for the one that this run's client made, and what
the server echoes is rewritten to it. Ids of the server are replayed as recorded, so the client
must give them back unchanged. Item, response and call ids share one namespace; the event ids of
client and server are two others.

| a client's event carries | at |
|---|---|
| event id | event_id |
| other ids | item_id, previous_item_id, response_id, call_id, item.id, item.call_id, |
|           | item.approval_request_id, and id, call_id, approval_request_id of response.input[] |

| a server's event echoes | at |
|---|---|
| event id | error.event_id |
| other ids | id, item_id, previous_item_id, response_id, call_id, approval_request_id, |
|           | conversation_id, at any depth |
| metadata | response.metadata |
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rtproxy.realtime.dialect import canonical
from rtproxy.replay.message import parse_message
from rtproxy.replay.splice import replace_spans, value_span

Path = tuple[str | int, ...]

_PLACES = {
    ("event_id",): "event:",
    ("item_id",): "id:",
    ("previous_item_id",): "id:",
    ("response_id",): "id:",
    ("call_id",): "id:",
    ("item", "id"): "id:",
    ("item", "call_id"): "id:",
    ("item", "approval_request_id"): "id:",
    ("response", "input", 0, "id"): "id:",
    ("response", "input", 0, "call_id"): "id:",
    ("response", "input", 0, "approval_request_id"): "id:",
}
"""Path in a client's event (0 for any index) → namespace of the id there."""

_ECHO = re.compile(
    r'"(?:id|item_id|previous_item_id|response_id|call_id|approval_request_id|conversation_id)"'
    r'\s*:\s*("[^"\\]*")'
)
_AUDIO_DELTAS = {"response.output_audio.delta", "session.output_audio.delta"}
_ROOT = "id:root"  # previous_item_id "root" names a place, not an item


def namespace(path: Path) -> str | None:
    """Namespace of the id at `path` of a client's event ("event:" or "id:"); None if no id."""
    if path in _PLACES:
        return _PLACES[path]
    return _PLACES.get(tuple(0 if isinstance(step, int) else step for step in path))


def ids_in(event: Any) -> Iterator[tuple[Path, str]]:
    """Every id in a client's event: its path, and its name (namespace and id)."""
    for place, space in _PLACES.items():
        for path, value in _at(event, place, ()):
            if isinstance(value, str) and value:
                yield path, space + value


def _at(value: Any, place: Path, path: Path) -> Iterator[tuple[Path, Any]]:
    if not place:
        yield path, value
    elif isinstance(place[0], int):
        if isinstance(value, list):
            for index, inner in enumerate(value):
                yield from _at(inner, place[1:], (*path, index))
    elif isinstance(value, dict) and place[0] in value:
        yield from _at(value[place[0]], place[1:], (*path, place[0]))


@dataclass(frozen=True, slots=True)
class Echo:
    """A value in a server's text that comes from the client: text[start:end] is JSON for it."""

    start: int
    end: int
    name: str


@dataclass(slots=True)
class Origins:
    """Who made which id, learnt while a tape is read from its start."""

    clients: set[str] = field(default_factory=set)
    """Names of ids that the client made, or would have made (see `adopt`)."""
    servers: dict[str, int] = field(default_factory=dict)
    """Name of an id that the server made → index of the server's step that brought it."""
    adopted: dict[int, str] = field(default_factory=dict)
    """Index of a client's step that left an id to the server → name of the id it was given."""
    metadata: dict[str, int] = field(default_factory=dict)
    """Canonical JSON of metadata that the client sent → index of the first step with it."""
    _unnamed: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)

    def client(self, index: int, event: Any) -> int:
        """Note the ids of a client's step; return how many server steps it rests upon."""
        rests_on = 0
        for _, name in ids_in(event):
            if name in self.servers:
                rests_on = max(rests_on, self.servers[name] + 1)
            elif name != _ROOT:
                self.clients.add(name)
        if isinstance(event, dict):
            item = event.get("item")
            creates = event.get("type") == "conversation.item.create"
            if creates and isinstance(item, dict) and not item.get("id"):
                self._unnamed.append((index, item))
            response = event.get("response")
            if isinstance(response, dict) and response.get("metadata"):
                self.metadata.setdefault(_dump(response["metadata"]), index)
        return rests_on

    def server(self, index: int, kind: str, text: str) -> tuple[Echo, ...]:
        """Note the ids of a server's step; return the values in it that came from the client.

        Audio deltas are not looked at: they carry ids of the server's making only, known before.
        """
        kind = canonical(kind)
        if kind in _AUDIO_DELTAS:
            return ()
        if self._unnamed and kind == "conversation.item.added":
            self.adopt(text)
        echoes = []
        for found in _ECHO.finditer(text):
            name = "id:" + found[1][1:-1]
            if name in self.clients:
                echoes.append(Echo(*found.span(1), name))
            else:
                self.servers.setdefault(name, index)
        if kind == "error":
            echoes += self._error_echo(text)
        elif self.metadata and kind in ("response.created", "response.done"):
            echoes += self._metadata_echo(text)
        return tuple(sorted(echoes, key=lambda echo: echo.start))

    def adopt(self, text: str) -> None:
        """Take the id that the server gave to an item the client created without one.

        Should the client name that item itself in another run, its name comes back.
        """
        item = _load(text, "item")
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            return
        name = "id:" + item["id"]
        if name in self.servers or name in self.clients:
            return
        for place, (index, sent) in enumerate(self._unnamed):
            if all(sent.get(key) == item.get(key) for key in ("type", "role", "call_id")):
                del self._unnamed[place]
                self.adopted[index] = name
                self.clients.add(name)
                return

    def _error_echo(self, text: str) -> Iterator[Echo]:
        error = _load(text, "error")
        if isinstance(error, dict) and f"event:{error.get('event_id')}" in self.clients:
            span = value_span(text, ("error", "event_id"))
            if span:
                yield Echo(*span, f"event:{error['event_id']}")

    def _metadata_echo(self, text: str) -> Iterator[Echo]:
        response = _load(text, "response")
        if isinstance(response, dict) and response.get("metadata"):
            index = self.metadata.get(_dump(response["metadata"]))
            span = value_span(text, ("response", "metadata"))
            if index is not None and span:
                yield Echo(*span, f"metadata:{index}")


class IdMap:
    """What the recorded names stand for in this run."""

    __slots__ = ("_live", "_taken")

    def __init__(self) -> None:
        self._live: dict[str, str | None] = {}
        self._taken: set[str] = set()

    def live(self, name: str) -> str | None:
        """The live value that `name` was bound to; None if it was not, or to nothing."""
        return self._live.get(name)

    def is_bound(self, name: str) -> bool:
        return name in self._live

    def is_taken(self, space: str, live: str) -> bool:
        """True if some recorded id stands for this live id already."""
        return space + live in self._taken

    def bind(self, name: str, live: str | None) -> None:
        """From now on `name` stands for `live`."""
        self._live[name] = live
        if live is not None:
            self._taken.add(name.partition(":")[0] + ":" + live)

    def bind_metadata(self, index: int, metadata: Any) -> None:
        """From now on what echoes the metadata of client step `index` carries `metadata`."""
        self._live[f"metadata:{index}"] = json.dumps(metadata)

    def rewrite(self, text: str, echoes: tuple[Echo, ...]) -> str:
        """The server's text with live values where it echoes the client's."""
        spans = []
        for echo in echoes:
            if echo.name in self._live:
                live = self._live[echo.name]
                new = live if echo.name.startswith("metadata:") else json.dumps(live)
                if new is not None and new != text[echo.start : echo.end]:
                    spans.append((echo.start, echo.end, new))
        return replace_spans(text, spans) if spans else text


def _load(text: str, key: str) -> Any:
    event = parse_message(text)
    return event.get(key) if isinstance(event, dict) else None


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
