"""The test stand: puts a load on each target in turn, round after round."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import machine
from bench.errors import MeasurementError
from bench.process import last_words, python, python_environment, running
from bench.proxies import DIRECT, RTPROXY, Endpoint, Target


@dataclass(frozen=True, slots=True)
class Load:
    """A load's kind and arguments (see bench.load), the server's plan, and a time limit in s."""

    kind: str
    plan: str
    arguments: Mapping[str, Any]
    timeout: int = 60


@dataclass(frozen=True, slots=True)
class Reading:
    """A target at a mark: bytes resident, seconds of CPU used so far, and a clock, in s."""

    memory: int
    cpu: float
    clock: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load reported, and the readings at its marks."""

    result: Any
    readings: Mapping[str, Reading]


@dataclass
class Measured:
    """Outcomes of each target, one for each round; `failed` says which targets have none."""

    outcomes: dict[str, list[Outcome]]
    failed: list[str] = field(default_factory=list)


@dataclass
class Stand:
    """Where rows measure. `server` is behind all targets."""

    folder: Path
    server: Endpoint
    targets: list[Target]
    rounds: int
    quick: bool
    cores: machine.Cores

    @contextlib.contextmanager
    def on_one_core(self) -> Iterator[None]:
        """Run everything on the proxy's core for a while.

        Where only one process has something to do at a time, this takes nothing from anybody,
        and leaves out the time that an idle core takes to wake up.
        """
        apart = self.cores
        if apart.proxy is None or self.server.leader is None:
            yield
            return
        self.cores = machine.Cores(apart.proxy, apart.proxy)
        os.sched_setaffinity(self.server.leader, apart.proxy)
        try:
            yield
        finally:
            self.cores = apart
            os.sched_setaffinity(self.server.leader, apart.load or apart.proxy)

    def measure(
        self, load: Load, *, only: Collection[str] = (), rounds: int | None = None
    ) -> Measured:
        """Put the load on each target in each round, each time on a fresh process.

        The order moves on by one with each round. Raises MeasurementError when rtproxy or the
        direct connection fails; another target that fails is left out from then on.
        """
        running = [target for target in self.targets if not only or target.name in only]
        measured = Measured({target.name: [] for target in running})
        count = rounds or self.rounds
        for number in range(count):
            first = number % len(self.targets)
            for target in running[first:] + running[:first]:
                if target.name not in measured.outcomes:
                    continue
                tell(f"{load.kind}: round {number + 1} of {count}, {target.name}")
                try:
                    measured.outcomes[target.name].append(self._once(load, target))
                except MeasurementError as error:
                    if target.name == DIRECT or target.name.startswith(RTPROXY):
                        raise MeasurementError(f"{target.name}: {error}") from None
                    measured.failed.append(f"{target.name} failed: {error}")
                    del measured.outcomes[target.name]
        return measured

    def _once(self, load: Load, target: Target) -> Outcome:
        port, cores = self.server.port, self.cores.proxy
        with self.scratch() as folder, target.open(port, folder, cores) as endpoint:
            return self.run(load, endpoint)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for tapes and logs that is gone afterwards."""
        folder = self.folder / "measurement"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def run(self, load: Load, endpoint: Endpoint) -> Outcome:
        """Run one load to its end. Raises MeasurementError if it fails or takes too long."""
        asked = {
            "kind": load.kind,
            "port": endpoint.port,
            "plan": load.plan,
            "timeout": load.timeout,
            "arguments": dict(load.arguments),
        }
        readings: dict[str, Reading] = {}
        folder = self.folder / "load"
        folder.mkdir(exist_ok=True)
        with running(
            python("-m", "bench.load", json.dumps(asked)),
            folder=folder,
            cores=self.cores.load,
            environment=python_environment(),
            pipes=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for line in process.stdout:
                said = json.loads(line)
                if "result" in said:
                    return Outcome(said["result"], readings)
                readings[said["mark"]] = read(endpoint)
                process.stdin.write("\n")
                process.stdin.flush()
            raise MeasurementError(_failure(process, load, folder))


def read(endpoint: Endpoint) -> Reading:
    """Look at a target's processes; all zero where there are none, or no /proc."""
    if endpoint.leader is None or not machine.have_proc():
        return Reading(0, 0.0, time.monotonic())
    return Reading(
        machine.session_memory(endpoint.leader),
        machine.session_cpu(endpoint.leader),
        time.monotonic(),
    )


@contextlib.contextmanager
def serving(folder: Path, cores: frozenset[int] | None) -> Iterator[Endpoint]:
    """Run the server behind all targets."""
    home = folder / "server"
    home.mkdir()
    command = python("-m", "bench.server")
    with running(
        command, folder=home, cores=cores, environment=python_environment(), pipes=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise MeasurementError(f"the server ended at once: {last_words(home)}")
        yield Endpoint(int(line), process.pid)


def tell(text: str) -> None:
    """Show on a terminal what is going on; one line, always the same."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _failure(process: subprocess.Popen[str], load: Load, folder: Path) -> str:
    if process.wait() < 0:
        return f"the {load.kind} load was not done after {load.timeout} s"
    return f"the {load.kind} load failed: {last_words(folder)}"
