"""The JSON of events as the page shows it: audio left out, and no more of it than fits.

Bodies stand in blocks, one event a line, compressed; the page takes them apart when somebody looks.
"""

import re
from typing import Any

import orjson

from rtproxy.inspect.document import body
from rtproxy.inspect.entry import Entry
from rtproxy.realtime.event import RealtimeEvent
from rtproxy.view.embed import packed

PLAIN = 1_024
"""A payload of up to this many bytes is taken as it is."""
MAX_STRING = 16_000
MAX_BODY = 64_000
MAX_DEPTH = 24
MAX_ENTRIES = 2_000
"""Elements of an array or object that are taken."""
BLOCK = 500_000
"""Bytes of bodies that are compressed together."""
MAX_PIECES = 48_000_000
"""Bytes of the bodies of deltas, of which there are many and none says much."""
MAX_ALL = 96_000_000

OMITTED = "… {:,} characters of base64"
"""What stands where audio was."""

LONG = 256
"""Characters from which on base64 is left out."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


class Bodies:
    """Takes entries one by one; `blocks` are lines of JSON, packed."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.left_out = 0
        """Events whose body found no room."""
        self._open = bytearray()
        self._all = 0
        self._pieces = 0

    def add(self, entry: Entry) -> bool:
        """Take the next; False if there is no room for it."""
        piece = entry.event is not None and entry.event.delta_kind is not None
        if self._all >= MAX_ALL or (piece and self._pieces >= MAX_PIECES):
            self.left_out += 1
            return False
        body = body_of(entry)
        self._all += len(body)
        if piece:
            self._pieces += len(body)
        # Not kept one by one: each that orjson makes takes kilobytes, however short it is.
        self._open += body
        self._open += b"\n"
        if len(self._open) >= BLOCK:
            self.finish()
        return True

    def finish(self) -> None:
        """Close the block that is open."""
        if self._open:
            self.blocks.append(packed(bytes(memoryview(self._open)[:-1])))
            self._open = bytearray()


def body_of(entry: Entry) -> bytes:
    """The body of an event as one line of JSON; what is long is cut, and says so."""
    event = entry.event
    if event is not None and event.form == "object":
        if entry.size <= PLAIN and not event.audio:
            return orjson.dumps(body(entry))
        plainly = _without_audio(event)
        if plainly is not None:
            return plainly
        return _bounded(_short(event.data, 0), entry)
    plain = orjson.dumps(body(entry))
    return plain if len(plain) <= PLAIN else _bounded(_short(orjson.loads(plain), 0), entry)


def _without_audio(event: RealtimeEvent) -> bytes | None:
    """What is left of an event's own text without its audio; None where that is not so simple."""
    audio, payload = event.audio, event.record.payload
    if not audio or len(audio) < LONG or not isinstance(payload, str):
        return None
    if len(payload) - len(audio) > PLAIN:
        return None
    left = payload.replace(audio, OMITTED.format(len(audio)))
    if len(left) > PLAIN + len(OMITTED) * 4:  # its escapes make the audio another text there
        return None
    return left.replace("\n", " ").replace("\r", " ").encode("utf-8", "backslashreplace")


def _bounded(value: Any, entry: Entry) -> bytes:
    body = orjson.dumps(value)
    if len(body) <= MAX_BODY:
        return body
    return orjson.dumps({"type": entry.type, "…": f"{entry.size:,} bytes, too many to show here"})


def _short(value: Any, depth: int) -> Any:
    """A value with its long strings and its deep and long parts cut."""
    match value:
        case str():
            return _cut(value)
        case dict() | list() if depth >= MAX_DEPTH:
            return "… nested deeper"
        case dict():
            pairs = list(value.items())
            short = {_cut(str(key)): _short(inner, depth + 1) for key, inner in pairs[:MAX_ENTRIES]}
            if len(pairs) > MAX_ENTRIES:
                short["…"] = f"{len(pairs) - MAX_ENTRIES:,} more"
            return short
        case list():
            shown = [_short(inner, depth + 1) for inner in value[:MAX_ENTRIES]]
            if len(value) > MAX_ENTRIES:
                shown.append(f"… {len(value) - MAX_ENTRIES:,} more")
            return shown
        case int() if not -(2**63) <= value < 2**64:
            return float(value)
    return value


def _cut(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) >= LONG and _BASE64.fullmatch(text):
        return OMITTED.format(len(text))
    if len(text) <= MAX_STRING:
        return text
    return f"{text[:MAX_STRING]}… {len(text) - MAX_STRING:,} more characters"
