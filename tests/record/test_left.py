"""A client that leaves while the server takes its time: the server is told, and the tape ends."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.record.wirekit import Wire, play_through_proxy, request_head

LIMIT_S = 20
UPLOAD = b"POST /v1/realtime/calls HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b"data: 1\n\n"
CHUNK = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)
REFUSAL = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 10\r\n\r\n12345"
POST = b"POST /v1/realtime/calls HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"

Leave = Callable[[Wire], None]


@pytest.mark.parametrize("leave", [Wire.close, Wire.reset], ids=["close", "reset"])
@pytest.mark.parametrize(
    ("request_", "answer", "heard"),
    [
        (request_head(), b"", b""),
        (request_head(), REFUSAL, b"12345"),
        (POST, b"", b""),
        (POST, STREAM + CHUNK, CHUNK),
    ],
    ids=["handshake", "refusal", "request", "events"],
)
async def test_the_server_is_told_that_the_client_has_left(
    tmp_path: Path, request_: bytes, answer: bytes, heard: bytes, leave: Leave
) -> None:
    asked = asyncio.Event()

    async def client(wire: Wire) -> None:
        await wire.send(request_)
        await asked.wait()
        if answer:
            await wire.take_head()
            assert await wire.take(len(heard)) == heard
        leave(wire)

    async def server(wire: Wire) -> None:
        await wire.take_head()
        if request_ == POST:
            assert await wire.take(2) == b"{}"
        await wire.send(answer)
        asked.set()
        async with asyncio.timeout(LIMIT_S):
            await wire.rest()

    seen = await play_through_proxy(client, server, tmp_path)
    assert seen.server_end != "open"
    resets = [control for control in seen.controls if control.name == "reset"]
    assert [control.from_server for control in resets] == [False]
    said = [event.payload for event in seen.events]
    assert said == ["{}"] * (request_ == POST) + [EVENT.decode()] * (heard == CHUNK)


@pytest.mark.parametrize("ending", ["client leaves", "server refuses", "server resets"])
async def test_half_an_upload_is_not_taped_as_a_whole_one(tmp_path: Path, ending: str) -> None:
    arrived = asyncio.Event()

    async def client(wire: Wire) -> None:
        await wire.send(UPLOAD + b"12345")
        await arrived.wait()
        if ending == "server refuses":
            assert await wire.take(len(TOO_LARGE)) == TOO_LARGE
        elif ending == "server resets":
            assert b" 502 " in await wire.take_head()

    async def server(wire: Wire) -> None:
        await wire.take_head()
        assert await wire.take(5) == b"12345"
        arrived.set()
        if ending == "server refuses":
            await wire.send(TOO_LARGE)
        if ending == "server resets":
            wire.reset()
        else:
            await wire.rest()

    seen = await play_through_proxy(client, server, tmp_path)
    assert [event.payload for event in seen.events if not event.from_server] == []
    (gap,) = [control for control in seen.controls if control.name == "gap"]
    assert not gap.from_server
    assert gap.data["bytes"] == 5


async def test_an_answer_that_begins_before_the_upload_has_ended(tmp_path: Path) -> None:
    """Both are on the tape, whole."""

    async def client(wire: Wire) -> None:
        await wire.send(UPLOAD + b"12345")
        await wire.take_head()
        await wire.send(b"67890")
        assert await wire.take(len(CHUNK)) == CHUNK

    async def server(wire: Wire) -> None:
        await wire.take_head()
        await wire.send(STREAM)
        assert await wire.take(10) == b"1234567890"
        await wire.send(CHUNK + b"0\r\n\r\n")

    seen = await play_through_proxy(client, server, tmp_path)
    assert [event.payload for event in seen.events] == ["1234567890", EVENT.decode()]
