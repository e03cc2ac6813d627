"""Tapes played over sockets: the wire behaves as it did when it was recorded."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rtproxy.replay.journal import Entry
from rtproxy.replay.report import Report
from rtproxy.wire.frame import Opcode, encode_close, encode_frame
from tests.record.wirekit import DEFLATE, Wire, request_head
from tests.replay.follow import TARGET, connected, follow, greeting, read, serving, write_tape
from tests.replay.taped import Tape, appended, event, messages

MASK = b"abcd"
DEFLATED = [["Sec-WebSocket-Extensions", DEFLATE]]


def closing(tape: Tape, code: int | None, reason: str = "") -> Tape:
    return tape.control("close", from_server=True, code=code, reason=reason)


@asynccontextmanager
async def dialled(url: str) -> AsyncIterator[Wire]:
    """A TCP connection on which a session has been opened."""
    wire = Wire(socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1]))))
    try:
        await wire.send(request_head(path=TARGET))
        await wire.take_head()
        yield wire
    finally:
        wire.close()


async def test_a_client_that_follows_gets_what_was_recorded(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", greeting())
    async with serving(path) as server:
        client = await follow(server.url, read(path))
        assert client.messages == messages(read(path), from_server=True)
        assert (client.code, client.reason) == (1000, "")
        assert client.headers["rtproxy-origin"] == "replayed; tape=call.rtape"
        assert server.journal.ok


async def test_the_recorded_headers_come_again(tmp_path: Path) -> None:
    headers = [
        ["x-request-id", "req_1"],
        ["Set-Cookie", "a=REDACTED:01234567"],
        ["Sec-WebSocket-Accept", "of another connection"],
        ["Content-Length", "12"],
        ["x-bad\r\nname", "v"],
        ["x-bad-value", "v\r\nx-injected: 1"],
        ["rtproxy-origin", "simulated"],
    ]
    path = write_tape(
        tmp_path / "a name, with signs.rtape",
        greeting(),
        response={"status": 101, "headers": headers},
    )
    async with serving(path) as server:
        client = await follow(server.url, read(path))
    assert client.headers["x-request-id"] == "req_1"
    assert client.headers.getall("rtproxy-origin") == [
        "replayed; tape=a%20name%2C%20with%20signs.rtape"
    ]
    assert not {"Content-Length", "x-bad", "x-bad-value", "x-injected"} & set(client.headers)


@pytest.mark.parametrize(
    ("asked", "answered", "offered", "chosen"),
    [
        ("realtime, secret.x", "realtime", ("realtime", "secret.y"), "realtime"),
        ("realtime", None, ("realtime",), None),
        (None, None, ("openai-insecure-api-key.k", "other", "realtime"), "realtime"),
        (None, None, ("openai-insecure-api-key.k", "other"), "other"),
        (None, None, (), None),
        ("realtime", "realtime", (), None),
    ],
)
async def test_the_subprotocol(
    tmp_path: Path, asked: str | None, answered: str | None, offered: Any, chosen: str | None
) -> None:
    name = "Sec-WebSocket-Protocol"
    path = write_tape(
        tmp_path / "call.rtape",
        greeting(),
        request={"target": TARGET, "headers": [[name, asked]] if asked else []},
        response={"status": 101, "headers": [[name, answered]] if answered else []},
    )
    async with serving(path) as server, connected(server.url, protocols=offered) as client:
        assert client.socket.protocol == chosen
        await client.close(1000)
        await client.rest()


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("offers", [15, 0])
async def test_compression_is_as_on_the_tape_if_the_client_can(
    tmp_path: Path, recorded: bool, offers: int
) -> None:
    response = {"status": 101, "headers": DEFLATED if recorded else []}
    tape = Tape().client("response.create").server(event("x", text="words " * 500)).client("bye")
    path = write_tape(tmp_path / "call.rtape", tape, response=response)
    async with serving(path) as server:
        client = await follow(server.url, read(path), compress=offers)
        assert (DEFLATE in client.headers.get("Sec-WebSocket-Extensions", "")) is (
            recorded and offers > 0
        )
        assert client.messages == messages(tape.records, from_server=True)
        assert server.journal.ok


async def test_the_server_closes_with_the_recorded_code(tmp_path: Path) -> None:
    tape = closing(Tape().server("session.created"), 4001, "session expired")
    async with serving(write_tape(tmp_path / "call.rtape", tape)) as server:
        client = await follow(server.url, tape.records)
        assert (client.code, client.reason) == (4001, "session expired")
        assert server.journal.ok


@pytest.mark.parametrize("code", [None, 1005, 70000])
async def test_a_close_without_a_code_that_can_be_sent(tmp_path: Path, code: int | None) -> None:
    path = write_tape(tmp_path / "call.rtape", closing(Tape(), code))
    async with serving(path) as server:
        async with dialled(server.url) as wire:
            assert await wire.take(2) == encode_frame(Opcode.CLOSE, b"")
            await wire.send(encode_frame(Opcode.CLOSE, b"", mask=MASK))
            assert await wire.rest() == b""
            assert wire.end == "eof"


async def test_the_clients_close_is_answered_as_it_was(tmp_path: Path) -> None:
    tape = Tape().control("close", code=1000, reason="bye")
    path = write_tape(tmp_path / "call.rtape", closing(tape, 1001, "see you"))
    async with serving(path) as server, connected(server.url) as client:
        await client.close(1000, "bye")
        await client.rest()
        assert (client.code, client.reason) == (1001, "see you")


@pytest.mark.parametrize("ending", ["eof", "reset"])
async def test_an_end_without_a_close(tmp_path: Path, ending: str) -> None:
    text = event("session.created", filler="x" * 500_000)
    tape = Tape().server(text).control(ending, from_server=True)
    async with serving(write_tape(tmp_path / "call.rtape", tape)) as server:
        async with dialled(server.url) as wire:
            assert await wire.rest() == encode_frame(Opcode.TEXT, text.encode())
            assert wire.end == ending
            wire.close()
            await server.settle(30)
            assert server.journal.ok


async def test_pings_of_the_tape_and_of_the_client(tmp_path: Path) -> None:
    tape = Tape().control("ping", from_server=True, payload=b"from the tape").server("a")
    async with serving(write_tape(tmp_path / "call.rtape", tape)) as server:
        async with dialled(server.url) as wire:
            wire_of_tape = encode_frame(Opcode.PING, b"from the tape")
            wire_of_tape += encode_frame(Opcode.TEXT, event("a").encode())
            assert await wire.take(len(wire_of_tape)) == wire_of_tape
            await wire.send(encode_frame(Opcode.PONG, b"from the tape", mask=MASK))
            await wire.send(encode_frame(Opcode.PING, b"from the client", mask=MASK))
            await wire.send(encode_frame(Opcode.CLOSE, encode_close(1000), mask=MASK))
            assert await wire.rest() == (
                encode_frame(Opcode.PONG, b"from the client")
                + encode_frame(Opcode.CLOSE, encode_close(1000))
            )


@pytest.mark.parametrize(
    ("wire_bytes", "code"),
    [
        (encode_frame(Opcode.TEXT, b"unmasked"), 1002),
        (encode_frame(0x3, b"", mask=MASK), 1002),
        (encode_frame(Opcode.TEXT, b"\xff\xfe", mask=MASK), 1007),
    ],
)
async def test_a_client_that_breaks_the_protocol(
    tmp_path: Path, wire_bytes: bytes, code: int
) -> None:
    async with serving(write_tape(tmp_path / "call.rtape", Tape().client("x"))) as server:
        async with dialled(server.url) as wire:
            await wire.send(wire_bytes)
            frame = await wire.take(4)
            assert frame[0] == 0x88
            assert int.from_bytes(frame[2:], "big") == code
            wire.close()
            await server.settle(30)
            assert not server.journal.ok


@pytest.mark.parametrize(("name", "value"), [("Sec_WebSocket_Key", ""), ("x", "")])
async def test_a_handshake_that_is_none(tmp_path: Path, name: str, value: str) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    async with serving(write_tape(tmp_path / "call.rtape", greeting())) as server:
        async with aiohttp.ClientSession() as session:
            async with session.get(server.url + TARGET, headers=headers) as answer:
                assert answer.status == 400
                assert "Sec-WebSocket-Key" in (await answer.json())["error"]["message"]
        assert not server.journal.ok
        client = await follow(server.url, greeting().records)  # the tape is still there
        assert client.code == 1000


async def test_a_recorded_refusal(tmp_path: Path) -> None:
    body = {"error": {"type": "invalid_request_error", "code": "invalid_api_key"}}
    headers = [["Content-Type", "application/json"], ["x-request-id", "r"], ["Content-Length", "9"]]
    tape = Tape().control("refused", from_server=True, status=401, body=json.dumps(body).encode())
    path = write_tape(tmp_path / "no.rtape", tape, response={"status": 401, "headers": headers})
    async with serving(path) as server, aiohttp.ClientSession() as session:
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        async with session.get(server.url + TARGET, headers=upgrade) as answer:
            assert answer.status == 401
            assert answer.headers["x-request-id"] == "r"
            assert await answer.json() == body
        assert server.journal.ok


async def test_a_mismatch_is_told_to_the_client_and_to_the_person(tmp_path: Path) -> None:
    told: list[tuple[str | None, Report, bool]] = []

    def watch(entry: Entry, what: Report, failed: bool) -> None:
        told.append((entry.tape, what, failed))

    path = write_tape(tmp_path / "call.rtape", greeting())
    async with serving(path, watch=watch) as server, connected(server.url) as client:
        await client.take(1)
        await client.send(event("response.cancel"))
        (error,) = await client.rest()
        assert json.loads(error)["error"]["code"] == "rtproxy_mismatch"
        assert (client.code, client.reason) == (1008, "rtproxy_mismatch")
    ((tape, report, failed),) = told
    assert (tape, report.kind, report.tape, failed) == (
        "call.rtape",
        "unexpected",
        "call.rtape",
        True,
    )


async def test_lenient_warns_and_goes_on(tmp_path: Path) -> None:
    told: list[bool] = []
    path = write_tape(tmp_path / "call.rtape", greeting())
    async with serving(path, match="lenient", watch=lambda e, r, failed: told.append(failed)) as it:
        async with connected(it.url) as client:
            await client.take(1)
            await client.send(event("response.cancel"))
            await client.send(event("response.create"))
            await client.take(2)
            await client.close(1000)
            await client.rest()
        assert told == [False]
        assert it.journal.ok


async def test_a_client_that_stalls_is_told_so(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", greeting())
    async with serving(path, stall_s=0.05) as server, connected(server.url) as client:
        _, error = await client.rest()
        assert json.loads(error)["rtproxy"]["kind"] == "missing"
        assert client.code == 1008


@pytest.mark.parametrize(
    "payload", ["plain words", '{"jsonrpc": "2.0", "id": 1}', b"\x00binary", "[1, 2]", ""]
)
async def test_any_other_protocol_replays_by_equality(tmp_path: Path, payload: str | bytes) -> None:
    tape = Tape().client("=" + payload if isinstance(payload, str) else payload)
    tape.server("=answer").server(b"\xff\x00")
    path = write_tape(tmp_path / "other.rtape", tape, request={"target": "/any/socket?x=1"})
    async with serving(path, loop=True) as server:
        url = f"{server.url}/any/socket?x=2"
        async with aiohttp.ClientSession() as session:
            for sent, good in ((payload, True), (b"something else", False)):
                async with session.ws_connect(url) as socket:
                    if isinstance(sent, str):
                        await socket.send_str(sent)
                    else:
                        await socket.send_bytes(sent)
                    first = await socket.receive()
                    assert first.data == ("answer" if good else 1008)
        await server.settle(30)
        assert [entry.ok for entry in server.journal.entries] == [True, False]


async def test_the_recorded_pace(tmp_path: Path) -> None:
    tape = Tape().client("response.create").wait(100).server("a").wait(100).server("b")
    path = write_tape(tmp_path / "call.rtape", tape)
    for speed, least in ((1.0, 0.235), (4.0, 0.055)):
        async with serving(path, speed=speed) as server, connected(server.url) as client:
            started = time.monotonic()
            await client.send(event("response.create"))
            await client.take(2)
            assert least <= time.monotonic() - started < 20


async def test_a_slow_reader_costs_no_memory(tmp_path: Path) -> None:
    tape = Tape()
    for _ in range(200):
        tape.server(event("response.output_audio.delta", delta="A" * 100_000))
    path = write_tape(tmp_path / "call.rtape", tape)
    async with serving(path) as server:
        async with dialled(server.url) as wire:
            (connection,) = server._live
            assert connection._transport.get_write_buffer_size() < 1_000_000
            size = sum(
                len(encode_frame(Opcode.TEXT, str(text).encode()))
                for text in messages(tape.records, from_server=True)
            )
            assert len(await wire.take(size)) == size
            await wire.send(encode_frame(Opcode.CLOSE, encode_close(1000), mask=MASK))
            await wire.rest()
            assert server.journal.ok


async def test_two_hundred_sessions_at_once(tmp_path: Path) -> None:
    """Two tapes, each played a hundred times: every session is complete, none is mixed up."""
    tapes = []
    for name in ("one", "two"):
        tape = Tape().server("session.created", session={"id": f"sess_{name}"})
        for turn in range(3):
            tape.append(4800, 4800).client("input_audio_buffer.commit")
            for word in range(20):
                tape.server("response.output_text.delta", delta=f"{name} {turn} {word}")
        tapes.append(write_tape(tmp_path / f"{name}.rtape", tape))
    scripts = [(f"{TARGET}&rtproxy_tape={path.name}", read(path)) for path in tapes]

    async def session(number: int) -> bool:
        target, records = scripts[number % 2]
        client = await follow(server.url + target, records)
        return client.messages == messages(records, from_server=True)

    async with serving(*tapes, loop=True) as server:
        assert all(await asyncio.gather(*map(session, range(200))))
        assert server.journal.count == 200
        assert server.journal.ok
        assert [slot.uses for slot in server.shelf.slots] == [100, 100]


async def test_stopping_the_server_ends_its_sessions(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", greeting())
    async with serving(path) as server:
        async with dialled(server.url) as wire:
            await wire.take(2)
            closing_down = asyncio.create_task(server.close())
            text = await wire.take(len(str(messages(read(path), from_server=True)[0])))
            assert b"session.created" in text
            assert (await wire.take(1))[0] == 0x88
            wire.finish()
            await closing_down
            (sentence,) = server.journal.failures()
            assert "response.create (#" in str(sentence)


async def test_audio_in_any_chunks(tmp_path: Path) -> None:
    tape = Tape().append(4800, 4800).server("input_audio_buffer.speech_started")
    path = write_tape(tmp_path / "call.rtape", tape)
    async with serving(path) as server, connected(server.url) as client:
        for size in (1000, 2, 8000, 598):
            await client.send(appended(bytes(size)))
        await client.take(1)
        await client.close(1000)
        await client.rest()
        assert server.journal.ok
