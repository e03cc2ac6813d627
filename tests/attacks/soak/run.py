"""The soak: a proxy, a server, clients; what the proxy holds before, meanwhile and after.

warm-up ─▶ quiet: counted ─▶ load, its memory sampled ─▶ quiet: counted again ─▶ SIGINT ─▶ tapes
"""

import asyncio
import json
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.attacks.kit import LIMIT_S, MIB, Bystander, Served, serving
from tests.attacks.soak.end import STUCK_S, Account
from tests.attacks.soak.plan import FIRST, Plan
from tests.attacks.soak.verdict import Verdict, complaints, judge, read_tape

QUIET_S = 30.0
"""How long the proxy may take until it holds no more than at the start."""
PROCESSES = 2
MANY = 1000
"""Tapes that are worth the start of more processes to read them."""
ROOT = Path(__file__).parents[3]
PAUSE_S = 0.02
"""How long the bystander says nothing between two messages."""
GROWS = 6 * MIB
"""What may be held more than before; an allocator cannot give back all that is free."""
SLOWEST_S = 10.0
"""How long the bystander may wait for an answer, on a machine that is busy with all of this."""


@dataclass(frozen=True)
class Census:
    """What the proxy holds at one moment of quiet."""

    descriptors: int
    threads: int
    resident: int
    tasks: dict[str, int]
    named: list[str]
    """Threads that are not of the loop's pool."""
    garbage: int
    objects: int
    types: dict[str, int]
    waited_s: float


@dataclass
class Report:
    """What came of it."""

    problems: list[str]
    verdict: Verdict
    before: Census
    after: Census
    samples: list[tuple[float, int]]
    heard: int
    slowest_s: float
    peak: int

    def resident_at(self, start: float, end: float) -> float:
        """The median of the memory between two parts of the time, under load."""
        last = self.samples[-1][0]
        return statistics.median(size for at, size in self.samples if start <= at / last <= end)

    @property
    def slope(self) -> float:
        """Bytes a minute that memory grows by under load, after the first third."""
        points = [(at, size) for at, size in self.samples if at > self.samples[-1][0] / 3]
        if len(points) < 3:
            return 0.0
        xs, ys = zip(*points, strict=True)
        return statistics.linear_regression(xs, ys).slope * 60


@dataclass
class Soak:
    """One soak; `run` does it."""

    folder: Path
    sessions: int = 200
    seconds: float = 180.0
    seed: int = 1
    tls: bool = False
    loop: str = "uvloop"
    dev: bool = False
    warm_s: float = 10.0
    longest: float = 20.0
    quiet_s: float = QUIET_S
    books: list[Path] = field(default_factory=list)

    @property
    def tapes(self) -> Path:
        return self.folder / "tapes"

    async def run(self) -> Report:
        async with self._server() as port, self._proxy(port) as proxy:
            async with Bystander(proxy.url, PAUSE_S) as bystander:
                start = proxy.descriptors()
                await self._load(proxy, self.warm_s, 0, self.sessions)
                before = await self._census(proxy, start)
                samples = await self._load(proxy, self.seconds, FIRST, self.sessions)
                after = await self._census(proxy, start, before)
                await bystander.hears_more()
            peak = proxy.peak()
            code = await proxy.stop()
        problems = complaints(proxy.said)
        if code:
            problems.append(f"exit code {code}: {proxy.said}")
        verdict = await asyncio.to_thread(self._judge)
        report = Report(
            problems, verdict, before, after, samples, bystander.heard, bystander.slowest_s, peak
        )
        problems += leaks(before, after, start)
        problems += verdict.problems
        if bystander.slowest_s > SLOWEST_S:
            problems.append(f"the bystander waited {bystander.slowest_s:.1f} s")
        grown = after.resident - before.resident
        if grown > GROWS and self.seconds >= 60:
            problems.append(f"{grown / MIB:.1f} MB more are held than before")
        return report

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[int]:
        async with self._process("server", str(self.seed), str(self.longest)) as process:
            assert process.stdout is not None
            yield int(await process.stdout.readline())

    @asynccontextmanager
    async def _process(
        self, name: str, *arguments: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process of ours until the block ends, and then until it has ended by itself."""
        seed, longest, *rest = arguments
        book = self.folder / f"{name}-{len(self.books)}.ndjson"
        self.books.append(book)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"tests.attacks.soak.{name}", seed, longest, str(book), *rest),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stdin is not None
        try:
            yield process
            process.stdin.close()
            async with asyncio.timeout(3 * STUCK_S + self.longest):
                assert await process.wait() == 0, name
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    @asynccontextmanager
    async def _proxy(self, port: int) -> AsyncIterator[Served]:
        upstream = f"http://127.0.0.1:{port}"
        arguments = ["--upstream", upstream, "--listen", "127.0.0.1:0", "--out", str(self.tapes)]
        if self.tls:
            arguments.append("--tls")
        async with self._watched("record", *arguments) as proxy:
            yield proxy

    @asynccontextmanager
    async def _watched(self, *arguments: str) -> AsyncIterator[Served]:
        warnings = ("-X", "dev") if self.dev else ("-W", "always::ResourceWarning")
        async with serving(
            *arguments,
            python=(*warnings, "-m", "tests.attacks.soak.watched"),
            env={
                "SOAK_CENSUS": str(self._counted),
                "SOAK_LOOP": self.loop,
                "PYTHONPATH": str(ROOT),
            },
        ) as served:
            yield served

    @property
    def _counted(self) -> Path:
        return self.folder / "census.json"

    async def _load(
        self, proxy: Served, seconds: float, first: int, sessions: int, *options: str
    ) -> list[tuple[float, int]]:
        """Have clients for so long; return how much memory the proxy had meanwhile."""
        start, samples = time.monotonic(), []
        step = min(PROCESSES, sessions)

        async def clients(n: int) -> None:
            count = sessions // step + (n < sessions % step)
            rest = (proxy.url, str(first + n), str(step), str(count), *options)
            async with self._process("clients", str(self.seed), str(self.longest), *rest):
                await asyncio.sleep(seconds)

        async def watch() -> None:
            while True:
                samples.append((time.monotonic() - start, proxy.resident()))
                await asyncio.sleep(min(0.5, seconds / 20))

        watching = asyncio.create_task(watch())
        try:
            await asyncio.gather(*(clients(n) for n in range(step)))
        finally:
            watching.cancel()
        return [sample for sample in samples if sample[0] <= seconds]

    async def _census(
        self, proxy: Served, descriptors: int, before: Census | None = None
    ) -> Census:
        """Wait until it is quiet, and count; again, if there is more than before.

        The thread that syncs tapes has some in its hands for up to two seconds.
        """
        began = time.monotonic()
        while proxy.descriptors() > descriptors and time.monotonic() - began < self.quiet_s:
            await asyncio.sleep(0.05)
        waited_s = time.monotonic() - began
        garbage = None
        while True:
            counted = await self._count(proxy)
            garbage = counted["garbage"] if garbage is None else garbage
            census = Census(
                proxy.descriptors(),
                proxy.threads(),
                proxy.resident(),
                waited_s=waited_s,
                **(counted | {"garbage": garbage}),
            )
            late = time.monotonic() - began > self.quiet_s
            if before is None or late or not leaks(before, census, descriptors):
                return census
            await asyncio.sleep(0.5)

    async def _count(self, proxy: Served) -> dict[str, Any]:
        """What the proxy says that it holds."""
        self._counted.unlink(missing_ok=True)
        proxy.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(LIMIT_S):
            while not self._counted.exists():
                await asyncio.sleep(0.05)
        counted: dict[str, Any] = json.loads(self._counted.read_text("utf-8"))
        return counted

    def _judge(self) -> Verdict:
        accounts = [
            Account.of(line) for book in self.books for line in book.read_text("ascii").splitlines()
        ]
        plans = {
            account.number: Plan.of(self.seed, account.number, self.longest) for account in accounts
        }
        paths = sorted(self.tapes.glob("*.rtape"))
        if len(paths) < MANY:
            return judge(map(read_tape, paths), accounts, plans, tls=self.tls)
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            tapes = pool.map(read_tape, paths, chunksize=20)
            return judge(tapes, accounts, plans, tls=self.tls)


def leaks(
    before: Census, after: Census, descriptors: int, *, but: tuple[str, ...] = ()
) -> list[str]:
    """What the proxy holds that it should not; `but` are names of types that it may hold."""
    found = []
    for when, census in (("warm-up", before), ("soak", after)):
        if census.descriptors > descriptors:
            found.append(
                f"{census.descriptors} descriptors long after the {when}, "
                f"not {descriptors}; tasks: {census.tasks}"
            )
    if after.named != before.named:
        found.append(f"threads {after.named}, not {before.named}")
    if after.tasks != before.tasks:
        found.append(f"tasks {after.tasks}, not {before.tasks}")
    for name, count in after.types.items():
        ours = name.startswith("rtproxy") and not name.startswith(but or "-")
        if ours and count > before.types.get(name, 0):
            found.append(f"{count} × {name}, not {before.types.get(name, 0)}")
    return found


def table(soak: Soak, report: Report) -> str:
    """The figures, for people."""
    verdict, before, after = report.verdict, report.before, report.after
    mb = 1e6
    lines = [
        f"{soak.sessions} sessions at once for {soak.seconds:.0f} s, seed {soak.seed}, "
        f"{soak.loop}{', TLS' if soak.tls else ''}{', -X dev' if soak.dev else ''}",
        "",
        "| | before | after |",
        "| --- | --- | --- |",
        f"| descriptors | {before.descriptors} | {after.descriptors} |",
        f"| threads | {before.threads} | {after.threads} |",
        f"| tasks | {sum(before.tasks.values())} | {sum(after.tasks.values())} |",
        f"| memory in quiet | {before.resident / mb:.1f} MB | {after.resident / mb:.1f} MB |",
        f"| objects | {before.objects:,} | {after.objects:,} |",
        f"| garbage in cycles | {before.garbage:,} | {after.garbage:,} |",
        f"| quiet after | {before.waited_s:.1f} s | {after.waited_s:.1f} s |",
        "",
        f"memory under load: {report.resident_at(1 / 6, 1 / 3) / mb:.1f} MB in the second sixth, "
        f"{report.resident_at(5 / 6, 1) / mb:.1f} MB in the last; {report.slope / mb:+.2f} MB a "
        f"minute; at most {report.peak / mb:.1f} MB",
        f"{verdict.sessions:,} connections, {verdict.tapes:,} tapes of "
        f"{verdict.taped_bytes / mb:,.0f} MB; {verdict.messages:,} messages and control frames "
        f"taped, {verdict.heard:,} heard ({verdict.heard_bytes / mb:,.0f} MB); all that was said "
        f"was heard where it had to be ({verdict.whole:,} times)",
        f"bystander: {report.heard:,} round trips, the slowest {report.slowest_s * 1000:.0f} ms",
        f"answers to clients: {dict(sorted(verdict.statuses.items()))}",
        "",
    ]
    lines += [f"{count:6,}  {name}" for name, count in sorted(verdict.faults.items())]
    return "\n".join(lines)
