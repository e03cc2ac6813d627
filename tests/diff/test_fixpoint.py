"""A tape and the recording of its own replay: nothing differs but time."""

import asyncio
import base64
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from random import Random

import orjson

from rtproxy.diff.compare import compare_records
from rtproxy.diff.difference import Diff
from rtproxy.simulate.library import built_in
from rtproxy.simulate.scenario import Scenario
from rtproxy.tape.record import Control, Event, Record
from tests.diff.planting import Call, Samples
from tests.replay.follow import connected, follow, header, read, serving, write_tape
from tests.replay.taped import Tape, captured, messages, read_capture
from tests.replay.test_captures import another_run
from tests.replay.test_server_fixpoint import hurried, record_call, recording

NAMES = ("barge-in", "beta", "choppy", "default", "g711", "support-call", "text", "tool")
"""Scenarios whose sessions end as the client wishes."""
PATIENT_S = 100.0
"""Several calls share one loop here: on a busy machine each may wait for long until it is heard."""


def rechunked(records: Sequence[Record], size: int) -> Iterator[Record]:
    """The records with the caller's audio in pieces of another size, as far as nothing else
    happens in between."""
    audio, flags = b"", 0
    for record in records:
        value = orjson.loads(record.payload) if isinstance(record, Event) else {}
        if value.get("type") == "input_audio_buffer.append":
            audio += base64.b64decode(value["audio"])
            continue
        while audio:
            piece, audio = audio[:size], audio[size:]
            encoded = base64.b64encode(piece).decode()
            text = orjson.dumps({"type": "input_audio_buffer.append", "audio": encoded})
            yield Event(0, 0, flags, text.decode())
        yield record


async def replayed(path: Path, folder: Path, *, speed: float, size: int) -> Path:
    """Replay a tape to a client that cuts its audio otherwise, and record that."""
    async with serving(path, speed=speed, stall_s=PATIENT_S) as server:
        async with recording(server.url, folder) as proxy:
            target = header(path).fields["request"]["target"]
            await follow(proxy.url + target, [*rechunked(read(path), size)])
        assert list(server.journal.failures()) == []
    (again,) = folder.glob("*.rtape")
    return again


def compared(first: Path, again: Path, **options: object) -> Diff:
    names = first.name, again.name
    return compare_records(read(first), read(again), names=names, **options)  # type: ignore[arg-type]


def but_for_time(diff: Diff) -> list[str]:
    return [f"{d.path}: {d.a} | {d.b}" for d in diff.differences if d.level != "timing"]


async def test_every_scenario_at_any_speed_and_in_any_pieces(tmp_path: Path) -> None:
    async def check(name: str, scenario: Scenario) -> None:
        first = await record_call(name, scenario, tmp_path / name)
        for speed, size in ((inf, 333), (20.0, 5000)):
            again = await replayed(first, tmp_path / f"{name} {size}", speed=speed, size=size)
            diff = compared(first, again)
            assert but_for_time(diff) == [], (name, speed)
            assert diff.pairs, name
            assert compared(first, again, level="text").equal, name
        assert compared(first, first).equal, name

    scenarios = {name: hurried(built_in()[name]) for name in NAMES}
    await asyncio.gather(*(check(*pair) for pair in scenarios.items()))


def until_the_client_closed(records: list[Record]) -> list[Record]:
    """What a server had sent before the client's close; what came after it waits for that."""
    for n, record in enumerate(records):
        if isinstance(record, Control) and record.name == "close" and not record.from_server:
            return records[:n]
    return records


async def test_a_client_that_says_all_at_once(tmp_path: Path) -> None:
    """It never waits for what the server says.

    Not in a format of its own choice: what it says before the server has confirmed that, nobody
    can tell how to read.
    """

    async def check(name: str, scenario: Scenario) -> None:
        first = await record_call(name, scenario, tmp_path / name)
        records, folder = read(first), tmp_path / f"{name} again"
        patient = serving(first, stall_s=PATIENT_S)
        async with patient as server, recording(server.url, folder) as proxy:
            target = header(first).fields["request"]["target"]
            async with connected(proxy.url + target) as client:
                heard = len(messages(until_the_client_closed(records), True))
                hearing = asyncio.create_task(client.take(heard))
                for text in another_run(records, Random(3)):
                    await client.send(text)
                await hearing
                await client.close(1000)
                await client.rest()
        (again,) = folder.glob("*.rtape")
        assert but_for_time(compared(first, again)) == [], name

    scenarios = {name: hurried(built_in()[name]) for name in NAMES if name != "g711"}
    await asyncio.gather(*(check(*pair) for pair in scenarios.items()))


@captured
async def test_a_captured_session(capture: Path, tmp_path: Path) -> None:
    tape = Tape()
    tape.records = read_capture(capture)
    first = write_tape(tmp_path / "first.rtape", tape)
    again = await replayed(first, tmp_path / "again", speed=inf, size=77)
    assert but_for_time(compared(first, again)) == []


async def test_a_replay_that_is_not_the_same_to_the_sample(tmp_path: Path) -> None:
    """One sample of the assistant's is another; in a call of its own that would be nothing."""
    first = await record_call("default", hurried(built_in()["default"]), tmp_path / "first")
    again = await replayed(first, tmp_path / "again", speed=inf, size=960)
    call = Call(read(again))

    def change(samples: Samples) -> Samples:
        samples[30_000] ^= 1
        return samples

    call.say(call.item(1), change)
    names = first.name, again.name
    replay = compare_records(read(first), call.records, names=names)
    assert but_for_time(replay) == [
        "turns[0].responses[0].items[0].audio.samples: "
        "as recorded | other samples between 1 s and 2 s"
    ]
    call.header = replace(call.header, fields={**call.header.fields, "origin": "recorded"})
    assert but_for_time(compare_records(read(first), call.records)) == []
