"""A page in a real browser, which trusts our CA as it trusts any other: wss:// to us, both ways."""

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, async_playwright

from rtproxy.net.authority import Authority
from rtproxy.record.injection import Injection
from rtproxy.record.proxy import Proxy, Settings
from rtproxy.replay.loader import load_shelf
from rtproxy.replay.server import Settings as ReplaySettings
from rtproxy.replay.server import TapeServer
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from rtproxy.tape.reader import open_tape
from tests.record.test_clients import MODEL, SCENARIO

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
KEY = "ek_4242abcdef4242abcdef4242abcdef"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or shutil.which("certutil") is None,
    reason="Chromium and certutil are needed; make tests/components/.ready gets them",
)

CALL = """
([url, protocols]) => new Promise((resolve) => {
  const seen = { protocol: "", types: [], code: 0 };
  const socket = new WebSocket(url, protocols);
  const send = (event) => socket.send(JSON.stringify(event));
  socket.onopen = () => {
    seen.protocol = socket.protocol;
    const content = [{ type: "input_text", text: "these are typed words" }];
    send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
    send({ type: "response.create", response: { output_modalities: ["text"] } });
  };
  socket.onmessage = ({ data }) => {
    seen.types.push(JSON.parse(data).type);
    if (seen.types.at(-1) === "response.done") socket.close(1000, "goodbye");
  };
  socket.onclose = ({ code }) => resolve({ ...seen, code });
})
"""


@asynccontextmanager
async def page(home: Path, *flags: str) -> AsyncIterator[Page]:
    """A page of this machine, in a browser whose user has this home."""

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>app</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", serve)
    async with TestServer(app) as server, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *flags], env={"HOME": str(home)}
        )
        opened = await browser.new_page()
        await opened.goto(str(server.make_url("/")))
        yield opened
        await browser.close()


def trust(authority: Authority, home: Path) -> None:
    """What `rtproxy ca` says to type for Chromium."""
    database = home / ".pki/nssdb"
    database.mkdir(parents=True)
    sql = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*sql, "-N", "--empty-password"], check=True)
    add = ["-A", "-t", "C,,", "-n", authority.name, "-i", str(authority.path)]
    subprocess.run([*sql, *add], check=True)


@asynccontextmanager
async def recording(folder: Path, **options: Any) -> AsyncIterator[Proxy]:
    async with SimulatedServer(Scenario.parse(SCENARIO, "page.toml"), seed=7) as server:
        settings = Settings(
            upstream=server.url,
            port=0,
            out=folder / "tapes",
            tls=True,
            ca_folder=folder / "ca",
            **options,
        )
        async with Proxy(settings) as proxy:
            yield proxy


async def call(opened: Page, url: str, protocols: list[str]) -> dict[str, Any]:
    url = f"{url.replace('https', 'wss')}/v1/realtime?model={MODEL}"
    seen: dict[str, Any] = await opened.evaluate(CALL, [url, protocols])
    return seen


OFFERED = ["realtime", f"openai-insecure-api-key.{KEY}"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_page_with_a_key_in_its_subprotocols(tmp_path: Path, host: str) -> None:
    home = tmp_path / "home"
    trust(Authority.open(tmp_path / "ca"), home)
    async with page(home) as opened:
        async with recording(tmp_path) as proxy:
            recorded = await call(opened, proxy.url.replace("127.0.0.1", host), OFFERED)
        assert recorded["protocol"] == "realtime"
        assert recorded["code"] == 1000
        assert recorded["types"][-1] == "response.done"
        (path,) = (tmp_path / "tapes").glob("*.rtape")
        with open_tape(path) as tape:
            assert tape.state == "sealed"
            headers = dict(tape.header.fields["request"]["headers"])
            assert headers["Sec-WebSocket-Protocol"].startswith(
                "realtime, openai-insecure-api-key.REDACTED:"
            )
            assert headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")
        assert KEY.encode() not in path.read_bytes()

        replaying = ReplaySettings(speed=float("inf"), tls=True, ca_folder=tmp_path / "ca")
        async with TapeServer(load_shelf([path]), replaying) as server:
            replayed = await call(opened, server.url.replace("127.0.0.1", host), OFFERED)
            await server.settle(30)
            assert list(map(str, server.journal.failures())) == []
        assert replayed == recorded


async def test_a_browser_that_does_not_trust_us(tmp_path: Path) -> None:
    told: list[str] = []
    async with page(tmp_path / "home") as opened, recording(tmp_path) as proxy:
        proxy.status.watch = lambda _, sentence: told.append(sentence)
        seen = await call(opened, proxy.url, OFFERED)
    assert (seen["code"], seen["types"]) == (1006, [])
    assert told == [
        "A client does not trust rtproxy's certificate; `rtproxy ca` tells how to make it."
    ]


async def test_a_browser_that_is_given_our_pin(tmp_path: Path) -> None:
    """For a test, with no database changed: the option that `rtproxy ca` prints."""
    pin = Authority.open(tmp_path / "ca").pin
    flag = f"--ignore-certificate-errors-spki-list={pin}"
    async with page(tmp_path / "home", flag) as opened, recording(tmp_path) as proxy:
        seen = await call(opened, proxy.url, OFFERED)
    assert seen["code"] == 1000


async def test_a_page_that_holds_no_key(tmp_path: Path) -> None:
    """The proxy adds it for pages that may have it, and turns the others away."""
    home = tmp_path / "home"
    trust(Authority.open(tmp_path / "ca"), home)
    key = "sk-proj-4242abcdef4242abcdef4242abcdef"
    async with page(home) as opened:
        origin = await opened.evaluate("location.origin")
        async with recording(tmp_path, inject=Injection(key, (origin,))) as proxy:
            seen = await call(opened, proxy.url, ["realtime"])
            assert (seen["protocol"], seen["code"]) == ("realtime", 1000)
        async with recording(tmp_path, inject=Injection(key, ("http://a.test",))) as proxy:
            seen = await call(opened, proxy.url, ["realtime"])
            assert (seen["code"], seen["types"]) == (1006, [])
    (path,) = (tmp_path / "tapes").glob("*.rtape")
    assert key.encode() not in path.read_bytes()
    with open_tape(path) as tape:
        assert "authorization" not in json.dumps(tape.header.fields["request"]).lower()


async def test_a_page_whose_browser_uses_us_as_its_proxy(tmp_path: Path) -> None:
    """It opens the service's own address, and talks to a tape."""
    home = tmp_path / "home"
    authority = Authority.open(tmp_path / "ca")
    trust(authority, home)
    async with page(home) as opened, recording(tmp_path) as proxy:
        recorded = await call(opened, proxy.url, OFFERED)
    (path,) = (tmp_path / "tapes").glob("*.rtape")
    replaying = ReplaySettings(speed=float("inf"), forward=True, ca_folder=tmp_path / "ca")
    async with TapeServer(load_shelf([path]), replaying) as server:
        async with page(home, f"--proxy-server={server.url}") as opened:
            assert await call(opened, "https://api.openai.com", OFFERED) == recorded
        await server.settle(30)
        assert list(map(str, server.journal.failures())) == []
