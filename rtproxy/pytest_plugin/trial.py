"""One test against its tapes: begin, judge when the test function is done, end, keep what is new.

                       passed ─▶ judge ─▶ a failure of this test, if anything differs
begin ─▶ test function ┤                                        ─▶ end ─▶ new tapes in place
                       failed ─▶ explain by what differs        ─▶ end ─▶ new tapes set aside
"""

import os
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from rtproxy.errors import RtproxyError, TapeError
from rtproxy.pytest_plugin.handle import Rtproxy
from rtproxy.pytest_plugin.ledger import Ledger
from rtproxy.pytest_plugin.marker import Marker
from rtproxy.pytest_plugin.mode import DEFAULT_UPSTREAM, RECORD_OPTION, UPSTREAM_OPTION, Mode
from rtproxy.pytest_plugin.tapeset import TapeSet, discard, new_stage, sweep, tapes_in
from rtproxy.pytest_plugin.verdict import Verdict, judge
from rtproxy.replay.fault import not_happened

if TYPE_CHECKING:
    from rtproxy.serve import RecordProxy, ReplayServer

PATIENCE_S = 0.5
"""How long a session that is under way when the test is done may take to its tape's end."""
SETTLE_S = 2.0
"""The same once all of the test's fixtures are done."""
LOOK_EVERY_S = 0.02


class MismatchWarning(pytest.PytestWarning):
    """Under lenient matching: the client did something that is not on the tape."""


class FaultWarning(pytest.PytestWarning):
    """A fault has not happened, so that the test has tested something else."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for one test, as its markers and the run's options say."""

    nodeid: str
    command: str
    """How the test is named on the command line, from where pytest was started."""
    marker: Marker
    tapes: TapeSet
    mode: Mode
    upstream: str | None
    """The server to record from, if anybody has said."""
    run: str
    """Name of the run, for its stages."""
    width: int
    """Characters in a line of the report."""

    @property
    def source(self) -> str:
        return self.marker.upstream or self.upstream or DEFAULT_UPSTREAM


class Trial:
    """Runs what a test talks to. Raises RtproxyError if it cannot begin."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.outcome: Literal["passed", "failed", "skipped"] | None = None
        """What has become of the test function; None as long as it has not been called."""
        self.told = False
        """Whether it has been said what the tapes have to do with a failure."""
        self._warned = Counter[str]()
        self._stage: Path | None = None
        self._replay: ReplayServer | None = None
        self._record: RecordProxy | None = None
        found = plan.tapes.paths()
        records = plan.mode in ("all", "rewrite") or not found
        if records and plan.mode == "none":
            raise TapeError(missing(plan))
        if records or plan.mode == "new_episodes":
            sweep(plan.tapes.base.parent)
            self._stage = new_stage(plan.tapes.base.parent, plan.run)
        self._played = () if records else tuple(found)
        try:
            server = self._begin(records)
        except BaseException:
            self._discard()
            raise
        self.handle = Rtproxy(server, mode=plan.mode, played=self._played, stage=self._stage)

    def _begin(self, records: bool) -> "ReplayServer | RecordProxy":
        from rtproxy.pytest_plugin.episodes import EpisodesServer
        from rtproxy.serve import RecordProxy, ReplayServer

        plan, options = self.plan, self.plan.marker.replay
        if records:
            assert self._stage is not None
            self._record = RecordProxy(
                upstream=plan.source, out=self._stage, http="all", redact=plan.marker.redact
            )
            self._record.start()
            return self._record
        if self._stage is not None:
            self._replay = EpisodesServer(
                self._played,
                upstream=plan.source,
                out=self._stage,
                redact=plan.marker.redact,
                **options,
            )
        else:
            self._replay = ReplayServer(self._played, **options)
        self._replay.start()
        return self._replay

    @property
    def new_tapes(self) -> list[Path]:
        """What has been recorded so far."""
        return tapes_in(self._stage) if self._stage is not None else []

    def judge(self) -> str:
        """What is wrong though the test function has passed; empty if nothing is.

        A session that a fixture of the test holds open is judged at the end.
        """
        verdict = self._verdict(PATIENCE_S)
        if verdict.text and not (verdict.under_way and not verdict.mismatches):
            self.told = True
            return verdict.text
        return ""

    def explain(self, error: BaseException) -> tuple[str, str]:
        """Of a test that has failed: its failure in other words, if a mismatch is behind it.

        Returns those words, else none, and what more there is to say of tapes not played through.
        """
        self.told = True
        verdict = self._verdict(0)
        unreachable = any(map(is_unanswered, self.new_tapes))
        if not verdict.mismatches and not unreachable:
            return "", "\n\n".join(verdict.shortfalls)
        text = self._unreachable if unreachable else verdict.text
        last = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        return f"{text}\n\nThe test then ended with {last}", ""

    def unmet_faults(self) -> list[str]:
        """Sentences about faults that have not happened though the test has passed."""
        if self._replay is None or self.outcome != "passed":
            return []
        return [not_happened(one) for one in self._replay.unmet_faults]

    def warnings(self) -> list[str]:
        """What lenient matching has passed over since this was asked before."""
        outcomes = self._replay.outcomes if self._replay else ()
        told = [f"{one.tape}: {one.message}" for each in outcomes for one in each.warnings]
        more = sum(each.unlisted.get("warnings", 0) for each in outcomes)
        if more:
            told.append(f"{more:,} more mismatches were passed over.")
        fresh = Counter(told) - self._warned
        self._warned += fresh
        return list(fresh.elements())

    def end(self, ledger: Ledger, aside: Path | None = None) -> str:
        """Stop the server and keep what was recorded; returns what is wrong, if not said before.

        Tapes of a test that has not passed are moved into the folder `aside`, if there is one.
        """
        told = self.told or self.outcome != "passed"
        wrong = "" if told else self._verdict(SETTLE_S).text
        server = self._record or self._replay
        assert server is not None
        server.close()
        if self._stage is None:
            return wrong
        passed = self.outcome == "passed" and not wrong
        try:
            new = in_order(self._stage)
            wrong = self._reject(new) if passed else wrong
            self._keep(new, ledger, passed=passed and not wrong, aside=aside)
        except (RtproxyError, OSError) as error:
            ledger.failed.append(self.plan.nodeid)
            self._discard()
            wrong = wrong or str(error)
        return wrong

    def _verdict(self, wait_s: float) -> Verdict:
        """How the replay, or the recording so far, stands; waits for what is under way."""
        if self._replay is None:
            return self._unused()
        deadline = time.monotonic() + wait_s
        while True:
            verdict = judge(self._replay, self.plan.width)
            over = verdict.mismatches or not verdict.under_way
            if over or time.monotonic() >= deadline:
                return verdict
            time.sleep(LOOK_EVERY_S)

    def _unused(self) -> Verdict:
        if self.handle.tapes:
            return Verdict()
        nothing = (
            "The test made no connection, so that there is nothing to record. Point its client at "
            f"rtproxy.base_url ({self.handle.base_url}), rtproxy.ws_url or rtproxy.url."
        )
        return Verdict(shortfalls=(nothing,))

    @property
    def _unreachable(self) -> str:
        return (
            f"{self.plan.source} could not be reached, so that there is nothing to record. "
            f"{UPSTREAM_OPTION}=URL names another server."
        )

    def _reject(self, new: Sequence[Path]) -> str:
        """Why these tapes must not be kept, in a sentence; empty if they may."""
        from rtproxy.tape.reader import open_tape

        recorder = self._record or self._replay
        if failures := getattr(recorder, "failures", []):
            return "\n".join(failures)
        if any(map(is_unanswered, new)):
            return self._unreachable
        for path in new:
            with open_tape(path) as tape:
                if tape.state != "sealed":
                    return f"The new tape {path.name} was not completed, so that it is not kept."
        return ""

    def _keep(
        self, new: Sequence[Path], ledger: Ledger, *, passed: bool, aside: Path | None
    ) -> None:
        assert self._stage is not None
        tapes = self.plan.tapes
        if not passed:
            if self.outcome != "skipped":
                ledger.failed.append(self.plan.nodeid)
            if aside is not None:
                for path in new:
                    shutil.move(path, aside / path.name)
        elif new and self.plan.mode == "rewrite":
            ledger.staged.append((str(tapes.base), [str(path) for path in new]))
            return
        elif new:
            tapes.replace([*self._played, *new])
            ledger.recorded.append(tapes.describe())
        self._discard()

    def _discard(self) -> None:
        if self._stage is not None:
            discard(self._stage)


def missing(plan: Plan) -> str:
    """What to say, and to do, where a test has no tape."""
    said = plan.marker.upstream or plan.upstream
    where = f"from {plan.source}" + ("" if said else f" ({UPSTREAM_OPTION}=URL names another)")
    command = f"pytest {shlex.quote(plan.command)} {RECORD_OPTION}=once"
    return (
        f"There is no tape for this test: {os.path.relpath(plan.tapes.file)}\n"
        f"Record it {where} with\n\n    {command}\n"
    )


def is_unanswered(path: Path) -> bool:
    """Whether a tape is that of a request which never reached the upstream."""
    from rtproxy.tape.reader import open_tape

    try:
        with open_tape(path) as tape:
            return tape.header.fields.get("response") is None
    except TapeError:
        return False  # it has been begun this very moment


def in_order(stage: Path) -> list[Path]:
    """The new tapes, in the order in which their connections began."""
    from rtproxy.tape.reader import open_tape

    def began(path: Path) -> tuple[int, str]:
        with open_tape(path) as tape:
            return tape.header.started_ns or 0, path.name

    return sorted(tapes_in(stage), key=began)
