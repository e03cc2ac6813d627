"""Each kind of fault, as a real client sees it."""

import json
import time
from pathlib import Path

import pytest
import websockets
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from rtproxy.replay.fault import parse_faults
from tests.replay.follow import TARGET, serving, write_tape
from tests.replay.taped import Tape

WORDS = ["a", "b", "c", "d"]


def tape() -> Tape:
    words = Tape().server("session.created").client("response.create")
    words.server("response.created")
    for word in WORDS:
        words.server("response.output_text.delta", delta=word)
    return words.server("response.done").control("close", from_server=True, code=1000, reason="")


async def listen(folder: Path, *faults: str, seed: int = 0) -> tuple[list[str], int | None, float]:
    """What a `websockets` client receives: deltas and types, close code, seconds."""
    path = folder / "call.rtape"
    if not path.exists():
        write_tape(path, tape())
    heard: list[str] = []
    code: int | None = None
    started = time.monotonic()
    async with serving(path, faults=parse_faults(faults, seed)) as server:
        url = server.url.replace("http", "ws") + TARGET
        async with websockets.connect(url) as socket:
            try:
                await socket.send('{"type": "response.create"}')
                while True:
                    text = await socket.recv()
                    try:
                        event = json.loads(text)
                        heard.append(event.get("delta") or event["type"])
                    except (ValueError, AttributeError, KeyError):
                        heard.append(f"spoilt: {text!r}")
            except websockets.ConnectionClosed:
                code = socket.close_code
        assert server.journal.ok, list(server.journal.failures())
    return heard, code, time.monotonic() - started


WHOLE = ["session.created", "response.created", *WORDS, "response.done"]


async def test_without_a_fault(tmp_path: Path) -> None:
    assert (await listen(tmp_path))[:2] == (WHOLE, 1000)


@pytest.mark.parametrize(
    "fault", ["delay=60ms@response.done", "stall=60ms@response.created", "bandwidth=4kB/s"]
)
async def test_late_events(tmp_path: Path, fault: str) -> None:
    heard, code, seconds = await listen(tmp_path, fault)
    assert (heard, code) == (WHOLE, 1000)
    assert seconds >= 0.055


async def test_jitter(tmp_path: Path) -> None:
    heard, code, seconds = await listen(tmp_path, "jitter=100ms")
    assert (heard, code) == (WHOLE, 1000)
    assert seconds > 0.02


async def test_dropped_duplicated_reordered(tmp_path: Path) -> None:
    delta = "response.output_text.delta"
    heard, _, _ = await listen(tmp_path, f"drop={delta}")
    assert heard == [word for word in WHOLE if word not in WORDS]
    heard, _, _ = await listen(tmp_path, f"duplicate={delta}")
    assert heard[2:-1] == [word for word in WORDS for _ in range(2)]
    heard, _, _ = await listen(tmp_path, "reorder=response.created")
    assert heard[1:3] == ["a", "response.created"]


async def test_garbled(tmp_path: Path) -> None:
    heard, _, _ = await listen(tmp_path, "garble=response.done")
    assert heard[:-1] == WHOLE[:-1]
    assert heard[-1].startswith("spoilt") or heard[-1] != "response.done"


async def test_an_error_event(tmp_path: Path) -> None:
    heard, code, _ = await listen(tmp_path, "error=server_error@response.created")
    assert heard == [*WHOLE[:2], "error", *WHOLE[2:]]
    assert code == 1000


async def test_an_early_close(tmp_path: Path) -> None:
    heard, code, _ = await listen(tmp_path, "close=1011@response.output_text.delta#2")
    assert (heard, code) == (WHOLE[:4], 1011)


async def test_an_early_reset(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", tape())
    async with serving(path, faults=parse_faults(["reset@response.created"])) as server:
        url = server.url.replace("http", "ws") + TARGET
        async with websockets.connect(url) as socket:
            await socket.send('{"type": "response.create"}')
            assert "session.created" in str(await socket.recv())
            assert "response.created" in str(await socket.recv())
            with pytest.raises(ConnectionClosedError) as lost:
                await socket.recv()
            assert isinstance(lost.value.__cause__, ConnectionResetError)
        await server.settle(30)
        assert server.journal.ok


async def test_a_refused_handshake(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", tape())
    async with serving(path, faults=parse_faults(["refuse=503"])) as server:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused:
                await websockets.connect(server.url.replace("http", "ws") + TARGET)
            assert refused.value.response.status_code == 503
        assert server.journal.ok
        assert server.journal.unused == []


async def test_a_client_that_tries_again_meets_a_fault_of_the_first_connection_once(
    tmp_path: Path,
) -> None:
    path = write_tape(tmp_path / "call.rtape", tape())
    faults = parse_faults(["1:refuse=503", "2:close=1011@session.created"])
    async with serving(path, faults=faults, loop=True) as server:
        url = server.url.replace("http", "ws") + TARGET
        with pytest.raises(InvalidStatus):
            await websockets.connect(url)
        async with websockets.connect(url) as second:
            with pytest.raises(ConnectionClosedError):
                assert [await second.recv() for _ in range(2)]
        async with websockets.connect(url) as third:
            await third.send('{"type": "response.create"}')
            assert len([message async for message in third]) == len(WHOLE)
        assert server.journal.ok
        assert faults.unmet() == []


async def test_the_same_seed_gives_the_same_faults(tmp_path: Path) -> None:
    fault = "drop=response.output_text.delta:50%"
    runs = [(await listen(tmp_path, fault, seed=seed))[0] for seed in (1, 1, 2, 3, 4, 5)]
    assert runs[0] == runs[1]
    assert len({tuple(run) for run in runs}) > 1
