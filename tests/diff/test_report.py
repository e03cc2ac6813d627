"""What a person reads of a difference on a terminal, and where there is none.

After a wanted change, look at the new files: UPDATE_SNAPSHOTS=1 pytest tests/diff/test_report.py.
"""

import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from rtproxy.diff.compare import compare_records
from rtproxy.diff.difference import Diff, Difference, Metric, TurnPair, WordRun
from rtproxy.diff.distribution import SetDiff
from rtproxy.diff.excerpt import DOTS, excerpt, joined, sides
from rtproxy.diff.report import amount, metric_rows, result, signed
from rtproxy.diff.summary import summary
from rtproxy.diff.terminal import Terminal
from rtproxy.view.screen import Screen
from tests.diff import sample
from tests.diff.calls import reworded, simulated

SNAPSHOTS = Path(__file__).parent / "snapshots"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
EVIL = "\x1b]0;gotcha\x07\x1b[31m\u202e\r\n\x00<script>alert(1)</script>%0A::error::x"


def screen(width: int | None, colour: bool = False, ascii: bool = False) -> Screen:
    """A screen that writes into memory; without a width it is no terminal."""
    console = Console(
        file=io.StringIO(),
        width=width or 100,
        force_terminal=width is not None or colour,
        color_system="standard" if colour else None,
        no_color=not colour,
    )
    made = Screen(console, ascii)
    if width is None:
        made.width = None
    return made


def shown(
    diff: Diff | SetDiff, width: int | None, colour: bool = False, ascii: bool = False
) -> str:
    on = screen(width, colour, ascii)
    terminal = Terminal(on)
    if isinstance(diff, Diff):
        on.show(terminal.lines(diff), pager=False)
    else:
        on.show(terminal.set_lines(diff, "old", "new"), pager=False)
    assert isinstance(on.console.file, io.StringIO)
    return on.console.file.getvalue()


def from_calls() -> Diff:
    """A real comparison: another voice, another argument, other words."""
    a = simulated("support-call", seed=1)
    b = reworded(simulated("support-call", seed=2), '"marin"', '"cedar"')
    b = reworded(b, "latest", "oldest")
    b = reworded(b, "arrives on Thursday", "is at your door on Friday")
    return compare_records(a, b, level="text", names=("old.rtape", "new.rtape"))


@pytest.fixture(scope="module")
def made() -> dict[str, Diff | SetDiff]:
    return {
        "everything": sample.diff(),
        "equal": sample.equal(),
        "set": sample.many(),
        "calls": from_calls(),
    }


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("width", [80, 100, 200, None], ids=["80", "100", "200", "piped"])
@pytest.mark.parametrize("name", ["everything", "equal", "set", "calls"])
def test_the_report_looks_like_this(
    made: dict[str, Diff | SetDiff], name: str, width: int | None, colour: bool
) -> None:
    path = SNAPSHOTS / f"{name}-{width or 'piped'}-{'colour' if colour else 'plain'}.txt"
    found = shown(made[name], width, colour)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(found, "utf-8")
    assert found == path.read_text("utf-8")


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("width", [60, 80, 100, 200, 300])
def test_no_line_is_wider_than_the_terminal(
    made: dict[str, Diff | SetDiff], width: int, colour: bool
) -> None:
    for diff in made.values():
        lines = ESCAPE.sub("", shown(diff, width, colour)).splitlines()
        # Of less than 80 columns only tables need more.
        assert max(map(cell_len, lines)) <= max(width, 80)


def test_both_sides_stand_beside_one_another_on_a_terminal_and_below_elsewhere() -> None:
    diff = sample.diff()
    beside = shown(diff, 100)
    assert "│ It has shipped and arrives on" in beside
    assert "[-Thursday.-]" in beside
    assert "{+Friday.+}" in beside
    below = shown(diff, None)
    assert "\n- It has shipped and arrives on Thursday. You can" in below
    assert "\n+ It has shipped and arrives on Friday. You can" in below
    assert "[-" not in below


def test_words_are_marked_by_colour_where_there_is_one() -> None:
    coloured = shown(sample.diff(), 100, colour=True)
    assert "\x1b[1;31mThursday." in coloured
    assert "\x1b[1;32mFriday." in coloured
    assert "[-" not in coloured


def test_each_difference_names_turn_path_and_events() -> None:
    below = shown(sample.diff(), None)
    heads = [line for line in below.splitlines() if line.startswith("@@ ")]
    assert len(heads) == len(sample.DIFFERENCES)
    assert heads[1] == "@@ turn 1 · tools[0].arguments.order · tools · a #143 · b #150"
    assert heads[-1].startswith("@@ turn 3 → 4 · ")
    assert "rtproxy inspect recordings/today.rtape --filter '#2'" in below


def test_only_what_differs_is_told() -> None:
    text = shown(sample.equal(), 100)
    assert "equal" in text
    assert "turn 1" not in text
    assert "v2v.p50" in text


def test_a_set_names_pairs_and_what_has_no_other() -> None:
    text = shown(sample.many(), 200)
    assert re.search(r"^fresh +✗ only in b$", text, re.MULTILINE)
    assert re.search(r"^call-3 +✗ 8 differences, 1 budget broken", text, re.MULTILINE)
    assert "+120 ms … +260 ms" in text
    assert "rtproxy diff old/call-3.rtape new/call-3.rtape" in text
    assert (
        result(sample.many()) == "1 of 5 pairs differ · 1 only in a · 1 only in b · 1 budget broken"
    )


def test_ascii_is_nothing_but_ascii() -> None:
    for diff in (sample.diff(), sample.many()):
        assert shown(diff, 100, ascii=True).isascii()


def hostile() -> Diff:
    """A difference of which every text is made by somebody who means harm."""
    runs = (WordRun("same", EVIL, EVIL), WordRun("changed", EVIL, EVIL + "!"))
    value: Any = {"type": EVIL, EVIL: [EVIL]}
    differences = (
        Difference(
            "text", 1, 1, f"turns[0].{EVIL}", "changed", EVIL, EVIL, 1, 2, words=runs, wer=1
        ),
        Difference("tools", 1, 1, "turns[0].tools[0]", "added", None, value, None, 2),
        Difference("text", None, None, EVIL, "changed", EVIL, None, 1, 2, unit=EVIL),
    )
    pair = TurnPair("changed", 1, 1, EVIL, EVIL, EVIL, EVIL)
    metrics = (Metric(EVIL, 1.0, 2.0, EVIL),)
    return sample.diff(
        pairs=(pair,), differences=differences, metrics=metrics, budgets=(), a=EVIL, b=EVIL,
        notes=(EVIL,),
    )  # fmt: skip


@pytest.mark.parametrize("width", [80, 200, None])
def test_nothing_from_a_tape_reaches_the_terminal_as_it_is(width: int | None) -> None:
    text = shown(hostile(), width)
    assert not set(text) & set("\x1b\x07\u202e\r\x00")
    coloured = ESCAPE.sub("", shown(hostile(), width, colour=True))
    assert not set(coloured) & set("\x1b\x07\u202e\r\x00")


# The parts.


@pytest.mark.parametrize(
    ("number", "unit", "told", "change"),
    [
        (827.4, "ms", "827 ms", "+827 ms"),
        (1115.2, "ms", "1,115 ms", "+1,115 ms"),
        (12_345.0, "ms", "12.35 s", "+12.35 s"),
        (-2.1, "dB", "−2.1 dB", "−2.1 dB"),
        (0.0, "ms", "0 ms", "±0 ms"),
        (-0.3, "ms", "0 ms", "±0 ms"),
        (0.4651, "", "0.465", "+0.465"),
        (6.6e-05, "", "0", "±0"),
        (174, "tokens", "174", "+174"),
        (14.29, "%", "14.3 %", "+14.3 %"),
        (1_234_567, "tokens", "1,234,567", "+1,234,567"),
    ],
)
def test_amounts_and_changes_in_words(number: float, unit: str, told: str, change: str) -> None:
    assert amount(number, unit) == told
    assert signed(number, unit) == change
    assert amount(None, unit) == "–"


def test_metrics_that_did_not_change_are_left_out_but_for_the_main_ones() -> None:
    metrics = (
        Metric("v2v.p50", 800.0, 801.0, "ms", 2, 2),
        Metric("overlap.p50", 20.0, 21.0, "ms", 2, 2),
        Metric("overlap.max", 20.0, 190.0, "ms", 2, 2),
        Metric("model.p95", 300.0, 900.0, "ms", 2, 2),
        Metric("turns", 2, 2, ""),
        Metric("errors", 0, 1, ""),
        Metric("tool.p50", None, None, "ms", 0, 0),
    )
    keys = [row.key for row in metric_rows(sample.equal(metrics=metrics))]
    assert keys == ["v2v.p50", "overlap.max", "errors"]


CALL, ITEM = "turns[0].tools[1]", "turns[0].responses[0].items[2]"
TURN = {"kind": "speech", "user": "Hi", "assistant": "Yes?", "tools": ["ring"]}
GREETING = {"kind": "greeting", "user": None, "assistant": "Hello"}


@pytest.mark.parametrize(
    ("found", "path", "told"),
    [
        (None, "", "–"),
        ("text", "turns[0].user", "text"),
        ({"b": 1, "a": [2]}, "session.x", '{"a":[2],"b":1}'),
        (TURN, "turns[3]", "“Hi” → ring() → “Yes?”"),
        (GREETING, "turns[0]", "greeting → “Hello”"),
        ({"name": "f", "arguments": {"a": 1}, "output": "ok"}, CALL, 'f({"a":1}) → ok'),
        ({"name": "f"}, CALL, "f()"),
        ({"status": None, "text": "Hm"}, "turns[0].responses[0]", "still open “Hm”"),
        ({"type": "message", "role": "user"}, ITEM, "user"),
        ({"type": "error", "code": 7}, f"{ITEM}.events[1]", 'error {"code":7}'),
        # What only looks like one of these is what it is.
        ({"type": "x"}, f"{CALL}.arguments.items[0]", '{"type":"x"}'),
        ({"type": "function", "name": "f"}, "session.tools[0]", '{"name":"f","type":"function"}'),
    ],
)
def test_what_only_one_has_in_one_line(found: Any, path: str, told: str) -> None:
    assert summary(found, path) == told


def test_words_far_from_any_change_are_left_out() -> None:
    a, b = sides(sample.DIFFERENCES[3])
    assert joined(a).startswith("It has shipped and arrives on Thursday. You can change")
    assert f" {DOTS} " in joined(a)
    assert len(joined(a)) < len(sample.LONG)
    assert [span.text for span in b if span.changed] == ["Friday."]


RUNS = st.lists(
    st.builds(
        WordRun,
        st.sampled_from(["same", "changed", "added", "removed"]),
        st.text("ab ", max_size=200),
        st.text("ab ", max_size=200),
    ),
    max_size=5,
)


@given(RUNS)
def test_all_that_differs_is_in_an_excerpt(runs: list[WordRun]) -> None:
    a, b = excerpt(runs)
    changed = [run for run in runs if run.kind != "same"]
    assert [span.text for span in a if span.changed] == [run.a for run in changed if run.a]
    assert [span.text for span in b if span.changed] == [run.b for run in changed if run.b]
