"""mitmproxy's flow files as recordings: one of each WebSocket, one of each Realtime request.

A file is one tnetstring a flow, one after another, as `mitmdump -w FILE` writes them. Since
mitmproxy 7 (format 12) a WebSocket's messages are in the flow of its handshake.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

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
    nanoseconds,
    others_left_out,
)
from rtproxy.convert.tnetstring import Node
from rtproxy.tape.record import FROM_SERVER, INJECTED, NOT_FORWARDED, Control, Event
from rtproxy.wire.body import decode_body

OLDEST = 12
MAX_BODY = 64 * 1024 * 1024
MAX_HEADERS = 1000
NO_CODE, ABNORMAL = 1005, 1006
"""What mitmproxy writes for a close frame without a code, and where there was none."""


def sources(data: memoryview) -> Iterator[Source | LeftOut]:
    """The recordings in a flow file, and what is none."""
    at, number, others = 0, 0, 0
    while at < len(data):
        number += 1
        flow = _Flow()
        what, error = "the rest of the file from", ""
        try:
            node = Node.at(data, at, len(data))
            at = node.after
            what = "" if node.whole else what
            flow.read(node)
        except ValueError as found:
            error = str(found)
            at = at if not what else len(data)
        source = flow.source(error)
        if source is not None:
            yield source
        elif error:
            yield LeftOut(f"{what} flow {number:,}, because {error}".strip())
        else:
            others += 1
    if others:
        yield others_left_out(others, "flow")


class _Flow:
    """A flow, as far as it could be read; of its messages only where they are."""

    def __init__(self) -> None:
        self.type: object = None
        self.version: object = None
        self.request: dict[str, Any] = {}
        self.response: dict[str, Any] = {}
        self.websocket: dict[str, Any] | None = None
        self.messages: Node | None = None
        self.error = ""

    def read(self, node: Node) -> None:
        """Raises ValueError where the flow is cut off; what came before is known then."""
        for key, value in node.members():
            match key:
                case "type":
                    self.type = value.text()
                case "version":
                    self.version = value.value()
                case "request":
                    _read_message(self.request, value)
                case "response":
                    _read_message(self.response, value)
                case "error":
                    found = dict(value.members())
                    self.error = found["msg"].text() if "msg" in found else ""
                case "websocket" if value.tag != "~":
                    self.websocket = {}
                    for name, inner in value.members():
                        if name == "messages":
                            self.messages = inner
                        else:
                            self.websocket[name] = inner.value()

    def source(self, cut: str) -> Source | LeftOut | None:
        """The recording in it; None for a flow of another kind.

        `cut` says why not all of the flow could be read; empty if it could.
        """
        if self.type != "http" and not (cut and self.websocket is not None):
            return None
        if not cut and not (isinstance(self.version, int) and self.version >= OLDEST):
            return LeftOut(
                f"a flow of format {str(self.version)[:SHOWN]}; "
                "open the file with a newer mitmproxy and save it again"
            )
        path = _word(self.request.get("path")) or "/"
        if self.websocket is None and not REALTIME_PATH.search(path.partition("?")[0]):
            return None
        fields = self._fields(path)
        if self.websocket is None:
            about = imported("mitmproxy")
            return Source({"connection": "http", **fields, **about}, self._exchange(cut))
        unknown: list[Unknowable] = ["pings"]
        if "close_code" not in self.websocket or self.websocket["close_code"] is None:
            unknown.append("close")
        if not self.request:
            unknown += ["handshake"]
        about = imported("mitmproxy", unknown=unknown)
        return Source({"connection": "websocket", **fields, **about}, self._parts(cut))

    def _fields(self, path: str) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if self.started_ns:
            fields["started_ns"] = self.started_ns
        if not self.request:
            return fields
        host, port = self.request.get("host"), self.request.get("port")
        scheme = "https" if _word(self.request.get("scheme")) == "https" else "http"
        usual = port in (None, 443 if scheme == "https" else 80)
        if isinstance(host, str) and host:
            bare = f"[{host}]" if ":" in host else host
            fields["upstream"] = f"{scheme}://{bare}{'' if usual else f':{port}'}"
        fields["request"] = {
            "method": _word(self.request.get("method")) or "GET",
            "target": path,
            "headers": self.request.get("headers", []),
        }
        status = self.response.get("status_code")
        if isinstance(status, int):
            fields["response"] = {"status": status, "headers": self.response.get("headers", [])}
        return fields

    @property
    def started_ns(self) -> int:
        return max(0, _ns(self.request.get("timestamp_start")))

    def _parts(self, cut: str) -> Iterator[Part]:
        """The messages and how the connection ended."""
        origin_ns, now_ns = self.started_ns, 0
        try:
            for number, node in enumerate(self.messages.children() if self.messages else ()):
                try:
                    event, sent_ns = _message(node)
                except ValueError as error:
                    if not node.whole:
                        raise
                    yield LeftOut(f"message {number + 1:,}: {error}")
                    continue
                origin_ns = origin_ns or sent_ns
                now_ns = max(now_ns, sent_ns - origin_ns)
                yield Event(0, now_ns, event.flags, event.payload)
        except ValueError as error:
            cut = cut or str(error)
        if cut:
            yield LeftOut(f"the rest of the flow, because {cut}")
        ended_ns = _ns((self.websocket or {}).get("timestamp_end"))
        end = self._end(max(now_ns, ended_ns - origin_ns))
        if end is not None:
            yield end

    def _end(self, t_ns: int) -> Control | None:
        said = self.websocket or {}
        code, reason = said.get("close_code"), said.get("close_reason")
        if not isinstance(code, int):
            return None
        flags = 0 if said.get("closed_by_client") else FROM_SERVER
        if code == ABNORMAL:
            error = {"error": self.error} if self.error else {}
            return Control(0, t_ns, flags, "reset" if error else "eof", error)
        data = {"code": None if code == NO_CODE else code, "reason": _word(reason)}
        return Control(0, t_ns, flags, "close", data)

    def _exchange(self, cut: str) -> Iterator[Part]:
        """The bodies of an HTTP request and its answer."""
        took_ns = max(0, _ns(self.response.get("timestamp_end")) - self.started_ns)
        for message, flags, t_ns in ((self.request, 0, 0), (self.response, FROM_SERVER, took_ns)):
            content = message.get("content")
            if not isinstance(content, bytes) or not content:
                continue
            encoding = _header(message, "content-encoding")
            body = decode_body(encoding, content, MAX_BODY + 1)
            if body is None or len(body) > MAX_BODY:
                how = "is too large" if body else f"is in content encoding {encoding[:SHOWN]!r}"
                yield LeftOut(f"a body of {len(content):,} bytes, which {how}")
            else:
                yield Event(0, t_ns, flags, _as_text(body))
        if not self.response:
            error = self.error or "there was no answer"
            yield Control(0, took_ns, FROM_SERVER, "reset", {"error": error})
        if cut:
            yield LeftOut(f"the rest of the flow, because {cut}")


def _read_message(found: dict[str, Any], node: Node) -> None:
    """The members of a request or a response."""
    for key, value in node.members():
        if key == "headers":
            lines = islice(value.children(), MAX_HEADERS)
            pairs = [[part.text() for part in islice(line.children(), 2)] for line in lines]
            found[key] = [pair for pair in pairs if len(pair) == 2]
        elif value.tag not in ("]", "}"):
            found[key] = value.value()


def _message(node: Node) -> tuple[Event, int]:
    """A WebSocket message, and when it was sent, in ns since 1970.

    It is [opcode, from the client?, content, seconds since 1970, dropped?, injected?].
    """
    said = [part.value() for part in islice(node.children(), 6)]
    if len(said) < 4:
        raise ValueError("it is no message of mitmproxy's")
    opcode, from_client, content, sent_s = said[:4]
    if opcode not in (TEXT, BINARY) or not isinstance(content, bytes):
        raise ValueError("it is neither text nor binary, or too large")
    flags = 0 if from_client else FROM_SERVER
    flags |= NOT_FORWARDED if said[4:5] == [True] else 0
    flags |= INJECTED if said[5:6] == [True] else 0
    try:
        payload = content.decode() if opcode == TEXT else content
    except UnicodeDecodeError:
        raise ValueError("its text is not UTF-8") from None
    return Event(0, 0, flags, payload), _ns(sent_s)


def _ns(seconds: object) -> int:
    """Seconds since 1970 as nanoseconds; 0 for what is no time."""
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return nanoseconds(seconds)
    return 0


def _header(message: Mapping[str, Any], name: str) -> str:
    return next((v for key, v in message.get("headers", []) if key.lower() == name), "")


def _word(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, str) else ""


def _as_text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
