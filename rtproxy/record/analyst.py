"""Looks at sessions while they are recorded: a process of its own, which reads their tapes.

    proxy ── writes ──▶ tape ── read here ──▶ Session ── insights ──▶ proxy's display

It is a process, not a thread, and one that gives way to every other: what it does takes nothing
from the connections. It is told of tapes on stdin and tells of them on stdout, ends when stdin
does, and lets go of a session that it cannot keep up with.
"""

import contextlib
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rtproxy.errors import NotATapeError, TapeError
from rtproxy.realtime.finding import Finding
from rtproxy.realtime.session import Session
from rtproxy.realtime.stage import stage_of
from rtproxy.record.insight import Found, Insight, requested
from rtproxy.tape.reader import Tape, open_tape
from rtproxy.tape.record import Control, Event, Record
from rtproxy.tape.tail import watch

IDLE_S = 0.1
"""How long it rests when no tape has anything new."""
TELL_EVERY_S = 0.25
BATCH = 2_000
"""Records of one tape that are read before it is the others' turn."""
MAX_LAG_S = 10.0
"""A session that is further behind than this is let go."""
MAX_WATCHED = 32
NICENESS = 10
"""It gets about a tenth of what others get that want the same core."""
FAREWELL_S = 3.0
"""How long it may take to read to the ends of the tapes once stdin has ended."""


class Watched:
    """A session that is being looked at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.over = False
        self._tape: Tape | None = None
        self._records: Iterator[Record | None] | None = None
        self._session = Session()
        self._began_ns = 0
        self._told: set[tuple[str, int | None, int | None]] = set()
        self._behind = self._fresh = False
        self._next = 0.0

    def read(self) -> bool:
        """Read what is new, some of it; whether there may be more at once."""
        if self.over or not self._is_open():
            return False
        assert self._records is not None
        t_ns = 0
        for n, record in enumerate(self._records):
            if record is None:
                return False
            self._session.take(record)
            self._fresh = True
            if isinstance(record, Event | Control):
                t_ns = record.t_ns
            if n == BATCH:
                return not self._is_behind(t_ns)
        self.over = True
        return False

    def tell(self, now: float) -> Insight | None:
        """What is to be told, if anything is new and it is time for it."""
        if not self._fresh or (now < self._next and not self.over):
            return None
        session, self._fresh = self._session, False
        fresh = [finding for finding in session.findings if _key(finding) not in self._told]
        self._told.update(map(_key, fresh))
        self._next = time.monotonic() + max(TELL_EVERY_S, 10 * (time.monotonic() - now))
        return Insight(
            self.path.name,
            len(session.turns),
            stage_of(session),
            _last_latency(session),
            len(session.findings),
            tuple(Found(one.severity, one.code, one.turn, one.message) for one in fresh),
            self._behind,
        )

    def close(self) -> None:
        self.over = True
        if self._tape is not None:
            self._tape.close()

    def _is_open(self) -> bool:
        if self._tape is None:
            try:
                self._tape = open_tape(self.path)
            except NotATapeError:
                return False  # it is only just being written
            except TapeError:
                self.over = True
                return False
            self._session.take(self._tape.header)
            self._began_ns = self._tape.header.started_ns or 0
            self._records = watch(self._tape)
        return True

    def _is_behind(self, t_ns: int) -> bool:
        """Let the session go if what is read now came long ago."""
        if time.time_ns() - self._began_ns - t_ns < MAX_LAG_S * 1e9:
            return False
        self.over = self._behind = True
        return True


def _key(finding: Finding) -> tuple[str, int | None, int | None]:
    return finding.code, finding.turn, finding.events[0] if finding.events else None


def _last_latency(session: Session) -> float | None:
    """Voice to voice of the last turn that has it, of the last few."""
    for turn in reversed(session.turns.all[-5:]):
        ms = session.measure(turn)["v2v_ms"]
        if ms is not None:
            return ms
    return None


class Analyst:
    """Looks at the tapes that it is told of, the latest ones if they are many."""

    def __init__(self) -> None:
        self._watched: dict[Path, Watched] = {}
        self._rest = b""

    def hear(self, data: bytes) -> None:
        """Take what came on stdin."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                path = requested(line)
                self._watched.setdefault(path, Watched(path))
        while len(self._watched) > MAX_WATCHED:
            self._watched.pop(next(iter(self._watched))).close()

    def look(self) -> tuple[list[Insight], bool]:
        """What is new, and whether there is more to read at once."""
        insights, more = [], False
        for path, watched in list(self._watched.items()):
            more = watched.read() or more
            insight = watched.tell(time.monotonic())
            if insight is not None:
                insights.append(insight)
            if watched.over:
                self._watched.pop(path).close()
        return insights, more

    @property
    def done(self) -> bool:
        return not self._watched


def give_way() -> None:
    """Leave the processor to the proxy, and to everybody else, when they want it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the proxy, which ends stdin
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICENESS)


def main() -> None:
    """Serve until stdin ends and all tapes are read."""
    give_way()
    analyst, more = Analyst(), False
    deadline: float | None = None
    stdin = sys.stdin.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(stdin, selectors.EVENT_READ)
        while deadline is None or not (analyst.done or time.monotonic() > deadline):
            if deadline is not None:
                time.sleep(0 if more else IDLE_S)
            elif selector.select(0 if more else IDLE_S):
                data = os.read(stdin, 1 << 16)
                analyst.hear(data)
                if not data:
                    deadline = time.monotonic() + FAREWELL_S
            insights, more = analyst.look()
            for insight in insights:
                sys.stdout.write(insight.to_line())
            if insights:
                sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
