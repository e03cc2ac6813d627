"""Flow files: every member may be missing, of another type, or cut off."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.convert.flow_source import sources
from rtproxy.convert.source import LeftOut, Source
from rtproxy.convert.tnetstring import Node
from rtproxy.errors import ConvertError
from rtproxy.tape.record import (
    FROM_SERVER,
    INJECTED,
    NOT_FORWARDED,
    REDACTED,
    Control,
    Event,
)
from tests.convert.flows import MESSAGES, STARTED_S, dump, http_flow, websocket_flow
from tests.convert.tapes import header, messages, read, take_in


def imported(folder: Path, data: bytes) -> tuple[list[Path], list[str], int]:
    file = folder / "flows"
    file.write_bytes(data)
    found = take_in(file, folder / "tapes")
    return found.tapes, found.notes, found.lost


def test_a_websocket(tmp_path: Path) -> None:
    (tape,), notes, lost = imported(tmp_path, dump(websocket_flow()))
    assert (notes, lost) == ([], 0)
    events = [record for record in read(tape) if isinstance(record, Event)]
    assert [one.payload for one in events] == [
        '{"type":"session.created"}', '{"type":"response.create"}', b"\x00\xff", '{"type":"é"}',
    ]  # fmt: skip
    assert [one.flags for one in events] == [
        FROM_SERVER, 0, NOT_FORWARDED, FROM_SERVER | INJECTED,
    ]  # fmt: skip
    assert [one.t_ns for one in events] == [250_000_000, 500_000_000, 750_000_000, 10**9]
    (close,) = (record for record in read(tape) if isinstance(record, Control))
    assert (close.name, close.flags, close.t_ns) == ("close", 0, 2 * 10**9)
    assert close.data == {"code": 1000, "reason": "bye"}
    fields = header(tape)
    assert fields["upstream"] == "https://api.openai.com"
    assert fields["request"]["target"] == "/v1/realtime?model=gpt-realtime"
    assert fields["request"]["headers"][1][1].startswith("Bearer REDACTED:")
    assert fields["started_ns"] == round(STARTED_S * 1e9)
    assert fields["imported"] == {"format": "mitmproxy", "unknown": ["pings"]}


def test_an_http_exchange(tmp_path: Path) -> None:
    packed = http_flow()
    packed["response"] = {
        **packed["response"], "content": gzip.compress(b"data: 1\n\n" * 5),
        "headers": [[b"Content-Encoding", b"gzip"]],
    }  # fmt: skip
    strange = http_flow()
    strange["response"] = {**strange["response"], "headers": [[b"content-encoding", b"br"]]}
    unanswered = http_flow(response=None, error={"msg": "connection refused", "timestamp": 1.0})
    data = b"".join(map(dump, [http_flow(), packed, strange, unanswered]))
    tapes, notes, lost = imported(tmp_path, data)
    assert header(tapes[0])["connection"] == "http"
    (sent, received) = (record for record in read(tapes[0]) if isinstance(record, Event))
    assert sent.payload == '{"a":1}'
    assert received.flags == FROM_SERVER | REDACTED
    assert str(received.payload).startswith('{"value":"REDACTED:')
    assert messages(tapes[1])[1] == (True, "data: 1\n\n" * 5)
    assert lost == 1
    assert "content encoding 'br'" in notes[0]
    (reset,) = (record for record in read(tapes[3]) if isinstance(record, Control))
    assert (reset.name, reset.data) == ("reset", {"error": "connection refused"})


def test_several_and_others(tmp_path: Path) -> None:
    other = http_flow()
    other["request"] = {**other["request"], "path": b"/v1/models"}
    data = b"".join(map(dump, [websocket_flow(), other, {"type": "tcp", "version": 21},
                               websocket_flow()]))  # fmt: skip
    tapes, notes, lost = imported(tmp_path, data)
    assert len(tapes) == len({tape.name for tape in tapes}) == 2
    assert notes == ["2 flows that are not for a Realtime endpoint"]
    assert lost == 0


@pytest.mark.parametrize(
    ("code", "error", "name", "data"),
    [
        (1005, None, "close", {"code": None, "reason": "bye"}),
        (4000, None, "close", {"code": 4000, "reason": "bye"}),
        (1006, None, "eof", {}),
        (1006, {"msg": "peer reset"}, "reset", {"error": "peer reset"}),
    ],
)
def test_endings(tmp_path: Path, code: int, error: Any, name: str, data: Any) -> None:
    flow = websocket_flow(error=error)
    flow["websocket"] = {**flow["websocket"], "close_code": code, "closed_by_client": False}
    (tape,), _, _ = imported(tmp_path, dump(flow))
    (end,) = (record for record in read(tape) if isinstance(record, Control))
    assert (end.name, end.flags, end.data) == (name, FROM_SERVER, data)


def test_one_that_is_still_open_has_no_end(tmp_path: Path) -> None:
    flow = websocket_flow()
    flow["websocket"] = {"messages": MESSAGES, "close_code": None, "timestamp_end": None}
    (tape,), _, _ = imported(tmp_path, dump(flow))
    assert header(tape)["imported"]["unknown"] == ["pings", "close"]
    assert not [record for record in read(tape) if isinstance(record, Control)]


def test_every_cut_gives_what_is_whole(tmp_path: Path) -> None:
    """Of a file that was cut off, all whole messages come, and the cut is named."""
    data = dump(websocket_flow()) + dump(websocket_flow())
    best = 0
    for size in range(len(data)):
        found = list(sources(memoryview(data[:size])))
        left = [one for one in found if isinstance(one, LeftOut)]
        events = 0
        for source in found:
            if isinstance(source, Source):
                for part in source.parts:
                    events += isinstance(part, Event)
                    left += [part] if isinstance(part, LeftOut) else []
        assert events >= best or size >= len(data) // 2
        best = max(best, events)
        whole = size in (0, len(data) // 2)
        assert bool(left) is not whole, (size, left)
    assert best == 2 * len(MESSAGES)


def test_a_flow_that_is_wrong_is_left_out_and_the_next_is_read(tmp_path: Path) -> None:
    wrong = dump(websocket_flow(request=7)).replace(b'"session', b'"session')
    broken = b"5:1:1xx}"
    tapes, notes, lost = imported(tmp_path, broken + dump(websocket_flow()) + wrong)
    assert len(tapes) == 2
    assert lost == 1
    assert notes[0].startswith("flow 1, because it is no tnetstring")


def test_old_flows_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"format 7; open the file with a newer mitmproxy"):
        imported(tmp_path, dump(websocket_flow(version=7)))
    with pytest.raises(ConvertError, match=r"format \(0, 13\)|format None"):
        imported(tmp_path, dump(websocket_flow(version=[0, 13])))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
PLACES = [
    ("websocket",), ("websocket", "messages"), ("websocket", "timestamp_end"),
    ("websocket", "close_code"), ("websocket", "close_reason"), ("request",), ("response",),
    ("request", "headers"), ("request", "path"), ("request", "timestamp_start"),
    ("request", "host"), ("request", "port"), ("response", "status_code"), ("error",), ("type",),
    ("version",), ("response", "headers"), ("request", "method"),
]  # fmt: skip


@given(st.sampled_from(PLACES), VALUES, st.booleans())
def test_any_member_may_be_anything(place: tuple[str, ...], value: Any, http: bool) -> None:
    flow = http_flow() if http else websocket_flow()
    if len(place) == 2 and isinstance(flow[place[0]], dict):
        flow[place[0]] = {**flow[place[0]], place[1]: value}
    else:
        flow[place[0]] = value
    for source in sources(memoryview(dump(flow))):
        if isinstance(source, Source):
            assert isinstance(source.fields, dict)
            list(source.parts)


@given(st.lists(VALUES, max_size=8))
def test_any_message(message: list[Any]) -> None:
    flow = websocket_flow()
    flow["websocket"] = {"messages": [*MESSAGES, message, *MESSAGES]}
    (source,) = sources(memoryview(dump(flow)))
    assert isinstance(source, Source)
    parts = list(source.parts)
    assert sum(isinstance(part, Event) for part in parts) >= 2 * len(MESSAGES)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for source in sources(memoryview(b"9:" + data)):
        if isinstance(source, Source):
            list(source.parts)


def test_nothing_is_built_that_is_not_asked_for() -> None:
    """A list that claims a million lists inside one another is a few steps, not a recursion."""
    deep = b"0:~"
    for _ in range(200):
        deep = b"%d:%s]" % (len(deep), deep)
    node = Node.at(deep, 0, len(deep))
    assert node.value() is None
    assert len(list(node.children())) == 1
    with pytest.raises(ValueError, match="no tnetstring"):
        Node.at(b"12x", 0, 3)
    with pytest.raises(ValueError, match="too large"):
        next(Node.at(b"6:99:ab,]]", 0, 10).children())
    assert Node.at(b"3:a", 0, 3).whole is False
    assert Node.at(b"99:[]]", 0, 6).value is not None
    with pytest.raises(ValueError, match="in the middle"):
        Node.at(b"99:[]]", 0, 6).value()
    assert Node.at(b"50:" + b"1" * 50 + b"#", 0, 54).value() is None
    with pytest.raises(ValueError, match="no number"):
        Node.at(b"2:ab#", 0, 5).value()
