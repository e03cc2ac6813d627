"""Looking at sessions while they are recorded: by the analyst, and by the proxy that asks it."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtproxy.record.analyst import BATCH, MAX_WATCHED, Analyst, Watched
from rtproxy.record.insight import Found, Insight, request
from rtproxy.record.observer import Observer
from rtproxy.record.status import Status, Traffic
from rtproxy.simulate.library import load
from rtproxy.tape.record import Control, Event, Record
from rtproxy.tape.writer import TapeWriter
from rtproxy.wire.frame import Opcode, encode_close, encode_frame
from tests.realtime.simulated import call_records
from tests.record.process import LIMIT_S, RecordProcess, recording
from tests.record.wirekit import Wire, accept_head, listening, request_head

FIELDS = {"id": "4f2a9c", "connection": "websocket"}


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[TapeWriter]:
    """The writer of a tape that begins now."""
    fields = FIELDS | {"started_ns": time.time_ns()}
    writer = TapeWriter.create(tmp_path / "call.rtape", fields, durability="none")
    yield writer
    writer.close()


def put(writer: TapeWriter, records: list[Record]) -> None:
    for record in records:
        if isinstance(record, Event):
            writer.event(record.t_ns, record.flags, record.payload)
        elif isinstance(record, Control):
            writer.control(record.t_ns, record.flags, record.name, record.data)
    writer.flush()


def played(name: str) -> list[Record]:
    return call_records(load(name))


def test_a_session_is_told_of_as_it_goes_on(writer: TapeWriter) -> None:
    records = played("choppy")
    spoken = next(n for n, r in enumerate(records) if "speech_stopped" in str(r))
    watched = Watched(writer.path)
    assert watched.tell(0.0) is None
    put(writer, records[:spoken])
    assert watched.read() is False
    assert watched.tell(1e9) == Insight("call.rtape", 1, "caller")
    assert watched.tell(2e9) is None
    put(writer, records[spoken:-1])
    watched.read()
    insight = watched.tell(3e9)
    assert insight is not None
    assert (insight.turn, insight.stage, insight.findings) == (1, "assistant", 1)
    assert insight.v2v_ms == pytest.approx(660, abs=25)
    assert [(one.severity, one.code, one.turn) for one in insight.found] == [
        ("warning", "choppy-audio", 1)
    ]
    put(writer, records[-1:])
    writer.seal(9_000_000_000)
    watched.read()
    assert watched.over
    final = watched.tell(3e9)
    assert final is not None
    assert (final.stage, final.findings, final.found) == ("over", 1, ())
    watched.close()


def test_what_is_new_is_told_no_more_than_four_times_a_second(writer: TapeWriter) -> None:
    watched = Watched(writer.path)
    put(writer, played("choppy")[:20])
    watched.read()
    now = time.monotonic()
    assert watched.tell(now) is not None
    put(writer, [Event(20, 5_000_000_000, 1, '{"type": "error"}')])
    watched.read()
    assert watched.tell(now + 0.1) is None
    assert watched.tell(now + 10) is not None
    watched.close()


def test_a_session_that_is_too_much_is_let_go(tmp_path: Path) -> None:
    long_ago = FIELDS | {"started_ns": time.time_ns() - 60_000_000_000}
    writer = TapeWriter.create(tmp_path / "call.rtape", long_ago, durability="none")
    put(writer, [Event(n, n, 0, '{"type":"x"}') for n in range(BATCH + 2)])
    watched = Watched(writer.path)
    assert watched.read() is False
    assert watched.over
    insight = watched.tell(0.0)
    assert insight is not None
    assert insight.behind
    watched.close()
    writer.close()


def test_a_long_session_that_keeps_up_is_read_in_pieces(writer: TapeWriter) -> None:
    put(writer, [Event(n, n, 0, '{"type":"x"}') for n in range(2 * BATCH)])
    watched = Watched(writer.path)
    assert watched.read() is True
    assert watched.read() is False
    assert not watched.over
    watched.close()


def test_tapes_that_are_none_and_tapes_that_are_many(tmp_path: Path) -> None:
    analyst = Analyst()
    (tmp_path / "no.rtape").write_bytes(b"")
    analyst.hear(request(tmp_path / "missing.rtape").encode() + b"nonsense\n{}\n")
    analyst.hear(request(tmp_path / "no.rtape").encode())
    assert analyst.look() == ([], False)
    assert not analyst.done  # the empty one may become a tape
    for n in range(MAX_WATCHED):
        path = tmp_path / f"{n}.rtape"
        TapeWriter.create(path, FIELDS, durability="none").seal(0)
        line = request(path).encode()
        analyst.hear(line[:5])
        analyst.hear(line[5:])
    insights, _ = analyst.look()
    assert len(insights) == MAX_WATCHED
    assert analyst.done


async def test_the_analyst_is_a_process_that_ends_with_its_stdin(writer: TapeWriter) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtproxy.record.analyst"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request(writer.path).encode())
    records = played("choppy")
    put(writer, records[:-1])
    while True:
        line = await asyncio.wait_for(process.stdout.readline(), LIMIT_S)
        if Insight.from_line(line).found:
            break
    process.send_signal(signal.SIGINT)  # Ctrl-C is not for it
    put(writer, records[-1:])
    writer.seal(9_000_000_000)
    process.stdin.close()
    out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert (process.returncode, err) == (0, b"")
    last = Insight.from_line(out.splitlines()[-1])
    assert (last.stage, last.findings) == ("over", 1)


async def test_the_proxy_hears_of_its_sessions(tmp_path: Path, writer: TapeWriter) -> None:
    status, heard = Status(), asyncio.Event()
    told: list[tuple[str, Found]] = []

    def tell(tape: str, found: Found) -> None:
        told.append((tape, found))
        heard.set()

    traffic = Traffic("/v1/realtime")
    status.begin(traffic)
    status.begin(Traffic("20261121.rtape", connection="http"))
    async with Observer(status, tmp_path, tell):
        put(writer, played("choppy"))
        traffic.name = "call.rtape"
        await asyncio.wait_for(heard.wait(), LIMIT_S)
        assert [(tape, found.code) for tape, found in told] == [("call.rtape", "choppy-audio")]
        assert traffic.insight is not None
        assert traffic.insight.findings == 1


async def test_a_session_that_is_over_at_once_is_looked_at_too(
    tmp_path: Path, writer: TapeWriter
) -> None:
    put(writer, played("choppy"))
    writer.seal(9_000_000_000)
    status = Status()
    told: list[str] = []
    async with Observer(status, tmp_path, lambda _, found: told.append(found.code)):
        traffic = Traffic("call.rtape")
        status.begin(traffic)
        status.end(traffic, "closed")
    assert told == ["choppy-audio"]


async def dropping(wire: Wire) -> None:
    """A server that ends its session with an error."""
    await wire.take_head()
    await wire.send(accept_head())
    await wire.send(encode_frame(Opcode.TEXT, b'{"type":"session.created","session":{}}'))
    await wire.send(encode_frame(Opcode.CLOSE, encode_close(1011, "sorry")))


async def call(proxy: RecordProcess) -> None:
    client = Wire(socket.create_connection(("127.0.0.1", proxy.port)))
    await client.send(request_head())
    await client.take_head()
    await client.rest()
    client.close()


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(word) for word in text.split()]


needs_proc = pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="needs Linux's /proc"
)


async def test_record_tells_what_is_found_if_it_is_asked_to(tmp_path: Path) -> None:
    async with listening(dropping) as (port, done):
        async with recording(f"http://127.0.0.1:{port}", tmp_path, "--live") as proxy:
            await call(proxy)
            assert await proxy.stop() == 0
        await asyncio.wait_for(done, LIMIT_S)
    [line] = [line for line in proxy.said.splitlines() if "session-dropped" in line]
    (tape,) = tmp_path.glob("*.rtape")
    assert line.startswith(f"{tape.name}  ■ error session-dropped: ")


@needs_proc
async def test_without_a_terminal_nobody_looks(tmp_path: Path) -> None:
    async with listening(dropping) as (port, done):
        async with recording(f"http://127.0.0.1:{port}", tmp_path) as proxy:
            await call(proxy)
            assert children(proxy.pid) == []
            await proxy.stop()
        await asyncio.wait_for(done, LIMIT_S)
    assert "session-dropped" not in proxy.said


@needs_proc
async def test_an_analyst_that_is_killed_hurts_nobody(tmp_path: Path) -> None:
    async with listening(dropping) as (port, done):
        async with recording(f"http://127.0.0.1:{port}", tmp_path, "--live") as proxy:
            [analyst] = children(proxy.pid)
            os.kill(analyst, signal.SIGKILL)
            await call(proxy)
            assert await proxy.stop() == 0
        await asyncio.wait_for(done, LIMIT_S)
    assert "1 connection, 1 events" in proxy.said


@needs_proc
async def test_an_analyst_ends_with_a_proxy_that_is_killed(tmp_path: Path) -> None:
    async with recording("http://127.0.0.1:9", tmp_path, "--live") as proxy:
        [analyst] = children(proxy.pid)
        proxy.process.kill()
        await proxy.process.wait()
        async with asyncio.timeout(LIMIT_S):
            while Path(f"/proc/{analyst}/stat").exists():
                if Path(f"/proc/{analyst}/stat").read_text().split()[2] == "Z":
                    break
                await asyncio.sleep(0.02)
