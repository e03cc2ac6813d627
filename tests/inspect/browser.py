"""Chromium for tests of pages: one for a module, headless, off the network.

    @pytest.fixture(scope="module")
    def browser() -> Iterator[Browser]:
        with chromium() as browser:
            yield browser

    with visit(browser, path) as visit:
        visit.page.click("#play")
    assert not visit.complaints and not visit.requests

A page's Content-Security-Policy forbids eval, which `wait_for_function` uses: wait for elements
with `expect` instead.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Error,
    Page,
    Request,
    expect,
    sync_playwright,
)

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)
Scheme = Literal["light", "dark"]
WIDE = (1280, 800)
NARROW = (390, 844)


@dataclass
class Visit:
    """A page that was opened, and what it did: all it complained of, and all it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Every address but the page's own."""

    def number(self, selector: str, attribute: str) -> float:
        """An element's attribute that is a number."""
        return float(self.page.locator(selector).get_attribute(attribute) or "nan")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that is closed at the end; the test is skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            _DESKS.pop(browser, None)
            browser.close()


@contextmanager
def visit(
    browser: Browser,
    address: str | Path,
    place: str = "",
    *,
    size: tuple[int, int] = WIDE,
    scheme: Scheme = "light",
    ready: str = "html[data-ready]",
    before: str | None = None,
) -> Iterator[Visit]:
    """Open a page as if for the first time; `place` is what follows in the address, such as #t=2.

    `before` is a script that runs before any of the page's own.
    """
    url = (address.as_uri() if isinstance(address, Path) else address) + place
    desk = _desk(browser, size, scheme, before)
    visited = desk.visit = Visit(desk.page)
    sound = False
    try:
        desk.page.goto(url)
        expect(desk.page.locator(ready)).to_be_attached()
        own = url.split("#")[0]
        visited.requests[:] = [asked for asked in visited.requests if asked.split("#")[0] != own]
        yield visited
        sound = before is None
    finally:
        if sound:
            desk.page.evaluate("localStorage.clear()")
            desk.page.goto("about:blank")
        else:
            _DESKS[browser].remove(desk)
            desk.page.context.close()


@dataclass(eq=False)
class _Desk:
    """A window that pages are opened in one after the other: a new one takes as long as a visit."""

    page: Page
    looks: tuple[tuple[int, int], Scheme, str | None]
    visit: Visit

    def listen(self) -> None:
        """Note what the page that is open says and asks for."""

        def dismiss(dialog: Dialog) -> None:
            self.visit.complaints.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        def note(request: Request) -> None:
            self.visit.requests.append(request.url)

        def hear(message: ConsoleMessage) -> None:
            self.visit.complaints.append(f"{message.type}: {message.text}")

        def fail(error: Error) -> None:
            self.visit.complaints.append(f"error: {error}")

        self.page.on("console", hear)
        self.page.on("pageerror", fail)
        self.page.on("dialog", dismiss)
        self.page.on("request", note)


LIMIT_MS = 30_000
"""So long a loaded machine may take; nothing waits longer than it must."""
expect.set_options(timeout=LIMIT_MS)

_DESKS: dict[Browser, list[_Desk]] = {}


def _desk(browser: Browser, size: tuple[int, int], scheme: Scheme, before: str | None) -> _Desk:
    looks = (size, scheme, before)
    desks = _DESKS.setdefault(browser, [])
    for desk in desks:
        if desk.looks == looks:
            return desk
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        reduced_motion="reduce",
        has_touch=size[0] < 900,
    )
    context.set_default_timeout(LIMIT_MS)
    if before is not None:
        context.add_init_script(before)
    page = context.new_page()
    desk = _Desk(page, looks, Visit(page))
    desk.listen()
    desks.append(desk)
    return desk
