"""Differences as JUnit XML, which every CI service can show.

A pair of sessions is a test suite; each of its turns, what belongs to no turn, and each budget is
a test case that fails with what differs. Elements, their order and attributes are those on which
the schemas of Ant and of Jenkins agree.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rtproxy.diff.annotations import broken, told
from rtproxy.diff.difference import Diff, Verdict
from rtproxy.diff.distribution import SetDiff
from rtproxy.diff.report import (
    caller,
    compared,
    count,
    groups,
    heading,
    metric_rows,
    result,
)
from rtproxy.tape.escape import visible

LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Case:
    """A test case; it failed if it has lines that say why. `kind` is what failed."""

    name: str
    kind: str
    lines: tuple[str, ...] = ()


def junit(diff: Diff | SetDiff, when: str) -> bytes:
    """The document. `when` is the time in UTC, such as 2026-11-21T03:32:10."""
    root = Element("testsuites")
    suites = _suites(diff) if isinstance(diff, SetDiff) else [_suite(diff)]
    for n, (name, about, cases) in enumerate(suites):
        _write(root, n, name, about, cases, when)
    indent(root)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


Suite = tuple[str, dict[str, str], list[Case]]
"""Name, properties, test cases."""


def _suite(diff: Diff, name: str | None = None) -> Suite:
    about = {"a": diff.a or "", "b": diff.b or "", "level": diff.level, "compared": compared(diff)}
    about |= {"result": result(diff)}
    about |= {f"metric {row.key}": f"{row.a} → {row.b}" for row in metric_rows(diff)}
    failed = {id(group.pair): group for group in groups(diff)}
    cases = []
    for pair in (None, *diff.pairs):
        group = failed.get(id(pair))
        said = caller(pair)
        title = f"{heading(pair)} “{said}”" if said else heading(pair)
        lines = tuple(map(told, group.differences)) if group is not None else ()
        cases.append(Case(title, "difference", lines))
    return name or diff.b or "session", about, [*cases, *_budgets(diff.budgets)]


def _suites(diff: SetDiff) -> Iterator[Suite]:
    if diff.budgets:
        yield "all sessions", {"result": result(diff)}, list(_budgets(diff.budgets))
    for pair in diff.pairs:
        yield _suite(pair.diff, pair.name)
    for names, side in ((diff.only_a, "a"), (diff.only_b, "b")):
        for name in names:
            yield name, {}, [Case("session", "unpaired", (f"{name} is only in {side}.",))]


def _budgets(verdicts: Iterable[Verdict]) -> Iterator[Case]:
    for verdict in verdicts:
        lines = () if verdict.ok else (broken(verdict),)
        yield Case(f"budget {verdict.budget}", "budget", lines)


def _write(
    root: Element, n: int, name: str, about: dict[str, str], cases: list[Case], when: str
) -> None:
    suite = SubElement(
        root,
        "testsuite",
        {
            "id": str(n),
            "name": _token(name),
            "package": "rtproxy.diff",
            "timestamp": when,
            "hostname": "localhost",
            "tests": str(len(cases)),
            "failures": str(sum(bool(case.lines) for case in cases)),
            "errors": "0",
            "time": "0",
        },
    )
    properties = SubElement(suite, "properties")
    for key, text in about.items():
        SubElement(properties, "property", {"name": _token(key), "value": _clean(text)})
    for case in cases:
        attributes = {"name": _token(case.name), "classname": _token(name), "time": "0"}
        element = SubElement(suite, "testcase", attributes)
        if case.lines:
            first = case.lines[0] if len(case.lines) == 1 else count(len(case.lines), case.kind)
            failure = SubElement(element, "failure", {"message": _clean(first), "type": case.kind})
            failure.text = "\n".join(map(_clean, case.lines))
    SubElement(suite, "system-out")
    SubElement(suite, "system-err")


def _clean(text: str) -> str:
    """Text that XML can hold: what it cannot, even as an entity, is an escape."""
    return visible(text)


def _token(text: str) -> str:
    """A name: not empty, no more than one blank in a row, and not too long."""
    words = " ".join(_clean(text).split()) or "-"
    return words if len(words) <= LONGEST_NAME else f"{words[: LONGEST_NAME - 1].rstrip()}…"
