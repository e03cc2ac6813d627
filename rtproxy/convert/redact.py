"""Takes what must not be shared out of a recorded session, message by message.

Text by patterns, wherever it stands and also where it is spread over several deltas; members by
JSON paths; the words of both sides; and audio, which becomes silence or noise of the same length.
What is not touched stays byte for byte.
"""

import json
import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import orjson

from rtproxy.realtime.audio import AudioFormat, decode_base64
from rtproxy.realtime.event import DELTAS, RealtimeEvent, parse
from rtproxy.realtime.formats import AudioFormats
from rtproxy.realtime.jsonpath import PathPattern
from rtproxy.tape.record import REDACTED, Control, Event, Record
from rtproxy.tape.redaction import Redactor

Sound = Literal["silence", "noise"]
Side = Literal["caller", "assistant", "both"]

NOISE_DB = -50.0
"""Of what stands for audio, in dBFS: there is something to hear, and nothing to understand."""
HIDDEN = "[redacted]"
WORDS = {"text", "transcript", "input_transcript"}
PIECES = {
    "text": "text",
    "transcript": "transcript",
    "input_transcript": "transcript",
    "arguments": "arguments",
}
"""What deltas carry pieces of → the member that holds the whole."""
WORD_KEYS = {"transcript", "text"}
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """What to take out."""

    patterns: Sequence[re.Pattern[str]] = ()
    paths: Sequence[PathPattern] = ()
    words: bool = False
    sound: Sound | None = None
    side: Side = "both"


class Censor:
    """Applies a plan to the records of one tape: `study` them all first, then `edit` each."""

    def __init__(self, plan: Plan, key: bytes) -> None:
        self.changed = 0
        self._plan = plan
        self._redactor = Redactor(key, plan.patterns)
        self._formats = AudioFormats()
        self._noise = np.random.default_rng(int.from_bytes(key, "big"))
        self._deltas: dict[int, str] = {}
        self._told: set[tuple[object, ...]] = set()

    def study(self, records: Iterable[Record]) -> None:
        """Find what is spread over several deltas: their text is searched as a whole."""
        if not self._plan.patterns:
            return
        runs: dict[tuple[object, ...], list[tuple[int, str]]] = defaultdict(list)
        for record in records:
            if isinstance(record, Event):
                event = parse(record)
                if DELTAS.get(event.name) in WORDS | {"arguments"}:
                    runs[_thing(event)].append((event.seq, event.text))
        for pieces in runs.values():
            self._spread(pieces)

    def header(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The header's map without what the patterns find."""
        return self._redactor.data(fields)[0] if self._plan.patterns else dict(fields)

    def edit(self, record: Record) -> Record:
        """The record without what is to be taken out; the same object where nothing is."""
        made = record
        if isinstance(record, Event):
            made = self._event(record)
        elif isinstance(record, Control) and self._plan.patterns:
            data, changed = self._redactor.data(record.data)
            made = replace(record, data=data, flags=record.flags | REDACTED) if changed else record
        self.changed += made is not record
        return made

    def _spread(self, pieces: list[tuple[int, str]]) -> None:
        """Replace each match in a run of deltas: its first delta says so, the others lose it."""
        whole = "".join(text for _, text in pieces)
        spans = sorted(
            match.span(1 if pattern.groups else 0)
            for pattern in self._plan.patterns
            for match in pattern.finditer(whole)
            if match[1 if pattern.groups else 0]
        )
        if not spans:
            return
        at = 0
        for seq, text in pieces:
            end, kept, done = at + len(text), [], at
            for start, stop in spans:
                if stop <= done or start >= end:
                    continue
                kept.append(text[done - at : max(start, done) - at])
                if start >= at:
                    kept.append(self._redactor.placeholder(whole[start:stop]))
                done = min(stop, end)
            if done > at:
                self._deltas[seq] = "".join([*kept, text[done - at :]])
            at = end

    def _event(self, record: Event) -> Event:
        event = parse(record)
        self._formats.observe(event)
        payload = record.payload
        if isinstance(payload, bytes):
            made: str | bytes = self._binary(payload, event)
        elif event.form != "object":
            made = HIDDEN if self._plan.words else self._text(payload)
        else:
            made = self._text(self._object(payload, event))
        if made == payload:
            return record
        return replace(record, payload=made, flags=record.flags | REDACTED)

    def _text(self, payload: str) -> str:
        return self._redactor.text(payload)[0] if self._plan.patterns else payload

    def _binary(self, payload: bytes, event: RealtimeEvent) -> bytes:
        if self._plan.sound is not None and self._is_on_side(event.from_server):
            return bytes(len(payload))  # nobody knows its format
        return self._redactor.binary(payload)[0] if self._plan.patterns else payload

    def _object(self, payload: str, event: RealtimeEvent) -> str:
        data = dict(event.data)
        before = _dump(data)
        if event.seq in self._deltas:
            data["delta"] = self._deltas[event.seq]
        if self._hides_pieces(event):
            thing = _thing(event)
            data["delta"] = "" if thing in self._told else HIDDEN
            self._told.add(thing)
        if self._plan.words:
            data = _hidden(data)
        if self._plan.sound is not None:
            data = self._without_audio(data, event)
        if self._plan.paths:
            data = self._without_paths(data, ())
        after = _dump(data)
        return payload if after == before else after

    def _hides_pieces(self, event: RealtimeEvent) -> bool:
        """Whether an event carries a piece of what is to be taken out as a whole."""
        kind = DELTAS.get(event.name)
        if kind not in PIECES or not isinstance(event.data.get("delta"), str):
            return False
        if self._plan.words and kind in WORDS:
            return True
        return any(pattern.covers((PIECES[kind],)) for pattern in self._plan.paths)

    def _without_audio(self, data: dict[str, Any], event: RealtimeEvent) -> dict[str, Any]:
        audio = event.audio
        if audio is not None and self._is_on_side(event.from_server):
            key = "delta" if data.get("delta") == audio else "audio"
            data[key] = self._quiet(audio, self._formats.of(event))
        if isinstance(item := data.get("item"), dict):
            data["item"] = self._quiet_item(item)
        response = data.get("response")
        if isinstance(response, dict) and isinstance(output := response.get("output"), list):
            made = [self._quiet_item(i) if isinstance(i, dict) else i for i in output]
            data["response"] = response | {"output": made}
        return data

    def _quiet_item(self, item: dict[str, Any]) -> dict[str, Any]:
        """An item whose parts may hold audio; the caller's has the role of a user."""
        parts = item.get("content")
        if not isinstance(parts, list) or not self._is_on_side(item.get("role") != "user"):
            return item
        audio = self._formats.input if item.get("role") == "user" else self._formats.output
        made = [
            part | {"audio": self._quiet(part["audio"], audio)}
            if isinstance(part, dict) and isinstance(part.get("audio"), str)
            else part
            for part in parts
        ]
        return item | {"content": made}

    def _is_on_side(self, from_server: bool) -> bool:
        return self._plan.side in ("both", "assistant" if from_server else "caller")

    def _quiet(self, encoded: str, audio: AudioFormat) -> str:
        """As many bytes of silence or noise; what is no base64 goes."""
        try:
            size = len(decode_base64(encoded))
        except ValueError:
            return ""
        samples = np.zeros(size, dtype=np.float64)
        if self._plan.sound == "noise":
            samples = self._noise.normal(0.0, 32768 * 10 ** (NOISE_DB / 20), size)
        return b64encode(audio.encode(samples.astype(np.int16))[:size].ljust(size, b"\0")).decode()

    def _without_paths(self, value: Any, path: tuple[str | int, ...]) -> Any:
        """The value with a placeholder for what the paths name."""
        if path and any(pattern.covers(path) for pattern in self._plan.paths):
            said = value if isinstance(value, str) else _dump(value)
            return value if value is None else self._redactor.placeholder(said)
        if len(path) > MAX_DEPTH:
            return value
        if isinstance(value, dict):
            return {key: self._without_paths(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._without_paths(inner, (*path, n)) for n, inner in enumerate(value)]
        return value


def _dump(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # half a surrogate pair, or a number beyond 64 bits
        return json.dumps(value, separators=(",", ":"))


def _thing(event: RealtimeEvent) -> tuple[object, ...]:
    """What a delta is a piece of."""
    index = event.data.get("content_index")
    part = index if isinstance(index, int) else None
    return DELTAS.get(event.name), event.response_id, event.item_id, part


def _hidden(data: dict[str, Any]) -> dict[str, Any]:
    """An event without what is said in it, at any depth."""
    return {key: _hidden_member(key, value) for key, value in data.items()}


def _hidden_member(key: str, value: Any, depth: int = 0) -> Any:
    if key == "logprobs":  # they name the words
        return None
    if key in WORD_KEYS and isinstance(value, str):
        return value and HIDDEN
    if depth < MAX_DEPTH and isinstance(value, dict):
        return {name: _hidden_member(name, inner, depth + 1) for name, inner in value.items()}
    if depth < MAX_DEPTH and isinstance(value, list):
        return [_hidden_member("", one, depth + 1) for one in value]
    return value
