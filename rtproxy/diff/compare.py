"""Two sessions in their normal form, compared: the pure core of `rtproxy diff`.

a, b ─▶ Reading ─▶ NormalSession ─┬─ align turns ─▶ TurnPair
                                  ├─ compare     ─▶ Difference, at levels
                                  └─ measure     ─▶ Metric, Verdict
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Literal

from rtproxy.diff.align import Pair
from rtproxy.diff.budget import parse_budget
from rtproxy.diff.difference import LEVELS, Diff, Level, Metric, TurnPair, Verdict
from rtproxy.diff.exchange import Exchange
from rtproxy.diff.ledger import Ledger, Seqs
from rtproxy.diff.normal import Fields, NormalSession, NormalTurn
from rtproxy.diff.normalise import normalise
from rtproxy.diff.reading import Reading
from rtproxy.diff.timing import broken, changes, counts, spread
from rtproxy.diff.turns import align_turns, in_order
from rtproxy.diff.values import Path, canonical, places
from rtproxy.diff.words import word_errors
from rtproxy.errors import DiffError
from rtproxy.tape.record import Record

Both = tuple[NormalTurn, NormalTurn]

WERS = ("user", "assistant")
"""Whose words are counted."""
SHARED = ("instructions", "tools")
"""Settings of both dialects that are often not named where they are empty."""


def read_session(records: Iterable[Record], name: str | None, level: Level) -> NormalSession:
    """The normal form of a session's records; audio is looked at if the level asks for it."""
    return normalise(Reading.of(records, sound=level == "audio"), name)


def compare_records(
    a: Iterable[Record],
    b: Iterable[Record],
    *,
    level: Level = "audio",
    ignore: Iterable[str] = (),
    budgets: Iterable[str] = (),
    turn: int | None = None,
    names: tuple[str | None, str | None] = (None, None),
) -> Diff:
    """Compare two sessions' records; see `Comparison`. Raises DiffError and PathError."""
    comparison = Comparison(level, ignore, budgets, turn)
    return comparison.of(read_session(a, names[0], level), read_session(b, names[1], level))


class Comparison:
    """How sessions are to be compared.

    `ignore` are JSON paths into the normalised session, or into any of its turns; `budgets` as in
    `rtproxy.diff.budget`; `turn` is a turn of the first session, the only one to compare.
    Raises DiffError for a level or a budget that is none, and PathError for such a path.
    """

    def __init__(
        self,
        level: Level = "audio",
        ignore: Iterable[str] = (),
        budgets: Iterable[str] = (),
        turn: int | None = None,
    ) -> None:
        if level not in LEVELS:
            raise DiffError(f"{level!r} is no level: choose from {', '.join(LEVELS)}.")
        self.level: Level = level
        self.budgets = tuple(map(parse_budget, budgets))
        self.turn = turn
        self.ignore = tuple(ignore)
        Ledger.of(level, self.ignore)

    def of(self, a: NormalSession, b: NormalSession, *, judge: bool = True) -> Diff:
        """Compare two sessions. Raises DiffError where `a` has no such turn.

        Unless it is to `judge`, budgets are left to be judged over a set of sessions.
        """
        if self.turn is not None and not 1 <= self.turn <= len(a.turns):
            has = "no turns" if not a.turns else f"turns 1 to {len(a.turns)}"
            raise DiffError(
                f"There is no turn {self.turn} to compare: the first session has {has}."
            )
        return _Work(self, a, b, judge=judge).diff()


class _Work:
    """One comparison under way."""

    def __init__(
        self, asked: Comparison, a: NormalSession, b: NormalSession, *, judge: bool
    ) -> None:
        self._asked, self._a, self._b = asked, a, b
        self._timed = tuple(budget for budget in asked.budgets if budget.timed)
        self._ledger = Ledger.of(asked.level, asked.ignore)
        self._ledger.times = not self._timed
        self._one_sided = a.dialect == b.dialect or None in (a.dialect, b.dialect)
        self._judged = asked.budgets if judge else ()
        self._told: set[tuple[Path, str, str]] = set()

    def diff(self) -> Diff:
        a, b, only = self._a, self._b, self._asked.turn
        found = align_turns(a.turns, b.turns)
        whole = in_order(found)
        order = [(x, y) for x, y in whole if only is None or x == only - 1]
        both = [(a.turns[x], b.turns[y]) for x, y in order if x is not None and y is not None]
        metrics, verdicts = self._measure(both)
        failed = {verdict.key for verdict in verdicts if not verdict.ok}
        exchange = Exchange(
            self._ledger,
            one_sided=self._one_sided,
            exact=_is_replay(a, b),
            free={key for key in WERS if self._free(f"{key}.wer", failed)},
        )
        if only is None:
            self._session(exchange, both)
        else:
            self._skip_settings(whole, only - 1)
        moved = set(found.moved)
        pairs = [self._pair(exchange, x, y, (x, y) in moved, failed) for x, y in order]
        if only is None:
            self._settings(a.settings, b.settings, (a.settings_seq, b.settings_seq))
        return Diff(
            level=self._asked.level,
            pairs=tuple(pairs),
            differences=tuple(self._ledger.differences),
            metrics=tuple(metrics),
            budgets=tuple(verdicts),
            a=a.name,
            b=b.name,
            turn=only,
            notes=tuple(self._notes()),
        )

    def _free(self, key: str, failed: Collection[str]) -> bool:
        """Whether words may differ, as there is a budget on how many."""
        return key not in failed and any(budget.key == key for budget in self._asked.budgets)

    def _session(self, exchange: Exchange, both: list[Both]) -> None:
        """What is in no turn."""
        a, b, ledger = self._a, self._b, self._ledger
        if both:
            one, two = both[0]
            self._settings(one.settings, two.settings, (one.settings_seq, two.settings_seq))
        else:
            self._settings(a.settings, b.settings, (a.settings_seq, b.settings_seq))
        exchange.contents(a, b)
        if a.ending and b.ending:
            seqs = a.ending_seq, b.ending_seq
            ledger.values(a.ending, b.ending, ("ending",), seqs, level="structure")
        if a.limits and b.limits:
            ledger.values(a.limits, b.limits, ("rate_limits",), (None, None))

    def _settings(self, a: Fields, b: Fields, seqs: Seqs, *, told: bool = False) -> None:
        """Settings that differ, but for those that have been told of; `told`: so have these."""
        if a == b:
            return
        for path, kind, one, two in places(a, b):
            said = path, canonical(one), canonical(two)
            if said in self._told or not (self._one_sided or _in_both(a, b, path)):
                continue
            self._told.add(said)
            if not told:
                self._ledger.put("text", ("session", *path), one, two, seqs, kind=kind)

    def _skip_settings(self, pairs: list[Pair], until: int) -> None:
        """Settings that differ from the start, or since a turn before, are not those of a turn."""
        found = [(x, y) for x, y in pairs if x is not None and y is not None]
        for index, (x, y) in enumerate(found):
            a, b = self._a.turns[x], self._b.turns[y]
            if index == 0 or x < until:
                self._settings(a.settings, b.settings, (None, None), told=True)

    def _pair(
        self, exchange: Exchange, x: int | None, y: int | None, moved: bool, failed: Collection[str]
    ) -> TurnPair:
        """Compare what stands beside one another, and say how it does."""
        a = self._a.turns[x] if x is not None else None
        b = self._b.turns[y] if y is not None else None
        ledger = self._ledger
        before = len(ledger.differences)
        one, two = a.n if a else None, b.n if b else None
        seqs = a.seq if a else None, b.seq if b else None
        with ledger.of_turn(one, two):
            if a is not None and b is not None:
                if moved:
                    ledger.put("structure", (), a.summary(), b.summary(), seqs, kind="moved")
                settings = a.settings_seq, b.settings_seq
                self._settings(a.settings, b.settings, settings)
                exchange.turns(a, b)
                self._times(a, b, failed)
            elif a is not None:
                ledger.put("structure", (), a.summary(), None, seqs, kind="removed")
            elif b is not None:
                ledger.put("structure", (), None, b.summary(), seqs, kind="added")
        changed = len(ledger.differences) > before
        return _shown(a, b, "moved" if moved else "changed" if changed else "same")

    def _times(self, a: NormalTurn, b: NormalTurn, failed: Collection[str]) -> None:
        """What took longer or less long: by the budgets that are broken, or by the tolerance."""
        if not (self._a.times_known and self._b.times_known):
            return
        if self._timed:
            budgets = [budget for budget in self._timed if budget.key in failed]
            keys = broken(budgets, a.metrics, b.metrics)
        else:
            keys = changes(a, b)
        for key in keys:
            one, two = a.metrics[key], b.metrics[key]
            if one is not None and two is not None:
                values = round(one, 1), round(two, 1)
                seqs = a.seq, b.seq
                self._ledger.put("timing", ("metrics", key), *values, seqs, unit="ms")

    def _measure(self, both: list[Both]) -> tuple[list[Metric], list[Verdict]]:
        """All metrics, and a verdict on each budget."""
        a, b = self._a, self._b
        whole = self._asked.turn is None
        one = [t.metrics for t in (a.turns if whole else [pair[0] for pair in both])]
        two = [t.metrics for t in (b.turns if whole else [pair[1] for pair in both])]
        metrics = [*spread(one, two), *(counts(a.numbers, b.numbers) if whole else ())]
        budgets = self._asked.budgets
        if self._ledger.wants("text") or any(budget.key.endswith(".wer") for budget in budgets):
            for key in WERS:
                texts = [(getattr(pair[0], key), getattr(pair[1], key)) for pair in both]
                metrics += word_errors(key, texts)
        by_key = {metric.key: metric for metric in metrics}
        times = [(pair[0].n, pair[0].metrics, pair[1].metrics) for pair in both]
        verdicts = [
            budget.judge_each(times) if budget.each else budget.judge(by_key.get(budget.key))
            for budget in self._judged
        ]
        return metrics, verdicts

    def _notes(self) -> Iterator[str]:
        """What could not be compared, and why."""
        a, b = self._a, self._b
        if not self._one_sided:
            yield (
                f"The first speaks {a.dialect}, the second {b.dialect}: fields that only one of "
                "them has are not compared."
            )
        for name, session in (("first", a), ("second", b)):
            if self._ledger.wants("timing") and not session.times_known:
                yield f"The {name} has no times, so times are not compared."
            if self._ledger.wants("audio") and not session.audio_complete:
                yield f"The {name} does not have all of its audio; what is missing is not compared."
            if session.missing:
                yield f"Of the {name}, {session.missing} records are missing."
            if not session.ending:
                yield f"The {name} does not hold its end, so the ends are not compared."


def _is_replay(a: NormalSession, b: NormalSession) -> bool:
    """Whether one is a replay of the other, or both are of one tape, as far as it is known."""
    origins = [
        {_stem(session.replay_of or session.name), _stem(session.name)} for session in (a, b)
    ]
    known = all(name is not None for names in origins for name in names)
    replayed = a.replay_of is not None or b.replay_of is not None
    return replayed and (not known or bool(origins[0] & origins[1]))


def _stem(name: str | None) -> str | None:
    """A tape's name without folder and suffix."""
    if not name:
        return None
    return name.rpartition("/")[2].removesuffix(".zst").removesuffix(".rtape")


def _in_both(a: Fields, b: Fields, path: Path) -> bool:
    """Whether a setting is one of both dialects: both name it, or everybody's does."""
    if path[0] in SHARED:
        return any(fields.get(path[0]) for fields in (a, b))
    for fields in (a, b):
        inner: Any = fields
        for step in path:
            if isinstance(inner, list):
                break
            if not isinstance(inner, dict) or step not in inner:
                return False
            inner = inner[step]
    return True


def _shown(
    a: NormalTurn | None, b: NormalTurn | None, kind: Literal["same", "changed", "moved"]
) -> TurnPair:
    return TurnPair(
        kind if a and b else "removed" if a else "added",
        a.n if a else None,
        b.n if b else None,
        a.user if a else None,
        b.user if b else None,
        a.assistant if a else None,
        b.assistant if b else None,
        a.seq if a else None,
        b.seq if b else None,
        a.began_ms if a else None,
        b.began_ms if b else None,
        a.metrics if a else {},
        b.metrics if b else {},
    )
