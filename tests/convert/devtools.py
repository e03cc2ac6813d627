"""The developer tools of a real Chromium: what their Network panel makes of a HAR, and writes.

The browser serves the tools' own modules at its debugging port; a page loads the one for HAR.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-quic",
    "--remote-debugging-port=0",
)  # fmt: skip
SPOKEN = "DevTools listening on "

IMPORT = """(async text => {
  const har = await import('/devtools/models/har/har.js');
  const root = new har.HARFormat.HARRoot(JSON.parse(text));
  const requests = har.Importer.Importer.requestsFromHARLog(root.log);
  const shown = requests.map(request => ({
    url: request.url(),
    method: request.requestMethod,
    status: request.statusCode,
    statusText: request.statusText,
    type: request.resourceType().name(),
    issued: request.issueTime(),
    seconds: request.endTime - request.startTime,
    requestHeaders: request.requestHeaders().map(h => [h.name, h.value]),
    frames: request.frames().map(f => ({...f})),
  }));
  const written = await har.Log.Log.build(requests, {sanitize: false});
  return {shown, written: JSON.stringify({log: written})};
})"""


class DevTools:
    """A page of the developer tools."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._id = 0
        self.session: str | None = None

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol."""
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        await self._socket.send_json(message)
        while True:
            answer = json.loads((await self._socket.receive()).data)
            if answer.get("id") == self._id:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    async def open(self, har: str) -> tuple[list[dict[str, Any]], str]:
        """Import a HAR; returns the requests as the panel has them, and the HAR that it writes."""
        answer = await self.call(
            "Runtime.evaluate",
            expression=f"{IMPORT}({json.dumps(har)})",
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        found = answer["result"]["value"]
        return found["shown"], found["written"]


@asynccontextmanager
async def devtools(profile: Path) -> AsyncIterator[DevTools]:
    """Start Chromium with an empty profile, and load the tools."""
    assert CHROMIUM is not None
    browser = await asyncio.create_subprocess_exec(
        CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert browser.stderr is not None
    try:
        line = ""
        while not line.startswith(SPOKEN):
            line = (await browser.stderr.readline()).decode()
            assert line, "Chromium ended"
        address = line.removeprefix(SPOKEN).strip()
        origin = address.partition("/devtools")[0].replace("ws:", "http:", 1)
        reading = asyncio.ensure_future(browser.stderr.read())  # so that the pipe stays empty
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(address, max_msg_size=0) as socket:
                tools = DevTools(socket)
                target = await tools.call("Target.createTarget", url="about:blank")
                attached = await tools.call(
                    "Target.attachToTarget", targetId=target["targetId"], flatten=True
                )
                tools.session = attached["sessionId"]
                await tools.call("Page.navigate", url=f"{origin}/json/version")
                yield tools
                tools.session = None
                await tools.call("Browser.close")
        await reading
    finally:
        if browser.returncode is None:
            browser.terminate()
        await browser.wait()
