"""What a person sees of the sessions while they are recorded."""

import io
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from rtproxy.record.insight import Found, Insight, request, requested
from rtproxy.record.live import LiveDisplay
from rtproxy.record.status import Status, Traffic

NAME = "20261121-040612-fb6fcc.rtape"
INSIGHT = Insight(NAME, 3, "assistant", 1113.9, 2)


def session(insight: Insight | None = INSIGHT) -> Traffic:
    traffic = Traffic(NAME, model="gpt-realtime", insight=insight)
    for from_server in (True, False, False):
        traffic.count_message(from_server=from_server)
        traffic.count_bytes(1300, from_server=from_server)
    return traffic


def shown(width: int, *open_: Traffic, insights: bool = True) -> list[str]:
    console = Console(file=io.StringIO(), width=width, _environ={})
    status = Status(open=list(open_))
    display = LiveDisplay(console, status, Path("out"), table=True, insights=insights)
    console.print(display.render())
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= width
    return [" ".join(line.split()) for line in lines]


@pytest.mark.parametrize(
    ("width", "head", "row"),
    [
        (80, "tape turn now voice found", f"{NAME} 3 assistant speaks 1,114 ms 2"),
        (
            100,
            "tape turn now voice found ▲ events ▼ events",
            f"{NAME} 3 assistant speaks 1,114 ms 2 2 1",
        ),
        (
            140,
            "tape turn now voice found ▲ events ▼ events model ▲ bytes ▼ bytes",
            f"{NAME} 3 assistant speaks 1,114 ms 2 2 1 gpt-realtime 2.6 kB 1.3 kB",
        ),
    ],
)
def test_how_each_session_goes(width: int, head: str, row: str) -> None:
    assert shown(width, session())[:2] == [head, row]


def test_what_is_not_known_yet_is_not_claimed() -> None:
    assert shown(100, session(None))[1] == f"{NAME} – – – 2 1"
    assert shown(100, session(Insight(NAME)))[1] == f"{NAME} – quiet – – 2 1"
    behind = Insight(NAME, 3, "caller", 500.0, 1, behind=True)
    assert shown(100, session(behind))[1] == f"{NAME} 3 too much to follow – – 2 1"


def test_where_nobody_looks_the_traffic_is_shown() -> None:
    assert shown(100, session(None), insights=False)[:2] == [
        "tape model ▲ events ▼ events ▲ bytes ▼ bytes",
        f"{NAME} gpt-realtime 2 1 2.6 kB 1.3 kB",
    ]


def test_what_is_found_is_a_line_and_cannot_move_the_cursor() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, _environ={})
    display = LiveDisplay(console, Status(), Path("out"), table=False, insights=True)
    display.tell_found(NAME, Found("warning", "slow-turn", 2, "It took \x1b[2J long."))
    display.tell_found(NAME, Found("error", "session-dropped", None, "Closed with 1011."))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "▲ warning slow-turn, turn 2: It took \\x1b[2J long." in text
    assert "■ error session-dropped: Closed with 1011." in text
    assert "\x1b[2J" not in text


def test_what_a_client_calls_its_model_cannot_move_the_cursor() -> None:
    traffic = Traffic("/v1/\x9b2J", model="gpt\x1b]52;c;AAAA\x07\x1b[2J\u202e")
    assert shown(140, traffic)[1].startswith(
        r"/v1/\x9b2J – – – 0 0 gpt\x1b]52;c;AAAA\x07\x1b[2J\u202e"
    )


def test_an_insight_is_a_line_and_comes_back() -> None:
    found = (Found("info", "late-transcript", 1, "It’s late."), Found("error", "x", None, ""))
    for insight in (INSIGHT, Insight(NAME, found=found), Insight(NAME, behind=True)):
        line = insight.to_line()
        assert line.count("\n") == 1
        assert Insight.from_line(line) == insight


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "null", '{"tape": "x", "found": [], "more": 1}', "\xff",
             '{"tape": "x", "found": [{}]}', '{"tape": "x", "found": [], "stage": "asleep"}'],
)  # fmt: skip
def test_what_is_no_insight_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        Insight.from_line(line)
    with pytest.raises(ValueError):
        requested(line)


def test_a_request_is_a_line() -> None:
    path = Path("a b/ü\n.rtape")
    assert request(path).count("\n") == 1
    assert requested(request(path)) == path
