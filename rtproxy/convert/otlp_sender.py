"""Sends spans to a collector by OTLP over HTTP, through OpenTelemetry's own exporter."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rtproxy import __version__
from rtproxy.convert.otlp import SCHEMA_URL, OtelSpan, resource
from rtproxy.errors import ConvertError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

BATCH = 500
TIMEOUT_S = 10.0
MISSING = "Sending spans needs OpenTelemetry: pip install 'rtproxy[otlp]'."


def send(spans: Sequence[OtelSpan], endpoint: str, service: str) -> None:
    """Send spans; headers such as a key come from OTEL_EXPORTER_OTLP_HEADERS.

    `endpoint` without a path means its /v1/traces. Raises ConvertError when OpenTelemetry is not
    installed, or when the collector does not take them.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import SpanExportResult
    except ImportError:
        raise ConvertError(MISSING) from None

    url = _url(endpoint)
    said = _Said()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(said)
    propagate, logger.propagate = logger.propagate, False
    exporter = OTLPSpanExporter(endpoint=url, timeout=TIMEOUT_S)
    try:
        made = _as_sdk(spans, service)
        for start in range(0, len(made), BATCH):
            result = exporter.export(made[start : start + BATCH])
            if result is not SpanExportResult.SUCCESS:
                why = said.last or "it did not take them"
                raise ConvertError(f"The spans could not be sent to {url}: {why.rstrip('.')}.")
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]
        logger.removeHandler(said)
        logger.propagate = propagate


class _Said(logging.Handler):
    """Keeps the first line of what OpenTelemetry said last."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = next(iter(record.getMessage().splitlines()), "")


def _url(endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConvertError(f"{endpoint} is no endpoint; give a URL such as http://localhost:4318.")
    return endpoint if parts.path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"


def _as_sdk(spans: Sequence[OtelSpan], service: str) -> "list[ReadableSpan]":
    """The spans as OpenTelemetry's SDK has them."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    about = Resource(resource(service), schema_url=SCHEMA_URL)
    scope = InstrumentationScope("rtproxy", __version__, SCHEMA_URL)
    sampled = TraceFlags(TraceFlags.SAMPLED)

    def context(trace_id: str, span_id: str) -> SpanContext:
        return SpanContext(int(trace_id, 16), int(span_id, 16), False, sampled)

    return [
        ReadableSpan(
            span.name,
            context(span.trace_id, span.span_id),
            context(span.trace_id, span.parent_id) if span.parent_id is not None else None,
            about,
            span.attributes,
            [Event(one.name, one.attributes, one.time_ns) for one in span.events],
            kind=SpanKind(span.kind - 1),
            status=Status(StatusCode(span.status), span.status_message or None),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=scope,
        )
        for span in spans
    ]
