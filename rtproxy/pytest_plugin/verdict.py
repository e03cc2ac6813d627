"""How a replayed test went, in words for pytest's report."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rtproxy.replay.outcome import Outcome
from rtproxy.tape.escape import visible

if TYPE_CHECKING:
    from rtproxy.replay.report import Report
    from rtproxy.serve import ReplayServer

SHOWN = 8
"""Events listed of those that were never sent, or never delivered."""

_IN_THE_MARKER = (
    (re.compile(r"--ignore '([^']*)'"), r'ignore=["\1"]'),
    (re.compile(r'"\] ignore=\["'), '", "'),
    (re.compile(r"--match (\w+)"), r'match="\1"'),
    (re.compile(r"--stall\b"), "stall=SECONDS"),
    (re.compile(r"--loop\b"), "loop=True"),
    (re.compile(r"--salvage\b"), "salvage=True"),
    (re.compile(r"--upstream\b"), "--rtproxy-upstream"),
    (re.compile(r"\(rtproxy record\)"), "(--rtproxy-record=all)"),
)
"""How what the command line calls an option is written in the marker."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What differs from the tapes, by how much it explains of a test that failed."""

    mismatches: tuple[str, ...] = ()
    """What the client did and the tape does not have, and requests that no tape fits."""
    shortfalls: tuple[str, ...] = ()
    """What was left over: tapes not played, or not to their ends."""
    under_way: bool = False
    """True if a connection is open and may still bring its tape to the end."""

    @property
    def text(self) -> str:
        return "\n\n".join((*self.mismatches, *self.shortfalls))


def judge(server: "ReplayServer", width: int) -> Verdict:
    """Judge a replay as it stands; `width` is that of the text in characters."""
    journal = server.journal
    connections: list[Mapping[str, Any]] = journal["connections"]
    mismatches: list[str] = []
    shortfalls: list[str] = []
    outcomes = iter(server.outcomes)
    for one in connections:  # in their order: what went wrong first may have led to the rest
        if one.get("refusal"):
            mismatches.append(one["refusal"])
            continue
        for report in next(outcomes, Outcome()).reports:
            left_early = report.kind == "early disconnect"
            (shortfalls if left_early else mismatches).append(in_words(report, width))
    under_way = False
    for one in connections:
        if not one.get("refusal") and not one["reports"] and not one["complete"]:
            shortfalls.append(unfinished(one))
            under_way = under_way or one["state"] == "open"
    shortfalls += unplayed(journal["unused"], connected=bool(connections), url=server.base_url)
    return Verdict(tuple(map(for_pytest, mismatches)), tuple(shortfalls), under_way)


def in_words(report: "Report", width: int) -> str:
    advice = tuple(map(for_pytest, report.advice))
    return replace(report, advice=advice).to_text(width)


def for_pytest(text: str) -> str:
    """A text in which options are called as in the marker, not as on the command line."""
    for pattern, word in _IN_THE_MARKER:
        text = pattern.sub(word, text)
    return text


def unfinished(connection: Mapping[str, Any]) -> str:
    """What of a tape was still to come when the test was over."""
    lines = [f"{connection['tape']} was not played to its end."]
    lines += _rows("never sent", connection["unsent"])
    lines += _rows("never delivered", connection["undelivered"])
    return "\n".join(lines)


def unplayed(names: Sequence[str], *, connected: bool, url: str) -> list[str]:
    """Sentences about the tapes that no client asked for."""
    if not names:
        return []
    if not connected:
        return [
            f"The test made no connection: {', '.join(names)} was not played. "
            f"Point its client at rtproxy.base_url ({url}), rtproxy.ws_url or rtproxy.url."
        ]
    return [f"{name} was not played: the test made no connection for it." for name in names]


def _rows(title: str, places: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for index, place in enumerate(places[:SHOWN]):
        head = f"  {title if index == 0 else '':<16}"
        kind = str(place["type"] or "a message")
        yield f"{head} {visible(kind)} (#{place['seq']} at {place['t_ms'] / 1000:.3f} s)"
    if len(places) > SHOWN:
        yield f"  {'':<16} and {len(places) - SHOWN} more"
