"""A tape and the recording of its own replay: nothing differs but time."""

import asyncio
import base64
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path

import orjson

from rtproxy.diff.compare import compare_records
from rtproxy.diff.difference import Diff
from rtproxy.simulate.library import built_in
from rtproxy.simulate.scenario import Scenario
from rtproxy.tape.record import Event, Record
from tests.replay.follow import follow, header, read, serving
from tests.replay.test_server_fixpoint import hurried, record_call, recording

NAMES = ("barge-in", "beta", "choppy", "default", "g711", "support-call", "text", "tool")
"""Scenarios whose sessions end as the client wishes."""


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
    async with serving(path, speed=speed) as server:
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
