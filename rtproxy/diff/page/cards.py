"""Differences and metrics as elements of the page."""

from collections.abc import Iterable, Iterator, Sequence
from shlex import quote

from rtproxy.diff.difference import Diff, Difference
from rtproxy.diff.distribution import SetDiff, Spread
from rtproxy.diff.excerpt import Span, sides
from rtproxy.diff.page.markup import Markup, joined, tag
from rtproxy.diff.report import (
    Group,
    MetricRow,
    brief,
    caller,
    groups,
    heading,
    latency,
    metric_rows,
    places,
    remark,
    set_budgets,
    spread_row,
    told_spreads,
    where,
)

SIGNS = {True: "✓", False: "✗", None: ""}
PLOT = 160
"""Width of the plot of an interval, in px."""


def metrics(diff: Diff | SetDiff) -> Markup:
    """The table of metrics and budgets; nothing where there are none."""
    rows = set_budgets(diff) if isinstance(diff, SetDiff) else metric_rows(diff)
    judged = "budget" if any(row.within is not None for row in rows) else ""
    return _table("metrics", ("metric", "a", "b", "change", judged), map(_metric, rows))


def _metric(row: MetricRow) -> Markup:
    kind = {True: "kept", False: "broken", None: None}[row.within]
    budget = f"{SIGNS[row.within]} {row.budget}".strip()
    cells = (row.a, row.b, row.change)
    return tag(
        "tr",
        tag("th", row.key, scope="row"),
        *(tag("td", cell, class_="number") for cell in cells),
        tag("td", budget, class_=kind),
    )


def differences(diff: Diff, prefix: str) -> Markup:
    """Only what differs, turn by turn; `prefix` begins every id."""
    numbers = {id(difference): n for n, difference in enumerate(diff.differences, 1)}
    at = {id(pair): n for n, pair in enumerate(diff.pairs)}
    return joined(*(_group(diff, group, numbers, at, prefix) for group in groups(diff)))


def _group(
    diff: Diff, group: Group, numbers: dict[int, int], at: dict[int, int], prefix: str
) -> Markup:
    pair, said = group.pair, caller(group.pair)
    kind = None if pair is None else pair.kind
    title = [tag("span", heading(pair), class_=f"which {kind or ''}".strip())]
    title += [tag("q", said)] if said else []
    return tag(
        "section",
        tag("h3", *title),
        *(
            _difference(diff, difference, f"{prefix}d{numbers[id(difference)]}")
            for difference in group.differences
        ),
        class_="turn",
        id=None if pair is None else f"{prefix}t{at[id(pair)]}",
    )


def _difference(diff: Diff, difference: Difference, name: str) -> Markup:
    a, b = sides(difference)
    about = [
        tag("span", difference.level, class_=f"level {difference.level}"),
        tag("code", where(difference), class_="where"),
    ]
    if remark(difference):
        about.append(tag("span", remark(difference), class_="remark"))
    about += [
        tag("span", *_events(diff, difference), class_="events"),
        tag("button", "show", type="button", class_="go", data_difference=name,
            aria_label=f"Show {where(difference)} in the timelines"),
    ]  # fmt: skip
    return tag(
        "article",
        tag("header", *about),
        *([tag("div", _side(a, "a"), _side(b, "b"), class_="sides")] if a or b else []),
        class_=f"difference {difference.kind}",
        id=name,
        tabindex=-1,
    )


def _events(diff: Diff, difference: Difference) -> Iterator[Markup]:
    """The events that show it, with the command that shows them."""
    for side, path, seq in (("a", diff.a, difference.a_seq), ("b", diff.b, difference.b_seq)):
        if seq is not None:
            command = f"rtproxy inspect {quote(path or 'TAPE')} --filter '#{seq}'"
            yield tag("span", f"{side} #{seq}", title=command)


def _side(spans: Sequence[Span], side: str) -> Markup:
    if not spans:
        return tag("div", class_=f"side {side} none")
    alone = all(span.changed for span in spans)
    words: list[str] = []
    for span in spans:
        words += [" "] if words else []
        inner = "del" if side == "a" else "ins"
        words.append(tag(inner, span.text) if span.changed and not alone else span.text)
    return tag("div", *words, class_=f"side {side} {'whole' if alone else ''}".rstrip())


# Sets.


def pairs(diff: SetDiff, names: dict[str, str]) -> Markup:
    """The table of pairs; `names` gives the id of a pair's own part of the page."""
    rows = [
        (pair.name, pair.diff.equal, brief(pair.diff), latency(pair.diff), places(pair.diff))
        for pair in diff.pairs
    ]
    rows += [(name, False, "only in a", "", "") for name in diff.only_a]
    rows += [(name, False, "only in b", "", "") for name in diff.only_b]
    return _table(
        "pairs",
        ("pair", "result", "v2v.p50", "where"),
        (
            tag(
                "tr",
                tag("th", _link(name, names.get(name)), scope="row"),
                tag("td", f"{SIGNS[equal]} {how}", class_="kept" if equal else "broken"),
                tag("td", slower, class_="number"),
                tag("td", where),
            )
            for name, equal, how, slower, where in sorted(rows)
        ),
    )


def _link(text: str, name: str | None) -> str:
    return text if name is None else tag("a", text, href=f"#{name}")


def spreads(diff: SetDiff) -> Markup:
    """Medians and intervals of the change, each also as a picture."""
    heads = ("metric", "a", "b", "change", "95 % interval", "", "turns", "")
    return _table(
        "spreads",
        heads,
        (
            tag(
                "tr",
                tag("th", row.key, scope="row"),
                *(tag("td", cell, class_="number") for cell in (row.a, row.b, row.change)),
                tag("td", row.interval, class_="number"),
                tag("td", _plot(spread)),
                tag("td", row.turns, class_="number"),
                tag("td", row.meaning, class_="certain" if row.certain else None),
            )
            for spread in told_spreads(diff)
            for row in [spread_row(spread)]
        ),
    )


def _plot(spread: Spread) -> Markup:
    """The interval as a bar, the change as a dot, nought as a line."""
    if spread.low is None or spread.high is None or spread.change is None:
        return Markup("")
    reach = max(abs(spread.low), abs(spread.high), 1e-9) * 1.15

    def x(value: float) -> float:
        return round(PLOT / 2 + value / reach * PLOT / 2, 2)

    low, high = x(spread.low), x(spread.high)
    return tag(
        "svg",
        tag("line", x1=PLOT / 2, x2=PLOT / 2, y1=0, y2=16, class_="nought"),
        tag("line", x1=low, x2=high, y1=8, y2=8, class_="interval"),
        tag("circle", cx=x(spread.change), cy=8, r=4),
        width=PLOT,
        height=16,
        class_=f"plot {'certain' if spread.certain else ''}".rstrip(),
        aria_hidden="true",
    )


def _table(name: str, heads: Sequence[str], rows: Iterable[Markup]) -> Markup:
    body = list(rows)
    if not body:
        return Markup("")
    head = tag("tr", *(tag("th", text, scope="col") for text in heads))
    table = tag("table", tag("thead", head), tag("tbody", *body), class_=name)
    return tag("div", table, class_="table", tabindex=0)
