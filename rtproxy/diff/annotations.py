"""Differences as annotations that GitHub shows on a workflow's run and beside the changed files.

    ::error file=tests/call.rtape,title=rtproxy diff%3A turn 2::assistant (text): …

A turn is one annotation, as GitHub shows only ten errors of a step; the log has them all. The
format is that of workflow commands: `%`, line breaks and, in what stands before the last `::`,
`:` and `,` are escaped.
"""

from collections.abc import Iterable, Iterator

from rtproxy.diff.difference import Diff, Difference, Verdict
from rtproxy.diff.distribution import SetDiff
from rtproxy.diff.excerpt import joined, sides
from rtproxy.diff.report import (
    amount,
    compared,
    events,
    groups,
    heading,
    remark,
    result,
    ruling,
    where,
)
from rtproxy.tape.escape import visible

TITLE = "rtproxy diff"
MAX_LINES = 20
"""Differences of a turn that are told one by one."""


def annotations(diff: Diff) -> Iterator[str]:
    """A line for each budget that is broken and each turn that differs; a notice if none is."""
    if diff.equal:
        yield _command("notice", diff.b, TITLE, [f"{result(diff)} ({compared(diff)})"])
        return
    yield from _broken(diff.budgets, diff.b, diff.a)
    for group in groups(diff):
        lines = [told(difference) for difference in group.differences[:MAX_LINES]]
        more = len(group.differences) - MAX_LINES
        lines += [f"… and {more} more"] if more > 0 else []
        title = f"{TITLE}: {heading(group.pair)}"
        yield _command("error", diff.b, title, [*lines, *_against(diff.a)])


def set_annotations(diff: SetDiff) -> Iterator[str]:
    """Those of all pairs, after the budgets on all of them and what has no other."""
    yield from _broken(diff.budgets, None, None)
    for names, side in ((diff.only_a, "a"), (diff.only_b, "b")):
        for name in names:
            yield _command("error", None, TITLE, [f"{name} is only in {side}."])
    for pair in diff.pairs:
        if not pair.diff.equal:
            yield from annotations(pair.diff)
    if diff.equal:
        yield _command("notice", None, TITLE, [f"{result(diff)} ({compared(diff)})"])


def told(difference: Difference) -> str:
    """A difference in one line."""
    a, b = (joined(spans) for spans in sides(difference))
    values = f"{a} → {b}" if a and b else f"- {a}" if a else f"+ {b}" if b else ""
    about = ", ".join(filter(None, (difference.level, remark(difference), events(difference))))
    return f"{where(difference)} ({about}){': ' if values else ''}{values}"


def broken(verdict: Verdict) -> str:
    """A budget that was not kept, as a sentence."""
    found = f"{amount(verdict.a, verdict.unit)} → {amount(verdict.b, verdict.unit)}"
    return f"{verdict.key} {found} is over budget {ruling(verdict)}"


def _broken(verdicts: Iterable[Verdict], file: str | None, a: str | None) -> Iterator[str]:
    for verdict in verdicts:
        if not verdict.ok:
            yield _command("error", file, f"{TITLE}: budget", [broken(verdict), *_against(a)])


def _against(a: str | None) -> list[str]:
    return [f"compared with {a}"] if a else []


def _command(kind: str, file: str | None, title: str, lines: Iterable[str]) -> str:
    properties = {"file": file, "title": title} if file else {"title": title}
    named = ",".join(f"{key}={_property(text or '')}" for key, text in properties.items())
    return f"::{kind} {named}::{'%0A'.join(map(_data, lines))}"


def _data(text: str) -> str:
    # What would be a line break is an escape by now; visible() leaves % as it is.
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
