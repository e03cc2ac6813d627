"""What a drive asks the live server for, and what it leaves out of a tape."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.errors import ReplayError
from rtproxy.replay.edition import edit
from rtproxy.replay.request import Request, live_request, parse_header
from rtproxy.tape.record import FROM_SERVER, REDACTED, Event, Header
from rtproxy.tape.redaction import Redactor

KEY = "sk-proj-the-live-key"
OLD = "sk-proj-abcdefghijklmnopqrstuv"


def header(target: str = "/v1/realtime?model=gpt-realtime", *pairs: tuple[str, str]) -> Header:
    """A tape's header, as the recorder redacts it."""
    clean_target, headers = Redactor(b"k" * 16).request(target, pairs)
    request = {"method": "GET", "target": clean_target, "headers": headers}
    return Header({"id": "t", "connection": "websocket", "request": request})


def test_headers_are_the_recorded_ones_but_for_the_connections_own() -> None:
    request = live_request(
        header(
            "/v1/realtime?model=gpt-realtime&x=%20y",
            ("Host", "127.0.0.1:8787"),
            ("User-Agent", "AsyncOpenAI/Python 2"),
            ("Authorization", f"Bearer {OLD}"),
            ("OpenAI-Beta", "realtime=v1"),
            ("Connection", "Upgrade, X-Hop"),
            ("X-Hop", "1"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ),
        key=KEY,
    )
    assert request == Request(
        "/v1/realtime?model=gpt-realtime&x=%20y",
        [
            ("User-Agent", "AsyncOpenAI/Python 2"),
            ("Authorization", f"Bearer {KEY}"),
            ("OpenAI-Beta", "realtime=v1"),
        ],
        compress=True,
    )


@pytest.mark.parametrize(
    ("recorded", "sent"),
    [
        (("Authorization", f"Bearer {OLD}"), ("Authorization", f"Bearer {KEY}")),
        (("api-key", OLD), ("api-key", KEY)),
        (("X-Plain", "1"), ("Authorization", f"Bearer {KEY}")),
    ],
)
def test_the_key_goes_where_it_was(recorded: tuple[str, str], sent: tuple[str, str]) -> None:
    headers = live_request(header("/v1/realtime", recorded), key=KEY).headers
    assert headers[-1] == sent
    assert sum(KEY in value for _, value in headers) == 1


def test_the_key_of_a_browser_is_a_subprotocol() -> None:
    offered = f"realtime, openai-insecure-api-key.{OLD}, openai-organization.org-12345678"
    tape = header("/v1/realtime", ("Sec-WebSocket-Protocol", offered))
    request = live_request(tape, key=KEY)
    assert request.subprotocols == ("realtime", f"openai-insecure-api-key.{KEY}")
    assert request.headers == []
    assert request.notes == (
        "the subprotocol openai-organization.… is redacted on the tape and left out.",
    )
    assert live_request(tape).subprotocols == ("realtime",)


def test_the_key_in_a_query() -> None:
    tape = header(f"/openai/realtime?api-version=1&deployment=d&api-key={OLD}&ticket=abcdefgh12")
    request = live_request(tape, key="a&b", model="m/2")
    assert request.target == "/openai/realtime?api-version=1&deployment=m%2F2&api-key=a%26b"
    assert request.headers == []
    assert request.notes == ("ticket in the query is redacted on the tape and left out.",)


def test_without_a_key_it_is_left_out_with_a_word() -> None:
    request = live_request(header("/v1/realtime", ("authorization", f"Bearer {OLD}")))
    assert request.headers == []
    (note,) = request.notes
    assert note == (
        "the header authorization is redacted on the tape and left out for want of a key."
    )


def test_headers_of_the_users_own() -> None:
    tape = header(
        "/v1/realtime",
        ("Authorization", f"Bearer {OLD}"),
        ("OpenAI-Beta", "realtime=v1"),
        ("Sec-WebSocket-Protocol", "realtime"),
    )
    own = [("authorization", "Basic eA=="), ("X-Own", "1"), ("Sec-WebSocket-Protocol", "a, b")]
    request = live_request(tape, key=KEY, headers=own)
    assert request.headers == [("OpenAI-Beta", "realtime=v1"), *own[:2]]
    assert request.subprotocols == ("a", "b")
    assert request.notes == ()


def test_a_scheme_that_the_key_does_not_fit() -> None:
    request = live_request(header("/v1/realtime", ("Authorization", "Basic dXNlcjpwYXNz")), key=KEY)
    assert request.headers == [("Authorization", f"Bearer {KEY}")]
    assert len(request.notes) == 1


@pytest.mark.parametrize("target", [None, 7, "", "@evil.test/", "http://evil.test/", "/a b", "/\n"])
def test_a_target_that_could_lead_elsewhere_is_not_taken(target: Any) -> None:
    tape = Header({"id": "t", "connection": "websocket", "request": {"target": target}})
    request = live_request(tape, model="m")
    assert request.target == "/v1/realtime?model=m"
    assert "does not tell its URL" in request.notes[0]


SECRET_PLACES = [
    lambda secret: ("/v1/realtime", [("Authorization", f"Bearer {secret}")]),
    lambda secret: ("/v1/realtime", [("Authorization", secret)]),
    lambda secret: ("/v1/realtime", [("Cookie", f"a=b; session={secret}")]),
    lambda secret: ("/v1/realtime", [("X-Auth-Token", secret)]),
    lambda secret: ("/v1/realtime", [("Referer", f"https://x.test/?api_key={secret}")]),
    lambda secret: (f"/v1/realtime?api_key={secret}&a=1", []),
    lambda secret: (f"/v1/realtime?access_token={secret}", []),
    lambda secret: ("/v1", [("Sec-WebSocket-Protocol", f"openai-insecure-api-key.{secret}")]),
    lambda secret: ("/v1", [("Sec-WebSocket-Protocol", f"token, {secret}")]),
]


@given(
    place=st.sampled_from(SECRET_PLACES),
    secret=st.from_regex(r"[A-Za-z0-9_-]{8,40}", fullmatch=True),
    key=st.none() | st.just(KEY),
)
def test_no_placeholder_is_ever_sent(place: Any, secret: str, key: str | None) -> None:
    target, headers = place(f"sk-{secret}")
    request = live_request(header(target, *headers), key=key)
    assert "REDACTED" not in f"{request.target} {request.headers} {request.subprotocols}"
    assert (key or "") not in repr(request) or not key
    assert key or request.notes


@pytest.mark.parametrize("key", ["a\r\nX: y", "a\0"])
def test_a_key_that_would_break_the_header(key: str) -> None:
    with pytest.raises(ReplayError) as raised:
        live_request(header(), key=key)
    assert key not in str(raised.value)


def test_headers_as_written() -> None:
    assert parse_header("X-A: b: c ") == ("X-A", "b: c")
    for text in ("Bearer sk-secret", ": b", "a b: c", ""):
        with pytest.raises(ReplayError) as raised:
            parse_header(text)
        assert "sk-secret" not in str(raised.value)


def sent(event: dict[str, Any], flags: int = REDACTED, model: str | None = None) -> tuple[Any, Any]:
    """The event as it would be sent, and the notes."""
    (record,), notes = edit([Event(4, 0, flags, json.dumps(event))], model)
    assert isinstance(record, Event)
    return json.loads(record.payload), notes


def test_placeholders_in_events_are_left_out() -> None:
    tool = {
        "type": "mcp",
        "authorization": "REDACTED:0123abcd",
        "headers": {"X": "Bearer REDACTED:0123abcd", "Y": "1"},
    }
    event = {"type": "session.update", "session": {"tools": [tool], "model": "a"}}
    value, notes = sent(event)
    assert value["session"]["tools"] == [{"type": "mcp", "headers": {"Y": "1"}}]
    assert notes == [
        "session.tools[0].authorization, session.tools[0].headers.X of session.update (#4) "
        "is redacted on the tape and left out."
    ]


def test_what_is_not_redacted_stays_to_the_byte() -> None:
    text = '{"type":"x",  "said": "REDACTED:0123abcd", "n": 1.0}'
    for flags in (0, REDACTED | FROM_SERVER):
        record = Event(0, 0, flags, text)
        assert edit([record])[0] == [record]
    prose = json.dumps({"type": "x", "text": "my key is REDACTED:0123abcd, keep it"})
    record = Event(0, 0, REDACTED, prose)
    assert edit([record]) == ([record], [])


def test_another_model_is_asked_for_in_events_too() -> None:
    event = {"type": "session.update", "session": {"type": "realtime", "model": "old"}}
    assert sent(event, 0, "new")[0]["session"]["model"] == "new"
    assert sent(event, 0)[0] == event
    without = {"type": "session.update", "session": {}}
    assert sent(without, 0, "new")[0] == without
