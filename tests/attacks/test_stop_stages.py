"""Stopped at every stage of a connection, and with nobody left to read what is said of it."""

import asyncio
import os
import signal
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from rtproxy.net.authority import Authority
from rtproxy.wire.frame import Opcode, encode_frame
from tests.attacks.kit import LIMIT_S, MASK, TARGET, Served, Upstream, echo, serving, upstream
from tests.attacks.taped import taped
from tests.record.wirekit import Wire, request_head

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"9\r\ndata: 1\n\n\r\n"


async def stream(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Server-sent events, until the other side has gone."""
    writer.write(HEAD)
    while True:
        writer.write(CHUNK)
        await writer.drain()
        await asyncio.sleep(0.01)


async def echo_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await echo(reader, writer)
    writer.close()


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def upload(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readexactly(1000)
    await reader.read()


def hello_of(trust: ssl.SSLContext) -> bytes:
    """What a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


async def said(served: Served, data: bytes) -> Wire:
    wire = await served.connect()
    await wire.send(data)
    return wire


async def begin_requests(served: Served, behind: Upstream) -> list[Wire]:
    """One connection for each stage that there is without TLS."""
    behind.scripts |= {"stream": stream, "silent": silent, "upload": upload}
    get = "GET /v1/realtime/x?script=%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    post = (
        "POST /v1/realtime/x?script=upload HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Length: 5000\r\n\r\n"
    )
    wires = [
        await said(served, b""),
        await said(served, request_head()[:50]),
        await said(served, (get % "silent").encode()),
        await said(served, (get % "stream").encode()),
        await said(served, post.encode() + b"x" * 1000),
        await said(served, request_head(path=TARGET)),
        await said(served, request_head(path=TARGET)),
    ]
    for wire in wires[-2:]:
        assert (await wire.take_head()).startswith(b"HTTP/1.1 101")
    assert b"200 OK" in await wires[3].take_head()
    await wires[-1].send(encode_frame(Opcode.TEXT, b"x" * 1000, mask=MASK)[:500])
    async with asyncio.timeout(LIMIT_S):
        while len(behind.heads) < 5:
            await asyncio.sleep(0.01)
    return wires


async def see_them_end(wires: list[Wire]) -> None:
    for wire in wires:
        await wire.rest()
        wire.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_record_at_every_stage(tmp_path: Path, number: int) -> None:
    async with upstream() as behind:
        options = ("--upstream", behind.url, "--out", str(tmp_path), "--live")
        async with serving(
            *("record", "--listen", "127.0.0.1:0", "--grace", "0", *options)
        ) as served:
            wires = await begin_requests(served, behind)
            assert await served.stop(number) == 0
            await see_them_end(wires)
    # The two sessions and the stream; what has not been answered may have none.
    assert len(taped(tmp_path)) >= 3


async def test_with_tls_at_every_stage(tmp_path: Path) -> None:
    """Both ways: clients in the middle of a handshake, a server that never answers ours."""
    tapes, folder = tmp_path / "tapes", tmp_path / "ca"
    trust = ssl.create_default_context(cafile=Authority.open(folder).path)
    hello = hello_of(trust)
    greeted = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(100)
        greeted.set()
        await reader.read()
        writer.close()

    mute = await asyncio.start_server(greet, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{mute.sockets[0].getsockname()[1]}"
    arguments = ("--upstream", url, "--out", str(tapes), "--listen", "127.0.0.1:0", "--tls")
    env = {"RTPROXY_CA_DIR": str(folder)}
    async with mute, serving("record", *arguments, "--grace", "0", env=env) as served:
        wires = [await said(served, data) for data in (b"", hello[:1], hello[:100], hello)]
        await wires[-1].take(5)
        async with aiohttp.ClientSession() as http:
            asking = asyncio.create_task(http.ws_connect(served.url + TARGET, ssl=trust))
            await asyncio.wait_for(greeted.wait(), LIMIT_S)
            assert await served.stop(signal.SIGHUP) == 0
            with pytest.raises((aiohttp.ClientError, OSError)):
                await asking
        await see_them_end(wires)
    assert taped(tapes) == []


@pytest.mark.parametrize("server", ["record", "replay"])
async def test_a_forward_proxy_at_every_stage(tmp_path: Path, server: str, call: Path) -> None:
    """A tunnel, one that is being made, one that we look into, and what is asked by its URL."""
    folder = tmp_path / "ca"
    hello = hello_of(ssl.create_default_context(cafile=Authority.open(folder).path))
    async with upstream() as behind:
        other = await asyncio.start_server(echo_and_close, "127.0.0.1", 0)
        host = f"127.0.0.1:{other.sockets[0].getsockname()[1]}"
        if server == "record":
            arguments = ["--out", str(tmp_path / "tapes"), "--upstream", behind.url]
        else:
            arguments = [str(call), "--loop", "--tunnel"]
        async with (
            other,
            serving(
                *(server, *arguments, "--listen", "127.0.0.1:0", "--forward", "--grace", "0"),
                *("--intercept", "realtime.test"),
                env={"RTPROXY_CA_DIR": str(folder)},
            ) as served,
        ):
            ask = "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n"
            wires = [
                await said(served, ask.format(name).encode())
                for name in (host, "realtime.test:443", "realtime.test:443")
            ]
            for wire in wires:
                assert b" 200 " in await wire.take_head()
            await wires[0].send(encode_frame(Opcode.TEXT, b"to the other", mask=MASK))
            await wires[0].take(14)
            await wires[1].send(hello[:100])
            await wires[2].send(hello)
            await wires[2].take(5)
            wires.append(await said(served, ask.format(host).encode()[:20]))
            assert await served.stop(signal.SIGTERM) == 0
            await see_them_end(wires)
    taped(tmp_path / "tapes")


async def have_session(url: str) -> None:
    """Say something to a server, and hear something."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url + TARGET) as session:
        await session.send_str("{}")
        await session.receive(timeout=LIMIT_S)


@pytest.mark.parametrize("server", ["record", "replay", "simulate"])
async def test_nobody_hears_what_is_said(tmp_path: Path, server: str, call: Path) -> None:
    """As with `2>&1 | tee`, when tee has had the Ctrl-C as well."""
    async with upstream() as behind:
        arguments = {
            "record": ("--upstream", behind.url, "--out", str(tmp_path / "tapes"), "--live"),
            "replay": (str(call), "--loop", "--match", "lenient"),
            "simulate": (),
        }[server]
        read, write = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rtproxy", server, *arguments, "--listen", "127.0.0.1:0"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=write,
            stderr=write,
        )
        os.close(write)
        reader = asyncio.StreamReader()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb")
        )
        line = await asyncio.wait_for(reader.readuntil(b"\n"), LIMIT_S)
        url = line.split()[1].decode()
        await have_session(url)
        pipe.close()
        for _ in range(3):
            await have_session(url)
        process.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(process.wait(), LIMIT_S)
    assert code == (1 if server == "replay" else 0)  # the tape was not followed
    if server == "record":
        assert len(taped(tmp_path / "tapes")) == 4
