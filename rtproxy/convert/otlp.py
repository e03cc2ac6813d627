"""A call as OpenTelemetry spans: conversation → turn → response → tool.

Attributes have the names of the GenAI semantic conventions where there are such, and begin with
`rtproxy.` where not. docs/export.md has the whole mapping; VERSION counts its changes. What was
said is left out unless `content` is asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from rtproxy import __version__
from rtproxy.convert.span import Span, conversation
from rtproxy.realtime.finding import Finding
from rtproxy.realtime.response import Response, token_counts
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn
from rtproxy.tape.escape import visible

VERSION = 1
"""Of the mapping: raised when a name changes or goes."""
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
INTERNAL, CLIENT = 1, 3
OK, ERROR = 1, 2
LONGEST = 64 * 1024
"""Characters of a text in an attribute."""

Value = str | int | float | bool | list[str]
Attributes = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of a span."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(slots=True)
class OtelSpan:
    """A span as OTLP has it. Ids are hex, times ns since 1970, kind and status its enums."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    kind: int
    start_ns: int
    end_ns: int
    attributes: Attributes = field(default_factory=dict)
    events: list[Happening] = field(default_factory=list)
    status: int = 0
    status_message: str = ""


class Mapper:
    """Makes the spans of one session; the same tape gives the same ids every time."""

    def __init__(self, session: Session, *, content: bool = False) -> None:
        self._session = session
        self._content = content
        header = session.header
        started = header.fields.get("started_ns") if header is not None else None
        self.started_ns = started if isinstance(started, int) and 0 < started < 1 << 62 else None
        self._id = (header.id if header is not None else None) or session.id or "rtproxy"
        self._trace_id = sha256(f"{self._id}".encode("utf-8", "replace")).hexdigest()[:32]
        self._common = _kept({
            "gen_ai.provider.name": _provider(session),
            "gen_ai.request.model": session.model,
            "gen_ai.conversation.id": session.id,
            **_address(session),
        })  # fmt: skip

    def spans(self) -> Iterator[OtelSpan]:
        """The conversation first, then each turn with its responses and their tools."""
        tree = conversation(self._session)
        root = self._span("realtime", None, tree, INTERNAL)
        root.name = f"realtime {_text(self._session.model)}".strip()
        root.attributes |= self._common | self._of_session()
        yield root
        turns: dict[int, OtelSpan] = {}
        for span in tree.children:
            if span.turn is not None:
                turns[span.turn.n] = self._turn(span, span.turn, root)
            elif span.response is not None:
                yield self._response(span, span.response, root)
        for finding in self._session.findings:
            owner = turns.get(finding.turn or 0, root)
            owner.events.append(_found(finding, owner.end_ns))
        for problem in self._session.errors:
            said = {"error.type": problem.code or problem.type, "rtproxy.seq": problem.seq}
            if self._content:
                said["rtproxy.error.message"] = problem.message
            root.events.append(Happening("rtproxy.error", self._ns(problem.t_ms), _kept(said)))
        for span in tree.children:
            if span.turn is not None:
                yield from self._below(span, turns[span.turn.n])

    def _below(self, span: Span, turn: OtelSpan) -> Iterator[OtelSpan]:
        yield turn
        responses: dict[str, OtelSpan] = {}
        for part in span.children:
            if part.kind == "response" and part.response is not None:
                made = responses[part.response.id] = self._response(part, part.response, turn)
                yield made
        for part in span.children:
            if part.kind == "tool" and part.call is not None:
                yield self._tool(part, responses.get(part.call.response_id or "", turn))

    def _turn(self, span: Span, turn: Turn, root: OtelSpan) -> OtelSpan:
        made = self._span(f"turn {turn.n}", root, span, INTERNAL)
        made.attributes |= _kept({
            "rtproxy.turn.number": turn.n,
            "rtproxy.turn.kind": turn.kind,
            "rtproxy.turn.end": turn.end,
            "rtproxy.turn.user": turn.user if self._content else None,
            "rtproxy.turn.assistant": turn.assistant if self._content else None,
            **{f"rtproxy.turn.{key}": v for key, v in self._session.measure(turn).items()},
        })  # fmt: skip
        if turn.end in ("failed", "unanswered"):
            made.status, made.status_message = ERROR, turn.end
        return made

    def _response(self, span: Span, response: Response, parent: OtelSpan) -> OtelSpan:
        made = self._span("chat", parent, span, CLIENT, response.id)
        made.name = f"chat {_text(self._session.model)}".strip()
        counts = token_counts(response.usage)
        first = response.model_ms
        made.attributes |= self._common | _kept({
            "gen_ai.operation.name": "chat",
            "gen_ai.response.id": response.id,
            "gen_ai.response.model": self._session.model,
            "gen_ai.response.finish_reasons": [response.status] if response.status else None,
            "gen_ai.output.type": _output_type(response),
            "gen_ai.usage.input_tokens": counts.get("tokens_in"),
            "gen_ai.usage.output_tokens": counts.get("tokens_out"),
            "gen_ai.usage.cache_read.input_tokens": counts.get("tokens_cached"),
            "gen_ai.response.time_to_first_chunk": None if first is None else first / 1000,
            "rtproxy.response.status_reason": response.reason,
            "rtproxy.response.asked_by": response.asked_by,
            "rtproxy.response.queue_ms": response.queue_ms,
            "rtproxy.response.model_ms": first,
            "rtproxy.response.audio_ms": response.audio_ms or None,
            "rtproxy.response.out_of_band": response.out_of_band or None,
            "rtproxy.response.text": response.text if self._content else None,
        })  # fmt: skip
        if response.status == "failed":
            made.status = ERROR
            code = response.error.get("code") or response.error.get("type")
            made.attributes["error.type"] = _text(code) or "failed"
            made.status_message = _text(response.error.get("message")) if self._content else ""
        return made

    def _tool(self, span: Span, parent: OtelSpan) -> OtelSpan:
        call = span.call
        assert call is not None
        made = self._span("execute_tool", parent, span, INTERNAL, call.call_id)
        made.name = f"execute_tool {_text(call.name)}".strip()
        made.attributes |= _kept({
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.name,
            "gen_ai.tool.call.id": call.call_id,
            "gen_ai.tool.type": "function" if call.kind == "function_call" else "extension",
            "gen_ai.tool.call.arguments": call.arguments if self._content else None,
            "gen_ai.tool.call.result": call.output if self._content else None,
        })  # fmt: skip
        return made

    def _of_session(self) -> Attributes:
        session = self._session
        whole = {
            f"rtproxy.session.{key}": value
            for key, value in session.metrics.items()
            if isinstance(value, int | float)
        }
        return _kept({
            "rtproxy.tape.id": self._id,
            "rtproxy.session.dialect": session.dialect,
            "rtproxy.session.origin": session.origin,
            "rtproxy.session.events": session.events,
            "rtproxy.session.findings": len(session.findings),
            **whole,
        })  # fmt: skip

    def _span(
        self, name: str, parent: OtelSpan | None, span: Span, kind: int, key: str = ""
    ) -> OtelSpan:
        number = span.turn.n if span.turn is not None else 0
        made = f"{self._id} {span.kind} {number} {span.seq} {key}"
        return OtelSpan(
            name,
            self._trace_id,
            sha256(made.encode("utf-8", "replace")).hexdigest()[:16],
            parent.span_id if parent is not None else None,
            kind,
            self._ns(span.start_ms),
            self._ns(max(span.start_ms, span.end_ms)),
            _kept({"rtproxy.seq": span.seq}),
        )

    def _ns(self, t_ms: float) -> int:
        return (self.started_ns or 0) + max(0, round(t_ms * 1e6))


def _found(finding: Finding, time_ns: int) -> Happening:
    about = {
        "rtproxy.finding.code": finding.code,
        "rtproxy.finding.severity": finding.severity,
        "rtproxy.finding.message": finding.message,
        "rtproxy.finding.events": [str(seq) for seq in finding.events],
    }
    return Happening("rtproxy.finding", time_ns, _kept(about))


def resource(service: str) -> Attributes:
    """What sends the spans."""
    return {
        "service.name": service,
        "rtproxy.version": __version__,
        "rtproxy.otlp.version": VERSION,
    }


def document(spans: list[OtelSpan], service: str) -> dict[str, Any]:
    """The spans as OTLP/JSON: an ExportTraceServiceRequest with hex ids and enums as numbers."""
    scope = {"name": "rtproxy", "version": __version__}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource(service))},
                "scopeSpans": [
                    {
                        "scope": scope,
                        "spans": [_as_json(span) for span in spans],
                        "schemaUrl": SCHEMA_URL,
                    }
                ],
                "schemaUrl": SCHEMA_URL,
            }
        ]
    }


def _as_json(span: OtelSpan) -> dict[str, Any]:
    made: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "events": [
            {
                "timeUnixNano": str(event.time_ns),
                "name": event.name,
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ],
        "status": {"code": span.status, "message": span.status_message},
    }
    if span.parent_id is not None:
        made["parentSpanId"] = span.parent_id
    return made


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _any(value)} for key, value in values.items()]


def _any(value: Value) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_any(one) for one in value]}}
    return {"stringValue": value}


def _kept(values: Mapping[str, Any]) -> Attributes:
    """Attributes without those that are unknown; text made safe to show."""
    found: Attributes = {}
    for key, value in values.items():
        match value:
            case str():
                found[key] = _text(value)
            case list():
                found[key] = [_text(one) for one in value]
            case bool() | int() | float():
                found[key] = value
    return found


def _text(value: object) -> str:
    return visible(value)[:LONGEST] if isinstance(value, str) else ""


def _output_type(response: Response) -> str | None:
    if response.first_audio_ms is not None:
        return "speech"
    return "text" if response.first_text_ms is not None else None


def _provider(session: Session) -> str:
    host = _address(session).get("server.address")
    return "azure.ai.openai" if str(host or "").endswith(".azure.com") else "openai"


def _address(session: Session) -> Attributes:
    upstream = session.header.fields.get("upstream") if session.header is not None else None
    if not isinstance(upstream, str):
        return {}
    try:
        parts = urlsplit(upstream)
        port = parts.port or (80 if parts.scheme in ("http", "ws") else 443)
    except ValueError:
        return {}
    return {"server.address": _text(parts.hostname), "server.port": port} if parts.hostname else {}
