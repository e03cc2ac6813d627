"""`rtproxy inspect --follow`: tapes that grow, are sealed, are let go; readers who leave."""

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtproxy.simulate.library import load
from rtproxy.tape.record import Control, Event, Record
from rtproxy.tape.writer import TapeWriter
from tests.cli.following import LIMIT_S, following, on_a_terminal
from tests.inspect.sample import HEADER, Script, base64_of
from tests.inspect.schemas import DOCUMENT
from tests.realtime.simulated import call_records

CLEAR = "\x1b[2K"


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[TapeWriter]:
    """The writer of a tape that is being recorded by this process."""
    writer = TapeWriter.create(tmp_path / "call.rtape", dict(HEADER.fields), durability="none")
    yield writer
    writer.close()


def put(writer: TapeWriter, records: list[Record]) -> None:
    for record in records:
        if isinstance(record, Event):
            writer.event(record.t_ns, record.flags, record.payload)
        elif isinstance(record, Control):
            writer.control(record.t_ns, record.flags, record.name, record.data)
    writer.flush()


def call_of(name: str) -> list[Record]:
    return call_records(load(name))


def appends(count: int) -> list[Record]:
    script = Script()
    for n in range(count):
        script.client(20 * n, "input_audio_buffer.append", audio=base64_of(960))
    return list(script.records)


async def test_each_event_is_a_line_as_soon_as_it_is_on_the_tape(writer: TapeWriter) -> None:
    async with following(writer.path, "--ndjson") as follower:
        for n, type_ in enumerate(("session.created", "session.updated", "error")):
            writer.event(n * 1_000_000, 1, json.dumps({"type": type_}))
            writer.flush()
            line = json.loads(await follower.line())
            assert (line["seq"], line["type"], line["t_ms"]) == (n, type_, float(n))
        writer.seal(3_000_000)
        assert await follower.end() == (0, follower.shown, "")
    assert follower.shown.count("\n") == 3


async def test_a_run_is_shown_though_nothing_comes_after_it(writer: TapeWriter) -> None:
    async with following(writer.path, "--events") as follower:
        put(writer, appends(3))
        assert "×3" in await follower.line(having="input_audio_buffer.append")
        put(writer, [Event(3, 90_000_000, 1, '{"type": "error", "error": {"message": "Oh"}}')])
        assert "Oh" in await follower.line(having="error")
        writer.seal(91_000_000)
        assert (await follower.end())[::2] == (0, "")


async def test_a_filter_and_a_turn_apply_to_what_comes(writer: TapeWriter) -> None:
    records = call_of("support-call")
    options = ("--turn", "2", "--filter", "speech_started,*.done", "--ndjson")
    async with following(writer.path, *options) as follower:
        put(writer, records)
        first = json.loads(await follower.line())
        assert first["type"] == "input_audio_buffer.speech_started"
        writer.seal(9_000_000_000)
        code, shown, _ = await follower.end()
    lines = [json.loads(line) for line in shown.splitlines()]
    assert code == 0
    assert [line["type"] for line in lines].count("response.done") == 2
    assert all(line["seq"] >= first["seq"] for line in lines)


async def test_where_there_is_no_terminal_the_events_come_and_then_the_call(
    writer: TapeWriter,
) -> None:
    async with following(writer.path, "--fail-on", "warning") as follower:
        put(writer, call_of("choppy"))
        await follower.line(having="speech_stopped")
        await follower.line(having="rtproxy.close")
        writer.seal(9_000_000_000)
        code, shown, said = await follower.end()
    assert code == 1
    assert said == "Findings of severity warning or higher: 1 (choppy-audio).\n"
    assert shown.index("rtproxy.close") < shown.index("call       1 turn · voice to voice")
    assert shown.index("caller     ▆") < shown.index("▲1  warning choppy-audio")


async def test_a_document_is_complete_when_the_tape_is(writer: TapeWriter) -> None:
    records = call_of("choppy")
    async with following(writer.path, "--json") as follower:
        put(writer, records[:100])
        await follower.line(having="speech_started")
        put(writer, records[100:])
        writer.seal(9_000_000_000)
        code, shown, _ = await follower.end()
    document = json.loads(shown)
    DOCUMENT.validate(document)
    assert code == 0
    assert sum(row["count"] for row in document["events"]) == len(records) - 1
    assert document["tape"]["state"] == "sealed"
    assert document["tape"]["records"] == len(records) - 1
    assert [finding["code"] for finding in document["findings"]] == ["choppy-audio"]


@pytest.mark.parametrize("form", [(), ("--events",), ("--json",), ("--ndjson",)])
async def test_a_tape_that_is_sealed_is_shown_to_its_end(
    writer: TapeWriter, form: tuple[str, ...]
) -> None:
    put(writer, call_of("choppy"))
    writer.seal(9_000_000_000)
    async with following(writer.path, *form) as follower:
        code, shown, said = await follower.end()
    assert (code, said) == (0, "")
    assert "response.done" in shown
    if "--json" in form:
        assert json.loads(shown)["tape"]["state"] == "sealed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_and_it_says_how_far_it_got(writer: TapeWriter, number: int) -> None:
    async with following(writer.path, "--events") as follower:
        put(writer, [Event(0, 1_500_000_000, 1, '{"type": "error"}')])
        await follower.line(having="error")
        follower.process.send_signal(number)
        code, _, said = await follower.end()
    assert code == 128 + number
    assert said == (
        f"{writer.path} is still being recorded; it was followed up to 1.500 s, 1 record.\n"
    )


async def test_ctrl_c_completes_a_document(writer: TapeWriter) -> None:
    async with following(writer.path, "--json") as follower:
        put(writer, [Event(0, 5, 1, '{"type": "error"}'), Event(1, 6, 1, '{"type": "x.delta"}')])
        await follower.line(having='"error"')
        follower.interrupt()
        code, shown, _ = await follower.end()
    document = json.loads(shown)
    DOCUMENT.validate(document)
    assert code == 130
    assert document["tape"]["state"] == "live"
    assert [row["type"] for row in document["events"]] == ["error", "x.delta"]


WRITES_AND_WAITS = """
import sys
from pathlib import Path
from rtproxy.tape.writer import TapeWriter
writer = TapeWriter.create(Path(sys.argv[1]), {"id": "1", "connection": "websocket"})
writer.event(1_000_000, 1, '{"type": "session.created"}')
writer.flush()
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("form", ["--events", "--ndjson"])
async def test_a_recorder_that_is_killed_is_noticed(tmp_path: Path, form: str) -> None:
    path = tmp_path / "call.rtape"
    recorder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITES_AND_WAITS, str(path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert recorder.stdout is not None
    assert await asyncio.wait_for(recorder.stdout.readline(), LIMIT_S) == b"written\n"
    async with following(path, form) as follower:
        await follower.line(having="session.created")
        recorder.kill()
        code, _, said = await follower.end()
    await recorder.communicate()
    assert code == 1
    assert f"{path} broke off up to 0.001 s, 1 record: " in said
    assert "rtproxy tape repair" in said


async def test_a_folder_without_a_session_can_be_left(tmp_path: Path) -> None:
    async with following(tmp_path) as follower:
        await follower.said()
        follower.interrupt()
        assert await follower.end() == (130, "", "")


async def test_of_a_folder_the_session_that_is_under_way_is_taken(
    tmp_path: Path, writer: TapeWriter
) -> None:
    later = TapeWriter.create(tmp_path / "later.rtape", {"id": "2", "connection": "websocket"})
    later.seal(0)
    http = TapeWriter.create(tmp_path / "request.rtape", {"id": "3", "connection": "http"})
    async with following(tmp_path, "--events") as follower:
        assert str(writer.path) in await follower.line(having="tape")
        writer.seal(5)
        assert (await follower.end())[0] == 0
    http.close()


async def test_it_ends_when_nobody_reads_though_nothing_comes(writer: TapeWriter) -> None:
    put(writer, appends(5))
    command = f"{sys.executable} -m rtproxy inspect --follow --ndjson {writer.path} | head -2"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-o", "pipefail", "-c", command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert (process.returncode, out.count(b"\n"), err) == (0, 2, b"")


@pytest.mark.parametrize(
    "environment", [{"TERM": "xterm-256color"}, {"TERM": "xterm-256color", "NO_COLOR": "1"}]
)
async def test_on_a_terminal_the_call_is_drawn_as_it_goes_on(
    writer: TapeWriter, environment: dict[str, str]
) -> None:
    records = call_of("choppy")
    stopped = next(
        n for n, r in enumerate(records) if isinstance(r, Event) and "stopped" in str(r.payload)
    )
    async with on_a_terminal(str(writer.path), "--follow", **environment) as (screen, process):
        await screen.until("quiet")
        put(writer, records[: stopped - 3])
        await screen.until("turn 1 · caller speaks")
        put(writer, records[stopped - 3 : stopped + 1])
        await screen.until("turn 1 · waiting for an answer")
        put(writer, records[stopped + 1 :])
        await screen.until("choppy-audio")
        await screen.until("over")
        assert CLEAR in screen.written
        drawn = len(screen.written)
        writer.seal(9_000_000_000)
        assert await asyncio.wait_for(process.wait(), LIMIT_S) == 0
        await screen.until("--events")
    final = screen.written[drawn:]
    assert "sealed" in final
    assert "Hold playback back by 1300 ms" in final
    assert ("\x1b[1;33m" in screen.written) is ("NO_COLOR" not in environment)


async def test_on_a_terminal_ctrl_c_leaves_what_is_known(writer: TapeWriter) -> None:
    put(writer, call_of("choppy")[:200])
    async with on_a_terminal(str(writer.path), "--follow", "--ascii", TERM="xterm") as (
        screen,
        process,
    ):
        await screen.until("turn 1")
        process.send_signal(2)
        await screen.until("is still being recorded")
        assert await asyncio.wait_for(process.wait(), LIMIT_S) == 130
    assert screen.written.isascii()
    assert "\x1b[?25h" in screen.written  # the cursor is back
