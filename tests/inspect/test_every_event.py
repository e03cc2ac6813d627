"""Every event of the protocol has its row in the listing, with what matters of it.

The tables of both dialects are walked; what each event should show stands in
tests/realtime/test_describe.py, here it must come out at the other end.
"""

import json
from typing import Any

import pytest

from rtproxy.inspect.filter import parse_filter
from rtproxy.inspect.listing import Listing, Row
from rtproxy.inspect.overview import Overview
from rtproxy.inspect.terminal import Terminal
from rtproxy.realtime.dialect import (
    BETA_CLIENT_EVENTS,
    BETA_SERVER_EVENTS,
    GA_CLIENT_EVENTS,
    GA_SERVER_EVENTS,
    LATE_BETA_CLIENT_EVENTS,
    LATE_BETA_SERVER_EVENTS,
    LIVE_EVENTS,
    SERVER_EVENTS,
    canonical,
)
from rtproxy.tape.record import FROM_SERVER, Event
from rtproxy.tape.summary import Summary
from tests.inspect.sample import HEADER, base64_of
from tests.inspect.test_terminal import console
from tests.realtime.test_describe import IDS, SHOWN

AUDIO = base64_of(4800)  # 100 ms
SOUNDS = {
    "input_audio_buffer.append": "audio",
    "session.input_audio.append": "audio",
    "session.input_audio_buffer.append": "audio",
    "response.audio.delta": "delta",
    "response.output_audio.delta": "delta",
    "session.output_audio.delta": "delta",
}
"""Events that carry audio, and where."""

EXAMPLES = {
    **{type_: ({"type": type_, **fields}, line) for type_, fields, line in reversed(SHOWN)},
    **{type_: ({"type": type_, where: AUDIO, **IDS}, "100 ms audio")
       for type_, where in SOUNDS.items()},
}  # fmt: skip
"""Of each type an event, and what its row must say."""


def row_of(event: dict[str, Any], fold: bool = True) -> Row:
    flags = FROM_SERVER if event["type"] in SERVER_EVENTS else 0
    record = Event(0, 5_000_000, flags, json.dumps({"event_id": "event_1", **event}))
    [row] = Listing(fold=fold).rows([record])
    return row


def test_the_tables_are_whole() -> None:
    assert (len(BETA_CLIENT_EVENTS), len(BETA_SERVER_EVENTS)) == (9, 28)
    assert (len(GA_CLIENT_EVENTS), len(GA_SERVER_EVENTS)) == (11, 46)
    assert (len(LATE_BETA_CLIENT_EVENTS), len(LATE_BETA_SERVER_EVENTS)) == (3, 6)


@pytest.mark.parametrize(
    "type_",
    sorted(
        BETA_CLIENT_EVENTS | LATE_BETA_CLIENT_EVENTS | GA_CLIENT_EVENTS
        | BETA_SERVER_EVENTS | LATE_BETA_SERVER_EVENTS | GA_SERVER_EVENTS | LIVE_EVENTS
    ),
)  # fmt: skip
def test_every_event_has_its_row(type_: str) -> None:
    event, expected = EXAMPLES[type_]
    row = row_of(event)
    assert (row.type, row.name, row.count) == (type_, canonical(type_), 1)
    assert row.from_server is (type_ in SERVER_EVENTS)
    assert row.bytes > 0
    for fold in (True, False):
        # Where nothing else says which event it is, its own id does.
        detail = row_of(event, fold).detail
        assert detail.removesuffix("event_1").removesuffix(" · ") == expected


@pytest.mark.parametrize("type_", sorted(BETA_SERVER_EVENTS | GA_SERVER_EVENTS))
def test_every_event_of_the_server_is_a_line_and_can_be_filtered(type_: str) -> None:
    event, _ = EXAMPLES[type_]
    row = row_of(event)
    overview = Overview("call.rtape", HEADER, "sealed", 9000, Summary())
    lines = list(Terminal(console(None, False)).lines(overview, [row], fold=True))
    assert lines[-1].split()[:4] == ["0", "0.005", "←", type_]
    assert lines[-1].endswith(row.detail)
    record = Event(0, 0, FROM_SERVER, json.dumps(event))
    for keep, kept in ((type_, 1), (f"!{type_}", 0), (canonical(type_), 1)):
        assert len(list(Listing(parse_filter(keep)).rows([record]))) == kept


def test_what_matters_is_mostly_something() -> None:
    """What shows nothing but its name has nothing to show."""
    silent = {type_ for type_, (_, expected) in EXAMPLES.items() if not expected}
    assert silent <= {
        "input_audio_buffer.clear", "input_audio_buffer.cleared", "output_audio_buffer.clear",
        "response.create",
    }  # fmt: skip
