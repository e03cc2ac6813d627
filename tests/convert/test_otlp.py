"""A call as OpenTelemetry spans, read by OpenTelemetry's own messages and by a collector."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import (
    error_attributes,
    gen_ai_attributes,
    server_attributes,
)

from rtproxy.cli.main import rtproxy
from rtproxy.convert.otlp import Mapper, OtelSpan, document
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import built_in, load
from rtproxy.tape.record import Header, Record
from tests.realtime.simulated import call_records
from tests.realtime.story import Story
from tests.tapes import write_tape

STARTED = 1_790_000_000_000_000_000
HEADER = Header({
    "id": "5f1c", "connection": "websocket", "origin": "simulated", "started_ns": STARTED,
    "upstream": "https://api.openai.com",
})  # fmt: skip


def simulated(name: str) -> list[Record]:
    return [HEADER, *call_records(load(name))[1:]]


def spans_of(records: list[Record], **options: Any) -> list[OtelSpan]:
    return list(Mapper(Session.fold(records), **options).spans())


def read(text: bytes) -> list[Any]:
    """OTLP/JSON as OpenTelemetry reads it; there ids are hex, where other protobuf is base64."""
    document = json.loads(text)
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for key in ("traceId", "spanId", "parentSpanId"):
            if key in span:
                span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    request = json_format.ParseDict(document, ExportTraceServiceRequest())
    return list(request.resource_spans[0].scope_spans[0].spans)


@pytest.mark.parametrize("name", sorted(set(built_in()) - {"bad-key", "refused-401"}))
def test_the_spans_are_a_tree(name: str) -> None:
    spans = spans_of(simulated(name))
    ids = {span.span_id for span in spans}
    assert len(ids) == len(spans)
    assert [span.parent_id for span in spans].count(None) == 1
    assert {span.parent_id for span in spans} - {None} <= ids
    assert {span.trace_id for span in spans} == {spans[0].trace_id}
    for span in spans:
        assert STARTED <= span.start_ns <= span.end_ns
    assert len(read(json.dumps(document(spans, "agent")).encode())) == len(spans)


def test_a_call_with_a_tool() -> None:
    root, first, looked, told, tool, second, sure = spans_of(simulated("support-call"))
    names = [span.name for span in (root, first, looked, told, tool, second, sure)]
    assert names == [
        "realtime gpt-realtime", "turn 1", "chat gpt-realtime", "chat gpt-realtime",
        "execute_tool lookup_order", "turn 2", "chat gpt-realtime",
    ]  # fmt: skip
    assert [first.parent_id, looked.parent_id, tool.parent_id] == [
        root.span_id, first.span_id, looked.span_id,
    ]  # fmt: skip
    assert (tool.end_ns - tool.start_ns) / 1e6 == pytest.approx(250, abs=1)
    assert tool.attributes["gen_ai.tool.name"] == "lookup_order"
    assert told.attributes["gen_ai.output.type"] == "speech"
    assert told.attributes["gen_ai.response.finish_reasons"] == ["cancelled"]
    assert root.attributes["server.address"] == "api.openai.com"
    assert first.attributes["rtproxy.turn.tool_ms"] == pytest.approx(250, abs=1)
    key = "gen_ai.usage.output_tokens"
    counts = [span.attributes[key] for span in (looked, told, sure) if key in span.attributes]
    assert sum(n for n in counts if isinstance(n, int)) > 0
    assert (
        sum(n for n in counts if isinstance(n, int))
        == root.attributes["rtproxy.session.tokens_out"]
    )


def test_what_was_said_is_left_out_unless_asked_for() -> None:
    records = simulated("support-call")
    plain = json.dumps(document(spans_of(records), "agent"))
    told = json.dumps(document(spans_of(records, content=True), "agent"))
    for words in ("where is my order", "It has shipped", "shipped"):
        assert words not in plain
        assert words in told


def test_names_are_those_of_the_conventions() -> None:
    """Every attribute is a convention's, or ours by its name."""
    known = {
        value
        for module in (gen_ai_attributes, server_attributes, error_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    for name in ("support-call", "rate-limit", "text"):
        for span in spans_of(simulated(name), content=True):
            for key in span.attributes:
                assert key in known or key.startswith("rtproxy."), key


def test_the_mapping_is_documented() -> None:
    guide = (Path(__file__).parent.parent.parent / "docs" / "traces.md").read_text("utf-8")
    for name in ("support-call", "rate-limit"):
        for span in spans_of(simulated(name), content=True):
            for key in span.attributes:
                turn = key.startswith(("rtproxy.turn.", "rtproxy.session."))
                assert f"`{key}`" in guide or (turn and f"`{key.rsplit('.', 1)[0]}.KEY`" in guide)


def test_what_went_wrong_shows() -> None:
    spans = spans_of(simulated("rate-limit"))
    turns = [span for span in spans if span.name.startswith("turn")]
    assert [span.status for span in turns] == [0, 2]
    codes = [
        event.attributes["rtproxy.finding.code"]
        for span in spans
        for event in span.events
        if event.name == "rtproxy.finding"
    ]
    assert codes == [f.code for f in Session.fold(simulated("rate-limit")).findings]
    assert codes


def test_the_same_tape_makes_the_same_spans() -> None:
    assert spans_of(simulated("tool")) == spans_of(simulated("tool"))


def test_hostile_text_is_escaped() -> None:
    story = Story(model="\x1b[2J", id="\x00\u202e")
    story.speak(300).reply("\x1b]0;")
    assert "\x1b" not in json.dumps(document(spans_of(story.records), "a"), ensure_ascii=False)


@contextmanager
def collector(status: int = 200) -> Iterator[tuple[str, list[tuple[str, bytes, str | None]]]]:
    """A collector's HTTP receiver: its URL, and path, body and key of all it was sent."""
    received: list[tuple[str, bytes, str | None]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, body, self.headers.get("x-key")))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(rtproxy, ["export", "otlp", *arguments])


def test_spans_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = simulated("support-call")
    tape = write_tape(tmp_path / "call.rtape", records)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")
    with collector() as (url, received):
        done = run(str(tape), "--endpoint", url, "--service", "agent")
        assert done.exit_code == 0, done.output
        assert done.stderr == f"7 spans sent to {url}.\n"
    ((path, body, key),) = received
    assert (path, key) == ("/v1/traces", "secret")
    request = ExportTraceServiceRequest.FromString(body)
    (group,) = request.resource_spans
    assert {a.key: a.value.string_value for a in group.resource.attributes}[
        "service.name"
    ] == "agent"
    expected = read(run(str(tape)).stdout.encode())
    sent = {span.span_id: span for span in group.scope_spans[0].spans}
    assert set(sent) == {span.span_id for span in expected}
    for span in expected:
        other = sent[span.span_id]
        assert (span.name, span.parent_span_id, span.kind) == (
            other.name, other.parent_span_id, other.kind,
        )  # fmt: skip
        assert (span.start_time_unix_nano, span.status.code) == (
            other.start_time_unix_nano, other.status.code,
        )  # fmt: skip
        assert list(span.attributes) == list(other.attributes)
        assert [event.name for event in span.events] == [event.name for event in other.events]


def test_a_collector_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", simulated("text"))
    with collector(status=400) as (url, _):
        done = run(str(tape), "--endpoint", url)
    assert done.exception is not None
    assert f"could not be sent to {url}/v1/traces" in str(done.exception)


@pytest.mark.parametrize("endpoint", ["localhost:4318", "ftp://x", "http://", "http://[::1"])
def test_what_is_no_endpoint_is_one_sentence(tmp_path: Path, endpoint: str) -> None:
    tape = write_tape(tmp_path / "call.rtape", simulated("text"))
    assert "is no endpoint" in str(run(str(tape), "--endpoint", endpoint).exception)


def test_times_are_needed(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", Story().begin("r").end("r").records)
    done = run(str(tape))
    assert done.exit_code == 2
    assert "has no times" in done.stderr


def test_a_tape_that_does_not_say_when_begins_in_1970(tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "call.rtape", Story().reply("r").records)
    done = run(str(tape))
    assert done.exit_code == 0
    assert "begin in 1970" in done.stderr
    assert read(done.stdout.encode())
