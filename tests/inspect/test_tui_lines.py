"""What is to be read: JSON without its audio, detail, tables; how it is cut, wrapped, escaped."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from rtproxy.inspect.listing import Row
from rtproxy.inspect.tui.detail import event_lines, finding_lines, turn_lines
from rtproxy.inspect.tui.event_row import columns_for, event_line, heading
from rtproxy.inspect.tui.help import columns as help_columns
from rtproxy.inspect.tui.keys import GROUPS, KEYS
from rtproxy.inspect.tui.line import Line, line
from rtproxy.inspect.tui.painting import STYLES, cut, fitted, strip_of, wrapped
from rtproxy.inspect.tui.pretty import MAX_LINES, MAX_STRING, pretty
from rtproxy.inspect.tui.tables import columns_for as turn_columns
from rtproxy.inspect.tui.tables import turn_heading, turn_line
from rtproxy.realtime.audio import G711_ULAW, PCM16
from tests.inspect.test_tui_catalogue import catalogued
from tests.inspect.test_tui_inspection import known


def text_of(lines: list[Line]) -> str:
    return "\n".join(found.text for found in lines)


def tone(ms: int, level: int = 3_277) -> str:
    """Base64 of a square wave of so many ms at −20 dB."""
    samples = np.full(PCM16.size(ms) // 2, level, np.int16)
    return base64.b64encode(PCM16.encode(samples)).decode()


# JSON.

VALUES: list[Any] = [
    {},
    [],
    {"a": 1, "b": [True, None, 1.5, "x"], "c": {"d": {}}},
    [{"type": "x"}, [], "y"],
    "text",
    12,
]


@pytest.mark.parametrize("value", VALUES)
def test_json_is_shown_as_it_is(value: Any) -> None:
    assert text_of(pretty(value)) == json.dumps(value, indent=2)


def test_audio_is_told_not_shown() -> None:
    event = {"type": "input_audio_buffer.append", "audio": tone(200)}
    found = text_of(pretty(event, PCM16))
    assert "(200 ms of audio at −20 dB, 12,800 characters of base64)" in found
    assert tone(200)[:40] not in found
    assert "that is silent" in text_of(pretty({"delta": tone(200, 0)}, PCM16))


def test_audio_is_read_as_it_was_meant() -> None:
    audio = base64.b64encode(bytes(1600)).decode()
    assert "200 ms of audio" in text_of(pretty({"delta": audio}, G711_ULAW))


def test_bytes_that_are_no_audio_are_counted() -> None:
    assert text_of(pretty({"image": "A" * 1000})) == '{\n  "image": (1,000 characters of base64)\n}'
    assert "=A" in text_of(pretty({"delta": "=A" * 500}, PCM16))
    assert "ms of audio," in text_of(pretty({"delta": "A" * 301}, PCM16))
    assert text_of(pretty({"payload": b"1234"})) == '{\n  "payload": (4 bytes)\n}'


def test_long_things_are_cut_and_it_is_said() -> None:
    assert "… 6,000 more characters" in text_of(pretty("x " * (MAX_STRING // 2 + 3_000)))
    lines = pretty(list(range(100_000)))
    assert len(lines) == MAX_LINES + 1
    assert "only the first" in lines[-1].text
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert "[ … ]" in text_of(pretty(deep))


# Detail.


def test_the_detail_of_a_record_leads_to_cause_and_effect() -> None:
    found = known("slow tool")
    catalogue, shelf = catalogued(found.records)
    names = [catalogue.name(at).name for at in range(len(catalogue))]
    found.place.go_to(names.index("response.create"))
    lines = event_lines(found.place, shelf)
    links = [part for part in lines if part.seq is not None]
    texts = [part.text for part in links]
    assert any("↑ is about #" in text and "conversation.item.create" in text for text in texts)
    assert any("↓ asked for #" in text and "response.created +30 ms" in text for text in texts)
    for part in links:
        assert part.seq is not None
        assert found.place.go_to_seq(part.seq)


def test_the_detail_of_a_run_says_how_much_and_what() -> None:
    found = known("two tools")
    _, shelf = catalogued(found.records)
    rows = found.place.rows
    row = max(range(len(rows)), key=lambda n: rows.counts[n] * ("delta" in rows.names(n)[0].name))
    found.place.go_to_row(row)
    text = text_of(event_lines(found.place, shelf))
    assert f"the first of {rows.counts[row]:,} in a row" in text
    assert "s of audio" in text
    assert "“" in text


def test_the_detail_says_what_was_found_there() -> None:
    found = known("barge-in, truncated wrong")
    _, shelf = catalogued(found.records)
    (finding,) = found.session.findings
    found.place.go_to_finding(0)
    assert finding.message in text_of(event_lines(found.place, shelf))
    lines = finding_lines(found.place, 0)
    assert finding.next in text_of(lines)
    assert [part.seq for part in lines if part.seq is not None] == list(finding.events)


def test_the_detail_of_a_turn_has_its_metrics_and_events() -> None:
    found = known("two tools")
    found.place.go_to_turn(1)
    (turn,) = found.session.turns
    lines = turn_lines(found.place, turn)
    text = text_of(lines)
    assert "v2v_ms                   660" in text
    assert "tool: first({})" in text
    assert "assistant: Let me look. Done." in text
    seqs = [part.seq for part in lines if part.seq is not None]
    assert seqs == sorted(set(seqs))
    assert {turn.seq, turn.responses[0].seq, turn.calls[0].output_seq} <= set(seqs)


# Tables.


@pytest.mark.parametrize("width", [60, 76, 100, 118, 150, 196])
def test_columns_stand_below_their_headings(width: int) -> None:
    found = known("two turns, transcribed")
    columns = turn_columns(width)
    head = turn_heading(columns).text
    for turn in found.session.turns:
        row = turn_line(found.session, turn, columns, frozenset()).text
        assert row[head.index(" end ") + 1 :].startswith("completed")
        assert row[head.index("voice") :][:5].strip() == "660"
        assert "“" in row
    assert [key for _, key in columns][:4] == ["v2v_ms", "endpoint_ms", "queue_ms", "model_ms"]


def test_a_slow_turn_and_a_reply_that_was_not_heard_stand_out() -> None:
    found = known("barge-in, truncated wrong")
    line_ = turn_line(found.session, found.session.turns[0], turn_columns(150), frozenset({1}))
    inks = {text.strip(): ink for text, ink in line_.pieces}
    assert inks["660"] == "warning"
    assert inks["2060"] == "pause"


@pytest.mark.parametrize("width", [50, 78, 110, 196])
def test_event_rows_stand_below_their_heading(width: int) -> None:
    columns = columns_for(width, 12_345, 3_600_000)
    row = Row(12_345, 12_345, 10**12, 10**12, 10**9, True, "response.done", "response.done", "ok")
    head, text = heading(columns).text, event_line(row, columns).text
    assert text.index("response.done") == head.index("event")
    assert text.index("ok") == head.index("what matters")


# Cut, wrapped, escaped.

HOSTILE = st.text(
    alphabet=st.sampled_from('a\x1b[2J\x9b\r\n\t\x07\u202e\u2066世👋\u0301\u200d\ufe0f7 ."{}[/@'),
    max_size=80,
)
WIDENED = [("2\x07", ""), ("2\x07", ""), ("\ufe0f2\x07", "")]
"""A selector that would make the 7 before it two cells wide, though it is in the piece after it."""
PIECES = st.lists(st.tuples(HOSTILE, st.sampled_from(sorted(STYLES))), max_size=5)


def is_inert(text: str) -> bool:
    return not any(char in text for char in "\x1b\x9b\r\n\t\x07\u202e\u2066")


@given(PIECES, st.integers(1, 60), st.booleans())
@example(WIDENED, 20, False)
def test_a_line_fills_its_cells_and_does_nothing(
    pieces: list[Any], width: int, chosen: bool
) -> None:
    strip = strip_of(Line(tuple(pieces)), width, Style(), chosen=chosen)
    assert sum(cell_len(segment.text) for segment in strip) == strip.cell_length == width
    assert cell_len(strip.text) == width
    assert is_inert(strip.text)
    assert all(segment.style is not None and not segment.style.meta for segment in strip)
    assert all(segment.style is not None and not segment.style.link for segment in strip)


@given(PIECES, st.integers(8, 60), st.integers(0, 20))
@example(WIDENED, 15, 0)
def test_wrapping_loses_nothing_but_blanks(pieces: list[Any], width: int, hang: int) -> None:
    lines = list(wrapped(Line(tuple(pieces), hang, 7), width))
    assert all(cell_len(found.text) <= width for found in lines)
    assert [found.rest for found in lines] == [False] + [True] * (len(lines) - 1)
    assert all(found.seq == 7 for found in lines)
    assert all(is_inert(found.text) for found in lines)
    whole = strip_of(Line(tuple(pieces)), 10_000, Style()).text
    assert "".join("".join(found.text for found in lines).split()) == "".join(whole.split())


def test_words_stay_whole_where_they_can() -> None:
    found = [part.text for part in wrapped(line(("one two three four", "")), 10)]
    assert found == ["one two", "three four"]
    assert [p.text for p in wrapped(line(("ab " + "x" * 14, ""), hang=2), 10)] == [
        "ab",
        "  xxxxxxxx",
        "  xxxxxx",
    ]


def test_what_wraps_without_end_ends() -> None:
    assert len(list(wrapped(line(("x" * 100_000, "")), 8))) < 500


@given(HOSTILE, st.integers(1, 30), st.booleans())
def test_text_fits(text: str, width: int, right: bool) -> None:
    assert cell_len(fitted(text, width, right=right)) == width
    assert cell_len(cut(text.translate({0x1B: "", 0x200D: ""}), width)) <= width


def test_wide_characters_are_not_cut_in_half() -> None:
    assert cut("世界世界", 5) == "世界…"
    assert fitted("世界世界", 4) == "世… "
    assert fitted("ab", 4, right=True) == "  ab"


# The help.


def test_the_help_names_every_key() -> None:
    for width in (76, 112):
        text = text_of(help_columns(width))
        for name, keys in GROUPS:
            assert name in text
            assert all(key.does in text and key.shown in text for key in keys)
        assert all(cell_len(part.text) <= width - 4 for part in help_columns(width))


def test_no_key_means_two_things() -> None:
    names = [name for key in KEYS for name in key.keys]
    assert len(names) == len(set(names))
