"""The application on all sorts of tapes and terminals, with the mouse, and on a long tape."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from rtproxy.inspect.overview import survey
from rtproxy.inspect.tui.app import Tui
from rtproxy.inspect.tui.inspection import Inspection
from rtproxy.inspect.tui.request import Request
from rtproxy.realtime.session import Session
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import FROM_SERVER, Control, Event, Header, Record
from rtproxy.tape.writer import TapeWriter
from tests.inspect.tui_desk import Desk, call, desk, write

SNAPSHOTS = Path(__file__).parent / "snapshots"
SIZES = [(80, 24), (120, 40), (200, 50), (110, 24), (80, 50), (60, 16), (30, 8)]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tui") / "call.rtape"
    return write(path, call("barge-in, truncated wrong"))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_size_shows_what_it_can(tape: Path, size: tuple[int, int]) -> None:
    async with desk(tape, size) as opened:
        for key in ("1", "2", "3", "4", "f", "plus"):
            await opened.press(key)
            assert len(opened.lines) == size[1]
            assert all(len(line) <= size[0] for line in opened.lines)
        assert opened.lines[0].startswith("call.rtape")
        if size[1] >= 24:
            assert "▲1" in opened.lane("findings")
            assert opened.line_of("foot").startswith(" ? help  q quit")


async def test_what_is_wide_and_tall_shows_all_of_it(tape: Path) -> None:
    async with desk(tape, (200, 50)) as opened:
        assert "interrupted" in "".join(opened.pane("turns"))
        assert "session.created" in "".join(opened.pane("events"))
        assert '"type": "session.created"' in "".join(opened.pane("detail"))


async def test_a_terminal_may_change_its_size(tape: Path) -> None:
    async with desk(tape, (200, 50)) as opened:
        await opened.resize(80, 24)
        assert not opened.app.query_one("#events").display
        await opened.press("3")
        assert opened.app.query_one("#events").display
        await opened.press("question_mark")
        await opened.resize(140, 45)
        await opened.press("escape")
        assert all(
            opened.app.query_one(f"#{pane}").display for pane in ("turns", "events", "detail")
        )


async def test_the_head_says_what_it_is_and_how_it_went(tape: Path) -> None:
    async with desk(tape) as opened:
        head = " ".join(opened.lines[:3])
        for part in ("call.rtape", "sealed", "9.260 s", "543 events", "gpt-realtime", "GA",
                     "server_vad", "audio/pcm@24000", "2 turns", "1 finding (1 warning)",
                     "voice to voice p50 660 ms", "1 barge-in"):  # fmt: skip
            assert part in head


# What is on tapes.

BAD = (
    "\x1b[2J\x1b]0;owned\x07[bold red]B[/] [@click=app.quit]quit[/] [link=http://evil]x[/link] "
    "\u202eevil\u2066 \x9b31m 世界 \r\n [/"
)


def hostile() -> Iterator[Record]:
    """BAD wherever an author can put it."""
    payloads: list[dict[str, Any]] = [
        {"type": "session.created", "session": {
            "id": BAD, "model": BAD, "voice": BAD, "tools": [{"name": BAD}],
            "turn_detection": {"type": BAD}, "input_audio_format": BAD}},
        {"type": BAD, "event_id": BAD, BAD: {BAD: [BAD]}},
        {"type": "input_audio_buffer.speech_started", "item_id": BAD, "audio_start_ms": 3},
        {"type": "input_audio_buffer.speech_stopped", "item_id": BAD, "audio_end_ms": 300},
        {"type": "input_audio_buffer.committed", "item_id": BAD},
        {"type": "conversation.item.input_audio_transcription.completed", "item_id": BAD,
         "transcript": BAD},
        {"type": "response.created", "response": {"id": BAD}},
        {"type": "response.output_audio_transcript.delta", "delta": BAD, "response_id": BAD,
         "item_id": BAD},
        {"type": "response.output_audio_transcript.delta", "delta": BAD, "response_id": BAD,
         "item_id": BAD},
        {"type": "response.output_item.done", "response_id": BAD, "item": {
            "type": "function_call", "name": BAD, "arguments": BAD, "call_id": BAD, "id": BAD}},
        {"type": "error", "error": {"code": BAD, "message": BAD, "type": BAD, "event_id": BAD}},
        {"type": "response.done", "response": {"id": BAD, "status": BAD, "status_details": {
            "reason": BAD, "error": {"code": BAD, "message": BAD}}}},
        {"type": f"{BAD}.delta", "delta": BAD},
        {"type": f"{BAD}.delta", "delta": BAD},
    ]  # fmt: skip
    yield Header({"id": BAD, "origin": BAD, "connection": "websocket", "upstream": BAD})
    for n, payload in enumerate(payloads):
        yield Event(n, n * 10_000_000, FROM_SERVER, json.dumps(payload))
    n = len(payloads)
    yield Event(n, n * 10_000_000, 0, BAD)
    yield Event(n + 1, n * 10_000_000, 1, BAD.encode())
    yield Control(n + 2, n * 10_000_000, 1, "close", {"code": 1006, "reason": BAD, BAD: BAD})


async def test_nothing_that_a_tape_says_does_anything(tmp_path: Path) -> None:
    path = write(tmp_path / "call.rtape", hostile())
    async with desk(path, (160, 48)) as opened:
        seen = [opened.text]
        for key in ["f", "n", "1", "enter", "3", *["down"] * 15, "u", *["up"] * 15, "y", "2"]:
            await opened.press(key)
            seen.append(opened.text)
            for strip in opened.app.screen._compositor.render_strips():
                for segment in strip:
                    assert segment.style is None or segment.style.link is None
                    assert segment.style is None or "@click" not in str(segment.style.meta)
        text = "\n".join(seen)
        assert not any(char in text for char in "\x1b\x9b\x07\r\u202e\u2066")
        assert r"\x1b[2J\x1b]0;owned\x07[bold red]B[/] [@click=app.quit]quit[/]" in text
        for x, y in [(at % 160, at // 160) for at in range(0, 160 * 48, 397)]:
            await opened.pilot.click(offset=(x, y))
        assert opened.app.is_running


async def test_a_filter_may_look_like_markup(tape: Path) -> None:
    async with desk(tape) as opened:
        await opened.press("slash")
        opened.app.prompt.value = '"[bold]x[/] [@click=app.quit]y[/]"'
        await opened.press("enter")
        assert '/ "[bold]x[/] [@click=app.quit]y[/]"' in opened.status
        await opened.press("slash")
        opened.app.prompt.value = "[/]]"
        await opened.press("enter")
        assert "The filter cannot be read at '[/]]'" in opened.status
        assert opened.app.is_running


@pytest.mark.parametrize("name", ["text only", "beta", "G.711", "push to talk", "greeting"])
async def test_calls_of_other_kinds(tmp_path: Path, name: str) -> None:
    async with desk(write(tmp_path / "call.rtape", call(name))) as opened:
        for key in ("n", "f", "3", "down", "c", "e", "z", "u"):
            await opened.press(key)
        assert "turn 1 of" in opened.status


@pytest.mark.parametrize(
    "records",
    [
        [],
        [Event(0, 0, 0, "no JSON"), Control(1, 5, 1, "close", {"code": 1000})],
        [Event(n, 0, n & 1, '{"type":"response.create"}') for n in range(5)],
    ],
    ids=["empty", "no call", "no times"],
)
async def test_tapes_on_which_there_is_no_call(
    tmp_path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # w writes there
    async with desk(write(tmp_path / "x.rtape", records)) as opened:
        for key in ("n", "f", "c", "e", "b", "G", "g", "z", "plus", "v", "space", "y", "w", "3",
                    "down", "enter", "u", "4"):  # fmt: skip
            await opened.press(key)
        assert opened.app.is_running
        assert len(opened.app.place.rows) == len(records)


async def test_a_tape_without_times_has_no_lanes_and_says_why(tmp_path: Path) -> None:
    records = [
        Event(n, 0, record.flags, record.payload)
        for n, record in enumerate(r for r in call("clean") if isinstance(r, Event))
    ]
    async with desk(write(tmp_path / "x.rtape", records)) as opened:
        assert "This tape has no times: how long things took is unknown." in opened.text
        assert "caller  " not in opened.text
        await opened.press("n", "f", "plus", "right", "space")
        assert "This tape has no times: it cannot be played." in opened.status
        await opened.pilot.click("#status")


async def test_audio_that_was_cut_is_told(tmp_path: Path) -> None:
    records = [r for r in call("clean") if isinstance(r, Event)]
    cut = [Event(r.seq, r.t_ns, r.flags, re.sub('"(audio|delta)":"[^"]{99,}"', r'"\1":"AAAA"',
           str(r.payload))) for r in records]  # fmt: skip
    async with desk(write(tmp_path / "x.rtape", cut)) as opened:
        assert "Not all audio is on this tape" in opened.text


async def test_what_is_too_long_to_copy_is_told(tmp_path: Path) -> None:
    text = json.dumps({"type": "response.create", "metadata": "x " * 100_000})
    async with desk(write(tmp_path / "x.rtape", [Event(0, 0, 0, text)])) as opened:
        await opened.press("y")
        assert "200,043 characters are too many to copy; w writes them to a file." in opened.status
        assert not opened.app.clipboard


async def test_a_damaged_tape_says_so_and_shows_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "call.rtape", call("clean"))
    data = bytearray(path.read_bytes())
    data[data.index(b"speech_stopped")] ^= 1
    path.write_bytes(data)
    async with desk(path) as opened:
        assert "damaged" in opened.lines[0]
        assert "The tape is damaged in one place" in opened.text
        await opened.press("slash", *"damage", "enter")
        assert "record 103 missing" in opened.text
        assert " ! rtproxy.damage" in opened.text
        await opened.press("enter")
        assert "not what was written" in " ".join(" ".join(opened.pane("detail")).split())


async def test_a_crashed_tape_says_so_and_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "call.rtape", call("clean"), seal=False)
    async with desk(path) as opened:
        assert "crashed" in opened.lines[0]
        assert "its recording broke off" in opened.text
        assert "1 turn · no findings" in opened.text


async def test_a_live_tape_is_shown_as_it_grows(tmp_path: Path) -> None:
    records = [r for r in call("two turns, transcribed") if isinstance(r, Event)]
    path = tmp_path / "live.rtape"
    writer = TapeWriter.create(path, {}, durability="none")

    def record(part: list[Event]) -> None:
        for event in part:
            writer.event(event.t_ns, event.flags, event.payload)
        writer.flush()

    record(records[:150])
    async with desk(path, request=Request(follow=True)) as opened:

        async def until(sign: str) -> None:
            while sign not in opened.text:
                await asyncio.sleep(0.02)
                await opened.pilot.pause()

        await until("The call is being recorded")
        await until("150 events")
        assert opened.app.place.at == 149
        record(records[150:])
        await until(f"{len(records)} events")
        assert opened.app.place.at == len(records) - 1
        assert "2 turns" in opened.text
        writer.seal(records[-1].t_ns)
        writer.close()
        await until("sealed")
        assert "The call is being recorded" not in opened.text
        assert f"sealed · {records[-1].t_ns / 1e9:.3f} s · {len(records)} events" in opened.text


# What is asked for.


async def test_a_turn_is_opened(tape: Path) -> None:
    async with desk(tape, request=Request(turn=2)) as opened:
        assert "turn 2 of 2  shown 3.26–6.46 s" in opened.status
        assert "turn 2  speech · completed" in opened.pane("detail")[0]
    async with desk(tape, request=Request(turn=9)) as opened:
        assert "There is no turn 9: the tape has 2." in opened.status


async def test_events_are_opened_filtered_and_unfolded(tape: Path) -> None:
    async with desk(tape, (80, 24), Request(filter="*.delta", fold=False)) as opened:
        assert "/ *.delta" in opened.status
        assert opened.app.focused is opened.app.query_one("#events")
        assert len(opened.app.place.rows) == 44
        assert all(" ← " in line for line in opened.pane("events")[1:10])


async def test_a_filter_that_nothing_fits_is_told(tape: Path) -> None:
    async with desk(tape) as opened:
        await opened.press("slash", *"rate_limit", "enter")
        assert "No event fits the filter; Esc shows all of them." in opened.pane("events")[0]
        await opened.press("escape")
        assert "session.created" in "".join(opened.pane("events"))


# The mouse.


def at_ms(place: Inspection, cells: int, x: int) -> float:
    return place.viewport.span.start_ms + (x - 11 + 0.5) / cells * place.viewport.span.ms


async def wheel(pilot: Pilot[None], x: int, up: bool, shift: bool = False) -> None:
    kind = events.MouseScrollUp if up else events.MouseScrollDown
    await pilot._post_mouse_events([kind], "#lanes", offset=(x, 3), shift=shift)
    await pilot.pause()


async def test_the_wheel_zooms_where_the_mouse_is_and_scrolls(tape: Path) -> None:
    async with desk(tape) as opened:
        place, total = opened.app.place, opened.app.place.viewport.total_ms
        there = at_ms(place, 109, 71)
        await wheel(opened.pilot, 71, up=True)
        assert place.viewport.span.ms == pytest.approx(total / 2)
        assert at_ms(place, 109, 71) == pytest.approx(there)
        start = place.viewport.span.start_ms
        await wheel(opened.pilot, 71, up=False, shift=True)
        assert place.viewport.span.start_ms == pytest.approx(start + total / 20)
        await wheel(opened.pilot, 71, up=False)
        assert place.viewport.is_whole


async def test_a_click_goes_there_and_a_drag_marks(tape: Path) -> None:
    async with desk(tape) as opened:
        place = opened.app.place
        await opened.pilot.click("#lanes", offset=(60, 2))
        assert place.cursor_ms == pytest.approx(at_ms(place, 109, 60))
        await opened.pilot.mouse_down("#lanes", offset=(30, 2))
        await opened.pilot.hover("#lanes", offset=(50, 2))
        await opened.pilot.mouse_up("#lanes", offset=(50, 2))
        await opened.settle()
        assert place.span is not None
        assert place.span.ms == pytest.approx(20 / 109 * place.viewport.total_ms)
        assert "marked 1.70 s" in opened.status


async def test_clicks_choose_lines_and_panes(tape: Path) -> None:
    async with desk(tape) as opened:
        await opened.pilot.click("#turns", offset=(20, 2))
        await opened.settle()
        assert "turn 2 of 2" in opened.status
        await opened.pilot.click("#upper-tabs", offset=(15, 0))
        await opened.settle()
        assert opened.app.focused is opened.app.query_one("#findings")
        await opened.pilot.click("#events", offset=(20, 4))
        await opened.settle()
        shown = opened.pane("events")[4]
        assert shown.startswith("▸")
        assert f" {opened.app.place.seq} " in shown


# A long tape.


def hour(path: Path, count: int) -> Path:
    """200,000 events: the caller's stream, and turns of a few events each."""
    append = '{"type":"input_audio_buffer.append","audio":"' + "A" * 64 + '"}'
    writer = TapeWriter.create(path, {}, durability="none")
    for n in range(count):
        t_ns, turn, step = n * 18_000_000, n // 400, n % 400
        names = {
            10: ("input_audio_buffer.speech_started", f'"item_id":"i{turn}","audio_start_ms":{n}'),
            90: ("input_audio_buffer.speech_stopped", f'"item_id":"i{turn}","audio_end_ms":{n}'),
            91: ("input_audio_buffer.committed", f'"item_id":"i{turn}"'),
            92: ("response.created", f'"response":{{"id":"r{turn}"}}'),
            140: ("response.done", f'"response":{{"id":"r{turn}","status":"completed"}}'),
        }
        if step in names:
            name, rest = names[step]
            writer.event(t_ns, FROM_SERVER, f'{{"type":"{name}",{rest}}}')
        elif 92 < step < 140:
            text = f'"response_id":"r{turn}","item_id":"a{turn}","delta":"word "'
            writer.event(t_ns, FROM_SERVER, f'{{"type":"response.output_text.delta",{text}}}')
        else:
            writer.event(t_ns, 0, append)
        if step == 0:
            writer.flush()
    writer.flush()
    writer.seal(count * 18_000_000)
    writer.close()
    return path


async def test_a_long_tape_is_read_once_and_then_only_where_we_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work is counted, not time: records folded, read again, lanes drawn."""
    count = 20_000
    path = hour(tmp_path / "hour.rtape", count)
    taken = 0
    take = Session.take

    def counted(self: Session, record: Record) -> None:
        nonlocal taken
        taken += 1
        take(self, record)

    monkeypatch.setattr(Session, "take", counted)
    async with desk(path) as opened:
        app = opened.app
        assert count < taken < count + 10
        assert len(app.place.catalogue) == count
        listened, drawn = app.loading.shelf.reads, app.chart.drawings
        steps = dict(app.work.steps)
        keys = ["n", "n", "f", "plus", "plus", "full_stop", "right", "G", "3", "pageup", "up",
                "c", "e", "b", "z", "0", "v", "H", "g", "minus", "p", "y", "t"]  # fmt: skip
        for key in keys:
            await opened.press(key)
        reads = app.loading.shelf.reads - listened
        assert taken < count + 10
        assert app.work.steps == steps
        assert reads < 60 * len(keys)
        assert app.chart.drawings - drawn <= len(keys)
        await opened.press("u")
        assert len(app.place.rows) == count
        await opened.press("slash", *"server !*.delta", "enter")
        assert len(app.place.rows) == 5 * count // 400
        assert taken < count + 10


async def test_a_tape_can_be_looked_at_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are heard between the steps; what is known so far is shown."""
    monkeypatch.setattr("rtproxy.inspect.tui.app.SLICE_S", 0.001)
    path = hour(tmp_path / "hour.rtape", 20_000)
    with open_tape(path) as tape:
        app = Tui(tape, survey(tape, path.name), Request())
        step, held = app.work.step, True

        def hesitate() -> None:
            if not held or len(app.place.catalogue) < 5_000:
                step()

        app.work.step = hesitate  # type: ignore[method-assign]
        async with app.run_test(size=(100, 30)) as pilot:
            opened = Desk(app, pilot)
            while "▸    1" not in opened.text:
                await asyncio.sleep(0.01)
            for key in ("n", "plus", "3", "down"):
                app.post_message(events.Key(key, None))
            while "0.198 s  turn 1 of" not in opened.status:
                await asyncio.sleep(0.01)
            assert "reading the tape" in opened.text
            assert "180.0" in opened.status
            assert "2 Findings " in opened.text
            assert "3 Events" in opened.text
            assert app.work.phase == "reading"
            held = False
            await opened.settle()
            assert "50 turns" in opened.text
            assert "180.0" in opened.status


async def test_it_can_be_left_while_it_is_read(tmp_path: Path) -> None:
    path = hour(tmp_path / "hour.rtape", 20_000)
    with open_tape(path) as tape:
        app = Tui(tape, survey(tape, path.name), Request())
        app.work.step = lambda: None  # type: ignore[method-assign]
        async with app.run_test() as pilot:
            await pilot.press("q")
            await pilot.pause()
            assert not app.is_running
        assert not app.work.judged


# How it looks. After a wanted change: UPDATE_SNAPSHOTS=1 pytest tests/inspect, and look.


@pytest.mark.parametrize(
    ("size", "keys"),
    [((80, 24), ()), ((80, 24), ("f", "3")), ((80, 24), ("f", "3", "enter")), ((120, 40), ("f",)),
     ((200, 50), ("n", "n", "3")), ((120, 40), ("question_mark",))],
    ids=["80-turns", "80-events", "80-detail", "120-finding", "200-turn", "120-help"],
)  # fmt: skip
async def test_the_screen_looks_like_this(
    tape: Path, size: tuple[int, int], keys: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    path = SNAPSHOTS / f"tui-{request.node.callspec.id}.txt"
    async with desk(tape, size) as opened:
        await opened.press(*keys)
        found = "".join(f"{line.rstrip()}\n" for line in opened.lines)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(found, "utf-8")
    assert found == path.read_text("utf-8")
