"""A tape made ready for another run: without what was redacted, and for another model if asked.

A placeholder is no credential: sent to a server it would only be refused, or taken for the real
thing. What stands for a secret as a whole is left out; within a longer text it stays.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rtproxy.replay.message import parse_message, type_of
from rtproxy.replay.splice import replace_spans, value_span
from rtproxy.tape.record import REDACTED, Event, Record

PLACEHOLDER = re.compile(r"REDACTED:[0-9a-f]{8}")
_SECRET = re.compile(rf"(?:\w+ )?{PLACEHOLDER.pattern}")
_UPDATES = ("session.update", "transcription_session.update")


def edit(records: Iterable[Record], model: str | None = None) -> tuple[list[Record], list[str]]:
    """The records for another run, and a sentence about each thing that was left out.

    `model` takes the place of one that a session.update names.
    """
    edited: list[Record] = []
    notes: list[str] = []
    for record in records:
        if isinstance(record, Event) and not record.from_server:
            record = _edit(record, model, notes)
        edited.append(record)
    return edited, notes


def _edit(event: Event, model: str | None, notes: list[str]) -> Event:
    text = event.payload
    if isinstance(text, bytes) or not (event.flags & REDACTED or model):
        return event
    value = parse_message(text)
    if event.flags & REDACTED and isinstance(value, dict):
        left_out: list[str] = []
        value = _without_secrets(value, "", left_out)
        if left_out:
            text = json.dumps(value, ensure_ascii=False)
            what = ", ".join(left_out)
            kind = type_of(value) or "a message"
            notes.append(f"{what} of {kind} (#{event.seq}) is redacted on the tape and left out.")
    if model and type_of(value) in _UPDATES:
        span = value_span(text, ("session", "model"))
        if span:
            text = replace_spans(text, [(*span, json.dumps(model))])
    return replace(event, payload=text)


def _without_secrets(value: Any, path: str, left_out: list[str]) -> Any:
    """The JSON value without members whose whole value is a placeholder; notes their paths."""
    if isinstance(value, list):
        return [_without_secrets(inner, f"{path}[{n}]", left_out) for n, inner in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, inner in value.items():
        place = f"{path}.{key}" if path else key
        if isinstance(inner, str) and _SECRET.fullmatch(inner):
            left_out.append(place)
        else:
            kept[key] = _without_secrets(inner, place, left_out)
    return kept
