"""What a person sees: the listing at several widths, plain and in colour.

After a wanted change, look at the new files: UPDATE_SNAPSHOTS=1 pytest tests/inspect.
"""

import io
import os
import re
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from rtproxy.inspect.listing import Listing, Missing, Row
from rtproxy.inspect.overview import Overview
from rtproxy.inspect.screen import cut
from rtproxy.inspect.terminal import Terminal, columns_for, shorten
from rtproxy.tape.record import Event, Header
from rtproxy.tape.summary import Summary
from tests.inspect.sample import HEADER, Piece, sample, tape_of

SNAPSHOTS = Path(__file__).parent / "snapshots"
ESCAPE = re.compile(r"\x1b\[[\d;]*m")


def overview_of(records: list[Piece], header: Header = HEADER, counted: bool = True) -> Overview:
    summary = Summary()
    for record in records:
        summary.add(record, 0)
    return Overview("call.rtape", header, "sealed", 9000, summary, counted)


def console(width: int | None, colour: bool, height: int = 25) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        height=height,
        force_terminal=width is not None,
        color_system="truecolor" if colour else None,
        no_color=not colour,
        _environ={},
    )


def shown(
    width: int | None,
    colour: bool = False,
    fold: bool = True,
    records: list[Piece] | None = None,
    overview: Overview | None = None,
) -> str:
    records = sample() if records is None else records
    overview = overview or overview_of(records)
    screen = console(width, colour)
    rows = Listing(fold=fold).rows(tape_of(records))
    Terminal(screen, UTC).show(overview, rows, fold, pager=False)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("width", [80, 120, None], ids=["80", "120", "piped"])
def test_the_listing_looks_like_this(width: int | None, colour: bool) -> None:
    name = f"listing-{width or 'piped'}-{'colour' if colour else 'plain'}.txt"
    found = shown(width, colour)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        (SNAPSHOTS / name).write_text(found, "utf-8")
    assert found == (SNAPSHOTS / name).read_text("utf-8")


def test_colour_adds_only_colour() -> None:
    for width in (80, 120, 200):
        assert ESCAPE.sub("", shown(width, colour=True)) == shown(width)


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int, fold: bool) -> None:
    lines = shown(width, fold=fold).splitlines()
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("width", [60, 80])
def test_a_long_path_loses_its_front_and_not_the_state_behind_it(width: int) -> None:
    path = f"/builds/{'deep/' * 20}call.rtape"
    overview = Overview(path, HEADER, "damaged", 9000, Summary(), True)
    first = shown(width, overview=overview).splitlines()[0]
    assert first.startswith("tape       …")
    assert first.endswith("deep/call.rtape · damaged · simulated")
    assert cell_len(first) == width


def test_piped_nothing_is_cut() -> None:
    text = shown(None)
    assert "conversation.item.input_audio_transcription.completed" in text
    assert "“Hello \\x1b[31mred\\u202e, I am\\r\\nMarcelo.” · 1 s · item_1" in text
    assert "…" not in text


def test_the_columns_stand_below_one_another() -> None:
    lines = shown(None).splitlines()
    head = next(line for line in lines if line.lstrip().startswith("seq"))
    at = head.index("event")
    for line in lines[lines.index(head) + 1 :]:
        assert line[at - 2] in "→←"
        assert line[at - 1] == " "
        assert line[at] not in " "


hostile = st.text(
    alphabet=st.sampled_from('a\x1b[2J\x9b\r\n\t\x07\u202e\u2066世👋\u0301\ufe0f\ud800 ."{}'),
    max_size=80,
)


@given(text=hostile, width=st.integers(20, 200))
def test_nothing_from_the_tape_reaches_the_terminal_unescaped(text: str, width: int) -> None:
    records: list[Piece] = [
        Event(0, 10**15, 1, text),
        Event(
            10**9, 10**15, 1, '{"type": "' + text.replace('"', "").replace("\\", "") + '.delta"}'
        ),
    ]
    header = Header({"id": text, "connection": text, "origin": text, "upstream": text,
                     "started_ns": 2**63, "request": {"target": text}})  # fmt: skip
    overview = overview_of([], header)
    for lines in (shown(width, records=records, overview=overview),
                  shown(None, records=records, overview=overview)):  # fmt: skip
        assert "\x1b" not in lines
        assert "\x9b" not in lines
        assert not set(lines.replace("\n", "")) & set("\r\t\x07\u202e\u2066\ud800")
        assert lines.count("\n") == 2 + 2 + len(overview.lines())


@pytest.mark.parametrize(
    ("name", "width", "expected"),
    [
        ("error", 10, "error"),
        ("input_audio_buffer.speech_started", 26, "…buffer.speech_started"),
        ("conversation.item.input_audio_transcription.completed", 26, "…transcription.completed"),
        ("response.output_audio_transcript.delta", 29, "…audio_transcript.delta"),
        ("x" * 40, 10, "xxxxxxxxx…"),
        ("世界." * 20, 10, "…世界."),
    ],
)
def test_a_type_keeps_its_last_words(name: str, width: int, expected: str) -> None:
    found = shorten(name, width)
    assert cell_len(found) <= width
    assert found == expected


@given(st.text(max_size=30), st.integers(1, 30))
def test_a_cut_text_fits(text: str, width: int) -> None:
    assert cell_len(cut(text, width)) <= width


def test_columns_are_no_wider_than_the_tape_needs() -> None:
    short = columns_for(overview_of(sample()), 200, fold=False)
    unknown = columns_for(overview_of([], counted=False), 200, fold=False)
    assert short.seq < unknown.seq
    assert short.time < unknown.time


def test_trouble_stands_out() -> None:
    rows = list(Listing().rows([Missing(3, 0, "record 3 missing")]))
    screen = console(120, colour=True)
    Terminal(screen, UTC).show(overview_of([]), rows, fold=True, pager=False)
    assert isinstance(screen.file, io.StringIO)
    last = screen.file.getvalue().splitlines()[-1]
    assert "\x1b[1;31m!\x1b[0m" in last
    assert "\x1b[1;31mrecord 3 missing\x1b[0m" in last


class Paged:
    """Stands in for the pager; counts how many rows were taken from the tape."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, read: int) -> None:
        self.text = ""
        self.taken = 0
        self.colour: bool | None = True
        self._read = read
        monkeypatch.setattr(click, "echo_via_pager", self._page)

    def _page(self, lines: Iterator[str], color: bool | None = None) -> None:
        self.colour = color
        for _ in range(self._read):
            self.text += next(lines)

    def rows(self) -> Iterator[Row]:
        for row in Listing(fold=False).rows(sample() * 50):
            self.taken += 1
            yield row


def test_a_long_listing_goes_through_the_pager_first_page_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paged = Paged(monkeypatch, read=1)
    screen = console(80, colour=True, height=25)
    Terminal(screen, UTC).show(overview_of(sample()), paged.rows(), fold=False, pager=True)
    assert paged.text.count("\n") == 24
    assert paged.taken <= 20
    assert paged.colour is None
    assert isinstance(screen.file, io.StringIO)
    assert screen.file.getvalue() == ""


def test_what_fits_the_screen_needs_no_pager(monkeypatch: pytest.MonkeyPatch) -> None:
    paged = Paged(monkeypatch, read=1)
    screen = console(80, colour=False, height=80)
    Terminal(screen, UTC).show(overview_of(sample()), Listing().rows(sample()), True, pager=True)
    assert paged.text == ""
    assert isinstance(screen.file, io.StringIO)
    assert "rtproxy.close" in screen.file.getvalue()


def test_elsewhere_there_is_no_pager(monkeypatch: pytest.MonkeyPatch) -> None:
    paged = Paged(monkeypatch, read=1)
    screen = console(None, colour=False)
    Terminal(screen, UTC).show(overview_of(sample()), paged.rows(), fold=False, pager=True)
    assert paged.text == ""
    assert paged.taken == 50 * len(sample())


def test_a_width_that_was_asked_for_is_kept_when_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    screen = Console(file=io.StringIO(), force_terminal=False)
    Terminal(screen, UTC).show(overview_of(sample()), Listing().rows(sample()), True, pager=False)
    assert isinstance(screen.file, io.StringIO)
    assert max(map(cell_len, screen.file.getvalue().splitlines())) <= 90
