"""A HAR as recordings: one of each WebSocket, and one of each request to a Realtime endpoint.

Chrome, Playwright and mitmproxy write a WebSocket's messages into `_webSocketMessages` of its
entry. The document is read member by member, so that one of any size takes little memory.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from rtproxy.convert.jsontext import Cursor, parse
from rtproxy.convert.log_line import moment
from rtproxy.convert.source import (
    BINARY,
    REALTIME_PATH,
    SHOWN,
    TEXT,
    LeftOut,
    Part,
    Source,
    Unknowable,
    imported,
    others_left_out,
)
from rtproxy.realtime.audio import decode_base64
from rtproxy.tape.record import FROM_SERVER, Control, Event

MESSAGES = "_webSocketMessages"
DIRECTIONS = {"send": 0, "receive": FROM_SERVER}

_EXACT = re.compile(rb"(\d{1,10})(?:\.(\d{1,9})\d*)?")


def sources(data: memoryview) -> Iterator[Source | LeftOut]:
    """The recordings in a HAR, and what is none."""
    program, others = None, 0
    cursor = Cursor(data)
    try:
        for key in cursor.members():
            if key != "log":
                continue
            for name in cursor.members():
                if name == "creator":
                    program = _program(_built(cursor))
                elif name == "entries":
                    for number in cursor.elements():
                        found = _Entry.read(cursor, number, program).source()
                        others += found is None
                        if found is not None:
                            yield found
    except _CutOffError as error:
        yield error.source
        if not error.told:
            yield LeftOut(f"the rest of the file, because {error}")
    except ValueError as error:
        yield LeftOut(f"the rest of the file, because {error}")
    if others:
        yield others_left_out(others, "request")


class _CutOffError(ValueError):
    """The document is cut off inside an entry; `source` is what there is of it.

    It is `told` among the source's parts, if it is in the middle of the messages.
    """

    def __init__(self, error: ValueError, source: Source | LeftOut, told: bool) -> None:
        super().__init__(str(error))
        self.source = source
        self.told = told


@dataclass(slots=True)
class _Entry:
    """One entry: its members, but of its messages only where they are."""

    number: int
    program: str | None
    data: bytes | memoryview
    members: dict[str, Any] = field(default_factory=dict)
    messages_at: int | None = None

    @classmethod
    def read(cls, cursor: Cursor, number: int, program: str | None) -> "_Entry":
        entry = cls(number, program, cursor.data)
        whole = False
        try:
            for key in cursor.members():
                if key == MESSAGES:
                    entry.messages_at = cursor.at
                    cursor.skip()
                    whole = True
                elif key in ("request", "response"):
                    entry.members[key] = _exchanged(cursor)
                elif key in ("startedDateTime", "time", "_resourceType", "_timesUnknown"):
                    entry.members[key] = _built(cursor)
        except ValueError as error:
            source = entry.source() if entry.messages_at is not None else None
            if source is None:
                raise
            raise _CutOffError(error, source, not whole) from None
        return entry

    def source(self) -> Source | LeftOut | None:
        """The recording in it; None for a request that is none."""
        request, response = _map(self.members.get("request")), _map(self.members.get("response"))
        url = request.get("url")
        url = url if isinstance(url, str) else ""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        websocket = (
            parts.scheme in ("ws", "wss") or self.members.get("_resourceType") == "websocket"
        )
        ours, refused = bool(REALTIME_PATH.search(parts.path)), _refused(response)
        if self.messages_at is None:
            if (websocket and refused is None) or response.get("status") == 101:
                where = f"{parts.hostname or ''}{parts.path}"[:SHOWN]  # a query may hold a key
                return LeftOut(f"the messages of {where}, which are not in the file", lost=ours)
            if not ours:
                return None
        scheme = "https" if parts.scheme in ("wss", "https") else "http"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields: dict[str, Any] = {}
        started = moment(self.members.get("startedDateTime"))
        if started is not None and started[1] and started[0] > 0:
            fields["started_ns"] = started[0]
        if parts.netloc:
            fields["upstream"] = f"{scheme}://{parts.netloc}"
        method = request.get("method")
        fields["request"] = {
            "method": method if isinstance(method, str) else "GET",
            "target": target,
            "headers": _headers(request),
        }
        status = response.get("status")
        if type(status) is int and status > 0:
            fields["response"] = {"status": status, "headers": _headers(response)}
        if self.messages_at is None and not websocket:
            about = imported("har", program=self.program)
            exchange = self._exchange(request, response)
            return Source({"connection": "http", **fields, **about}, exchange)
        reading = _Messages(self.data, self.messages_at, fields.get("started_ns", 0))
        unknown: list[Unknowable] = ["pings", "close"]
        if not fields["request"]["headers"] and "response" not in fields:
            unknown.append("handshake")
        if self.members.get("_timesUnknown") is True or not reading.timed():
            unknown.append("times")
        about = imported("har", program=self.program, unknown=unknown)
        return Source({"connection": "websocket", **fields, **about}, reading.parts(refused))

    def _exchange(self, request: Mapping[str, Any], response: Mapping[str, Any]) -> Iterator[Part]:
        """The bodies of an HTTP request and its answer."""
        took = self.members.get("time")
        t_ns = round(took * 1e6) if isinstance(took, int | float) and 0 <= took < 1e12 else 0
        for holder, key, flags, at in (
            (request, "postData", 0, 0),
            (response, "content", FROM_SERVER, t_ns),
        ):
            body = _map(holder.get(key))
            text = body.get("text")
            if not isinstance(text, str) or not text:
                continue
            if "base64" not in (body.get("encoding"), body.get("_encoding")):
                yield Event(0, at, flags, text)
                continue
            try:
                yield Event(0, at, flags, _as_text(decode_base64(text)))
            except ValueError:
                yield LeftOut(f"a body of entry {self.number:,}, which is no base64")
        if not _headers(response) and not response.get("status"):
            reason = response.get("_error")
            error = reason if isinstance(reason, str) else "there was no answer"
            yield Control(0, t_ns, FROM_SERVER, "reset", {"error": error})


@dataclass(slots=True)
class _Messages:
    """The messages of an entry; they begin at byte `at`, or there are none."""

    data: bytes | memoryview
    at: int | None
    origin_ns: int
    now_ns: int = 0

    @property
    def _start(self) -> tuple[bytes | memoryview, int]:
        return (b"[]", 0) if self.at is None else (self.data, self.at)

    def timed(self) -> bool:
        """Whether the first message, and so each, has a time."""
        cursor = Cursor(*self._start)
        try:
            for _ in cursor.elements():
                return any(key == "time" and cursor.peek() != ord("n") for key in cursor.members())
        except ValueError:
            pass
        return True

    def parts(self, refused: Control | None) -> Iterator[Part]:
        cursor = Cursor(*self._start)
        try:
            for number in cursor.elements():
                members = {key: cursor.take() for key in cursor.members()}
                try:
                    yield self._part(members)
                except ValueError as error:
                    yield LeftOut(f"message {number + 1:,}: {error}")
        except ValueError as error:
            yield LeftOut(f"the rest of the file, because {error}")
        if refused is not None:
            yield refused

    def _part(self, members: Mapping[str, memoryview | bytes]) -> Part:
        t_ns = self._time(members.get("time"))
        way, data = _scalar(members, "type"), _scalar(members, "data")
        if way == "error":
            reason = data if isinstance(data, str) else ""
            return Control(0, t_ns, FROM_SERVER, "protocol_error", {"reason": reason})
        if way not in DIRECTIONS:
            raise ValueError('its "type" is neither "send" nor "receive"')
        if not isinstance(data, str):
            raise ValueError('it has no "data"')
        opcode = _scalar(members, "opcode")
        if opcode not in (TEXT, BINARY, None):
            raise ValueError("its opcode is that of no message")
        payload = decode_base64(data) if opcode == BINARY else data
        return Event(0, t_ns, DIRECTIONS[way], payload)

    def _time(self, raw: memoryview | bytes | None) -> int:
        if raw is not None:
            exact = _EXACT.fullmatch(raw)
            if exact is not None:
                ns = int(exact[1]) * 10**9 + int((exact[2] or b"").ljust(9, b"0"))
            else:
                found = moment(parse(raw)) if raw[0] not in b"{[" else None
                ns = found[0] if found is not None else 0
            self.now_ns = max(self.now_ns, ns - self.origin_ns)
        return self.now_ns


def _exchanged(cursor: Cursor) -> dict[str, Any]:
    """A request or response; its body may be long, all else is short."""
    found: dict[str, Any] = {}
    for key in cursor.members():
        if key in ("content", "postData"):
            found[key] = {inner: _built(cursor) for inner in cursor.members()}
        elif key in ("method", "url", "headers", "status", "_error"):
            found[key] = _built(cursor)
    return found


def _built(cursor: Cursor) -> Any:
    """The value at the cursor; None for one that cannot be built."""
    raw = cursor.take()
    try:
        return parse(raw)
    except ValueError:
        return None


def _scalar(members: Mapping[str, memoryview | bytes], key: str) -> Any:
    raw = members.get(key)
    return None if raw is None or raw[0] in b"{[" else parse(raw)


def _refused(response: Mapping[str, Any]) -> Control | None:
    """What stands on a tape for an upgrade that was answered with something other than 101."""
    status = response.get("status")
    if type(status) is not int or not 200 <= status <= 599:
        return None
    content = _map(response.get("content"))
    body: Any = content.get("text")
    data: dict[str, Any] = {"status": status}
    if isinstance(body, str):
        if content.get("encoding") == "base64":
            with suppress(ValueError):
                body = decode_base64(body)
        data["body"] = body
    return Control(0, 0, FROM_SERVER, "refused", data)


def _headers(message: Mapping[str, Any]) -> list[list[str]]:
    """Header lines as [name, value]; without those that HTTP/2 made up, such as :method."""
    lines = message.get("headers")
    return [
        [line["name"], line["value"]]
        for line in (lines if isinstance(lines, list) else [])
        if isinstance(line, dict)
        and isinstance(line.get("name"), str)
        and isinstance(line.get("value"), str)
        and not line["name"].startswith(":")
    ]


def _program(creator: Any) -> str | None:
    found = _map(creator)
    words = [found.get("name"), found.get("version")]
    return " ".join(word for word in words if isinstance(word, str)) or None


def _as_text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
