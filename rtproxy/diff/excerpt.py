"""Two texts as they are shown beside one another: words that differ, and some around them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rtproxy.diff.difference import Difference, WordRun
from rtproxy.diff.report import written

AROUND = 12
"""Words that are shown before and after those that differ."""
ELIDED = 6
"""Words that are left out at least: fewer are as short as the sign for them."""
DOTS = "…"


@dataclass(frozen=True, slots=True)
class Span:
    """Words in a row, of which all or none differ."""

    text: str
    changed: bool


def sides(difference: Difference) -> tuple[list[Span], list[Span]]:
    """Both values; a side without one is empty."""
    if difference.words is not None:
        return excerpt(difference.words)
    a, b = written(difference, "a"), written(difference, "b")
    return [Span(a, True)] if a else [], [Span(b, True)] if b else []


def excerpt(words: Sequence[WordRun]) -> tuple[list[Span], list[Span]]:
    """The sides of aligned words, without what is far from any that differ."""
    a: list[Span] = []
    b: list[Span] = []
    for at, run in enumerate(words):
        first, last = at == 0, at == len(words) - 1
        changed = run.kind != "same"
        for spans, text in ((a, run.a), (b, run.b)):
            shown = text if changed else _around(text, first, last)
            if shown:
                spans.append(Span(shown, changed))
    return a, b


def _around(text: str, first: bool, last: bool) -> str:
    """The beginning and the end of a text, as far as they are near to what differs."""
    if first and last:
        return text
    words = text.split(" ")
    head, tail = (0 if first else AROUND), (0 if last else AROUND)
    if len(words) < head + tail + ELIDED:
        return text
    kept = [*words[:head], DOTS, *words[len(words) - tail :]]
    return " ".join(kept)


def joined(spans: Iterable[Span]) -> str:
    """The text of spans."""
    return " ".join(span.text for span in spans)


def marked(spans: Iterable[Span], sign: str) -> str:
    """The text of spans, with `sign` around what differs: `[-old-]` for "[-"."""
    closing = sign[::-1].translate(CLOSING)
    return " ".join(f"{sign}{span.text}{closing}" if span.changed else span.text for span in spans)


CLOSING = str.maketrans("[{", "]}")
