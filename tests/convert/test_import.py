"""`rtproxy import`: what it takes, where it puts it, what it says, and that nothing hurts it."""

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtproxy.convert.importing import Place, import_file
from rtproxy.convert.log_line import moment
from rtproxy.errors import ConvertError, RtproxyError, TapeWriteError
from rtproxy.realtime.session import Session
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import FROM_SERVER, REDACTED, Control, Event
from rtproxy.tape.repair import verify
from tests.captures import CAPTURES
from tests.commandline import call
from tests.convert.flows import dump, websocket_flow
from tests.convert.tapes import header, messages, of_scenario, read, take_in, text_of

KEY = "sk-proj-0123456789abcdefghij"
LOG = '{"direction":"server","at":0,"data":{"type":"a"}}\n{"direction":"client","at":1,"data":{}}\n'
HAR: dict[str, Any] = {
    "log": {
        "version": "1.2",
        "creator": {"name": "WebInspector", "version": "537.36"},
        "entries": [
            {
                "startedDateTime": "2026-11-21T12:34:21.500Z",
                "time": 12.5,
                "_resourceType": "websocket",
                "request": {
                    "method": "GET",
                    "url": f"wss://api.openai.com/v1/realtime?model=m&api_key={KEY}",
                    "headers": [{"name": "Cookie", "value": "session=0123456789abcdef"}],
                },
                "response": {"status": 101, "headers": []},
                "_webSocketMessages": [
                    {"type": "receive", "time": 1795264461.75, "opcode": 1, "data": '{"a":1}'},
                    {"type": "send", "time": 1795264462.0, "opcode": 1, "data": f"my {KEY}"},
                    {"type": "send", "time": 1795264462.5, "opcode": 2, "data": "AP8="},
                ],
            }
        ],
    }
}


def lines(*members: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in members)


def imported(folder: Path, data: bytes, name: str = "file") -> tuple[list[Path], list[str], int]:
    (folder / name).write_bytes(data)
    found = take_in(folder / name, folder / "tapes")
    return found.tapes, found.notes, found.lost


def one(folder: Path, data: bytes) -> Path:
    (tape,), _, lost = imported(folder, data)
    assert lost == 0
    return tape


def run(
    *args: str | Path, stdin: bytes = b"", cwd: Path | None = None
) -> "subprocess.CompletedProcess[bytes]":
    return call("import", *args, stdin=stdin, cwd=cwd)


# --- JSON lines ----------------------------------------------------------------------------------


def test_lines_of_a_log(tmp_path: Path) -> None:
    tape = one(tmp_path, LOG.encode())
    assert messages(tape) == [(True, '{"type":"a"}'), (False, "{}")]
    fields = header(tape)
    assert fields["origin"] == "imported"
    assert fields["imported"] == {"format": "jsonl", "unknown": ["handshake", "pings", "close"]}
    assert "times" not in fields
    assert "request" not in fields
    assert verify(tape).ok
    with open_tape(tape) as opened:
        assert Session.from_tape(opened).times_known


@pytest.mark.parametrize("capture", sorted(CAPTURES.glob("*.jsonl")) or [pytest.param(
    None, marks=pytest.mark.skip(reason="no captured sessions here"))])  # fmt: skip
def test_captured_sessions(capture: Path, tmp_path: Path) -> None:
    found = take_in(capture, tmp_path / "c.rtape")
    assert found.lost == 0
    entries = [json.loads(line) for line in capture.read_text("utf-8").splitlines()]
    said = messages(tmp_path / "c.rtape")
    assert [(server, json.loads(text)) for server, text in said] == [
        (entry["direction"] == "server", entry["data"]) for entry in entries
    ]
    # JSON is as it stands in the file, character for character.
    for (_, text), line in zip(said, capture.read_text("utf-8").splitlines(), strict=True):
        assert f'"data": {text!s}' in line
    fields = header(tmp_path / "c.rtape")
    assert fields["times"] is False
    assert "times" in fields["imported"]["unknown"]
    with open_tape(tmp_path / "c.rtape") as tape:
        session = Session.from_tape(tape)
        assert not session.times_known
        assert session.findings == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"direction": "Client", "data": {}}, (0, "{}")),
        ({"dir": "sent", "event": {}}, (0, "{}")),
        ({"dir": "outgoing", "message": "text"}, (0, "text")),
        ({"from": "server", "payload": {}}, (FROM_SERVER, "{}")),
        ({"sender": "server", "data": [1]}, (FROM_SERVER, "[1]")),
        ({"direction": "server-to-client", "data": {}}, (FROM_SERVER, "{}")),
        ({"direction": "s2c", "data": {}}, (FROM_SERVER, "{}")),
        ({"direction": "<", "data": {}}, (FROM_SERVER, "{}")),
        ({"from_server": True, "data": {}}, (FROM_SERVER, "{}")),
        ({"from_client": False, "data": {}}, (FROM_SERVER, "{}")),
        ({"from_client": True, "data": {}}, (0, "{}")),
        ({"type": "receive", "opcode": 2, "data": "AP8="}, (FROM_SERVER, b"\x00\xff")),
        ({"direction": "in", "encoding": "base64", "data": "AA=="}, (FROM_SERVER, b"\x00")),
        ({"direction": "in", "payload_base64": "AA=="}, (FROM_SERVER, b"\x00")),
        ({"direction": "in", "injected": True, "data": "x"}, (FROM_SERVER | 8, "x")),
        ({"direction": "in", "data": '{"n":1.0}'}, (FROM_SERVER, '{"n":1.0}')),
    ],
)
def test_spellings(line: dict[str, Any], expected: Any, tmp_path: Path) -> None:
    (event,) = (r for r in read(one(tmp_path, lines(line))) if isinstance(r, Event))
    assert (event.flags, event.payload) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, (0, False)), (1.5, (1_500_000_000, False)), (-2, (-2_000_000_000, False)),
        (1795264461.75, (1_795_264_461_750_000_000, True)),
        (1795264461, (1_795_264_461_000_000_000, True)),
        (1795264461750, (1_795_264_461_750_000_000, True)),
        (1795264461750000, (1_795_264_461_750_000_000, True)),
        (1795264461750000001, (1_795_264_461_750_000_001, True)),
        ("2026-11-21T12:34:21.75Z", (1_795_264_461_750_000_000, True)),
        ("2026-11-21 13:34:21.75+01:00", (1_795_264_461_750_000_000, True)),
        ("2026-11-21T12:34:21.75", (1_795_264_461_750_000_000, True)),
        ("0001-01-01T00:00:00+23:00", None), ("noon", None), (None, None), (True, None),
        (float("nan"), None), ([], None), (1e300, ((1 << 63) - 1, True)),
    ],
)  # fmt: skip
def test_moments(value: Any, expected: Any) -> None:
    found = moment(value)
    assert found == expected or (expected is None and found is not None and isinstance(value, str))


@pytest.mark.parametrize("key", ["at", "t", "time", "timestamp", "ts"])
def test_times_since_1970_begin_at_the_first(key: str, tmp_path: Path) -> None:
    start = 1_795_264_461_750_000_000
    tape = one(tmp_path, lines(
        {"direction": "in", key: "2026-11-21T12:34:21.750Z", "data": {}},
        {"direction": "in", key: 1795264463.0, "data": {}},
        {"direction": "in", key: 1795264462500, "data": {}},
    ))  # fmt: skip
    assert header(tape)["started_ns"] == start
    assert [r.t_ns for r in read(tape) if isinstance(r, Event)] == [
        0, 1_250_000_000, 1_250_000_000,  # what was logged late has happened by then
    ]  # fmt: skip


def test_times_that_some_lines_lack_are_not_known(tmp_path: Path) -> None:
    tape = one(tmp_path, lines({"direction": "in", "at": 1, "data": {}},
                               {"direction": "in", "data": {}}))  # fmt: skip
    assert header(tape)["times"] is False


def test_what_dump_and_inspect_print_is_read_too(tmp_path: Path) -> None:
    tape = of_scenario(tmp_path, "barge-in")
    dumped = call("tape", "dump", tape).stdout
    (again,), _, _ = imported(tmp_path / "", dumped)
    assert text_of(again) == text_of(tape)
    listed = call("inspect", "--ndjson", tape).stdout
    (listing,), _, _ = imported(tmp_path, listed, "listing")
    assert messages(listing) == messages(tape)
    controls = [(r.name, dict(r.data)) for r in read(tape) if isinstance(r, Control)]
    assert [(r.name, dict(r.data)) for r in read(listing) if isinstance(r, Control)] == controls


def test_lines_that_make_no_sense_are_named_and_the_rest_is_there(tmp_path: Path) -> None:
    data = lines({"direction": "in", "data": {"n": 1}}) + b"garbage\n\n   \n" + lines(
        {"direction": "sideways", "data": {}}, {"direction": "in"}, [1],  # type: ignore[arg-type]
        {"direction": "in", "data": 5}, {"direction": "in", "encoding": "base64", "data": "=x"},
        {"direction": "in", "data": {"n": 2}},
    )  # fmt: skip
    data += b'{"direction":"in","data":{"n":}}\n{"direction":"in","data":"\xff"}\n{"direction":'
    (tape,), notes, lost = imported(tmp_path, data)
    assert [text for _, text in messages(tape)] == ['{"n": 1}', '{"n": 2}']
    assert lost == len(notes) == 9
    assert notes[0] == "line 2: it is no JSON at byte 0"
    assert notes[1].startswith("line 5: \"direction\" is 'sideways'")
    assert notes[-1] == "line 13: it ends in the middle"
    gaps = [r for r in read(tape) if isinstance(r, Control)]
    assert [gap.name for gap in gaps] == ["gap", "gap"]
    assert "and 5 more" in gaps[0].data["reason"]
    assert verify(tape).ok


def test_several_recordings_in_a_file(tmp_path: Path) -> None:
    texts = [text_of(of_scenario(tmp_path, name)) for name in ("text", "tool")]
    tapes, _, lost = imported(tmp_path, "".join(texts).encode())
    assert lost == 0
    assert [text_of(tape) for tape in tapes] == texts
    (tmp_path / "both").write_text("".join(texts), "utf-8")
    found = take_in(tmp_path / "both", tmp_path / "one.rtape")
    assert (len(found.tapes), found.lost) == (1, 1)
    assert "give a folder with -o" in found.notes[0]
    assert text_of(tmp_path / "one.rtape") == texts[0]


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "header", "tape": "1.0"},
        {"kind": "header", "tape": "2.0", "header": {"id": "x"}},
        {"kind": "header", "tape": "x", "header": {"id": "x"}},
        {"kind": "header", "tape": "1.0", "header": {"id": "x", "requires": ["magic"]}},
        {"kind": "header", "tape": "1.0", "header": {"id": "x" * (1 << 22)}},
    ],
)
def test_headers_that_make_no_tape(line: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RtproxyError) as raised:
        imported(tmp_path, lines(line, {"direction": "in", "data": {}}))
    assert raised.value.exit_code == 2
    assert not list(tmp_path.glob("tapes/*.rtape"))


def test_a_header_of_wrong_types_is_put_right(tmp_path: Path) -> None:
    for fields in ({}, {"id": 7, "connection": "pigeon", "started_ns": "then"}, {"started_ns": -9}):
        (tmp_path / "file").unlink(missing_ok=True)
        line = {"kind": "header", "tape": "1.0", "header": fields}
        tapes, _, _ = imported(tmp_path, lines(line, {"direction": "in", "data": {}},
                                               {"kind": "seal", "at": 1}))  # fmt: skip
        assert verify(tapes[0]).ok
        assert header(tapes[0])["connection"] == "websocket"


# --- HAR -----------------------------------------------------------------------------------------


def har(**changes: Any) -> bytes:
    return json.dumps({"log": HAR["log"] | changes}).encode()


def entry(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = HAR["log"]["entries"][0] | changes
    return made


def test_a_har(tmp_path: Path) -> None:
    tape = one(tmp_path, har())
    fields = header(tape)
    assert fields["upstream"] == "https://api.openai.com"
    assert re.fullmatch(
        r"/v1/realtime\?model=m&api_key=REDACTED:[0-9a-f]{8}", fields["request"]["target"]
    )
    assert fields["imported"] == {
        "format": "har", "program": "WebInspector 537.36", "unknown": ["pings", "close"],
    }  # fmt: skip
    events = [r for r in read(tape) if isinstance(r, Event)]
    assert [(r.flags, r.t_ns) for r in events] == [
        (FROM_SERVER, 250_000_000), (REDACTED, 500_000_000), (0, 10**9),
    ]  # fmt: skip
    assert events[2].payload == b"\x00\xff"
    assert KEY.encode() not in tape.read_bytes()
    assert b"0123456789abcdef" not in tape.read_bytes()


@pytest.mark.parametrize("indent", [None, 2])
def test_members_in_any_order(indent: int | None, tmp_path: Path) -> None:
    turned = {"log": dict(reversed([*HAR["log"].items()]))}
    turned["log"]["entries"] = [dict(sorted(entry().items())), dict(reversed([*entry().items()]))]
    tapes, _, lost = imported(tmp_path, json.dumps(turned, indent=indent).encode())
    assert lost == 0
    assert len(tapes) == 2
    for tape in tapes:
        assert messages(tape)[0] == (True, '{"a":1}')
        assert len(messages(tape)) == 3


def test_requests_that_are_not_ours(tmp_path: Path) -> None:
    page = entry(_resourceType="document", request={"url": "https://example.org/"},
                 response={"status": 200})  # fmt: skip
    del page["_webSocketMessages"]
    silent = {**page, "_resourceType": "websocket", "response": {"status": -1}}
    ours = {**silent, "request": {"url": f"wss://a.example/v1/realtime?api_key={KEY}"}}
    refused = {**ours, "response": {"status": 403, "content": {"text": "no"}}}
    data = har(entries=[page, entry(), page, silent, ours, refused])
    tapes, notes, lost = imported(tmp_path, data)
    assert len(tapes) == 2
    assert notes == [
        "the messages of example.org/, which are not in the file",
        "the messages of a.example/v1/realtime, which are not in the file",
        "2 requests that are not for a Realtime endpoint",
    ]
    assert lost == 1  # of the first nobody wants to know
    (control,) = (r for r in read(tapes[1]) if isinstance(r, Control))
    assert (control.name, control.data) == ("refused", {"status": 403, "body": "no"})
    assert header(tapes[1])["connection"] == "websocket"


@pytest.mark.parametrize(
    ("message", "note"),
    [
        ({"type": "send", "time": 1795264463, "opcode": 1}, 'it has no "data"'),
        ({"type": "up", "time": 1795264463, "opcode": 1, "data": ""}, 'its "type" is neither'),
        ({"type": "send", "time": 1, "opcode": 9, "data": ""}, "its opcode is that of no message"),
        ({"type": "send", "time": 1, "opcode": 2, "data": "x"}, "not base64"),
        (7, "neither"),
        ([], "neither"),
    ],
)
def test_messages_that_are_wrong(message: Any, note: str, tmp_path: Path) -> None:
    given_ = [*entry()["_webSocketMessages"], message, *entry()["_webSocketMessages"][:1]]
    (tape,), notes, lost = imported(tmp_path, har(entries=[entry(_webSocketMessages=given_)]))
    assert len(messages(tape)) == 4
    assert lost == 1
    assert notes[0].startswith("message 4: ")
    assert note in notes[0]


def test_an_error_of_the_browser(tmp_path: Path) -> None:
    error = {"type": "error", "time": 1795264463, "opcode": -1, "data": "Invalid frame header"}
    tape = one(tmp_path, har(entries=[entry(_webSocketMessages=[error])]))
    (control,) = (r for r in read(tape) if isinstance(r, Control))
    assert (control.name, control.data) == ("protocol_error", {"reason": "Invalid frame header"})


def test_messages_without_times(tmp_path: Path) -> None:
    given_ = [{"type": "send", "opcode": 1, "data": "{}"}] * 2
    tape = one(tmp_path, har(entries=[entry(_webSocketMessages=given_)]))
    assert header(tape)["times"] is False


def test_every_cut_of_a_har_gives_what_is_whole(tmp_path: Path) -> None:
    data = json.dumps(HAR).encode()
    start, best = data.index(b'"_webSocketMessages": ['), 0
    within = start + len('"_webSocketMessages": [')
    for size in (*range(10, start, 17), *range(within, len(data))):
        file = tmp_path / f"{size}.har"
        file.write_bytes(data[:size])
        if size < start:
            with pytest.raises(ConvertError, match=r"no recording .* in the middle"):
                take_in(file, tmp_path / f"{size}.rtape")
            continue
        found = take_in(file, tmp_path / f"{size}.rtape")
        assert (found.events, found.lost > 0) >= (best, True)
        best = found.events
    assert best == 3


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)
PLACES = ["startedDateTime", "time", "request", "response", "_webSocketMessages", "_resourceType"]
INNER = ["url", "method", "headers", "status", "content", "postData", "type", "data", "opcode"]


@given(st.sampled_from(PLACES), st.sampled_from([None, *INNER]), VALUES)
def test_any_member_may_be_anything(place: str, inner: str | None, value: Any) -> None:
    changed: Any = value
    if inner is not None:
        known = entry()[place]
        changed = [{**known[0], inner: value}] if isinstance(known, list) else {inner: value}
        changed = {**known, inner: value} if isinstance(known, dict) else changed
    attempt(har(entries=[entry(**{place: changed}), entry()]))


@given(VALUES)
def test_any_log(value: Any) -> None:
    attempt(har(entries=value))
    attempt(json.dumps({"log": value}).encode())
    attempt(json.dumps(value).encode())


# --- any bytes -----------------------------------------------------------------------------------

STARTS = [b"", b"{", b'{"log":{', b'{"log":{"entries":[', b'{"direction":"in","data":', b"9:",
          b"\xef\xbb\xbf{", b"\x1f\x8b", b"\x78\x9c", b"[", b"RIFF", json.dumps(HAR).encode()[:400],
          dump(websocket_flow())[:500], LOG.encode()]  # fmt: skip


def attempt(data: bytes) -> None:
    """Import any bytes: tapes that are sound, or one of our errors."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        file.write_bytes(data)
        said = ""
        try:
            tapes = take_in(file, Path(folder) / "tapes").tapes
        except RtproxyError as error:
            tapes, said = [], str(error)
        assert bool(tapes) or (said.endswith(".") and "\n" not in said)
        for tape in tapes:
            assert not verify(tape).damaged


@given(st.sampled_from(STARTS), st.binary(max_size=300))
@example(b"", b"")
@example(b"", b"\xef\xbb\xbf")
def test_any_bytes(start: bytes, rest: bytes) -> None:
    attempt(start + rest)


@given(st.text(alphabet='{}[]":,0123456789.eE+-truefalsn\\ud83 \n', max_size=200))
def test_anything_that_looks_like_json(text: str) -> None:
    attempt(b"{" + text.encode())


@pytest.mark.parametrize(
    "data",
    [
        b'{"log":' + b"[" * 100_000,
        b'{"log":{"entries":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"log":{"entries":[' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"]}}",
        b'{"direction":"in","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"direction":"in","data":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"kind":"control","direction":"in","name":"x","data":'
        + b'{"a":' * 900
        + b"1"
        + b"}" * 901,
        b'{"direction":"in","at":' + b"9" * 10_000 + b',"data":{}}',
        b'{"direction":"in","at":1e999,"data":{}}',
        b'{"kind":"missing","records":' + b"9" * 30 + b"}",
        b'{"kind":"missing","records":1}' * 3,
        b"999999999999:" + b"1:" * 1000,
        b"{" + b'"' * 100_001,
    ],
)
def test_hostile_files(data: bytes) -> None:
    attempt(data)
    attempt(LOG.encode() + data)


def test_a_large_har_takes_little_memory(tmp_path: Path) -> None:
    """50 MB of messages; and what is not asked for is not built."""
    file = tmp_path / "large.har"
    message = json.dumps({"type": "receive", "time": 1795264463, "opcode": 1, "data": "x" * 50_000})
    with file.open("w", encoding="utf-8") as har_file:
        har_file.write('{"log":{"junk":[' + "[]," * 500_000 + '[]],"entries":[{"request":')
        har_file.write('{"url":"wss://a.example/"},"_webSocketMessages":[')
        har_file.write(",".join([message] * 1000))
        har_file.write("]}]}}")
    code = f"""
import resource
from pathlib import Path
from rtproxy.convert.importing import Place, import_file
def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
before = anonymous()
found = import_file(Path({str(file)!r}), Place(Path({str(tmp_path / "out.rtape")!r})))
print(found.events, anonymous() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    events, grown_kb = map(int, done.stdout.split())
    assert events == 1000
    assert grown_kb < 30_000


# --- secrets -------------------------------------------------------------------------------------

SECRETS = [
    "sk-proj-0123456789abcdefghij", "ek_0123456789abcdefghij", "cookie0123456789abcdef",
    "hunter2hunter2hunter2", "a-ticket-of-mine-123", "mcp-token-without-a-shape",
]  # fmt: skip
HEADERS = [
    ["Authorization", f"Bearer {SECRETS[0]}"],
    ["Cookie", f"session={SECRETS[2]}"],
    ["Sec-WebSocket-Protocol", f"realtime, openai-insecure-api-key.{SECRETS[0]}"],
]
TARGET = f"/v1/realtime?model=m&ticket={SECRETS[4]}"
TEXTS = [
    json.dumps({"type": "session.created", "session": {"client_secret": {"value": SECRETS[1]}}}),
    json.dumps({"type": "session.update", "session": {"tools": [
        {"type": "mcp", "authorization": SECRETS[5], "headers": {"X": SECRETS[5]}}]}}),
    f"what was the cookie? {SECRETS[2]}, and the ticket {SECRETS[4]}",
]  # fmt: skip


def secret_har() -> bytes:
    headers = [{"name": name, "value": value} for name, value in HEADERS]
    url = f"wss://joe:{SECRETS[3]}@a.example{TARGET}"
    said = [{"type": "send", "time": 1795264462, "opcode": 1, "data": text} for text in TEXTS]
    said.append({"type": "send", "time": 1795264462, "opcode": 7, "data": SECRETS[0]})
    post = entry(_resourceType="fetch", response={"status": 200, "content": {
        "text": json.dumps({"value": SECRETS[1], "expires_at": 5})}}, request={
        "url": "https://a.example/v1/realtime/sessions", "headers": headers})  # fmt: skip
    del post["_webSocketMessages"]
    request = {"url": url, "headers": headers}
    return har(entries=[entry(request=request, _webSocketMessages=said), post])


def secret_flows() -> bytes:
    flow = websocket_flow()
    flow["request"] |= {
        "path": TARGET.encode(),
        "headers": [[name.encode(), value.encode()] for name, value in HEADERS],
    }
    flow["websocket"] = {
        "messages": [[1, True, text.encode(), 1.0, False, False] for text in TEXTS],
        "close_code": 3000, "close_reason": f"bad key {SECRETS[0]}", "closed_by_client": False,
    }  # fmt: skip
    return dump(flow)


def secret_lines() -> bytes:
    fields = {
        "id": "x", "upstream": f"https://joe:{SECRETS[3]}@a.example",
        "request": {"method": "GET", "target": TARGET, "headers": HEADERS},
    }  # fmt: skip
    return lines(
        {"kind": "header", "tape": "1.0", "header": fields},
        *({"direction": "client", "data": text} for text in TEXTS),
        {"kind": "control", "direction": "server", "name": "close",
         "data": {"code": 3000, "reason": f"bad key {SECRETS[0]}"}},
        {"kind": "seal", "at": 1, "data": {"note": f"Bearer {SECRETS[0]}"}},
    )  # fmt: skip


@pytest.mark.parametrize("make", [secret_har, secret_flows, secret_lines])
def test_no_credential_reaches_the_disk(make: Any, tmp_path: Path) -> None:
    data = make()
    tapes, notes, _ = imported(tmp_path, data)
    assert len(messages(tapes[0])) == len(TEXTS)
    for tape in tapes:
        found = tape.read_bytes()
        assert b"REDACTED:" in found
        for secret in SECRETS:
            for form in (secret, secret[: len(secret) // 2], secret[len(secret) // 2 :]):
                assert form.encode() not in found, form
    for secret in SECRETS:
        assert secret not in " ".join(notes)


# --- where tapes go ------------------------------------------------------------------------------


def test_names_come_from_the_clock_alone(tmp_path: Path) -> None:
    fields = {"id": "../../etc/passwd", "started_ns": 1_795_264_461_000_000_000}
    line = {"kind": "header", "tape": "1.0", "header": fields}
    (tape,), _, _ = imported(tmp_path, lines(line, {"kind": "seal", "at": 0}))
    assert re.fullmatch(r"20261121-123421-[0-9a-f]{6}\.rtape", tape.name)
    assert tape.parent == tmp_path / "tapes"


def test_a_tape_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG)
    (tmp_path / "there.rtape").write_bytes(b"mine")
    with pytest.raises(TapeWriteError, match="exists already"):
        take_in(tmp_path / "log", tmp_path / "there.rtape")
    assert (tmp_path / "there.rtape").read_bytes() == b"mine"


def test_a_tape_that_cannot_be_finished_is_removed(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LOG.encode() + LOG.encode() * 2000)
    code = f"""
import resource, sys
from pathlib import Path
from rtproxy.convert.importing import Place, import_file
from rtproxy.errors import TapeWriteError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    import_file(Path({str(tmp_path / "log")!r}), Place(Path({str(tmp_path / "out.rtape")!r})))
except TapeWriteError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "out.rtape: File too large." in done.stdout
    assert not (tmp_path / "out.rtape").exists()


def test_a_file_that_is_cut_off_meanwhile_is_imported_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(LOG.encode() * 2000)
    found = import_file(file, Place(tmp_path), watch=lambda _: os.truncate(file, 0))
    assert file.stat().st_size == 0
    assert found.events == 4000


def test_places(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG)
    found = import_file(tmp_path / "log", Place(tmp_path / "new" / "folder"))
    assert found.tapes[0].parent == tmp_path / "new" / "folder"
    (tmp_path / "a.rtape").mkdir()
    found = import_file(tmp_path / "log", Place(tmp_path / "a.rtape"))
    assert found.tapes[0].parent == tmp_path / "a.rtape"


# --- the command ---------------------------------------------------------------------------------


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG)
    (tmp_path / "dev.har").write_bytes(har())
    done = run("log", "dev.har", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    tapes = [tmp_path / line for line in done.stdout.decode().splitlines()]
    assert [tape.parent.name for tape in tapes] == ["recordings", "recordings"]
    assert [len(messages(tape)) for tape in tapes] == [2, 3]
    done = run("log", "-o", "mine.rtape", "--redact", '"type":"(a)"', cwd=tmp_path)
    assert done.stdout == b"mine.rtape\n"
    assert "REDACTED:" in str(messages(tmp_path / "mine.rtape")[0][1])


def test_the_command_names_what_it_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LOG.encode() + b"\x1b[2J{}\n")
    done = run("log", "-o", "mine.rtape", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == b"rtproxy: log: left out line 3: it is no JSON at byte 0.\n"
    (tmp_path / "log").write_bytes(LOG.encode() + b"?\n" * 5000)
    done = run("log", "-o", "worse.rtape", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 21
    assert done.stderr.endswith(b"rtproxy: log: left out 4,980 more.\n")
    assert len(read(tmp_path / "worse.rtape")) == 6  # of which one is a gap
    (tmp_path / "cut").write_text("".join(text_of(tmp_path / "mine.rtape").splitlines(True)[:-1]))
    done = run("cut", "-o", "cut.rtape", cwd=tmp_path)
    assert done.returncode == 0
    assert b"cut.rtape is not sealed" in done.stderr


def test_through_a_pipe_and_compressed(tmp_path: Path) -> None:
    for number, data in enumerate(
        [LOG.encode(), gzip.compress(LOG.encode()), zlib.compress(har())]
    ):
        done = run("-", "-o", tmp_path / f"{number}.rtape", stdin=data)
        assert (done.returncode, done.stderr) == (0, b"")
        assert messages(tmp_path / f"{number}.rtape")
    (tmp_path / "dump.zhar").write_bytes(zlib.compress(har()))
    assert len(messages(one(tmp_path, (tmp_path / "dump.zhar").read_bytes()))) == 3
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "log").write_text(LOG)
    writer = subprocess.Popen(["sh", "-c", f"cat {tmp_path}/log > {tmp_path}/pipe"])
    assert run(tmp_path / "pipe", "-o", tmp_path / "p.rtape").returncode == 0
    assert writer.wait() == 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"\n \n", "is not a HAR"),
        (b"hello", "is not a HAR"),
        (b"[{}]", "is a JSON array"),
        (b"PK\x03\x04", "is a zip archive"),
        (b"<html>", "is HTML or XML"),
        (b"\xff\xfe{\x00", "is UTF-16 text"),
        (b"\x28\xb5\x2f\xfdxxxx", "packed with zstd"),
        (b"RIFF....WAVE", "is a WAV file"),
        (b"\x1f\x8bxxxxxxxx", "cannot be decompressed"),
        (b"{}", "no recording"),
        (b'{"log":{}}', "no recording"),
        (b'{"log":{"entries":[]}}', "no recording"),
        (b'{"log":{"entries":[', "because it ends in the middle"),
        (b'{"foo":1}\n{"foo":2}\n', 'line 1: it has no "direction"'),
        (b"12:5:hello", "because it ends in the middle"),
    ],
)
def test_mistakes_are_told_in_one_sentence(data: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ConvertError) as raised:
        take_in(tmp_path / "file", tmp_path / "out")
    assert says in str(raised.value)
    assert str(raised.value).count(". ") == 0
    assert not list(tmp_path.glob("out/*"))


def test_mistakes_on_the_command_line(tmp_path: Path) -> None:
    of_scenario(tmp_path, "text")
    (tmp_path / "log").write_text(LOG)
    (tmp_path / "file").write_text("x")
    for args, says in [
        (["none"], "There is no file none."),
        (["text.rtape"], "text.rtape is a tape already."),
        (["file"], "file is not a HAR"),
        (["log", "-o", "text.rtape"], "exists already"),
        (["log", "-o", "file/x"], "Cannot create the tape"),
        (["log", "log", "-o", "x.rtape"], "give a folder with -o for several"),
        (["log", "-o", "x.rtape.zst"], "give x.rtape, then pack it"),
        (["log", "--redact", "("], "is no regular expression"),
        ([], "Missing argument"),
    ]:
        done = run(*args, cwd=tmp_path)
        assert done.returncode == 2, args
        assert says in done.stderr.decode(), args
        assert b"Traceback" not in done.stderr
        assert done.stdout == b""
