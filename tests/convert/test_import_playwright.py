"""What a browser does, recorded by Playwright into a HAR, is imported."""

from pathlib import Path

import pytest
from aiohttp import WSMsgType, web
from playwright.async_api import async_playwright

from rtproxy.tape.record import Event
from tests.convert.devtools import CHROMIUM
from tests.convert.tapes import header, messages, read, take_in

PAGE = """async url => {
  const socket = new WebSocket(url);
  let seen = 0;
  socket.onmessage = () => {
    seen += 1;
    if (seen === 1) socket.send('{"type":"response.create"}');
    if (seen === 3) socket.close(1000);
  };
  await new Promise(resolve => { socket.onclose = resolve; });
  return seen;
}"""


async def serve(request: web.Request) -> web.StreamResponse:
    if request.path == "/":
        return web.Response(text="a page")
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str('{"type":"session.created"}')
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str('{"type":"response.created","é":"🎙"}')
            await socket.send_bytes(b"\x00\xff")
    return socket


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
async def test_what_playwright_records(tmp_path: Path) -> None:
    runner = web.ServerRunner(web.Server(serve))  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"127.0.0.1:{runner.addresses[0][1]}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        context = await browser.new_context(record_har_path=tmp_path / "page.har")
        page = await context.new_page()
        await page.goto(f"http://{url}/")
        assert await page.evaluate(PAGE, f"ws://{url}/v1/realtime?model=m") == 3
        await context.close()
        await browser.close()
    await runner.cleanup()
    found = take_in(tmp_path / "page.har", tmp_path / "page.rtape")
    assert found.notes == ["1 request that is not for a Realtime endpoint"]
    assert messages(tmp_path / "page.rtape") == [
        (True, '{"type":"session.created"}'),
        (False, '{"type":"response.create"}'),
        (True, '{"type":"response.created","é":"🎙"}'),
        (True, b"\x00\xff"),
    ]
    fields = header(tmp_path / "page.rtape")
    assert fields["request"]["target"] == "/v1/realtime?model=m"
    assert fields["response"]["status"] == 101
    assert fields["upstream"] == f"http://{url}"
    assert fields["imported"]["program"].startswith("Playwright")
    times = [one.t_ns for one in read(tmp_path / "page.rtape") if isinstance(one, Event)]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < 60_000_000_000  # it writes ms, where Chrome writes s
