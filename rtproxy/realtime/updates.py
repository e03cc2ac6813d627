"""The client's session.updates, and what the server made of each."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rtproxy.realtime.config import ignored
from rtproxy.realtime.problem import Problem

Data = Mapping[str, Any]

MAX_WAITING = 256
"""Updates that may wait for their answer."""


@dataclass(slots=True)
class Update:
    """A client's session.update and what became of it.

    `answer_seq` is the session.updated that answered it; `error_seq` the error
    that refused it, which is `problem`.
    `ignored` lists (path, what was asked, what is in force).
    """

    seq: int
    t_ms: float
    event_id: str | None
    wanted: Data
    answer_seq: int | None = None
    error_seq: int | None = None
    problem: Problem | None = None
    ignored: list[tuple[str, Any, Any]] = field(default_factory=list)


class Updates:
    """All updates in order, which is the one that servers answer them in."""

    def __init__(self) -> None:
        self._by_seq: dict[int, Update] = {}
        self._waiting: deque[Update] = deque(maxlen=MAX_WAITING)

    def __iter__(self) -> Iterator[Update]:
        return iter(self._by_seq.values())

    def get(self, seq: int) -> Update | None:
        return self._by_seq.get(seq)

    def ask(self, update: Update) -> None:
        self._by_seq[update.seq] = update
        self._waiting.append(update)

    def confirm(self, session: Data, seq: int) -> None:
        """session.updated: how the session is now."""
        if self._waiting:
            update = self._waiting.popleft()
            update.answer_seq = seq
            update.ignored = list(ignored(update.wanted, session))

    def refuse(self, problem: Problem) -> Problem:
        """The problem, with the update that it is about.

        Where the error names none, that is the first without an answer; what has one is not blamed.
        """
        update = self._by_seq.get(problem.cause_seq or 0) if problem.certain else None
        if update is None:
            if not self._waiting:
                return problem.without_cause
            update = self._waiting[0]
            problem = replace(problem, cause_seq=update.seq)
        update.error_seq, update.problem = problem.seq, problem
        if update in self._waiting:
            self._waiting.remove(update)
        return problem
