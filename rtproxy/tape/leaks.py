"""Looks for credentials on a tape: known values, keys by their shape, also inside base64."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from rtproxy.tape.encoded import from_base64, in_base64
from rtproxy.tape.record import Control, Event, Header, Record
from rtproxy.tape.redaction import Redactor

ENCODED = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
"""Text that may be base64; shorter hides no key."""
SHORTEST = 12
"""Characters of a known value that is looked for."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A credential that is on the tape. `seq` is None for the header; `what` does not quote it."""

    seq: int | None
    what: str


class Search:
    """Looks for `known` values, by name, and for whatever redaction would have taken out."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = {
            name: tuple(dict.fromkeys(_forms(value)))
            for name, value in known.items()
            if len(value) >= SHORTEST
        }

    def leaks(self, record: Record) -> Iterator[Leak]:
        """What is found in a record, each kind of thing once."""
        match record:
            case Header():
                yield from self._in_data(None, record.fields)
            case Event():
                yield from self._in_payload(record.seq, record.payload)
            case Control():
                yield from self._in_data(record.seq, record.data)

    def _in_data(self, seq: int | None, data: Mapping[str, Any]) -> Iterator[Leak]:
        if Redactor(b"").data(data)[1]:
            yield Leak(seq, "something with the shape or at the place of a credential")
        for text in _texts(data):
            yield from self._in_text(seq, text)

    def _in_payload(self, seq: int, payload: str | bytes) -> Iterator[Leak]:
        redactor = Redactor(b"")
        if isinstance(payload, bytes):
            if redactor.binary(payload)[1]:
                yield Leak(seq, "something with the shape of a credential, in a binary message")
            yield from self._in_text(seq, payload.decode("latin-1"))
            return
        if redactor.text(payload)[1]:
            yield Leak(seq, "something with the shape or at the place of a credential")
        yield from self._in_text(seq, payload)

    def _in_text(self, seq: int | None, text: str) -> Iterator[Leak]:
        """Known values as they stand, and everything inside base64."""
        for name, forms in self._known.items():
            if any(form in text for form in forms):
                yield Leak(seq, f"the value of {name}")
        for found in ENCODED.finditer(text):
            decoded = from_base64(found[0]).decode("latin-1")
            for name, forms in self._known.items():
                if forms[0] in decoded:
                    yield Leak(seq, f"the value of {name}, in base64")
            if _is_text(decoded) and Redactor(b"").text(decoded)[1]:
                yield Leak(seq, "something with the shape of a credential, in base64")


def leaks(records: Iterable[Record], known: Mapping[str, str]) -> Iterator[Leak]:
    """What credentials are on a tape; `known` are values to look for, by name. Never raises."""
    search = Search(known)
    for record in records:
        yield from dict.fromkeys(search.leaks(record))


def known_values(environment: Mapping[str, str]) -> dict[str, str]:
    """Values of environment variables whose names say that they are credentials."""
    return {
        name: value
        for name, value in environment.items()
        if re.search(r"(_|^)(API_?KEY|TOKEN|SECRET|PASSWORD|SECRET_KEY|ACCESS_KEY)$", name)
    }


def _forms(value: str) -> Sequence[str]:
    """A value as it may stand in a text: as it is, in a URL, in JSON, in base64."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("/", "\\/")
    return (value, quote(value, safe=""), escaped, *in_base64(value))


def _is_text(decoded: str) -> bool:
    return len(decoded) >= SHORTEST and decoded.isascii()


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, Mapping) and depth < 64:
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner, depth + 1)
    elif isinstance(value, list | tuple) and depth < 64:
        for inner in value:
            yield from _texts(inner, depth + 1)
