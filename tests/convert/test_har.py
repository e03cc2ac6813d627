"""`export har`: valid, opened by other readers, and a tape again when it is imported."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import haralyzer
import jsonschema
import pytest

from rtproxy import __version__
from rtproxy.convert.har import document, entry, url_of
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import (
    FROM_SERVER,
    INJECTED,
    NOT_FORWARDED,
    Control,
    Event,
    Header,
    Record,
)
from tests.commandline import call
from tests.convert.devtools import CHROMIUM, devtools
from tests.convert.tapes import (
    HANDSHAKE,
    SCENARIOS,
    STARTED_NS,
    TURNED_AWAY,
    captures,
    damages,
    messages,
    odd,
    of_scenario,
    take_in,
    turned_away,
    with_unknown,
    write,
)

VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(Path(__file__).with_name("har-1.2.schema.json").read_text("utf-8"))
)
POST: dict[str, Any] = {
    "connection": "http",
    "upstream": "https://api.openai.com/",
    "started_ns": STARTED_NS,
    "request": {
        "method": "POST",
        "target": "/v1/realtime/client_secrets?x=1&x=%20",
        "headers": [["Content-Type", "application/json"]],
    },
    "response": {"status": 200, "headers": [["Content-Type", "application/json"]]},
}


def exported(*tapes: Path) -> str:
    def entries() -> Iterator[Iterator[str]]:
        for path in tapes:
            with open_tape(path) as tape:
                yield entry(tape.header, tape, tape.summary().duration_ns)

    return "".join(document(__version__, entries()))


def parsed(text: str) -> list[dict[str, Any]]:
    """The entries of a valid HAR."""
    har = json.loads(text)
    VALIDATOR.validate(har)
    found: list[dict[str, Any]] = har["log"]["entries"]
    return found


def tape_of(folder: Path, records: list[Record], **fields: Any) -> Path:
    return write(folder / "tape.rtape", [Header({"id": "t"}), *records], **fields)


def data_of(entry: dict[str, Any]) -> list[tuple[bool, str]]:
    return [(one["type"] == "receive", one["data"]) for one in entry["_webSocketMessages"]]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_simulated_call(name: str, tmp_path: Path) -> None:
    tape = of_scenario(tmp_path, name)
    (only,) = parsed(exported(tape))
    assert only["request"]["url"] == "wss://api.openai.com/v1/realtime?model=gpt-realtime"
    assert only["request"]["queryString"] == [{"name": "model", "value": "gpt-realtime"}]
    assert only["response"]["status"] == 101
    assert only["startedDateTime"] == "2026-11-21T03:32:10.123456Z"
    assert only["_resourceType"] == "websocket"
    assert data_of(only) == messages(tape)
    with open_tape(tape) as opened:
        times = [event.t_ns for event in opened.events()]
        assert only["time"] == pytest.approx(opened.summary().duration_ns / 1e6)
    for message, t_ns in zip(only["_webSocketMessages"], times, strict=True):
        assert message["time"] == pytest.approx((STARTED_NS + t_ns) / 1e9, abs=1e-6)
        assert message["opcode"] == 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_simulated_call_there_and_back(name: str, tmp_path: Path) -> None:
    tape = of_scenario(tmp_path, name)
    text = exported(tape)
    (tmp_path / "out.har").write_text(text, "utf-8")
    found = take_in(tmp_path / "out.har", tmp_path / "again.rtape")
    assert (found.lost, found.notes) == (0, [])
    again = tmp_path / "again.rtape"
    assert messages(again) == messages(tape)
    (before,), (after,) = parsed(text), parsed(exported(again))
    for known_to_the_end in (before, after):  # and when that was, only the tape knows
        del known_to_the_end["time"], known_to_the_end["timings"]
    assert after == before
    with open_tape(tape) as first, open_tape(again) as second:
        times = [[event.t_ns for event in one.events()] for one in (first, second)]
        assert times[0] == times[1]
        fields = second.header.fields
        assert {key: fields[key] for key in HANDSHAKE} == HANDSHAKE
        assert fields["origin"] == "imported"
        assert fields["imported"] == {
            "format": "har", "program": f"rtproxy {__version__}", "unknown": ["pings", "close"],
        }  # fmt: skip
        assert "times" not in fields


def test_what_a_har_cannot_know_of_times_stays_unknown(tmp_path: Path) -> None:
    tape = tape_of(tmp_path, [Event(0, 0, 1, "{}"), Event(0, 5, 0, "{}")], times=False)
    (only,) = parsed(exported(tape))
    assert only["_timesUnknown"] is True
    (tmp_path / "out.har").write_text(exported(tape), "utf-8")
    take_in(tmp_path / "out.har", tmp_path / "again.rtape")
    with open_tape(tmp_path / "again.rtape") as again:
        assert again.header.fields["times"] is False
        assert again.header.started_ns is None


@pytest.mark.parametrize("capture", captures() or [pytest.param(None, marks=pytest.mark.skip)])
def test_a_capture(capture: Path, tmp_path: Path) -> None:
    take_in(capture, tmp_path / "c.rtape")
    (only,) = parsed(exported(tmp_path / "c.rtape"))
    assert data_of(only) == messages(tmp_path / "c.rtape")


@pytest.mark.parametrize("how", ["flipped", "cut", "hole", "headless"])
def test_a_damaged_tape(how: str, tmp_path: Path) -> None:
    whole = of_scenario(tmp_path, "support-call")
    tape = tmp_path / "damaged.rtape"
    tape.write_bytes(dict(damages(whole))[how])
    (only,) = parsed(exported(tape))
    assert data_of(only) == messages(tape)
    done = run(tape)
    assert done.returncode == (0 if how == "cut" and b"damage" not in done.stderr else 1) or (
        how == "cut" and done.returncode == 1
    )
    VALIDATOR.validate(json.loads(done.stdout))


async def test_those_who_were_turned_away(tmp_path: Path) -> None:
    for name in TURNED_AWAY:
        (tmp_path / name).mkdir()
        tape = await turned_away(tmp_path / name, name)
        (only,) = parsed(exported(tape))
        assert only["_resourceType"] == "websocket"
        if name == "refused-401":
            assert only["response"]["status"] == 401
            assert only["response"]["statusText"] == "Unauthorized"
            assert "error" in json.loads(only["response"]["content"]["text"])
            (tmp_path / "out.har").write_text(exported(tape), "utf-8")
            take_in(tmp_path / "out.har", tmp_path / "again.rtape")
            with open_tape(tmp_path / "again.rtape") as again:
                (refused,) = [record for record in again if isinstance(record, Control)]
                assert refused.name == "refused"
                assert refused.data["status"] == 401


def test_odd_tapes(tmp_path: Path) -> None:
    tape = write(tmp_path / "odd.rtape", odd())
    (only,) = parsed(exported(tape))
    assert [one["opcode"] for one in only["_webSocketMessages"]].count(2) >= 2
    (tmp_path / "out.har").write_text(exported(tape), "utf-8")
    take_in(tmp_path / "out.har", tmp_path / "again.rtape")
    seen = [
        (one.from_server, one.payload)
        for one in odd()
        if isinstance(one, Event)
        and not one.flags & (NOT_FORWARDED if one.from_server else INJECTED)
    ]
    assert messages(tmp_path / "again.rtape") == seen
    assert parsed(exported(with_unknown(tmp_path / "later.rtape")))
    assert parsed(exported(write(tmp_path / "empty.rtape", [Header({"id": "e"})])))


def test_only_what_the_client_has_seen(tmp_path: Path) -> None:
    flags = [0, NOT_FORWARDED, INJECTED, *(FROM_SERVER | f for f in (0, NOT_FORWARDED, INJECTED))]
    tape = tape_of(tmp_path, [Event(0, 0, flag, str(flag)) for flag in flags])
    (only,) = parsed(exported(tape))
    shown = [int(data) for _, data in data_of(only)]
    assert shown == [0, NOT_FORWARDED, FROM_SERVER, FROM_SERVER | INJECTED]


def test_an_http_exchange(tmp_path: Path) -> None:
    body, answer = '{"session":{}}', '{"value":"REDACTED:12345678"}'
    tape = tape_of(
        tmp_path, [Event(0, 0, 0, body), Event(0, 3_000_000, FROM_SERVER, answer)], **POST
    )
    (only,) = parsed(exported(tape))
    assert only["request"]["url"] == ("https://api.openai.com/v1/realtime/client_secrets?x=1&x=%20")
    assert only["request"]["queryString"][1] == {"name": "x", "value": " "}
    assert only["request"]["postData"] == {"mimeType": "application/json", "text": body}
    assert only["response"]["content"] == {
        "size": len(answer), "mimeType": "application/json", "text": answer,
    }  # fmt: skip
    assert only["time"] == 3.0
    (tmp_path / "out.har").write_text(exported(tape), "utf-8")
    take_in(tmp_path / "out.har", tmp_path / "again.rtape")
    assert messages(tmp_path / "again.rtape") == [(False, body), (True, answer)]
    with open_tape(tmp_path / "again.rtape") as again:
        assert again.header.connection == "http"


def test_a_stream_of_events_and_a_binary_body(tmp_path: Path) -> None:
    parts = [Event(0, n, FROM_SERVER, f"data: {n}\n\n") for n in range(3)]
    (only,) = parsed(exported(tape_of(tmp_path / "a", [*parts], **POST)))
    assert only["response"]["content"]["text"] == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    (only,) = parsed(exported(tape_of(tmp_path / "b", [*parts, Event(0, 9, 1, b"\xff")], **POST)))
    assert only["response"]["content"]["encoding"] == "base64"
    (only,) = parsed(exported(tape_of(tmp_path / "c", [Event(0, 9, 0, b"\xff")], **POST)))
    assert only["request"]["postData"]["_encoding"] == "base64"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"upstream": "https://a.example:8443"}, "wss://a.example:8443/v1?k=v"),
        ({"upstream": "https://a.example/base/"}, "wss://a.example/base/v1?k=v"),
        ({"upstream": "https://a.example/v1"}, "wss://a.example/v1?k=v"),
        ({"upstream": "http://[::1]:80"}, "ws://[::1]:80/v1?k=v"),
        ({"upstream": 7}, "ws://host.example/v1?k=v"),
        ({"upstream": "javascript:alert(1)"}, "ws://host.example/v1?k=v"),
        ({"upstream": None, "request": {"target": "/v1?k=v"}}, "ws://unknown.invalid/v1?k=v"),
        ({"request": {"target": "https://b.example/v1"}}, "wss://b.example/v1"),
        ({"request": {"target": 5, "headers": 7}}, "ws://unknown.invalid/"),
        ({"request": []}, "ws://unknown.invalid/"),
    ],
)
def test_urls(fields: dict[str, Any], url: str) -> None:
    request = {"target": "/v1?k=v", "headers": [["host", "host.example"]]}
    assert url_of(Header({"id": "x", "request": request, **fields})) == url


@pytest.mark.parametrize(
    "fields",
    [
        {"started_ns": -5}, {"started_ns": 1 << 63}, {"started_ns": "now"}, {"request": None},
        {"response": {"status": "x", "headers": [["a"], [1, 2], "b", ["name", "value"]]}},
        {"response": {"status": -1}}, {"connection": "http", "response": 3},
        {"connection": "http", "request": {"method": "", "headers": {"a": "b"}}},
    ],
)  # fmt: skip
def test_any_header_makes_a_valid_har(fields: dict[str, Any], tmp_path: Path) -> None:
    records: list[Record] = [Event(0, -(1 << 62), 1, "{}"), Event(0, 1 << 62, 0, "{}")]
    assert len(parsed(exported(tape_of(tmp_path, records, **fields)))) == 1


def test_haralyzer_opens_it(tmp_path: Path) -> None:
    tapes = [of_scenario(tmp_path, name) for name in ("text", "tool")]
    tapes.append(tape_of(tmp_path, [Event(0, 0, 0, "{}"), Event(0, 1, 1, "{}")], **POST))
    har = haralyzer.HarParser(json.loads(exported(*tapes)))
    assert har.version == "1.2"
    assert har.creator["name"] == "rtproxy"
    pages = har.pages
    (page,) = pages
    assert [one.request.method for one in page.entries] == ["GET", "GET", "POST"]
    assert [one.status for one in page.entries] == [101, 101, 200]
    first = page.entries[0]
    assert first.url == "wss://api.openai.com/v1/realtime?model=gpt-realtime"
    assert first.startTime.year == 2026
    assert first.request.headers[0]["name"] == "Host"
    assert [one.url for one in page.post_requests] == [har.har_data["entries"][2]["request"]["url"]]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
async def test_the_developer_tools_of_chromium_open_it(tmp_path: Path) -> None:
    """And what they write of it is imported like the session itself."""
    spoken = of_scenario(tmp_path, "support-call")
    strange = write(tmp_path / "odd.rtape", odd()[:18], started_ns=STARTED_NS, **HANDSHAKE)
    post = tape_of(tmp_path, [Event(0, 0, 0, "{}"), Event(0, 1, 1, "{}")], **POST)
    async with devtools(tmp_path / "profile") as tools:
        shown, written = await tools.open(exported(spoken, strange, post))
    assert [one["type"] for one in shown] == ["websocket", "websocket", "fetch"]
    call = shown[0]
    assert (call["method"], call["status"]) == ("GET", 101)
    assert call["statusText"] == "Switching Protocols"
    assert call["url"] == "wss://api.openai.com/v1/realtime?model=gpt-realtime"
    assert call["issued"] == pytest.approx(STARTED_NS / 1e9, abs=0.001)
    assert ["Authorization", "Bearer REDACTED:1f2e3d4c"] in call["requestHeaders"]
    for request, tape in ((shown[0], spoken), (shown[1], strange)):
        frames = [(frame["type"] == "receive", frame["text"]) for frame in request["frames"]]
        assert frames == messages(tape)
        assert {frame["opCode"] for frame in request["frames"]} == {1}
    with open_tape(spoken) as opened:
        duration_s = opened.summary().duration_ns / 1e9
    assert call["seconds"] == pytest.approx(duration_s, abs=0.001)
    (tmp_path / "chrome.har").write_text(written, "utf-8")
    found = take_in(tmp_path / "chrome.har", tmp_path / "imported")
    assert found.lost == 0
    assert [messages(tape) for tape in found.tapes[:2]] == [messages(spoken), messages(strange)]
    with open_tape(found.tapes[0]) as again, open_tape(spoken) as first:
        assert again.header.fields["imported"]["program"].startswith("WebInspector")
        assert again.header.fields["request"]["target"] == "/v1/realtime?model=gpt-realtime"
        for before, after in zip(first.events(), again.events(), strict=True):
            assert (
                abs(before.t_ns - after.t_ns) < 2_000_000
            )  # it keeps the start to the millisecond


def run(*args: str | Path) -> subprocess.CompletedProcess[bytes]:
    return call("export", "har", *args)


def test_the_command(tmp_path: Path) -> None:
    tapes = [of_scenario(tmp_path, name) for name in ("text", "tool")]
    done = run(*tapes)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == exported(*tapes)
    assert run(*tapes, "-o", tmp_path / "out.har").returncode == 0
    assert (tmp_path / "out.har").read_bytes() == done.stdout
    assert b"exists already" in run(*tapes, "-o", tmp_path / "out.har").stderr
    wrong = run(tapes[0], tmp_path / "none.rtape", "-o", tmp_path / "other.har")
    assert wrong.returncode == 2
    assert wrong.stderr.count(b"\n") == 1
    assert not (tmp_path / "other.har").exists()
