"""The soak of `rtproxy replay`: clients that come and go as they like; nothing is left of them.

The replay server keeps a journal of its latest 10,000 connections, which is meant.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from rtproxy.tape.record import FROM_SERVER
from rtproxy.tape.writer import TapeWriter
from tests.attacks.kit import Served
from tests.attacks.soak.end import Account
from tests.attacks.soak.plan import FIRST
from tests.attacks.soak.run import GROWS, PAUSE_S, Census, Soak, leaks
from tests.attacks.soak.verdict import complaints

EVENTS = 500
JOURNAL = (
    "rtproxy.replay.journal.",
    "rtproxy.replay.outcome.",
    "rtproxy.replay.report.",
    "rtproxy.replay.matching.Difference",
)
EACH = 8_000
"""Bytes that the journal may take for a connection."""
PATIENCE_S = 5.0
"""How long the onlooker may wait for an answer: clients that say too much are taken in turns."""


@dataclass
class ReplayReport:
    """What came of it."""

    problems: list[str]
    before: Census
    after: Census
    connections: int
    asked: int
    slowest_s: float


class Onlooker:
    """Asks for the server's health again and again."""

    def __init__(self, url: str) -> None:
        self._url = url + "/__rtproxy__/health"
        self.asked = 0
        self.slowest_s = 0.0

    async def watch(self) -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                began = time.monotonic()
                async with http.get(self._url) as answer:
                    assert (await answer.json())["ok"]
                self.asked += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                await asyncio.sleep(PAUSE_S)


@dataclass
class ReplaySoak(Soak):
    """One soak of a replay server; `play` does it."""

    async def play(self) -> ReplayReport:
        async with self._replay() as served:
            onlooker = Onlooker(served.url)
            watching = asyncio.create_task(onlooker.watch())
            while not onlooker.asked:
                await asyncio.sleep(0.01)
            start = served.descriptors()
            await self._load(served, self.warm_s, 0, self.sessions, "alone")
            before = await self._census(served, start)
            await self._load(served, self.seconds, FIRST, self.sessions, "alone")
            after = await self._census(served, start, before)
            problems = [] if not watching.done() else [f"no health: {watching}"]
            watching.cancel()
            code = await served.stop()
        problems += complaints(served.said) + leaks(before, after, start, but=JOURNAL)
        if code not in (0, 1):  # 1: not everybody has played the tape to its end
            problems.append(f"exit code {code}: {served.said}")
        accounts = [
            Account.of(line) for book in self.books for line in book.read_text("ascii").splitlines()
        ]
        problems += [
            f"{account.number} never saw the end"
            for account in accounts
            if account.error == "stuck"
        ]
        if after.resident - before.resident > GROWS + EACH * len(accounts):
            problems.append(f"memory grew by {after.resident - before.resident:,} bytes")
        if onlooker.slowest_s > PATIENCE_S:
            problems.append(f"the onlooker waited {onlooker.slowest_s:.1f} s")
        return ReplayReport(
            problems, before, after, len(accounts), onlooker.asked, onlooker.slowest_s
        )

    @asynccontextmanager
    async def _replay(self) -> AsyncIterator[Served]:
        path = self.folder / "call.rtape"
        make_tape(path)
        arguments = (str(path), "--loop", "--match", "lenient", "--listen", "127.0.0.1:0")
        async with self._watched("replay", *arguments) as served:
            yield served


def make_tape(path: Path) -> None:
    """A session of many events, some of which wait for the client."""
    fields = {
        "connection": "websocket",
        "request": {"method": "GET", "target": "/v1/realtime?model=gpt-realtime", "headers": []},
        "response": {"status": 101, "headers": [["Upgrade", "websocket"]]},
    }
    writer = TapeWriter.create(path, fields)
    for n in range(EVENTS):
        text = f'{{"type":"soak","n":{n},"pad":"{"." * 300}"}}'
        writer.event(n * 10_000_000, FROM_SERVER if n % 50 else 0, text)
    writer.seal(EVENTS * 10_000_000)


def table(soak: Soak, report: ReplayReport) -> str:
    """The figures, for people."""
    before, after = report.before, report.after
    grown = after.resident - before.resident
    lines = [
        f"replay: {soak.sessions} sessions at once for {soak.seconds:.0f} s, seed {soak.seed}",
        "",
        "| | before | after |",
        "| --- | --- | --- |",
        f"| descriptors | {before.descriptors} | {after.descriptors} |",
        f"| threads | {before.threads} | {after.threads} |",
        f"| tasks | {sum(before.tasks.values())} | {sum(after.tasks.values())} |",
        f"| memory in quiet | {before.resident / 1e6:.1f} MB | {after.resident / 1e6:.1f} MB |",
        f"| garbage in cycles | {before.garbage:,} | {after.garbage:,} |",
        "",
        f"{report.connections:,} connections, {grown / max(1, report.connections) / 1000:.1f} KB "
        "each, the journal's entries included",
        f"onlooker: asked {report.asked:,} times, the slowest {report.slowest_s * 1000:.0f} ms",
    ]
    return "\n".join(lines)
