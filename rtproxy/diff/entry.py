"""`rtproxy.compare`: what differs between two sessions, wherever they are.

diff = rtproxy.compare("yesterday.rtape", "today.rtape", level="text")
for difference in diff.differences:
    print(difference.turn, difference.path, difference.a, difference.b)
assert not diff  # true when they differ, or a budget is broken
"""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from rtproxy.diff.beside import read_both
from rtproxy.diff.compare import Comparison, read_session
from rtproxy.diff.difference import Diff, Level
from rtproxy.diff.distribution import SetDiff, SetPair, gather
from rtproxy.diff.normal import NormalSession
from rtproxy.diff.tapes import match_tapes, read_tape
from rtproxy.tape.reader import Tape
from rtproxy.tape.record import Record

Source = str | PathLike[str] | Tape | Iterable[Record]
"""A tape's path, an open tape, or records."""


def compare(
    a: Source,
    b: Source,
    *,
    level: Level = "audio",
    ignore: Iterable[str] = (),
    budgets: Iterable[str] = (),
    turn: int | None = None,
) -> Diff:
    """Compare two sessions, `a` the baseline and `b` the candidate.

    `level` is one of structure, tools, text, timing and audio, each with those before it. `ignore`
    are JSON paths of what may differ, such as `session.instructions`, `turns[2].tools` or, in every
    turn, `tools[*].output`. `budgets` say how much worse a metric may be, such as
    `v2v.p50=+200ms`. `turn` is a turn of `a`, from 1, the only one to compare.

    Raises TapeError for what is no tape, DiffError for a level, budget or turn that is none, and
    PathError for such a path.
    """
    comparison = Comparison(level, ignore, budgets, turn)
    if isinstance(a, str | PathLike) and isinstance(b, str | PathLike):
        return comparison.of(*(found.session for found in read_both(Path(a), Path(b), level)))
    return comparison.of(_session(a, level), _session(b, level))


def compare_sets(
    a: str | PathLike[str],
    b: str | PathLike[str],
    *,
    level: Level = "audio",
    ignore: Iterable[str] = (),
    budgets: Iterable[str] = (),
) -> SetDiff:
    """Compare the tapes of two folders, pair by pair of the same name; budgets over all of them.

    The rest as for `compare`.
    """
    comparison = Comparison(level, ignore, budgets)
    matches = match_tapes(Path(a), Path(b))
    pairs = [
        SetPair(
            match.name,
            comparison.of(_session(match.a, level), _session(match.b, level), judge=False),
        )
        for match in matches
        if match.a is not None and match.b is not None
    ]
    only_a = [match.name for match in matches if match.b is None]
    only_b = [match.name for match in matches if match.a is None]
    return gather(level, pairs, only_a, only_b, comparison.budgets)


def _session(source: Source, level: Level) -> NormalSession:
    if isinstance(source, str | PathLike):
        return read_tape(Path(source), level).session
    if isinstance(source, Tape):
        return read_session((source.header, *source), str(source.path), level)
    return read_session(source, None, level)
