"""Every key, pressed: what is to be seen of it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.keys import _character_to_key

from rtproxy.inspect.tui import speaker
from rtproxy.inspect.tui.app import Tui
from rtproxy.inspect.tui.keys import KEYS, LIST_KEYS, MOUSE, Key
from tests.inspect.tui_desk import Desk, call, desk, write

Check = Callable[[Desk, str], Awaitable[None]]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two turns, a barge-in, a finding."""
    path = tmp_path_factory.mktemp("tui") / "call.rtape"
    return write(path, call("barge-in, truncated wrong"))


async def next_turn(desk: Desk, key: str) -> None:
    await desk.press("G", *["p"] * 5, key)
    assert "turn 2 of 2" in desk.status
    assert desk.pane("turns")[2].startswith("▸    2")
    assert "turn 2" in desk.pane("detail")[0]
    await desk.press(key)
    assert "There is no turn after this." in desk.status


async def turn_before(desk: Desk, key: str) -> None:
    await desk.press("G", key)
    assert "turn 2 of 2" in desk.status
    await desk.press(key)
    assert "turn 1 of 2" in desk.status
    await desk.press(key)
    assert "There is no turn before this." in desk.status


async def next_finding(desk: Desk, key: str) -> None:
    await desk.press(key)
    assert "▲1 barge-in-desync: The caller had heard" in desk.status
    assert any("barge-in-desync" in line for line in desk.pane("findings"))
    assert "▲1 warning barge-in-desync" in desk.pane("detail")[0]
    assert "conversation.item.truncate" in desk.text
    await desk.press(key)
    assert "There is no finding after this." in desk.status


async def finding_before(desk: Desk, key: str) -> None:
    await desk.press("G", key)
    assert "▲1 barge-in-desync" in desk.status
    await desk.press(key)
    assert "There is no finding before this." in desk.status


def moment(desk: Desk) -> float:
    return float(desk.status.split()[0])


def stepping(cells: int) -> Check:
    async def check(desk: Desk, key: str) -> None:
        await desk.press(*["L"] * 4)
        before = moment(desk)
        await desk.press(key)
        cell_s = desk.app.loading.session.now_ms / 1000 / (120 - 11)
        assert moment(desk) - before == pytest.approx(cells * cell_s, abs=0.002)

    return check


def scrolling(direction: int) -> Check:
    async def check(desk: Desk, key: str) -> None:
        await desk.press(*["L"] * 5, "+", "+")
        before = desk.lane("turns"), desk.app.place.viewport.span.start_ms
        await desk.press(key)
        after = desk.lane("turns"), desk.app.place.viewport.span.start_ms
        assert (after[1] - before[1]) * direction > 0
        assert after[0] != before[0]

    return check


async def zoom_in(desk: Desk, key: str) -> None:
    width = len(desk.lane("assistant").replace(" ", ""))
    await desk.press(key)
    assert "shown 0.00–4.63 s" in desk.status
    assert len(desk.lane("assistant").replace(" ", "")) > width * 0.9
    assert "4.0 s" in desk.text


async def zoom_out(desk: Desk, key: str) -> None:
    await desk.press("+", "+", key)
    assert "shown 0.00–4.63 s" in desk.status
    await desk.press(key, key)
    assert "shown" not in desk.status


async def zoom_whole(desk: Desk, key: str) -> None:
    await desk.press("+", "+", "+", "+", key)
    assert "shown" not in desk.status


async def zoom_selection(desk: Desk, key: str) -> None:
    await desk.press("n", "n", key)
    assert "shown 3.26–6.46 s" in desk.status
    await desk.press("0", "g", "v", "L", "v", key)
    assert "shown 0.00–0.85 s" in desk.status


async def start(desk: Desk, key: str) -> None:
    await desk.press("n", "n", key)
    assert moment(desk) == 0
    assert "▸   0 0.000" in desk.text


async def end(desk: Desk, key: str) -> None:
    await desk.press(key)
    assert moment(desk) == pytest.approx(9.26, abs=0.01)
    assert "rtproxy.close" in desk.pane("events")[-1]


async def cause(desk: Desk, key: str) -> None:
    await desk.press("f", key)
    assert "One of 2 causes of #232" in desk.status
    assert "#231 ← input_audio_buffer.speech_started" in desk.pane("detail")[0]
    assert any(line.startswith("↓") for line in desk.pane("events"))
    await desk.press("g", key)
    assert "Nothing is known to have led to this." in desk.status


async def effect(desk: Desk, key: str) -> None:
    await desk.press("f", key)
    assert "#233 ← conversation.item.truncated" in desk.pane("detail")[0]
    await desk.press(key)
    assert "This led to nothing known." in desk.status


async def back(desk: Desk, key: str) -> None:
    await desk.press("f", "e", key)
    assert "#232 → conversation.item.truncate" in desk.pane("detail")[0]
    await desk.press(key, key, key)
    assert "You have not been anywhere else." in desk.status


def pane(name: str, first: str) -> Check:
    async def check(desk: Desk, key: str) -> None:
        await desk.press("1" if name != "turns" else "4", key)
        assert desk.app.focused is desk.app.query_one(f"#{name}")
        assert first in desk.pane(name)[1 if name != "detail" else 0]

    return check


async def next_pane(desk: Desk, key: str) -> None:
    seen = []
    for _ in range(4):
        await desk.press(key)
        seen.append(desk.app.focused.id if desk.app.focused else None)
    assert seen == ["findings", "events", "detail", "turns"]


async def pane_before(desk: Desk, key: str) -> None:
    await desk.press(key)
    assert desk.app.focused is desk.app.query_one("#detail")
    await desk.press(key)
    assert desk.app.focused is desk.app.query_one("#events")


async def filter_(desk: Desk, key: str) -> None:
    await desk.press(key)
    await desk.type("server !*.delta")
    assert "server !*.delta" in desk.lines[-1]
    await desk.press("enter")
    assert "/ server !*.delta" in desk.status
    assert not any("→" in line for line in desk.pane("events")[1:])
    await desk.press(key)
    assert "server !*.delta" in desk.lines[-1]
    await desk.type(" t>>")
    await desk.press("enter")
    assert "The filter cannot be read at '>': nothing follows it." in desk.status or (
        "The filter cannot be read" in desk.status
    )
    assert "/ server !*.delta" in desk.status


async def escape(desk: Desk, key: str) -> None:
    await desk.press("slash", "x", key)
    assert "? help" in desk.lines[-1]
    await desk.press("v", "L", key)
    assert "marked" not in desk.status
    await desk.press("4", key)
    assert desk.app.focused is desk.app.query_one("#events")
    await desk.press("slash", *"error", "enter")
    assert "/ error" in desk.status
    await desk.press(key)
    assert "/ error" not in desk.status
    assert "Events 51" in desk.text


async def fold(desk: Desk, key: str) -> None:
    assert "3 Events 51" in desk.text
    assert "×" in "".join(desk.pane("events"))
    await desk.press(key)
    assert "3 Events 544" in desk.text
    assert "×" not in "".join(desk.pane("events"))
    await desk.press(key)
    assert "3 Events 51" in desk.text


async def mark(desk: Desk, key: str) -> None:
    await desk.press(key, "L")
    assert "marked 0.85 s" in desk.status
    await desk.press(key, "L")
    assert "marked 0.85 s" in desk.status
    await desk.press(key)
    assert "marked" not in desk.status


async def play(desk: Desk, key: str) -> None:
    await desk.press(key)
    assert speaker.MISSING in desk.status


async def copy(desk: Desk, key: str) -> None:
    await desk.press("3", "f", key)
    assert "Copied" in desk.status
    assert '"type":"conversation.item.truncate"' in desk.app.clipboard


async def write_file(desk: Desk, key: str) -> None:
    await desk.press("f", key)
    assert "Written to call-232.json." in desk.status
    assert "conversation.item.truncate" in Path("call-232.json").read_text()
    Path("call-232.json").write_text("mine")
    await desk.press(key)
    assert "call-232.json is there already." in desk.status
    assert Path("call-232.json").read_text() == "mine"


async def theme(desk: Desk, key: str) -> None:
    seen = []
    for _ in range(3):
        await desk.press(key)
        seen.append(desk.app.theme)
    assert seen[:2] == ["textual-dark", "textual-light"]
    assert seen[2] in ("ansi-dark", "textual-ansi")


async def help_(desk: Desk, key: str) -> None:
    await desk.press(key)
    assert "what led to this event" in desk.text
    await desk.press("q")
    assert "what led to this event" not in desk.text
    assert desk.app.is_running


async def quit_(desk: Desk, key: str) -> None:
    await desk.pilot.press(key)
    await desk.pilot.pause()
    assert not desk.app.is_running


CHECKS: dict[str, Check] = {
    "turn(1)": next_turn,
    "turn(-1)": turn_before,
    "finding(1)": next_finding,
    "finding(-1)": finding_before,
    "step(-1)": stepping(-1),
    "step(1)": stepping(1),
    "step(-10)": stepping(-10),
    "step(10)": stepping(10),
    "scroll(-0.5)": scrolling(-1),
    "scroll(0.5)": scrolling(1),
    "zoom(1)": zoom_in,
    "zoom(-1)": zoom_out,
    "zoom_whole": zoom_whole,
    "zoom_selection": zoom_selection,
    "edge(0)": start,
    "edge(1)": end,
    "cause": cause,
    "effect": effect,
    "return": back,
    "pane('turns')": pane("turns", "interrupted"),
    "pane('findings')": pane("findings", "barge-in-desync"),
    "pane('events')": pane("events", "session.created"),
    "pane('detail')": pane("detail", "#0 ← session.created"),
    "next_pane(1)": next_pane,
    "next_pane(-1)": pane_before,
    "filter": filter_,
    "escape": escape,
    "fold": fold,
    "mark": mark,
    "play": play,
    "copy": copy,
    "write": write_file,
    "theme": theme,
    "help": help_,
    "quit": quit_,
}


ALONE = {"return", "next_pane(1)", "next_pane(-1)", "filter", "escape", "theme", "help", "quit"}
"""Keys that need an application in which nothing has been done, or leave it otherwise."""
TOGETHER = [key for key in KEYS if key.action not in ALONE]


@pytest.mark.parametrize(
    "keys",
    [[key] for key in KEYS if key.action in ALONE] + [TOGETHER[n::3] for n in range(3)],
    ids=lambda keys: keys[0].action,
)
async def test_a_key_does_what_the_help_says(
    tape: Path, keys: list[Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rtproxy.inspect.tui.app.find_player", lambda: None)
    async with desk(tape) as opened:
        for n, key in enumerate(keys):
            if n:
                await opened.press("g", "0", "1")  # as it was at first
            try:
                await CHECKS[key.action](opened, key.keys[0])
            except AssertionError as error:
                error.add_note(f"The key was {key.shown}: {key.does}.")
                raise


def test_other_keys_do_the_same_and_are_named_as_terminals_name_them() -> None:
    bound = {name: binding.action for binding in Tui.BINDINGS if isinstance(binding, Binding)
             for name in binding.key.split(",")}  # fmt: skip
    for key in KEYS:
        assert {bound[name] for name in key.keys} == {key.action}
        for char in key.shown.split():
            if len(char) == 1 and char.isascii():
                assert _character_to_key(char) in key.keys


def test_the_guide_names_every_key() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "tui.md").read_text("utf-8")
    for key in KEYS:
        shown = " ".join(f"`{part}`" for part in key.shown.split())
        assert f"| {shown} | {key.does} |" in guide
    for shown, does in (*LIST_KEYS, *MOUSE):
        assert f"| {shown} | {does} |" in guide


async def test_keys_of_the_lists(tape: Path) -> None:
    async with desk(tape) as opened:
        await opened.press("3")
        rows = opened.pane("events")
        for key, row in [
            ("down", 1), ("j", 2), ("up", 1), ("k", 0), ("up", 0), ("pagedown", len(rows) - 1),
            ("pageup", 0), ("end", 50), ("down", 50), ("home", 0),
        ]:  # fmt: skip
            await opened.press(key)
            assert opened.app.place.row == row, key
            shown = next(line for line in opened.pane("events") if line.startswith("▸"))
            assert f" {opened.app.place.seq} " in shown
        await opened.press("down", "enter")
        assert opened.app.focused is opened.app.query_one("#detail")


async def test_a_line_of_the_detail_leads_on(tape: Path) -> None:
    async with desk(tape) as opened:
        await opened.press("f", "3", "up", "down", "enter")
        lines = opened.pane("detail")
        at = next(n for n, line in enumerate(lines) if "#57 response.created" in line)
        await opened.press(*["down"] * at)
        assert opened.pane("detail")[at].startswith("▸")
        await opened.press("enter")
        assert "#57 ← response.created" in opened.pane("detail")[0]
        await opened.press("b")
        assert "#232 → conversation.item.truncate" in opened.pane("detail")[0]


async def test_a_turn_and_a_finding_are_entered(tape: Path) -> None:
    async with desk(tape, (80, 24)) as opened:
        await opened.press("1", "down", "enter")
        assert "turn 2  speech · completed" in opened.pane("detail")[0]
        await opened.press("2", "enter")
        assert "▲1 warning barge-in-desync" in opened.pane("detail")[0]
        assert "→ On speech_started stop playing" in opened.text
