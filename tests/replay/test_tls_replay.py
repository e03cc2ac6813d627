"""Tapes played over TLS: the same session, and the same ends."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from rtproxy.net.authority import Authority
from rtproxy.replay.server import TapeServer
from rtproxy.wire.frame import Opcode, encode_close, encode_frame
from tests.record.tlskit import TlsWire
from tests.record.wirekit import Wire, request_head
from tests.replay.follow import TARGET, follow, greeting, read, serving, write_tape
from tests.replay.taped import Tape, messages

MASK = b"abcd"


def trust(server: TapeServer) -> ssl.SSLContext:
    assert server.authority is not None
    return ssl.create_default_context(cafile=server.authority.path)


@asynccontextmanager
async def dialled(server: TapeServer) -> AsyncIterator[Wire]:
    """A TLS connection on which a session has been opened."""
    sock = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
    sock.setblocking(False)
    wire = TlsWire(sock, trust(server), server_side=False)
    try:
        await wire.shake_hands()
        await wire.send(request_head(path=TARGET))
        await wire.take_head()
        yield wire
    finally:
        wire.close()


async def test_a_session(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", greeting())
    async with serving(path, tls=True, ca_folder=tmp_path / "ca") as server:
        assert server.url.startswith("https://127.0.0.1:")
        client = await follow(server.url, read(path), ssl=trust(server))
        async with aiohttp.ClientSession() as session:
            async with session.get(
                f"{server.url}/__rtproxy__/health", ssl=trust(server)
            ) as response:
                assert (await response.json())["ok"]
        assert client.messages == messages(read(path), from_server=True)
        assert (client.code, client.reason) == (1000, "")
        assert server.journal.ok


async def test_the_end_of_a_stream_without_a_close(tmp_path: Path) -> None:
    tape = Tape().server("session.created").control("eof", from_server=True)
    path = write_tape(tmp_path / "call.rtape", tape)
    async with serving(path, tls=True, ca_folder=tmp_path / "ca") as server:
        async with dialled(server) as wire:
            await wire.rest()
            assert wire.end == "eof"
            assert b"session.created" in wire.received


async def test_a_reset_after_all_that_came_before(tmp_path: Path) -> None:
    tape = Tape()
    for number in range(200):
        tape.server("response.output_audio.delta", delta="A" * 10_000, number=number)
    tape.control("reset", from_server=True, error="Connection reset by peer")
    path = write_tape(tmp_path / "call.rtape", tape)
    async with serving(path, tls=True, ca_folder=tmp_path / "ca") as server:
        async with dialled(server) as wire:
            received = await wire.rest()
            assert wire.end == "reset"
            assert received.count(b"response.output_audio.delta") == 200
            assert len(received) > 2_000_000


async def test_a_client_that_does_not_answer_the_close_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtproxy.replay.connection.FAREWELL_S", 0.1)
    tape = Tape().server("session.created").control("close", from_server=True, code=1001, reason="")
    path = write_tape(tmp_path / "call.rtape", tape)
    async with serving(path, tls=True, ca_folder=tmp_path / "ca") as server:
        async with dialled(server) as wire:
            farewell = encode_frame(Opcode.CLOSE, encode_close(1001, ""))
            assert (await asyncio.wait_for(wire.rest(), 30)).endswith(farewell)


async def test_a_client_that_closes_is_answered(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", Tape().server("session.created"))
    async with serving(path, tls=True, ca_folder=tmp_path / "ca") as server:
        async with dialled(server) as wire:
            await wire.send(encode_frame(Opcode.CLOSE, encode_close(1000, "bye"), mask=MASK))
            answer = encode_frame(Opcode.CLOSE, encode_close(1000, "bye"))
            assert (await asyncio.wait_for(wire.rest(), 30)).endswith(answer)


async def test_a_stop_in_the_middle(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    tape = Tape().server("session.created").client("response.create").server("response.done")
    path = write_tape(tmp_path / "call.rtape", tape)
    async with serving(path, tls=True, ca_folder=tmp_path / "ca") as server:
        async with dialled(server) as wire:
            await wire.take(2)
            began = loop.time()
            await server.close()
            assert loop.time() - began < 20
            assert encode_close(1001, "the replay server was stopped") in await wire.rest()


async def test_both_use_the_same_authority(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", greeting())
    known = Authority.open(tmp_path / "ca")
    async with serving(path, tls=True, ca_folder=tmp_path / "ca") as server:
        assert server.authority is not None
        assert server.authority.fingerprint == known.fingerprint
        assert not server.authority.is_new
