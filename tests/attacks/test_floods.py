"""Tapes of very many things take time by their number, and not by its square; and little memory.

The work is counted in lines of Python that are run, which no other load on the machine changes.
"""

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from click.testing import CliRunner

from rtproxy.cli.main import rtproxy
from rtproxy.tape.codec import encode_event
from tests.attacks.commands import Runner
from tests.attacks.hostile import sealed
from tests.attacks.hostile_floods import many_of, same_of

STEP = 84
"""Of this many, all floods are made of whole rounds."""
WARM = 21
GROWTH = 1.03
"""How much more work the third step of as many may be than the second; by the square it is 1.7."""
COMMANDS = [
    ["inspect", "--json"],
    ["inspect", "--html", "page.html"],
    ["export", "wav", "--per", "item", "-o", "items"],
    ["export", "trace"],
    ["tape", "textconv"],
]
FLOODS = {
    "responses": many_of, "turns": many_of, "speech": many_of, "items sent": many_of,
    "errors": many_of, "tools": many_of, "parts": many_of, "types": many_of,
    "truncations": same_of, "rate limits": many_of, "alike": many_of, "transcripts": same_of,
}  # fmt: skip


class Work:
    """Counts the lines of rtproxy that are run."""

    def __init__(self) -> None:
        self.lines = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        return self.line if "/rtproxy/" in frame.f_code.co_filename else None

    def line(self, _: FrameType, event: str, __: Any) -> Any:
        self.lines += event == "line"
        return self.line


def work_of(arguments: list[str]) -> int:
    work, before = Work(), sys.gettrace()
    sys.settrace(work)
    try:
        CliRunner().invoke(rtproxy, arguments)
    finally:
        sys.settrace(before)
    return work.lines


@pytest.mark.parametrize("name", FLOODS)
def test_as_many_again_are_as_much_work_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: dict[str, list[int]] = {}
    for size in (WARM, STEP, 2 * STEP, 3 * STEP):
        folder = tmp_path / str(size)
        folder.mkdir()
        monkeypatch.chdir(folder)
        Path("call.rtape").write_bytes(FLOODS[name](name, size))
        for command in COMMANDS:
            work.setdefault(" ".join(command), []).append(work_of([*command, "call.rtape"]))
    growth = {what: (c - b) / (b - a) for what, (_, a, b, c) in work.items()}
    assert {what: by for what, by in growth.items() if by > GROWTH} == {}, work


def test_a_page_of_very_many_small_events_takes_little_memory(tmp_path: Path) -> None:
    tiny = [encode_event(n, n * 1000, n % 2, "{}") for n in range(30_000)]
    (tmp_path / "tiny.rtape").write_bytes(sealed(tiny))
    with Runner() as runner:
        bare, ended = runner.run(
            [["--version"], ["inspect", "--html", "page.html", "tiny.rtape"]], tmp_path
        )
    assert ended.code == 0
    assert ended.peak - bare.peak < 60 << 20  # 2 KB each; it was more than twice that
