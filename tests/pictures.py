"""Draws the pictures of the documentation: `make pictures`.

The call is that of `rtproxy demo`, so the pictures show what anybody gets.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.inspect.browser import chromium, visit
from tests.inspect.tui_desk import desk

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
SIZE = (1280, 720)
MOMENT = "#t=4.2"
"""Shortly before the caller interrupts."""


def main() -> None:
    """Record the call and draw it."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder, "call.rtape")
        rtproxy("demo", folder=folder)
        (made,) = Path(folder, "recordings").glob("*.rtape")
        made.rename(tape)
        page = Path(folder, "call.html")
        rtproxy("inspect", str(tape), "--html", str(page), folder=folder)
        draw_page(page)
        asyncio.run(draw_terminal(tape))


def rtproxy(*arguments: str, folder: str) -> None:
    command = (sys.executable, "-m", "rtproxy", *arguments)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def draw_page(page: Path) -> None:
    with chromium() as browser:
        for scheme in ("light", "dark"):
            with visit(browser, page, MOMENT, size=SIZE, scheme=scheme) as opened:
                opened.page.screenshot(path=FOLDER / f"page-{scheme}.png")


async def draw_terminal(tape: Path) -> None:
    async with desk(tape, (100, 32)) as opened:
        await opened.press("3", *("down",) * 8)
        drawn = opened.app.export_screenshot(title="rtproxy inspect call.rtape --tui")
    # The pictures ask nothing of the network: a font that the reader has will do.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    (FOLDER / "tui.svg").write_text(drawn, "utf-8")


if __name__ == "__main__":
    main()
