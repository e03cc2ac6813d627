"""The page: a summary, both timelines over one axis, and what differs.

Markup comes from `tag` alone; style and script are ours and fixed, and the Content-Security-Policy
allows just these two by their hashes, and no connection to anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rtproxy.diff.difference import Diff
from rtproxy.diff.distribution import SetDiff
from rtproxy.diff.page.cards import differences, metrics, pairs, spreads
from rtproxy.diff.page.drawing import Drawing, legend
from rtproxy.diff.page.lanes import Side
from rtproxy.diff.page.markup import Markup, joined, tag
from rtproxy.diff.report import compared, result
from rtproxy.view.embed import hash_of

LOOKS = ("speech", "heard", "unheard", "dry", "waiting", "streaming", "tool")
UNTIMED = "One of these tapes has no times: there is no timeline."
Sides = tuple[Side, Side]


@dataclass(frozen=True, slots=True)
class Assets:
    """The page's own files."""

    style: str
    script: str


def page(diff: Diff, sides: Sides, assets: Assets) -> bytes:
    """The page of two sessions."""
    body = joined(
        _head(diff, diff.a or "a", diff.b or "b"),
        tag("main", _pair(diff, sides, "")),
    )
    return _document(f"{diff.a or 'a'} → {diff.b or 'b'}", body, assets)


def set_page(diff: SetDiff, a: str, b: str, sides: Mapping[str, Sides], assets: Assets) -> bytes:
    """The page of two sets, called `a` and `b`, with a part for each pair that differs.

    `sides` are those of the pairs that differ, by name.
    """
    differing = [pair for pair in diff.pairs if pair.name in sides]
    names = {pair.name: f"p{n}" for n, pair in enumerate(differing, 1)}
    parts = [
        tag(
            "section",
            tag("h2", pair.name),
            _pair(pair.diff, sides[pair.name], names[pair.name]),
            class_="pair",
            id=names[pair.name],
        )
        for pair in differing
    ]
    body = joined(
        _head(diff, a, b),
        tag("main", pairs(diff, names), spreads(diff), metrics(diff), *parts),
    )
    return _document(f"{a} → {b}", body, assets)


def _head(diff: Diff | SetDiff, a: str, b: str) -> Markup:
    verdict = "equal" if diff.equal else "different"
    return tag(
        "header",
        tag("h1", result(diff), class_=verdict),
        tag(
            "dl",
            tag("dt", "a", class_="a"), tag("dd", a),
            tag("dt", "b", class_="b"), tag("dd", b),
            tag("dt", "compared"), tag("dd", compared(diff)),
        ),
        class_="head",
    )  # fmt: skip


def _pair(diff: Diff, sides: Sides, prefix: str) -> Markup:
    notes = list(diff.notes)
    timed = all(side.session.times_known for side in sides)
    drawn = _timelines(diff, sides, prefix) if timed else Markup("")
    notes += [] if timed else [UNTIMED]
    found = differences(diff, prefix)
    return joined(
        *(tag("p", note, class_="note") for note in notes),
        metrics(diff),
        drawn,
        found or tag("p", "Nothing differs.", class_="nothing"),
    )


def _timelines(diff: Diff, sides: Sides, prefix: str) -> Markup:
    zoom = [
        tag("button", "−", type="button", class_="out", aria_label="Zoom out"),
        tag("button", "+", type="button", class_="in", aria_label="Zoom in"),
        tag("button", "all", type="button", class_="all", aria_label="Show all of it"),
    ]
    steps = [
        tag("button", "‹", type="button", class_="before", aria_label="Difference before"),
        tag("button", "›", type="button", class_="after", aria_label="Next difference"),
        tag("span", class_="place", role="status"),
    ]
    has_differences = bool(diff.differences)
    names = tag("div", *(_names(side) for side in ("a", "b")), class_="names", aria_hidden="true")
    return tag(
        "section",
        tag(
            "div",
            tag("div", *zoom, class_="group"),
            *([tag("div", *steps, class_="group")] if has_differences else []),
            legend(LOOKS),
            class_="toolbar",
        ),
        tag(
            "div",
            names,
            tag("div", Drawing(diff, *sides, prefix).markup(), class_="scroll", tabindex=0,
                role="group", aria_label="Timelines; arrow keys scroll, plus and minus zoom"),
            class_="board",
        ),
        class_="timelines",
        data_level=0,
    )  # fmt: skip


def _names(side: str) -> Markup:
    lanes = ("caller", "assistant", "responses", "tools")
    return tag("div", tag("b", side), *(tag("span", lane) for lane in lanes), class_=side)


def _document(title: str, body: Markup, assets: Assets) -> bytes:
    policy = "; ".join((
        "default-src 'none'",
        f"script-src {hash_of(assets.script)}",
        f"style-src {hash_of(assets.style)}",
        "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ))  # fmt: skip
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content="rtproxy"),
        tag("title", f"{title} · rtproxy diff"),
        tag("style", Markup(assets.style)),
    )
    script = tag("script", Markup(assets.script))
    document = tag("html", head, tag("body", body, script), lang="en")
    return f"<!doctype html>\n{document}\n".encode()
