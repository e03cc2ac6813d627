"""Recording a replay of a tape gives the tape again, up to time."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rtproxy.errors import UpstreamError
from rtproxy.record.proxy import Proxy
from rtproxy.record.proxy import Settings as ProxySettings
from rtproxy.record.status import Status, Traffic
from rtproxy.simulate.caller import Caller
from rtproxy.simulate.library import built_in
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.script import Script
from rtproxy.simulate.server import SimulatedServer
from rtproxy.tape.record import Control, Event
from rtproxy.wire.frame import Opcode, encode_close, encode_frame
from tests.record.wirekit import request_head
from tests.replay.follow import TARGET, events, follow, header, read, serving, write_tape
from tests.replay.taped import Tape, captured, messages, read_capture
from tests.replay.test_captures import another_run

SPEED = 6


@asynccontextmanager
async def recording(upstream: str, folder: Path) -> AsyncIterator[Proxy]:
    """A recording proxy that is stopped once its connections are over."""
    over = asyncio.Event()

    def watch(_traffic: Traffic, _sentence: str) -> None:
        if status.finished and not status.open:
            over.set()

    status = Status(watch)
    async with Proxy(ProxySettings(upstream=upstream, port=0, out=folder), status) as proxy:
        yield proxy
        await asyncio.wait_for(over.wait(), 60)  # a loaded machine takes its time


OF_ONE_CONNECTION = {"sec-websocket-accept", "date", "rtproxy-origin", "sec-websocket-key"}


def hurried(scenario: Scenario) -> Scenario:
    """The scenario, but for the delays that would make the test wait for seconds."""
    expiry = replace(scenario.expiry, after_ms=min(scenario.expiry.after_ms, 1500))
    if scenario.expiry.after_ms > 10_000:
        expiry = scenario.expiry
    return replace(scenario, expiry=expiry, audio=replace(scenario.audio, rate=20, gaps=()))


def called(name: str, scenario: Scenario) -> Script:
    return Script.parse({**scenario.caller, "speed": SPEED}, f"{name}.toml")


async def record_call(name: str, scenario: Scenario, folder: Path) -> Path:
    """A call of a scenario's own caller, on a tape."""
    async with SimulatedServer(scenario) as server:
        async with recording(server.url, folder) as proxy:
            with suppress(UpstreamError):  # where the server refuses, or ends the call
                await Caller(proxy.url, called(name, scenario)).run()
    (path,) = folder.glob("*.rtape")
    return path


async def record_replay(path: Path, name: str, scenario: Scenario, folder: Path) -> Path:
    """The same tape, played to a client that follows it, on another tape."""
    script = called(name, scenario)
    options: dict[str, Any] = {"compress": 15 if script.compress else 0}
    async with serving(path) as server:
        async with recording(server.url, folder) as proxy:
            target = header(path).fields["request"]["target"]
            if header(path).fields["response"]["status"] == 101:
                await follow(proxy.url + target, read(path), **options)
            else:
                with pytest.raises(UpstreamError, match="refused"):
                    await Caller(proxy.url, script).run()
        assert list(server.journal.failures()) == []
    (again,) = folder.glob("*.rtape")
    return again


def answer(path: Path) -> Any:
    """Status and headers of the answer, but for what is of one connection only."""
    response = header(path).fields["response"]
    kept = {(name.lower(), value) for name, value in response["headers"]}
    return response["status"], {pair for pair in kept if pair[0] not in OF_ONE_CONNECTION}


def session(path: Path) -> list[tuple[bool, str | bytes]]:
    """The messages up to the end; what was under way then may come or not."""
    found = []
    for record in read(path):
        if isinstance(record, Control) and record.name in ("close", "eof", "reset"):
            break
        if isinstance(record, Event):
            found.append((record.from_server, record.payload))
    return found


def controls(path: Path) -> list[tuple[str, bool, Any]]:
    """What is neither a message nor a pong, whose moment is the client's affair."""
    return sorted(
        (one.name, one.from_server, str(one.data))
        for one in read(path)
        if isinstance(one, Control) and one.name in ("close", "ping", "refused", "reset")
    )


async def test_every_built_in_scenario(tmp_path: Path) -> None:
    scenarios = {name: hurried(each) for name, each in built_in().items() if each.caller}

    async def both(name: str, scenario: Scenario) -> tuple[Path, Path]:
        first = await record_call(name, scenario, tmp_path / name)
        again = await record_replay(first, name, scenario, tmp_path / f"{name} again")
        return first, again

    pairs = await asyncio.gather(*(both(*pair) for pair in scenarios.items()))
    for name, (first, again) in zip(scenarios, pairs, strict=True):
        assert session(again) == session(first), name
        assert controls(again) == controls(first), name
        assert answer(again) == answer(first), name
        assert header(again).origin == "replayed"


@captured
async def test_a_captured_session(capture: Path, tmp_path: Path) -> None:
    tape = Tape()
    tape.records = read_capture(capture)
    first = write_tape(tmp_path / "first.rtape", tape)
    async with serving(first) as server, recording(server.url, tmp_path / "again") as proxy:
        await follow(proxy.url, read(first))
    (again,) = (tmp_path / "again").glob("*.rtape")
    assert events(again) == events(first)


def spoken_tape() -> Tape:
    """Two spoken turns: answers wait for amounts of audio, and a slow tool runs meanwhile."""
    tape = Tape().server("session.created", session={"id": "sess_1"})
    tape.client("session.update", session={"instructions": "be kind"})
    tape.server("session.updated", session={"id": "sess_1", "instructions": "be kind"})
    for turn in range(2):
        tape.append(*[480] * 20)
        tape.server("input_audio_buffer.speech_started", item_id=f"item_{turn}")
        tape.append(*[480] * 20)
        tape.server("input_audio_buffer.committed", item_id=f"item_{turn}")
        tape.server("response.created", response={"id": f"resp_{turn}"})
        for word in range(30):
            delta = {"response_id": f"resp_{turn}", "delta": f"word {word}"}
            tape.server("response.output_text.delta", **delta)
        tape.server("response.done", response={"id": f"resp_{turn}"})
    return tape


async def test_a_hundred_runs_send_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the chunks of audio, the spelling of JSON, and the moments in which it comes."""
    tape = spoken_tape()
    path = write_tape(tmp_path / "spoken.rtape", tape)

    async def run(seed: int) -> str:
        random = Random(seed)
        digest = hashlib.sha256()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_head(path=f"{TARGET}"))
        await reader.readuntil(b"\r\n\r\n")
        wire = b"".join(
            encode_frame(Opcode.TEXT, text.encode(), mask=random.randbytes(4))
            for text in another_run(tape.records, random)
        )
        wire += encode_frame(Opcode.CLOSE, encode_close(1000), mask=b"abcd")

        async def speak() -> None:
            at = 0
            while at < len(wire):
                size = random.choice([random.randrange(1, 200), 20_000, 100_000])
                writer.write(wire[at : at + size])
                at += size
                await asyncio.sleep(random.choice([0, 0, 0.001]))

        speaking = asyncio.create_task(speak())
        while data := await reader.read(random.choice([100, 65536])):
            digest.update(data)
        await speaking
        writer.close()
        return digest.hexdigest()

    async with serving(path, loop=True) as server:
        port = int(server.url.rsplit(":", 1)[1])
        hashes = await asyncio.gather(*map(run, range(100)))
        assert server.journal.ok
        assert server.journal.count == 100
    frames = b"".join(
        encode_frame(Opcode.TEXT, str(text).encode()) for text in messages(tape.records, True)
    )
    frames += encode_frame(Opcode.CLOSE, encode_close(1000))
    assert set(hashes) == {hashlib.sha256(frames).hexdigest()}
