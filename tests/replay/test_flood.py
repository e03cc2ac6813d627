"""Clients that say far too much: what is kept of them, and how long the others wait, has bounds."""

import asyncio
import contextlib
import gc
import json
import pickle
import sys
import weakref
from collections.abc import Callable
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import pytest

from rtproxy.replay.action import Warn
from rtproxy.replay.connection import TURN
from rtproxy.replay.journal import Entry
from rtproxy.replay.player import LISTED, Player
from rtproxy.replay.report import PLACES, Report
from rtproxy.replay.script import Script, read_script
from rtproxy.wire.frame import Opcode, encode_frame
from tests.replay.follow import connected, serving, write_tape
from tests.replay.taped import Tape, event, user
from tests.replay.test_server import MASK, dialled

KEPT = 100_000
"""Bytes that may be kept of one session."""


def long_call(turns: int) -> Tape:
    """A session of many turns, in each of which the client says something of its own."""
    tape = Tape().server("session.created", session={"id": "s"})
    for n in range(turns):
        text = " ".join(f"{n} and {n * k} are numbers" for k in range(20))
        tape.client(user(text)).client(event("response.create"))
        tape.server("response.done", response={"id": f"r_{n}"})
    return tape


def lenient(script: Script) -> Player:
    player = Player(script, match="lenient", speed=inf, stall_s=60.0)
    player.advance(0.0)
    return player


BIG: dict[str, str | bytes] = {
    "short": event("noise", n=1),
    "no JSON": "." * 100_000,
    "binary": bytes(100_000),
    "a long string": event("noise", pad="." * 100_000),
    "long names": event("." * 50_000, **{"-" * 50_000: 1}),
    "many members": event("noise", **{f"key {n}": n for n in range(2_000)}),
    "many elements": event("noise", list=list(range(2_000))),
    "lists in lists": event("noise", list=[[[n]] * 5 for n in range(500)]),
    "almost the tape's": event("response.create", **{f"key {n}": [n] for n in range(2_000)}),
}


@pytest.mark.parametrize("what", BIG)
def test_what_is_kept_of_a_session_has_a_bound(what: str) -> None:
    player = lenient(read_script(long_call(5).records))
    told = [action for _ in range(3 * LISTED) for action in player.receive(BIG[what], 1.0)]
    outcome = player.finish()
    assert len(pickle.dumps(outcome)) < KEPT
    assert len(json.dumps(outcome.to_json())) < 3 * KEPT
    assert all(len(report.to_text()) < 10_000 for report in outcome.warnings)
    assert len(outcome.warnings) == LISTED
    assert outcome.unlisted["warnings"] == 2 * LISTED
    reports = [action.report for action in told if isinstance(action, Warn)]
    assert reports[:-1] == list(outcome.warnings)
    assert "only counted" in reports[-1].message
    ends = [action for action in player.closed(1000, "", 2.0) if isinstance(action, Warn)]
    assert f"{2 * LISTED} more mismatches" in ends[0].report.message
    brief = player.finish().brief(5)
    assert (len(brief.warnings), brief.unlisted["warnings"]) == (5, 3 * LISTED + 1 - 5)


def test_what_is_said_too_much_does_not_change_what_is_played() -> None:
    records = long_call(3).records
    quiet, loud = lenient(read_script(records)), lenient(read_script(records))
    for n in range(3):
        for _ in range(LISTED):
            loud.receive(event("noise"), 1.0)
        for message in (user(f"other words {n}"), event("response.create")):
            heard = [one for one in loud.receive(message, 1.0) if not isinstance(one, Warn)]
            said = [one for one in quiet.receive(message, 1.0) if not isinstance(one, Warn)]
            assert heard == said
    assert loud.complete
    assert quiet.complete
    assert loud.finish().unlisted == {"warnings": 2 * LISTED + 3}


def calls(work: Callable[[], object]) -> int:
    """How many functions are called meanwhile, those written in C too."""
    count = 0

    def note(_frame: object, what: str, _argument: object) -> None:
        nonlocal count
        count += what in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


WORK = 50_000
"""Calls that one message may take: some milliseconds."""


@pytest.mark.parametrize(("done", "match"), [(0, "strict"), (500, "lenient")])
@pytest.mark.parametrize("what", [*BIG, "other words"])
def test_the_work_for_one_message_has_a_bound(what: str, done: int, match: Any) -> None:
    script = SCRIPTS.setdefault("long", read_script(long_call(1000).records))
    player = Player(script, match=match, speed=inf, stall_s=60.0)
    player.advance(0.0)
    for step in script.client[: 2 * done]:
        player.receive(step.payload, 0.0)
    message = BIG.get(what, user("quite other words " * 20))
    assert calls(lambda: player.receive(message, 1.0)) < WORK
    outcome = player.finish()
    assert len(outcome.reports + outcome.warnings) == 1


SCRIPTS: dict[str, Script] = {}


def test_no_more_places_are_listed_than_a_person_reads() -> None:
    player = Player(read_script(long_call(6000).records), speed=inf)
    player.advance(0.0)
    (failed,) = player.closed(None, "", 1.0)
    assert "12000 client and 6000 server events" in failed.report.message  # type: ignore[union-attr]
    outcome = player.finish()
    assert len(outcome.unsent) == len(outcome.undelivered) == PLACES
    assert len(outcome.unsent) + outcome.unlisted["unsent"] == 12_000
    assert len(outcome.undelivered) + outcome.unlisted["undelivered"] == 6_000
    assert "12000 client" in outcome.reports[0].message
    assert "17992 more" in outcome.reports[0].to_text()


def frames(*messages: str) -> bytes:
    return b"".join(encode_frame(Opcode.TEXT, one.encode(), mask=MASK) for one in messages)


async def test_a_flood_is_taken_in_turns_with_the_others(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", long_call(3))
    told: list[Report | str] = []

    def watch(_: Entry, what: Report | str, _failed: bool) -> None:
        told.append(what)

    async with serving(path, watch=watch, match="lenient", loop=True) as server:
        steps: list[int] = []

        async def look() -> None:
            while True:
                steps.append(len(told))
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        async with dialled(server.url) as wire:
            await wire.send(frames(*[event("noise")] * LISTED, *[event("other")] * 10 * TURN))
            (entry,) = server.journal.entries
            while entry.outcome.unlisted != {"warnings": 10 * TURN}:
                await asyncio.sleep(0)
        looking.cancel()
        turns = [later - sooner for sooner, later in pairwise(steps)]
        assert max(turns) == 1
        async with connected(server.url) as client:
            assert await client.take(1)


async def test_nothing_is_left_to_the_garbage_collector(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", long_call(3))
    async with serving(path, match="lenient", loop=True) as server:
        gc.collect()
        gc.disable()
        try:
            async with dialled(server.url):
                (connection,) = server._live
                left: list[weakref.ref[Any]] = [weakref.ref(connection)]
                left.append(weakref.ref(connection.player))
                with contextlib.suppress(TypeError):  # uvloop's, which nothing holds
                    left.append(weakref.ref(connection._transport))
                del connection
            while server.open:
                await asyncio.sleep(0)
            for _ in range(3):  # what the loop has still in its hands
                await asyncio.sleep(0)
            assert [one() for one in left] == [None] * len(left)
        finally:
            gc.enable()


async def test_what_was_sent_before_the_client_left_counts(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "call.rtape", long_call(3))
    async with serving(path, match="lenient", loop=True) as server:
        async with dialled(server.url) as wire:
            await wire.send(frames(*[event("noise")] * 5 * LISTED))
        while not server.journal.entries or server.journal.entries[0].state == "open":
            await asyncio.sleep(0.01)
        (entry,) = server.journal.entries
        assert entry.outcome.unlisted["warnings"] == 4 * LISTED
