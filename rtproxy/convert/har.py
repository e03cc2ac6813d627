"""Tapes as HAR 1.2, the HTTP Archive, with WebSocket messages as Chrome DevTools has them.

    {"log": {"version": "1.2", "creator": {…}, "pages": [], "entries": [
        {"startedDateTime": …, "time": …, "request": {…}, "response": {…}, "cache": {},
         "timings": {…}, "_resourceType": "websocket", "_webSocketMessages": [
            {"type": "send", "time": 1795264461.6973, "opcode": 1, "data": …}]}]}}

An entry is what the client has seen of its connection. `time` is in seconds since 1970, binary
messages (opcode 2) are base64. HAR has no place for pings, for the end of a connection, and for
what the proxy kept back. See http://www.softwareishard.com/blog/har-12-spec/.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from rtproxy.convert.jsonl import seconds
from rtproxy.tape.codec import plain
from rtproxy.tape.dump import json_line
from rtproxy.tape.record import INJECTED, NOT_FORWARDED, Control, Event, Header, Record

MAX_BODY = 64 * 1024 * 1024
"""Of an HTTP body this many bytes go into an entry; a recording keeps half of it."""
NOWHERE = "unknown.invalid"
"""Stands for a host that the tape does not know (RFC 2606 §2)."""

_URL = re.compile(r"(?:http|ws)(s?)://[^/?#]+", re.IGNORECASE)
_TIMINGS = {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1}


def document(version: str, entries: Iterable[Iterator[str]]) -> Iterator[str]:
    """A whole HAR, piece by piece; `version` is the program's that wrote it."""
    creator = json_line({"name": "rtproxy", "version": version})
    yield f'{{"log":{{"version":"1.2","creator":{creator},"pages":[],"entries":['
    separator = "\n"
    for entry in entries:
        yield separator
        yield from entry
        separator = ",\n"
    yield "\n]}}\n"


def entry(header: Header, records: Iterable[Record], duration_ns: int) -> Iterator[str]:
    """The entry of one tape, in pieces, on one line but for one line a WebSocket message."""
    if header.connection == "http":
        return _http_entry(header, records, duration_ns)
    return _websocket_entry(header, records, duration_ns)


def _websocket_entry(header: Header, records: Iterable[Record], duration_ns: int) -> Iterator[str]:
    said = _response(header)
    started_ns = header.started_ns or 0
    base_ns = started_ns - started_ns % 1000  # the start is told to the microsecond
    yield json_line({**_head(header, duration_ns), "_resourceType": "websocket"})[:-1]
    yield ',"_webSocketMessages":['
    separator = "\n"
    for record in records:
        if isinstance(record, Event) and _seen(record):
            yield separator + json_line(_message(record, base_ns))
            separator = ",\n"
        elif isinstance(record, Control) and record.name == "refused":
            said = _refused(said, record)
    yield f'],"response":{json_line(said)}}}'


def _http_entry(header: Header, records: Iterable[Record], duration_ns: int) -> Iterator[str]:
    bodies = {False: _Body(), True: _Body()}
    said = _response(header)
    for record in records:
        if isinstance(record, Event):
            bodies[record.from_server].add(record.payload)
        elif isinstance(record, Control) and record.name == "refused":
            said = _refused(said, record)
    sent, received = bodies[False], bodies[True]
    if received.size:
        said["content"] = received.content(said["content"]["mimeType"])
        said["bodySize"] = received.size
    whole = _head(header, duration_ns)
    if sent.size:
        mime = _header(_map(header.fields.get("request")), "content-type")
        whole["request"]["postData"] = sent.post_data(mime)
        whole["request"]["bodySize"] = sent.size
    yield json_line({**whole, "_resourceType": "fetch", "response": said})


def _head(header: Header, duration_ns: int) -> dict[str, Any]:
    """What both kinds of entry begin with."""
    duration_ms = max(0, duration_ns) / 1e6
    found: dict[str, Any] = {
        "startedDateTime": _moment(header.started_ns or 0),
        "time": duration_ms,
        "request": _request(header),
        "cache": {},
        "timings": {**_TIMINGS, "send": 0, "wait": 0, "receive": duration_ms},
    }
    if header.fields.get("times") is False:
        found["comment"] = "The times in it mean nothing: those of the session are not known."
        found["_timesUnknown"] = True
    elif header.started_ns is None:
        found["comment"] = "The date means nothing: when the session began is not known."
    return found


def _request(header: Header) -> dict[str, Any]:
    request = _map(header.fields.get("request"))
    url = url_of(header)
    return {
        "method": _text(request.get("method")) or "GET",
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(request),
        "queryString": [{"name": name, "value": value} for name, value in _query(url)],
        "headersSize": -1,
        "bodySize": 0,
    }


def url_of(header: Header) -> str:
    """Where the proxy took the request: the upstream's address, with the request's target."""
    request = _map(header.fields.get("request"))
    target = _text(request.get("target")) or "/"
    websocket = header.connection != "http"
    if whole := _URL.match(target):
        base, target = whole[0], target[whole.end() :]
    else:
        base = _text(header.fields.get("upstream")) or ""
        base = base if _URL.match(base) else f"http://{_header(request, 'host')}"
    found = _URL.match(base)
    scheme = ("ws" if websocket else "http") + (found[1].lower() if found else "")
    host = found[0].partition("://")[2] if found else NOWHERE
    prefix = base[found.end() :].rstrip("/") if found else ""
    if target[:1] not in ("/", "?"):
        target = f"/{target}"
    if not f"{target.partition('?')[0]}/".startswith(f"{prefix}/"):
        target = prefix + target
    return f"{scheme}://{host}{target}"


def _response(header: Header) -> dict[str, Any]:
    response = _map(header.fields.get("response"))
    status = response.get("status")
    status = status if type(status) is int and 0 <= status <= 999 else 0
    return {
        "status": status,
        "statusText": _phrase(status),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(response),
        "content": {"size": 0, "mimeType": _header(response, "content-type") or "x-unknown"},
        "redirectURL": _header(response, "location"),
        "headersSize": -1,
        "bodySize": -1,
    }


def _refused(response: dict[str, Any], record: Control) -> dict[str, Any]:
    """The response with what a refused handshake was answered."""
    status = record.data.get("status")
    if type(status) is int and 100 <= status <= 999:
        response |= {"status": status, "statusText": _phrase(status)}
    body = _Body()
    said = record.data.get("body")
    if isinstance(said, bytes):
        with suppress(UnicodeDecodeError):
            said = said.decode()
    if isinstance(said, str | bytes):
        body.add(said)
        return {**response, "content": body.content(response["content"]["mimeType"])}
    return response


def _message(event: Event, base_ns: int) -> dict[str, Any]:
    payload = event.payload
    binary = isinstance(payload, bytes)
    return {
        "type": "receive" if event.from_server else "send",
        "time": seconds(base_ns + event.t_ns),
        "opcode": 2 if binary else 1,
        "data": b64encode(payload).decode() if isinstance(payload, bytes) else payload,
    }


def _seen(event: Event) -> bool:
    """Whether the client has had a part in a message."""
    return not event.flags & (NOT_FORWARDED if event.from_server else INJECTED)


class _Body:
    """An HTTP body, put together from a tape's events."""

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []
        self._kept = 0
        self._text = True

    def add(self, payload: str | bytes) -> None:
        data = payload.encode("utf-8", "replace") if isinstance(payload, str) else payload
        self._text = self._text and isinstance(payload, str)
        self.size += len(data)
        if self._kept < MAX_BODY:
            self._parts.append(data[: MAX_BODY - self._kept])
            self._kept += len(self._parts[-1])

    def content(self, mime: str) -> dict[str, Any]:
        """As a response has it: text where it is text, else base64."""
        return {"size": self.size, "mimeType": mime, **self._said("encoding")}

    def post_data(self, mime: str) -> dict[str, Any]:
        """As a request has it, for which HAR knows text alone."""
        return {"mimeType": mime, **self._said("_encoding")}

    def _said(self, encoding: str) -> dict[str, str]:
        data = b"".join(self._parts)
        if self._text:
            found = {"text": data.decode("utf-8", "replace")}
        else:
            found = {"text": b64encode(data).decode(), encoding: "base64"}
        if self._kept < self.size:
            found["comment"] = f"The first {self._kept:,} bytes; the body is longer."
        return found


def _moment(ns: int) -> str:
    """ISO 8601 in UTC, to the microsecond."""
    kept = max(0, min(ns, 1 << 63)) // 1000
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=kept)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _headers(message: Mapping[str, Any]) -> list[dict[str, str]]:
    lines = message.get("headers")
    return [
        {"name": pair[0], "value": pair[1]}
        for pair in (lines if isinstance(lines, list) else [])
        if isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], str)
    ]


def _header(message: Mapping[str, Any], name: str) -> str:
    return next((h["value"] for h in _headers(message) if h["name"].lower() == name), "")


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _map(value: Any) -> Mapping[str, Any]:
    found = plain(value)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
