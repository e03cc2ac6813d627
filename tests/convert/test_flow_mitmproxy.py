"""mitmproxy records a session, import makes tapes of it, and replay plays them to a real client.

The client's way leads through mitmproxy and then through our own recording proxy, so that both
record the same session. What mitmproxy does not record is named in `NOT_RECORDED`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
import websockets

from rtproxy.tape.record import Control, Event
from tests.convert.tapes import header, messages, read, take_in
from tests.record.test_clients import (
    API_KEY,
    GA_NAMES,
    GA_SESSION,
    MODEL,
    Log,
    converse,
    converse_in_json,
    listen_in,
    stage,
)
from tests.replay.follow import follow, serving

MITMDUMP = Path(__file__).parent.parent / "foreign" / "mitmproxy" / ".venv" / "bin" / "mitmdump"
NOT_RECORDED = {"ping", "pong", "eof", "reset"}
"""And of the two close frames, the one by which the other side answers."""

pytestmark = pytest.mark.skipif(not MITMDUMP.exists(), reason="mitmproxy is not installed here")


@asynccontextmanager
async def mitmproxy(upstream: str, folder: Path) -> AsyncIterator[str]:
    """Record with mitmproxy in front of a server; yields its URL. Writes `flows` and `dump.har`."""
    running = await asyncio.create_subprocess_exec(
        str(MITMDUMP), "--mode", f"reverse:{upstream}", "--listen-host", "127.0.0.1",
        "--listen-port", "0", "-w", str(folder / "flows"),
        "--set", f"hardump={folder / 'dump.har'}", "--set", f"confdir={folder / 'conf'}",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert running.stdout is not None
    try:
        line = ""
        while "listening at" not in line:
            line = (await running.stdout.readline()).decode()
            assert line, "mitmdump ended"
        reading = asyncio.ensure_future(running.stdout.read())
        yield f"http://{line.partition('listening at ')[2].strip().rstrip('.')}"
        running.terminate()
        await reading
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def sdk(url: str) -> Log:
    client = openai.AsyncOpenAI(api_key=API_KEY, base_url=f"{url}/v1")
    async with client, client.realtime.connect(model=MODEL) as connection:
        log = listen_in(connection._connection)
        await converse(connection, GA_NAMES, GA_SESSION)
    return log


async def compressed(url: str) -> Log:
    target = url.replace("http://", "ws://") + f"/v1/realtime?model={MODEL}"
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with websockets.connect(target, additional_headers=headers, max_size=None) as socket:
        assert socket.response is not None
        assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
        return await converse_in_json(socket.send, socket.recv)


async def recorded_twice(folder: Path, client: Any) -> tuple[Log, Path]:
    """A session through both proxies, and a request for a secret. Returns our own tape of it."""
    ours = folder / "ours"
    async with stage(ours) as proxy, mitmproxy(proxy.url, folder) as url:
        log = await client(url)
        await secret(url)
        await something_else(url)
    (tape,) = (path for path in ours.glob("*.rtape") if header(path)["connection"] == "websocket")
    return log, tape


async def secret(url: str) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {API_KEY}"}) as session:
        async with session.post(f"{url}/v1/realtime/client_secrets", json={}) as answer:
            assert (await answer.json())["value"]


async def something_else(url: str) -> None:
    """A request that is not for a Realtime endpoint."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/models") as answer:
        await answer.read()


def said(tape: Path, *, by_server: bool) -> list[str | bytes]:
    return [payload for from_server, payload in messages(tape) if from_server == by_server]


def plain(fields: dict[str, Any]) -> dict[str, Any]:
    """A handshake without the redacted keys, which are other ones on every tape."""
    return {
        key: {
            **fields[key],
            "headers": [[n, v] for n, v in fields[key]["headers"] if "REDACTED" not in v],
        }
        for key in ("request", "response")
    }


@pytest.mark.parametrize("form", ["flows", "dump.har"])
@pytest.mark.parametrize("client", [sdk, compressed])
async def test_mitmproxy_and_we_record_the_same(tmp_path: Path, client: Any, form: str) -> None:
    log, ours = await recorded_twice(tmp_path, client)
    found = take_in(tmp_path / form, tmp_path / "imported")
    assert found.lost == 0
    assert found.notes == [
        f"1 {'flow' if form == 'flows' else 'request'} that is not for a Realtime endpoint"
    ]
    theirs, post = found.tapes

    # Every message is the same, and in the same order as others of its direction.
    for by_server in (True, False):
        assert said(theirs, by_server=by_server) == said(ours, by_server=by_server)
    assert said(theirs, by_server=False) == log.sent
    assert said(theirs, by_server=True)[: len(log.seen)] == log.seen
    check_times(theirs, ours)
    check_endings(theirs, ours, form)

    fields = header(theirs)
    assert plain(fields) == plain(header(ours))
    assert fields["origin"] == "imported"
    assert fields["imported"]["format"] == ("mitmproxy" if form == "flows" else "har")
    assert fields["imported"]["unknown"] == ["pings", *(["close"] if form != "flows" else [])]
    assert header(post)["connection"] == "http"
    for tape in found.tapes:  # no credential reaches the disk
        data = tape.read_bytes()
        assert API_KEY.encode() not in data
        assert b"ek_" not in data

    # Replay plays what was imported: all that our own tape has, and to the client itself.
    async with serving(theirs) as server:
        player = await follow(server.url, read(theirs))
        await server.settle(30)
        assert list(map(str, server.journal.failures())) == []
    assert player.messages == said(ours, by_server=True)
    async with serving(*found.tapes) as server:
        again = await client(server.url)
        await secret(server.url)
        await server.settle(30)
        assert list(map(str, server.journal.failures())) == []
        assert [slot.uses for slot in server.shelf.slots] == [1, 1]
    assert again.seen[: len(log.seen)] == log.seen


def check_times(theirs: Path, ours: Path) -> None:
    """Both proxies saw each message at about one time of day, however busy the machine."""
    started = [header(path)["started_ns"] for path in (theirs, ours)]
    for by_server in (True, False):
        times = [
            [(start + one.t_ns) / 1e9 for one in read(path)
             if isinstance(one, Event) and one.from_server == by_server]
            for start, path in zip(started, (theirs, ours), strict=True)
        ]  # fmt: skip
        assert times[0] == pytest.approx(times[1], abs=20.0)


def check_endings(theirs: Path, ours: Path, form: str) -> None:
    """Of what is no message, mitmproxy knows the close frame that came first."""
    controls = [
        [(one.name, one.from_server, one.data) for one in read(path) if isinstance(one, Control)]
        for path in (theirs, ours)
    ]
    kept = [one for one in controls[1] if one[0] not in NOT_RECORDED][:1]
    assert [(name, flag, data["code"]) for name, flag, data in kept] == [("close", False, 1000)]
    assert controls[0] == (kept if form == "flows" else [])


async def test_the_commands_of_the_guide(tmp_path: Path) -> None:
    """mitmdump writes a flow file out again; a session that is still open has no end."""
    async with stage(tmp_path / "ours") as proxy, mitmproxy(proxy.url, tmp_path) as url:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{url}/v1/realtime?model={MODEL}") as socket:
                await socket.receive()
                await socket.send_bytes(b"\x00\x01binary\xff")
                await socket.receive()
                await socket.close(code=4321, message=b"enough")
    found = take_in(tmp_path / "flows", tmp_path / "imported")
    (tape,) = found.tapes
    assert (False, b"\x00\x01binary\xff") in messages(tape)
    (close,) = (one for one in read(tape) if isinstance(one, Control))
    assert (close.name, close.from_server) == ("close", False)
    assert close.data == {"code": 4321, "reason": "enough"}
