"""The page in a real Chromium: what it shows, where a click leads, and that nothing in it runs.

Run these with SHOTS=folder to look at the pictures.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from rtproxy.diff.compare import Comparison
from rtproxy.diff.difference import Diff
from rtproxy.diff.distribution import SetDiff, SetPair
from rtproxy.diff.page.document import page, set_page
from rtproxy.diff.page.lanes import Side, spans
from rtproxy.diff.page.markup import Markup, joined, tag
from rtproxy.diff.page.writer import read_assets
from rtproxy.diff.tapes import read_tape
from rtproxy.errors import PageError
from rtproxy.realtime.session import Session
from rtproxy.tape.record import Control, Event, Record
from rtproxy.view.file import write_page
from tests.diff import sample
from tests.diff.calls import reworded, simulated, write
from tests.diff.test_report import EVIL, hostile
from tests.inspect.browser import NARROW, WIDE, Visit, chromium, visit

WORSE = "\"'><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@cache
def calls() -> tuple[list[Record], list[Record]]:
    """A call, and one with another argument, other words, and a second turn that comes later."""
    a = simulated("support-call", seed=1)
    b = reworded(simulated("support-call", seed=2), "latest", "oldest")
    b = reworded(b, "arrives on Thursday", "is at your door on Friday")
    return a, b


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Diff, tuple[Side, Side], Path]:
    """A real difference, its sides, and its page."""
    folder = tmp_path_factory.mktemp("page")
    first, second = (
        read_tape(write(folder / name, records), "text")
        for name, records in zip(("old.rtape", "new.rtape"), calls(), strict=True)
    )
    diff = Comparison("text").of(first.session, second.session)
    times = [{r.seq: r.t_ns / 1e6 for r in records if isinstance(r, Event)} for records in calls()]
    sides = Side(first.reading, times[0]), Side(second.reading, times[1])
    path = folder / "diff.html"
    write_page(path, page(diff, sides, read_assets()))
    return diff, sides, path


@pytest.fixture
def opened(browser: Browser, compared: tuple[Diff, tuple[Side, Side], Path]) -> Iterator[Visit]:
    with visit(browser, compared[2]) as there:
        yield there
        assert not there.complaints
        assert not there.requests


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_it_says_how_it_came_out_and_what_differs(opened: Visit) -> None:
    page = opened.page
    expect(page.locator("h1")).to_have_text("2 differences (tools 1, text 1) · in 1 of 2 turns")
    expect(page.locator(".difference")).to_have_count(2)
    expect(page.locator("#d1 .where")).to_have_text("tools[0].arguments.order")
    expect(page.locator("#d1 .side.a")).to_have_text('"latest"')
    expect(page.locator("#d1 .side.b")).to_have_text('"oldest"')
    expect(page.locator(".metrics tbody th").first).to_have_text("v2v.p50")
    picture(page, "diff")


def test_words_that_differ_are_marked(opened: Visit) -> None:
    words = opened.page.locator("#d2")
    assert words.locator("del").all_text_contents() == ["arrives", "Thursday."]
    assert words.locator("ins").all_text_contents() == ["is at your door", "Friday."]
    assert "It has shipped and" in (words.locator(".side.a").text_content() or "")


def test_on_paper_the_words_that_differ_are_marked(opened: Visit) -> None:
    """Their mark is a background, which browsers leave out unless they are asked for it."""
    opened.page.emulate_media(media="print", color_scheme="dark")
    for mark in ("del", "ins"):
        expect(opened.page.locator(f"#d2 {mark}").first).to_have_css("print-color-adjust", "exact")
    expect(opened.page.locator("html")).to_have_css("color-scheme", "light")
    opened.page.emulate_media(media="screen", color_scheme="light")


def test_both_timelines_stand_over_one_axis(
    opened: Visit, compared: tuple[Diff, tuple[Side, Side], Path]
) -> None:
    page, (_, sides, _) = opened.page, compared
    for name, side in zip("ab", sides, strict=True):
        drawn = page.locator(f"svg.lanes.{name} rect.heard")
        heard = [s for s in spans(side.session) if s.look == "heard"]
        expect(drawn).to_have_count(len(heard))
        boxes = [drawn.nth(n).bounding_box() for n in range(len(heard))]
        ruler = page.locator("svg.ruler").bounding_box()
        assert ruler is not None
        whole = max(side.end_ms for side in sides) * 1.01
        for box, span in zip(boxes, heard, strict=True):
            assert box is not None
            assert (box["x"] - ruler["x"]) / ruler["width"] == pytest.approx(
                span.start_ms / whole, abs=0.003
            )
    upper, lower = (page.locator(f"svg.lanes.{name}").bounding_box() for name in "ab")
    assert upper is not None
    assert lower is not None
    assert (upper["x"], upper["width"]) == (lower["x"], lower["width"])
    assert upper["y"] + upper["height"] < lower["y"]
    expect(page.locator(".ribbon")).to_have_count(2)
    expect(page.locator(".ribbon.changed")).to_have_count(1)


def marks_in_view(page: Page, name: str) -> list[bool]:
    """Whether each mark of a difference lies within what the scroller shows."""
    found: list[bool] = page.locator(f'.mark[data-difference="{name}"] .line').evaluate_all(
        """lines => { const view = document.querySelector('.scroll').getBoundingClientRect();
        return lines.map(line => { const x = line.getBoundingClientRect().left;
        return x >= view.left && x <= view.right; }); }"""
    )
    return found


def test_a_click_on_a_difference_leads_both_timelines_there(opened: Visit) -> None:
    page = opened.page
    for _ in range(4):
        page.click(".in")
    page.click("#d2 .go")
    expect(page.locator("#d2")).to_have_class(re.compile("chosen"))
    expect(page.locator(".mark.chosen")).to_have_count(2)
    assert marks_in_view(page, "d2") == [True, True]
    expect(page.locator(".place")).to_have_text("2 of 2")
    assert page.evaluate("location.hash") == "#d2"
    page.click("#d1 .go")
    expect(page.locator("#d2")).not_to_have_class(re.compile("chosen"))
    assert marks_in_view(page, "d1") == [True, True]


def test_a_click_in_a_timeline_leads_to_the_difference(opened: Visit) -> None:
    page = opened.page
    page.locator('svg.lanes.b .mark[data-difference="d2"] .reach').click(force=True)
    expect(page.locator("#d2")).to_have_class(re.compile("chosen"))
    expect(page.locator("#d2")).to_be_in_viewport()
    page.locator(".ribbon.changed").click(position={"x": 200, "y": 20})
    expect(page.locator("#d1")).to_have_class(re.compile("chosen"))


def test_keys_go_from_one_difference_to_the_next(opened: Visit) -> None:
    page = opened.page
    for key, place in (("j", "1 of 2"), ("j", "2 of 2"), ("j", "1 of 2"), ("k", "2 of 2")):
        page.keyboard.press(key)
        expect(page.locator(".place")).to_have_text(place)
    page.click(".after")
    expect(page.locator(".place")).to_have_text("1 of 2")
    page.click(".before")
    expect(page.locator(".place")).to_have_text("2 of 2")


def test_zoom_keeps_to_its_bounds_and_shows_finer_ticks(opened: Visit) -> None:
    page = opened.page

    def width() -> float:
        box = page.locator(".wide").bounding_box()
        assert box is not None
        return box["width"]

    before, ticks = width(), page.locator(".tick:visible").count()
    expect(page.locator(".out")).to_be_disabled()
    page.click(".in")
    assert width() == pytest.approx(2 * before, rel=0.01)
    assert page.locator(".tick:visible").count() > ticks
    page.locator(".scroll").focus()
    for _ in range(8):
        page.keyboard.press("+")
    expect(page.locator(".in")).to_be_disabled()
    assert width() == pytest.approx(64 * before, rel=0.01)
    page.click(".all")
    assert width() == pytest.approx(before, rel=0.01)
    page.locator(".scroll").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    assert width() == pytest.approx(1.25 * before, rel=0.01)


def test_a_link_leads_to_its_difference(
    browser: Browser, compared: tuple[Diff, tuple[Side, Side], Path]
) -> None:
    with visit(browser, compared[2], "#d2") as there:
        expect(there.page.locator("#d2")).to_have_class(re.compile("chosen"))
        expect(there.page.locator("#d2")).to_be_in_viewport()
        assert not there.complaints


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_screen(
    browser: Browser,
    tmp_path: Path,
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
    compared: tuple[Diff, tuple[Side, Side], Path],
) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(page(sample.diff(), compared[1], read_assets()))
    with visit(browser, path, size=size, scheme=scheme) as there:
        shown = there.page
        assert shown.evaluate("document.documentElement.scrollWidth") <= size[0]
        paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        lightness = sum(map(int, re.findall(r"\d+", paper)[:3])) / 3
        assert (lightness > 128) == (scheme == "light")
        a, b = (shown.locator(f"#d4 .side.{side}").bounding_box() for side in "ab")
        assert a is not None
        assert b is not None
        assert (a["y"] == b["y"]) == (size == WIDE)
        shown.locator("#d4 .go").click()
        expect(shown.locator(".mark.chosen")).to_have_count(2)
        picture(shown, f"everything-{size[0]}-{scheme}")
        assert not there.complaints


def test_a_set_is_a_table_and_a_part_for_each_pair_that_differs(
    browser: Browser, tmp_path: Path, compared: tuple[Diff, tuple[Side, Side], Path]
) -> None:
    diff, sides, _ = compared
    many = sample.many()
    pairs = (*many.pairs[:3], SetPair("call-4", diff), many.pairs[4])
    made = SetDiff(many.level, pairs, many.only_a, many.only_b, many.spreads, many.budgets)
    path = tmp_path / "set.html"
    both = {"call-3": sides, "call-4": sides}
    path.write_bytes(set_page(made, "old", "new", both, read_assets()))
    with visit(browser, path) as there:
        shown = there.page
        expect(shown.locator(".pairs tbody tr")).to_have_count(7)
        expect(shown.locator("section.pair")).to_have_count(2)
        expect(shown.locator(".spreads .plot.certain")).to_have_count(1)
        shown.click("text=call-4 >> nth=0")
        expect(shown.locator("#p2")).to_be_in_viewport()
        shown.click("#p2d2 .go")
        expect(shown.locator("#p2 .mark.chosen")).to_have_count(2)
        expect(shown.locator("#p1 .mark.chosen")).to_have_count(0)
        picture(shown, "set")
        assert not there.complaints


def test_nothing_in_a_hostile_tape_runs(
    browser: Browser, tmp_path: Path, compared: tuple[Diff, tuple[Side, Side], Path]
) -> None:
    def evil(records: list[Record]) -> list[Record]:
        text = json.dumps(WORSE + EVIL)[1:-1]
        return reworded(reworded(records, "lookup_order", text), "Hi, where is my order?", text)

    a = write(tmp_path / "a.rtape", evil(calls()[0]))
    b = write(tmp_path / "b.rtape", evil(calls()[1]))
    first, second = read_tape(a, "text"), read_tape(b, "text")
    diff = Comparison("text").of(first.session, second.session)
    assert diff.pairs[0].a_user == WORSE + EVIL
    sides = Side(first.reading), Side(second.reading)
    for n, one in enumerate((diff, hostile(), sample.diff(a=WORSE, b=WORSE, notes=(WORSE,)))):
        path = tmp_path / f"hostile-{n}.html"
        path.write_bytes(page(one, sides, read_assets()))
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80\xae", path.read_bytes())
        with visit(browser, path) as there:
            shown = there.page
            expect(shown.locator("h1")).to_be_visible()
            assert shown.locator("img").count() == 0
            assert shown.locator("script").count() == 1
            assert shown.title() != "owned"
            shown.keyboard.press("j")
            assert not there.complaints
            assert not there.requests


def test_the_policy_stops_what_should_not_be_there(
    browser: Browser, tmp_path: Path, compared: tuple[Diff, tuple[Side, Side], Path]
) -> None:
    """The second line of defence: markup that did get in does nothing."""
    path = tmp_path / "page.html"
    path.write_bytes(compared[2].read_bytes().replace(b"</main>", WORSE.encode() + b"</main>", 1))
    with visit(browser, path) as there:
        expect(there.page.locator("h1")).to_be_visible()
        assert there.page.title() != "owned"
        assert there.complaints


# What needs no browser.


def test_the_page_is_one_file_without_addresses(
    compared: tuple[Diff, tuple[Side, Side], Path],
) -> None:
    text = compared[2].read_text("utf-8")
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["'](?!#)""", text)
    assert "@import" not in text
    assert "url(" not in text
    assert re.search(r"default-src &#x27;none&#x27;; script-src &#x27;sha256-", text)


def test_a_session_without_times_has_no_timeline() -> None:
    session = Session.fold(map(untimed, calls()[0]))
    text = page(sample.equal(), (Side(session), Side(session)), read_assets()).decode()
    assert "has no times" in text
    assert '<section class="timelines"' not in text


def untimed(record: Record) -> Record:
    return replace(record, t_ns=0) if isinstance(record, Event | Control) else record


def test_elements_hold_text_as_text() -> None:
    assert tag("p", "a < b", tag("b", "&"), class_='x"y', data_n=1, hidden=None) == (
        '<p class="x&quot;y" data-n="1">a &lt; b<b>&amp;</b></p>'
    )
    assert joined("<", Markup("<br>")) == "&lt;<br>"
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_only_a_page_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    write_page(path, b"<!doctype html>\n1")
    write_page(path, b"<!doctype html>\n2")
    assert path.read_bytes().endswith(b"2")
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    with pytest.raises(PageError, match="exists and is no HTML page"):
        write_page(other, b"<!doctype html>")
    with pytest.raises(PageError, match="is a folder"):
        write_page(tmp_path, b"")
    with pytest.raises(PageError, match="cannot be written"):
        write_page(tmp_path / "none" / "x.html", b"")
    assert other.read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["notes.txt", "x.html"]
