"""The page in Chromium: what is drawn, played, found and reached, and that nothing else happens."""

import functools
import http.server
import json
import re
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect

from rtproxy.inspect.page.writer import INLINE, write_page
from rtproxy.realtime.mixdown import render
from rtproxy.realtime.session import Session
from rtproxy.simulate.library import load
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import FROM_SERVER, Control, Event, Header, Record
from tests.captures import CAPTURES
from tests.inspect.browser import NARROW, WIDE, Visit, chromium, visit
from tests.inspect.sample import sample
from tests.realtime.scenarios import CASES
from tests.realtime.simulated import call_records
from tests.tapes import write_tape

EVIL = (
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 1</script>",
    "<!--<script>",
    "<img src=x onerror=window.owned=1>",
    "javascript:window.owned=1",
    "\x1b]0;owned\x07\x1b[31m",
    "\u202egnp.exe\u2028\u2029",
    "${window.owned=1}",
)
MARK = " ".join(EVIL)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


def page_of(folder: Path, name: str, tape: Iterable[Record], *, inline: int = INLINE) -> Path:
    with open_tape(write_tape(folder / f"{name}.rtape", tape)) as opened:
        return write_page(opened, folder / f"{name}.html", inline=inline).page


def scenario(name: str) -> list[Record]:
    return call_records(next(case.toml for case in CASES if case.name == name))


@pytest.fixture(scope="module")
def call(folder: Path) -> Path:
    """A tool, a barge-in, two turns with sound on both sides, eight seconds."""
    return page_of(folder, "call", call_records(load("support-call")))


@pytest.fixture(scope="module")
def desync(folder: Path) -> Path:
    """A barge-in of which the client told the server a wrong position: one finding."""
    return page_of(folder, "desync", scenario("barge-in, truncated wrong"))


@pytest.fixture(scope="module")
def hostile(folder: Path) -> Path:
    return page_of(folder, "hostile", hostile_tape())


def pixels(page: Page, lane: str, colour: str) -> int:
    """How many pixels of a lane have, about, a colour of the theme."""
    count: int = page.evaluate(
        """([label, colour]) => {
            const canvas = document.getElementById('picture');
            const probe = document.createElement('i');
            probe.style.color = `var(--${colour})`;
            document.body.append(probe);
            const wanted = getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number);
            probe.remove();
            const tops = { caller: 24, assistant: 24 + 58 };
            const ratio = devicePixelRatio;
            const copy = new OffscreenCanvas(canvas.width, canvas.height);
            const context = copy.getContext('2d', { willReadFrequently: true });
            context.drawImage(canvas, 0, 0);
            const { data } = context.getImageData(100 * ratio, tops[label] * ratio,
                canvas.width - 100 * ratio, 58 * ratio);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) {
                const near = [0, 1, 2].every((n) => Math.abs(data[i + n] - wanted[n]) < 24);
                if (near && data[i + 3] > 200) count += 1;
            }
            return count;
        }""",
        [lane, colour],
    )
    return count


def corner(page: Page) -> list[int]:
    """The colour of the lanes' lower left corner, which is that of what they are drawn on."""
    colour: list[int] = page.evaluate(
        """() => {
            const { width, height } = document.getElementById('picture');
            const copy = new OffscreenCanvas(width, height).getContext('2d');
            copy.drawImage(document.getElementById('picture'), 0, 0);
            return Array.from(copy.getImageData(2, height - 3, 1, 1).data.slice(0, 3));
        }"""
    )
    return colour


TAP = """
    window.queued = [];
    const start = AudioBufferSourceNode.prototype.start;
    AudioBufferSourceNode.prototype.start = function (...when) {
        queued.push(this.buffer.getChannelData(0).slice());
        return start.apply(this, when);
    };
"""
"""Keeps what is queued to be played: blocks of the caller's and the assistant's side in turn."""

WRITTEN = """
    window.written = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (words, ...rest) {
        window.written.push(words);
        return write.call(this, words, ...rest);
    };
"""
"""Keeps what is written on a canvas."""

MUTE = """
    AudioContext.prototype.resume = () => new Promise(() => {});
    Object.defineProperty(AudioContext.prototype, 'state', { get: () => 'suspended' });
"""
"""An audio output that is never found."""


NOTE_PLAYING = """
    document.body.dataset.played = '';
    new MutationObserver(() => {
        for (const line of document.querySelectorAll('.line.playing'))
            document.body.dataset.played += line.innerText;
    }).observe(document.body, { subtree: true, attributeFilter: ['class'] });
"""
"""Keeps the words of each line of the transcript that is marked as playing, however short."""


def off_by_little(sent: NDArray[np.float64], wanted: NDArray[np.float64]) -> bool:
    """Whether two sounds are equal, shifted by a sample at most."""
    return any(
        np.count_nonzero(np.abs(np.roll(sent, shift) - wanted) > 1e-4) < sent.size // 200
        for shift in (0, 1, -1)
    )


def quiet(visited: Visit) -> bool:
    """Nothing was complained of, and nothing asked for beside the page itself."""
    return not visited.complaints and not visited.requests


class TestLanes:
    def test_waveforms_are_drawn_in_each_sides_colour(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            assert pixels(visited.page, "caller", "caller") > 2_000
            assert pixels(visited.page, "assistant", "assistant") > 2_000
            assert pixels(visited.page, "assistant", "unheard") > 1_000
            assert quiet(visited)

    def test_as_delivered_what_was_never_heard_is_drawn_as_sound(
        self, browser: Browser, call: Path
    ) -> None:
        with visit(browser, call) as visited:
            heard = pixels(visited.page, "assistant", "assistant")
            visited.page.click("[data-mode=delivered]")
            expect(visited.page.locator("[data-mode=delivered]")).to_have_attribute(
                "aria-checked", "true"
            )
            redrawn(visited.page)
            assert pixels(visited.page, "assistant", "assistant") > heard * 1.2

    def test_dark_has_colours_of_its_own(self, browser: Browser, call: Path) -> None:
        with visit(browser, call, scheme="dark") as visited:
            assert pixels(visited.page, "caller", "caller") > 2_000
            dark = background(visited.page)
            visited.page.click("#theme")
            assert background(visited.page) != dark

    def test_zoom_changes_the_span_for_all(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            page = visited.page
            whole = shown(visited)
            page.mouse.move(700, 250)
            for _ in range(3):
                page.mouse.wheel(0, -120)
            expect(page.locator("#lanes")).not_to_have_attribute("data-end", f"{whole[1]:.1f}")
            near = shown(visited)
            assert near[1] - near[0] < 0.6 * (whole[1] - whole[0])
            page.mouse.down()
            page.mouse.move(500, 250)
            page.mouse.up()
            moved = shown(visited)
            assert moved[0] > near[0]
            assert moved[1] - moved[0] == pytest.approx(near[1] - near[0], abs=1)
            page.click("#zoom-fit")
            assert shown(visited) == whole

    def test_single_samples_are_drawn_from_the_audio_in_the_page(
        self, browser: Browser, call: Path
    ) -> None:
        with visit(browser, call, "#t=3.4") as visited:
            for _ in range(10):
                visited.page.keyboard.press("+")
            start, end = shown(visited)
            assert end - start < 10
            redrawn(visited.page)
            assert pixels(visited.page, "assistant", "assistant") > 300

    def test_two_fingers_zoom(self, browser: Browser, call: Path) -> None:
        with visit(browser, call, size=NARROW) as visited:
            page = visited.page
            box = page.locator("#lanes").bounding_box()
            assert box is not None
            fingers = page.context.new_cdp_session(page)
            whole = shown(visited)
            for kind, apart in (("touchStart", 30), ("touchMove", 60), ("touchMove", 120)):
                points = [{"x": 195 + side * apart, "y": box["y"] + 60} for side in (-1, 1)]
                fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            start, end = shown(visited)
            assert end - start == pytest.approx((whole[1] - whole[0]) / 4, rel=0.1)
            assert visited.number("#lanes", "aria-valuenow") == 0

    def test_the_strip_above_moves_the_window(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            mouse, strip = visited.page.mouse, visited.page.locator("#overview").bounding_box()
            assert strip is not None
            y = strip["y"] + 15
            for start, end in ((500, 700), (600, 900)):  # draw a window, then drag it
                mouse.move(start, y)
                mouse.down()
                mouse.move(end, y, steps=4)
                mouse.up()
            begin, over = shown(visited)
            per_pixel = 7_733 / (1280 - 92)
            assert over - begin == pytest.approx(200 * per_pixel, rel=0.1)
            assert begin == pytest.approx((800 - 92) * per_pixel, rel=0.1)

    def test_a_mark_leads_to_its_finding(self, browser: Browser, desync: Path) -> None:
        with visit(browser, desync) as visited:
            page = visited.page
            page.keyboard.press("2")
            page.keyboard.press("f")
            page.keyboard.press("2")
            t = visited.number("#lanes", "aria-valuenow") * 1000
            box = page.locator("#lanes").bounding_box()
            assert box is not None
            start, end = shown(visited)
            x = 92 + (t - start) / (end - start) * (box["width"] - 92)
            page.mouse.click(x, box["y"] + box["height"] - 14)
            expect(page.locator("#findings")).to_be_visible()
            expect(page.locator(".finding.picked")).to_contain_text("barge-in-desync")

    def test_hovering_says_what_is_there(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            tools = 24 + 58 + 58 + 22 + 11
            box = visited.page.locator("#lanes").bounding_box()
            assert box is not None
            start, end = shown(visited)
            x = box["x"] + 92 + (2_600 - start) / (end - start) * (box["width"] - 92)
            visited.page.mouse.move(x, box["y"] + tools)
            expect(visited.page.locator("#tip")).to_contain_text("lookup_order()")

    def test_a_tool_is_named_where_its_name_fits(self, browser: Browser, folder: Path) -> None:
        """A hundred calls, a second each, and a minute later one more."""
        page = page_of(folder, "tools", tools())
        with visit(browser, page, before=WRITTEN) as visited:
            redrawn(visited.page)
            whole = visited.page.evaluate("written.splice(0)")
            for _ in range(6):
                visited.page.keyboard.press("+")
            redrawn(visited.page)
            part = visited.page.evaluate("written")
        assert {words for words in whole if words.startswith("look")} == {"look_99()"}
        assert {"look_0()", "look_1()", "look_2()"} <= set(part)


class TestPrint:
    def test_on_paper_the_lanes_are_light_and_of_their_own_shape(
        self, browser: Browser, call: Path
    ) -> None:
        """A canvas is printed as it was drawn, before the style sheet for paper is in force."""
        with visit(browser, call, scheme="dark") as visited:
            page = visited.page
            dark = corner(page)
            page.evaluate("dispatchEvent(new Event('beforeprint'))")
            assert corner(page) == [255, 255, 255]
            page.emulate_media(media="print")
            page.set_viewport_size({"width": 700, "height": 900})
            drawn, shown = page.evaluate(
                """() => {
                    const canvas = document.getElementById('picture');
                    const { width, height } = canvas.getBoundingClientRect();
                    return [canvas.width / canvas.height, width / height];
                }"""
            )
            assert shown == pytest.approx(drawn, rel=0.01)
            page.emulate_media(media="screen")
            page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
            page.evaluate("dispatchEvent(new Event('afterprint'))")
            assert corner(page) == dark
            assert quiet(visited)


class TestPlayback:
    def test_play_advances_the_playhead(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            page = visited.page
            page.click("#play")
            expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
            expect(page.locator("#lanes")).to_have_attribute(
                "aria-valuenow", re.compile(r"^0\.[2-9]|^[1-9]")
            )
            page.keyboard.press(" ")
            expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
            assert 0.2 <= visited.number("#lanes", "aria-valuenow") < 7.7  # not at the end
            assert quiet(visited)

    def test_what_is_queued_is_what_is_on_the_tape(self, browser: Browser, call: Path) -> None:
        """Sample for sample, on both sides, across the place where the assistant was cut off."""
        with visit(browser, call, "#t=4.3", before=TAP) as visited:
            visited.page.click("#play")
            expect(visited.page.locator("#lanes")).to_have_attribute(
                "aria-valuenow", re.compile(r"^4\.[4-9]|^[5-9]")
            )
            visited.page.click("#play")
            blocks = visited.page.evaluate("queued.map((block) => Array.from(block))")
        records = call_records(load("support-call"))
        stereo = np.concatenate(list(render(Session.fold(records), records, heard=True)))
        first = round(4.3 * 24_000)
        for side in (0, 1):
            sent = np.concatenate([np.array(block) for block in blocks[side::2]])
            wanted = stereo[first : first + sent.size, side] / 32768
            assert sent.size >= 4_800
            assert wanted.any()
            assert off_by_little(sent, wanted)

    def test_faster_keeps_pace(self, browser: Browser, call: Path) -> None:
        with visit(browser, call, "#t=5.5") as visited:
            page = visited.page
            page.select_option("#speed", "3")
            page.click("#play")
            expect(page.locator("#lanes")).to_have_attribute(
                "aria-valuenow", re.compile(r"^[67]\.")
            )
            expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
            assert visited.number("#lanes", "aria-valuenow") == pytest.approx(7.7, abs=0.2)
            assert quiet(visited)

    def test_without_an_output_it_goes_on_in_silence(self, browser: Browser, call: Path) -> None:
        """As in Firefox, where a context that finds no output stays suspended without a word."""
        with visit(browser, call, "#t=4.3", before=MUTE) as visited:
            page = visited.page
            page.click("#play")
            page.click("#play")
            assert visited.number("#lanes", "aria-valuenow") == 4.3
            page.click("#play")
            expect(page.locator("#sound-word")).to_contain_text("No sound")
            expect(page.locator("#lanes")).to_have_attribute(
                "aria-valuenow", re.compile(r"^4\.[4-9]|^[5-9]")
            )
            page.locator("#volume-caller").fill("0.5")
            page.click("#play")
            assert quiet(visited)

    def test_the_transcript_follows(self, browser: Browser, call: Path) -> None:
        with visit(browser, call, "#t=3.2") as visited:
            page = visited.page
            playing = page.locator(".line.playing .words")
            expect(playing).to_contain_text("It has shipped")
            page.evaluate(NOTE_PLAYING)
            page.click("#play")
            played = re.compile("Stop, that is fine")
            expect(page.locator("body")).to_have_attribute("data-played", played)
            page.click("#play")
            unheard = page.locator("s.unheard")
            expect(unheard).to_contain_text("tracking link")

    def test_a_line_of_the_transcript_leads_to_its_time(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            visited.page.click("text=Have a good day!")
            assert visited.number("#lanes", "aria-valuenow") > 6
            expect(visited.page.locator(".line.playing .words")).to_contain_text("Have a good day!")


class TestEvents:
    def test_search_narrows(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            page = visited.page
            page.keyboard.press("/")
            page.keyboard.type("item.truncat")
            expect(page.locator("#found")).to_contain_text("2 of ")
            types = page.locator(".event .type").all_inner_texts()
            assert types == ["conversation.item.truncate", "conversation.item.truncated"]
            page.keyboard.press("Escape")
            expect(page.locator("#found")).not_to_contain_text(" of ")

    def test_search_finds_what_is_only_in_the_json(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            page = visited.page
            page.keyboard.press("/")
            page.keyboard.type('"interrupt_response":true')
            expect(page.locator("#found")).to_contain_text(re.compile(r"^[1-9] of "))

    def test_filters_by_side_type_and_error(self, browser: Browser, desync: Path) -> None:
        with visit(browser, desync) as visited:
            page = visited.page
            page.keyboard.press("4")
            page.select_option("#filter-direction", "0")
            expect(page.locator("#found")).to_contain_text(" of ")
            assert set(page.locator(".event .way").all_inner_texts()) == {"→"}
            page.select_option("#filter-direction", "")
            page.select_option("#filter-type", "response.done")
            expect(page.locator("#found")).to_contain_text("2 of ")
            page.select_option("#filter-type", "")
            page.check("#filter-errors")
            expect(page.locator("#found")).to_contain_text("0 of ")
            expect(page.locator("#event-list")).to_contain_text("No event fits.")

    def test_detail_has_json_without_audio_and_links(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            page = visited.page
            page.keyboard.press("/")
            page.keyboard.type("conversation.item.truncated")
            expect(page.locator("#found")).to_contain_text("1 of ")
            page.keyboard.press("Enter")
            detail = page.locator("#detail")
            expect(detail.locator(".json")).to_contain_text('"audio_end_ms"')
            expect(detail.locator(".links")).to_contain_text("conversation.item.truncate")
            detail.locator(".links .cause button").first.click()
            expect(detail.locator("h3")).to_have_text("conversation.item.truncate")
            page.keyboard.press("/")
            page.keyboard.type("input_audio_buffer.append")
            expect(page.locator("#found")).to_contain_text(" of ")
            page.locator(".event").first.click()
            expect(detail.locator(".json")).to_contain_text("characters of base64")

    def test_a_run_unfolds_and_each_event_of_it_is_reached(
        self, browser: Browser, call: Path
    ) -> None:
        with visit(browser, call, "#e=20") as visited:
            page = visited.page
            picked = page.locator('.event[aria-selected="true"]')
            expect(picked.locator(".seq")).to_have_text("#20")
            expect(page.locator("#detail")).to_contain_text("in a run")
            before = page.locator(".event").count()
            page.locator("#detail .told button").click()
            expect(picked.locator(".fold")).to_have_attribute("aria-expanded", "true")
            picked.locator(".fold").click()
            expect(page.locator(".event .fold").first).to_have_attribute("aria-expanded", "false")
            assert page.locator(".event").count() <= before

    def test_only_what_is_in_view_is_in_the_document(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            visited.page.keyboard.press("4")
            expect(visited.page.locator(".event").first).to_be_visible()
            assert visited.page.locator(".event").count() < 45


class TestPlaces:
    @pytest.mark.parametrize(
        ("place", "now"), [("#t=4.25", 4.25), ("#turn=2", None), ("#e=0", 0.0), ("#t=1&e=2", 1.0)]
    )
    def test_a_link_lands(
        self, browser: Browser, call: Path, place: str, now: float | None
    ) -> None:
        with visit(browser, call, place) as visited:
            at = visited.number("#lanes", "aria-valuenow")
            if now is None:
                expect(visited.page.locator('tr[data-turn="2"]')).to_have_class(re.compile("now"))
                assert shown(visited)[0] > 3_000
            else:
                assert at == pytest.approx(now, abs=0.01)
            if "e=" in place:
                picked = visited.page.locator('.event[aria-selected="true"] .seq')
                expect(picked).to_have_text(f"#{place.split('e=')[1]}")

    @pytest.mark.parametrize("place", ["#t=x", "#e=999999", "#turn=0", "#e=-1", "#<b>", "#t=1e99"])
    def test_a_link_to_nowhere_does_no_harm(self, browser: Browser, call: Path, place: str) -> None:
        with visit(browser, call, place) as visited:
            assert quiet(visited)

    def test_the_address_keeps_the_place(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            visited.page.keyboard.press("ArrowRight")
            visited.page.keyboard.press("ArrowRight")
            expect(visited.page).to_have_url(re.compile("#t=2$"))


class TestKeyboard:
    def test_moves_and_zooms(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            page = visited.page

            def at() -> float:
                return visited.number("#lanes", "aria-valuenow")

            page.keyboard.press("ArrowRight")
            assert at() == pytest.approx(1)
            page.keyboard.press("ArrowLeft")
            assert at() == pytest.approx(0)
            page.keyboard.press("n")
            first = at()
            page.keyboard.press("n")
            assert at() > first > 0
            page.keyboard.press("p")
            assert at() == pytest.approx(first)
            page.keyboard.press("End")
            assert at() == pytest.approx(shown(visited)[1] / 1000, abs=0.01)
            page.keyboard.press("+")
            assert shown(visited)[0] > 0
            page.keyboard.press("0")
            assert shown(visited)[0] == 0
            page.keyboard.press("m")
            expect(page.locator("[data-mode=delivered]")).to_have_attribute("aria-checked", "true")

    def test_steps_through_events_and_findings(self, browser: Browser, desync: Path) -> None:
        with visit(browser, desync) as visited:
            page = visited.page
            page.keyboard.press("j")
            page.keyboard.press("j")
            expect(page.locator('.event[aria-selected="true"] .seq')).to_have_text("#1")
            page.keyboard.press("k")
            expect(page.locator('.event[aria-selected="true"] .seq')).to_have_text("#0")
            page.keyboard.press("f")
            card = page.locator(".finding.picked")
            expect(card).to_contain_text("barge-in-desync")
            card.locator(".event-link").first.click()
            expect(page.locator("#detail .links")).to_contain_text("barge-in-desync")

    def test_help_opens_and_closes(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            page = visited.page
            page.keyboard.press("?")
            expect(page.locator("#help")).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.locator("#help")).not_to_be_visible()

    def test_typing_is_typing(self, browser: Browser, call: Path) -> None:
        with visit(browser, call) as visited:
            page = visited.page
            page.keyboard.press("/")
            page.keyboard.type("n m 0")
            expect(page.locator("#search")).to_have_value("n m 0")
            assert visited.number("#lanes", "aria-valuenow") == 0


class TestLayout:
    @pytest.mark.parametrize("size", [WIDE, NARROW, (768, 1024), (1920, 1080)])
    def test_nothing_sticks_out(
        self, browser: Browser, desync: Path, size: tuple[int, int]
    ) -> None:
        with visit(browser, desync, "#e=0", size=size) as visited:
            for view in "12345":
                visited.page.keyboard.press(view)
                wide = visited.page.evaluate(
                    "[document.documentElement.scrollWidth, document.body.scrollWidth]"
                )
                assert wide == [size[0], size[0]], view
            assert quiet(visited)

    def test_what_can_be_done_has_a_name(self, browser: Browser, desync: Path) -> None:
        with visit(browser, desync) as visited:
            nameless = visited.page.evaluate(NAMELESS)
            assert nameless == []

    def test_contrast_of_text_is_enough(self, browser: Browser, desync: Path) -> None:
        with visit(browser, desync) as visited:
            assert visited.page.evaluate(CONTRAST) == []
            visited.page.keyboard.press("d")  # light
            visited.page.keyboard.press("d")
            expect(visited.page.locator("html[data-theme=dark]")).to_be_attached()
            assert visited.page.evaluate(CONTRAST) == []


NAMELESS = """() => {
    const named = (node) => node.ariaLabel || node.textContent.trim() || node.title
        || node.labels?.length || node.getAttribute('aria-labelledby');
    return [...document.querySelectorAll('button, input, select, [role]')]
        .filter((node) => !['presentation', 'note', 'status'].includes(node.role) && !named(node))
        .map((node) => node.outerHTML);
}"""
CONTRAST = """() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const part = (c) => (c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const ground = (node) => {
        for (; node; node = node.parentElement) {
            const found = channels(getComputedStyle(node).backgroundColor);
            if (found.length < 4 || found[3] > 0.9) return found;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const name of ['ink', 'soft', 'caller', 'assistant', 'tool', 'warning', 'error', 'info',
        'good', 'accent']) {
        for (const below of ['panel', 'sunk']) {
            const probe = document.createElement('p');
            probe.style.color = `var(--${name})`;
            probe.style.backgroundColor = `var(--${below})`;
            document.body.append(probe);
            const [a, b] = [light(channels(getComputedStyle(probe).color)), light(ground(probe))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) poor.push([name, below, ratio]);
            probe.remove();
        }
    }
    return poor;
}"""


class TestHostile:
    @pytest.mark.parametrize("size", [WIDE, NARROW])
    def test_a_hostile_tape_executes_nothing(
        self, browser: Browser, hostile: Path, size: tuple[int, int]
    ) -> None:
        with visit(browser, hostile, size=size) as visited:
            page = visited.page
            for view in "12345":
                page.keyboard.press(view)
            page.keyboard.press("4")
            for _ in range(12):
                page.keyboard.press("j")
            expect(page.locator("#detail .json")).to_be_visible()
            page.keyboard.press("f")
            page.keyboard.press("/")
            page.keyboard.type("<img onerror")
            expect(page.locator("#found" if size == WIDE else "#event-list")).to_contain_text(
                " of " if size == WIDE else "#"
            )
            assert page.evaluate("window.owned") is None
            assert page.locator("img, iframe, object, embed, a[href^='javascript:']").count() == 0
            assert page.locator("body script:not([type])").count() == 1
            text = page.evaluate("document.body.innerText + document.title")
            assert "<img src=x onerror=window.owned=1>" in text
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\u2028]", text)
            assert quiet(visited)

    def test_nothing_sticks_out_of_it(self, browser: Browser, hostile: Path) -> None:
        with visit(browser, hostile, size=NARROW) as visited:
            for view in "12345":
                visited.page.keyboard.press(view)
                assert visited.page.evaluate("document.documentElement.scrollWidth") == NARROW[0]


def hostile_tape() -> Iterator[Record]:
    """A call with the worst of texts in every field."""
    yield Header({
        "id": MARK,
        "connection": "websocket",
        "origin": MARK,
        "upstream": f"http://{EVIL[0]}",
        "request": {"method": MARK, "target": f"/v1/realtime?model={MARK}", "headers": []},
        "response": {"status": 101, "headers": []},
    })  # fmt: skip
    for record in sample():
        if isinstance(record, Control):
            yield replace(record, data={"reason": MARK, "code": 4000})
            continue
        if isinstance(record.payload, bytes):
            yield record
            continue
        try:
            data = json.loads(record.payload)
        except ValueError:
            yield replace(record, payload=MARK)
            continue
        yield replace(record, payload=json.dumps(tainted(data)))
    last = sample()[-1]
    more: list[dict[str, Any]] = [
        {"type": MARK, MARK: MARK},
        {"type": "error", "error": {"code": MARK, "type": MARK, "message": MARK, "param": MARK}},
        {"type": "response.created", "response": {"id": MARK, "status": MARK}},
        {"type": "response.done", "response": {"id": MARK, "status": MARK, "output": [
            {"id": "i", "type": "function_call", "name": MARK, "arguments": MARK, "call_id": MARK},
            {"id": "j", "type": "message", "role": "assistant",
             "content": [{"type": "text", "text": MARK}]}]}},
        {"type": "rate_limits.updated", "rate_limits": [{"name": MARK, "limit": MARK}]},
    ]  # fmt: skip
    for n, data in enumerate(more):
        yield Event(last.seq + 1 + n, last.t_ns + n, FROM_SERVER, json.dumps(data))
    yield Control(last.seq + 9, last.t_ns + 9, FROM_SERVER, EVIL[0], {EVIL[0]: MARK})


def tainted(value: Any, key: str = "") -> Any:
    """A value whose texts say the worst, but for its type and ids, by which it hangs together."""
    if isinstance(value, dict):
        return {name: tainted(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [tainted(inner, key) for inner in value]
    if (
        isinstance(value, str)
        and key not in ("type", "audio", "role")
        and not (key == "delta" and len(value) > 50)
    ):
        return f"{value} {MARK}"
    return value


class TestOtherTapes:
    @pytest.mark.parametrize("served", [False, True], ids=["opened", "served"])
    def test_audio_beside_the_file_plays(
        self, browser: Browser, folder: Path, served: bool
    ) -> None:
        tape = call_records(load("support-call"))
        path = page_of(folder, f"beside <it> #1%20 {served}", tape, inline=1000)
        assert path.with_suffix(".audio").is_dir()
        with serving(folder) as address:
            page_at = (
                f"{address}/{path.name}".replace("%", "%25").replace("#", "%23") if served else path
            )
            with visit(browser, page_at, "#t=3.3") as visited:
                page = visited.page
                page.click("#play")
                expect(page.locator("#lanes")).to_have_attribute(
                    "aria-valuenow", re.compile(r"^3\.[6-9]|^[4-9]")
                )
                page.click("#play")
                assert visited.complaints == []
                asked = [url.rsplit("/", 1)[1] for url in visited.requests if ".js" in url]
                assert {name.split("-")[0] for name in asked} == {"caller", "assistant"}
                for _ in range(12):
                    page.keyboard.press("+")
                redrawn(page)
                assert pixels(page, "caller", "caller") > 100

    def test_audio_that_is_missing_is_told(self, browser: Browser, folder: Path) -> None:
        path = page_of(folder, "lost", scenario("clean"), inline=1000)
        path.with_suffix(".audio").rename(folder / "elsewhere")
        with visit(browser, path) as visited:
            visited.page.click("#play")
            word = visited.page.locator("#sound-word")
            expect(word).to_contain_text("lost.audio is not beside this page")
            expect(visited.page.locator("#lanes")).to_have_attribute(
                "aria-valuenow", re.compile(r"^0\.[3-9]|^[1-9]")
            )

    def test_without_times_there_is_no_timeline(self, browser: Browser, folder: Path) -> None:
        tape = [replace(one, t_ns=0) for one in sample() if isinstance(one, Event)]
        with visit(browser, page_of(folder, "untimed", tape)) as visited:
            expect(visited.page.locator("#notes")).to_contain_text("This tape has no times")
            expect(visited.page.locator("#timeline")).not_to_be_visible()
            expect(visited.page.locator(".line").first).to_be_visible()
            assert quiet(visited)

    @pytest.mark.parametrize(
        "tape",
        [
            pytest.param([Header({})], id="empty"),
            pytest.param([Event(5, 0, 0, b"\x00"), Event(9, 0, 1, "no JSON")], id="no call"),
            pytest.param([Header({"connection": "http"})], id="http"),
            pytest.param([Event(0, 0, 0, "{}"), Event(1, 2**62, 1, "{}")], id="a century"),
        ],
    )
    def test_what_is_no_call_opens(
        self, browser: Browser, folder: Path, tape: list[Record], request: Any
    ) -> None:
        name = re.sub(r"\W", "-", request.node.callspec.id)
        with visit(browser, page_of(folder, name, tape)) as visited:
            expect(visited.page.locator("#talk-lines")).to_contain_text("Nothing was said")
            for view in "12345":
                visited.page.keyboard.press(view)
            assert quiet(visited)

    def test_every_kind_of_call_opens(self, browser: Browser, folder: Path) -> None:
        paths = [page_of(folder, re.sub(r"\W", "-", name), scenario(name)) for name in KINDS]
        with visit(browser, paths[0]) as visited:
            for path in paths:
                visited.page.goto(path.as_uri())
                expect(visited.page.locator("html[data-ready]")).to_be_attached()
                for view in "12345":
                    visited.page.keyboard.press(view)
                    text = visited.page.evaluate("document.body.innerText")
                    assert not re.search(r"\[object |undefined|NaN|\bnull\b", text), path
            assert visited.complaints == []

    @pytest.mark.skipif(not CAPTURES.is_dir(), reason="there are no captures beside it")
    def test_every_capture_opens(self, browser: Browser, folder: Path) -> None:
        paths = [page_of(folder, path.stem, captured(path)) for path in CAPTURES.glob("*.jsonl")]
        with visit(browser, paths[0]) as visited:
            for path in paths:
                visited.page.goto(path.as_uri())
                expect(visited.page.locator("#notes")).to_contain_text("This tape has no times")
                expect(visited.page.locator(".line.assistant").first).to_be_visible()
            assert visited.complaints == []

    def test_damage_has_its_place(self, browser: Browser, folder: Path) -> None:
        tape = write_tape(folder / "damaged.rtape", sample())
        data = bytearray(tape.read_bytes())
        data[data.index(b"speech_stopped")] ^= 1
        tape.write_bytes(data)
        with open_tape(tape) as opened:
            path = write_page(opened, folder / "damaged.html").page
        with visit(browser, path) as visited:
            page = visited.page
            expect(page.locator("#notes")).to_contain_text("The tape is damaged in 1 place.")
            page.keyboard.press("4")
            page.check("#filter-errors")
            row = page.locator(".event.wrong", has_text="rtproxy.damage")
            row.click()
            expect(page.locator("#detail")).to_contain_text("missing")
            assert quiet(visited)

    def test_a_big_tape_opens(self, browser: Browser, folder: Path) -> None:
        path = page_of(folder, "big", big_tape())
        with visit(browser, path, "#e=20000") as visited:
            page = visited.page
            expect(page.locator('.event[aria-selected="true"] .seq')).to_have_text("#20000")
            expect(page.locator("#tab-events")).to_contain_text("20,003")
            page.keyboard.press("/")
            page.keyboard.type("item_777 marker")
            expect(page.locator("#found")).to_contain_text("1 of ")
            assert quiet(visited)


KINDS = (
    "choppy arrival", "rate limit", "G.711", "text only", "beta", "a stalled response",
)  # fmt: skip


def captured(path: Path) -> Iterator[Record]:
    """A capture, in which there are no times."""
    yield Header({"id": "1", "connection": "websocket"})
    for seq, line in enumerate(path.read_text("utf-8").splitlines()):
        entry = json.loads(line)
        flags = FROM_SERVER if entry["direction"] == "server" else 0
        yield Event(seq, 0, flags, json.dumps(entry["data"]))


def tools() -> Iterator[Record]:
    """A hundred calls of functions, a second each, and another a minute later."""
    yield Header({"id": "1", "connection": "websocket"})
    for n in range(101):
        ids = {"call_id": f"call_{n}", "item_id": f"item_{n}", "response_id": f"resp_{n}"}
        item = {"type": "function_call", "id": f"item_{n}", "name": f"look_{n}"} | ids
        output = {"type": "function_call_output", "call_id": f"call_{n}", "output": "{}"}
        messages: list[tuple[int, int, dict[str, Any]]] = [
            (0, FROM_SERVER, {"type": "response.created", "response": {"id": f"resp_{n}"}}),
            (1, FROM_SERVER, {"type": "response.output_item.added", "item": item} | ids),
            (2, FROM_SERVER, {"type": "response.function_call_arguments.done"} | ids),
            (200, 0, {"type": "conversation.item.create", "item": output}),
        ]
        for number, (late_ms, flags, message) in enumerate(messages):
            t_ms = 1000 * n + 60_000 * (n == 100) + late_ms
            yield Event(4 * n + number, t_ms * 1_000_000, flags, json.dumps(message))


def big_tape() -> Iterator[Record]:
    """20,000 events, half of which fold."""
    audio = b64encode(bytes(320)).decode()
    yield Header({"id": "1", "connection": "websocket"})
    for n in range(0, 20_003, 2):
        append = {"type": "input_audio_buffer.append", "audio": audio}
        yield Event(n, n * 10_000_000, 0, json.dumps(append))
        said = {"type": "conversation.item.deleted", "item_id": f"item_{n // 2}", "x": "marker"}
        if n < 20_002:
            yield Event(n + 1, n * 10_000_000 + 1, FROM_SERVER, json.dumps(said))


class Serving(http.server.ThreadingHTTPServer):
    def __enter__(self) -> Any:
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()
        return f"http://127.0.0.1:{self.server_port}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


def serving(folder: Path) -> Serving:
    return Serving(("127.0.0.1", 0), functools.partial(Silent, directory=str(folder)))


def shown(visited: Visit) -> tuple[float, float]:
    """The span that is in view, in ms."""
    return visited.number("#lanes", "data-start"), visited.number("#lanes", "data-end")


def redrawn(page: Page) -> None:
    """Wait until the lanes were drawn again."""
    page.evaluate(
        """async () => {
            for (let n = 0; n < 8; n += 1) await new Promise(requestAnimationFrame);
        }"""
    )


def background(page: Page) -> str:
    found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return found
