"""What a tape is, before its events."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.inspect.listing import Missing
from rtproxy.inspect.overview import (
    PEEK,
    READ_AT_ONCE,
    Overview,
    damage_line,
    records,
    size,
    survey,
)
from rtproxy.tape.record import Event, Header, Record, Seal
from rtproxy.tape.summary import Summary
from tests.inspect.sample import HEADER, sample, tape_of


@dataclass
class Place:
    offset: int
    length: int
    missing: range
    what: str


@dataclass
class Tape:
    """Plays the part of an open tape; damage is met after `sound` records."""

    content: list[Record]
    state: Literal["sealed", "live", "crashed"] = "crashed"
    seal: Seal | None = None
    size: int = 1000
    places: list[Place] = field(default_factory=list)
    sound: int = 0
    header: Header = HEADER
    damage: list[Place] = field(default_factory=list)
    read: int = 0

    def summary(self) -> Summary:
        if self.seal is not None:
            return Summary.from_map(self.seal.data)
        summary = Summary()
        for record in self:
            summary.add(record, 0)
        return summary

    def __iter__(self) -> Iterator[Record]:
        self.damage.clear()
        self.read = 0
        for record in self.content:
            if self.read == self.sound:
                self.damage.extend(self.places)
            self.read += 1
            yield record
        if self.sound >= len(self.content):
            self.damage.extend(self.places)


GONE = Place(120, 40, range(2, 3), "the CRC does not match")


def sealed(**fields: Any) -> Tape:
    summary = Summary()
    for record in sample():
        summary.add(record, 0)
    return Tape(tape_of(sample()), "sealed", Seal(99, 0, summary.to_map()), **fields)


def test_the_header_of_a_tape() -> None:
    overview = survey(sealed(), "call.rtape")
    assert overview.lines(UTC) == [
        ("tape", "call.rtape · sealed · simulated"),
        ("websocket", "http://127.0.0.1:9000/v1/realtime?model=gpt-realtime → 101"),
        ("session", "gpt-realtime · GA dialect · sess_1"),
        ("when", "2026-09-21 14:13:20+00:00 · 4.100 s"),
        ("events", overview.lines(UTC)[-1][1]),
    ]
    assert overview.lines(UTC)[-1][1].startswith("86: client → 55 (")


def test_a_header_that_says_nothing() -> None:
    overview = Overview("x.rtape", Header({"id": "a"}), "live", 0, Summary())
    assert overview.lines(UTC) == [
        ("tape", "x.rtape · live · recorded"),
        ("websocket", "request unknown"),
        ("when", "0.000 s"),
        ("events", "0: client → 0 (0 B), server ← 0 (0 B)"),
    ]


odd = st.none() | st.integers() | st.text(max_size=4) | st.lists(st.integers(), max_size=2)


@given(
    st.dictionaries(
        st.sampled_from(["id", "connection", "started_ns", "upstream", "origin", "request",
                         "response"]),
        odd | st.dictionaries(st.sampled_from(["target", "status", "method"]), odd),
    )
)  # fmt: skip
def test_any_header_has_lines(fields: dict[str, Any]) -> None:
    overview = Overview("x", Header(fields), "sealed", 0, Summary())
    assert overview.lines(UTC)
    overview.to_map()


def test_small_tapes_are_read_to_see_whether_they_are_sound() -> None:
    assert survey(sealed(places=[GONE], sound=5), "x").state == "damaged"
    assert survey(Tape(tape_of(sample()), places=[GONE], sound=5), "x").state == "damaged"
    assert survey(Tape(tape_of(sample())), "x").state == "crashed"
    assert survey(Tape(tape_of(sample()), "live"), "x").state == "live"


def test_large_tapes_are_not_read_through_first() -> None:
    tape = sealed(size=READ_AT_ONCE + 1)
    assert survey(tape, "x").counted
    assert tape.read == 0
    long: list[Record] = [HEADER, *sample()]
    long += [Event(n, n, 0, "x") for n in range(len(sample()), 5 * PEEK)]
    tape = Tape(long, size=READ_AT_ONCE + 1)
    overview = survey(tape, "x")
    assert tape.read <= PEEK + 1
    assert (overview.counted, overview.summary.model) == (False, "gpt-realtime")
    lines = dict(overview.lines(UTC))
    assert lines["events"] == "33.6 MB, not counted as the tape is not sealed"


def test_damage_stands_between_the_records_where_it_is() -> None:
    found = list(records(Tape(tape_of(sample()), places=[GONE], sound=3)))
    assert found[3] == Missing(2, found[2].t_ns, damage_line(GONE))  # type: ignore[union-attr]
    at_end = list(records(Tape(tape_of(sample()), places=[GONE], sound=999)))
    assert isinstance(at_end[-1], Missing)


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        (range(2, 3), "record 2 missing, 1,234 bytes at offset 5,678: bad"),
        (range(2, 5), "records 2 to 4 missing, 1,234 bytes at offset 5,678: bad"),
        (range(0), "1,234 bytes at offset 5,678: bad"),
    ],
)
def test_damage_in_words(missing: range, line: str) -> None:
    assert damage_line(Place(5678, 1234, missing, "bad")) == line


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (12_800, "12.8 kB"), (99_940, "99.9 kB"),
        (99_960, "100 kB"), (999_499, "999 kB"), (999_500, "1 MB"), (380_000_000, "380 MB"),
        (5 * 10**15, "5000 TB"),
    ],
)  # fmt: skip
def test_sizes_in_words(n_bytes: int, words: str) -> None:
    assert size(n_bytes) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.000 s"), (59.9, "59.900 s"), (60, "1:00 min"), (3599, "59:59 min"), (3661, "1:01:01")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    overview = Overview("x", Header({}), "sealed", 0, Summary(duration_ns=int(seconds * 1e9)))
    assert dict(overview.lines(UTC))["when"] == words
