"""What is said of a difference, whoever shows it: results, places, values, metrics in words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rtproxy.diff.difference import LEVELS, Diff, Difference, Level, Metric, TurnPair, Verdict, rank
from rtproxy.diff.distribution import SetDiff, Spread
from rtproxy.diff.summary import summary

MAIN = (
    "v2v.p50", "v2v.max", "endpoint.p50", "queue.p50", "model.p50", "tool.p50", "barge_in.p50",
    "tokens_out",
)  # fmt: skip
"""Metrics that always stand in the table; others if a budget is on them or they changed."""
MAIN_TIMES = frozenset(key.partition(".")[0] + "_ms" for key in MAIN if "." in key)
"""Metrics of turns of which a set's table always tells; others if they surely changed."""
MUCH_MS, MUCH = 50.0, 0.1
"""A time that changed by so many ms and by this part of it is worth a line."""
LONG_MS = 9_999.5
"""From here on milliseconds are told in seconds."""
MINUS = "−"
UNITS = {"tokens": "", "count": ""}
"""Units that the name of the metric says."""


@dataclass(frozen=True, slots=True)
class Group:
    """The differences of a pair of turns, or of what belongs to no turn: then `pair` is None."""

    pair: TurnPair | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric in words. `within` is None where there is no budget on it, `budget` says which."""

    key: str
    a: str
    b: str
    change: str
    budget: str = ""
    within: bool | None = None


def groups(diff: Diff) -> list[Group]:
    """Only what differs: first what belongs to no turn, then each turn in its order."""
    turns = {(pair.a, pair.b): pair for pair in diff.pairs}
    found: dict[tuple[int | None, int | None] | None, list[Difference]] = {None: []}
    for key in turns:
        found[key] = []
    for difference in diff.differences:
        of = difference.turn, difference.other_turn
        found[of if of in turns else None].append(difference)
    return [
        Group(None if key is None else turns[key], tuple(differences))
        for key, differences in found.items()
        if differences
    ]


def result(diff: Diff | SetDiff) -> str:
    """How it came out, such as `3 differences (tools 1, text 2) · in 1 of 4 turns`."""
    if isinstance(diff, SetDiff):
        return _set_result(diff)
    parts = []
    if diff.differences:
        by_level = ", ".join(f"{level} {n}" for level, n in diff.count().items() if n)
        parts.append(f"{count(len(diff.differences), 'difference')} ({by_level})")
        turns = sum(group.pair is not None for group in groups(diff))
        if turns:
            parts.append(f"in {turns} of {count(len(diff.pairs), 'turn')}")
    else:
        parts.append("equal")
    return " · ".join([*parts, *_budgets(diff.budgets)])


def brief(diff: Diff) -> str:
    """How a pair of many came out, in the fewest words."""
    broken = sum(not verdict.ok for verdict in diff.budgets)
    parts = [count(len(diff.differences), "difference")] if diff.differences else []
    parts += [f"{count(broken, 'budget')} broken"] if broken else []
    return ", ".join(parts) or "equal"


def latency(diff: Diff) -> str:
    """By how much the median of voice to voice changed; "" where it is not known."""
    for metric in diff.metrics:
        if metric.key == "v2v.p50" and metric.change is not None:
            return signed(metric.change, metric.unit)
    return ""


def _set_result(diff: SetDiff) -> str:
    differ = sum(not pair.diff.equal for pair in diff.pairs)
    total = count(len(diff.pairs), "pair")
    parts = [f"{differ} of {total} differ" if differ else f"{total} equal"]
    for names, side in ((diff.only_a, "a"), (diff.only_b, "b")):
        if names:
            parts.append(f"{len(names)} only in {side}")
    return " · ".join([*parts, *_budgets(diff.budgets)])


def _budgets(verdicts: Sequence[Verdict]) -> Iterator[str]:
    broken = sum(not verdict.ok for verdict in verdicts)
    if broken:
        of = f" of {len(verdicts)}" if broken < len(verdicts) else ""
        yield f"{broken}{of} {'budget' if len(verdicts) == 1 else 'budgets'} broken"
    elif verdicts:
        yield "budget kept" if len(verdicts) == 1 else f"{len(verdicts)} budgets kept"


def compared(diff: Diff | SetDiff) -> str:
    """What was compared: a level and those that it includes."""
    levels = LEVELS[: rank(diff.level) + 1]
    parts = [", ".join(levels)]
    if isinstance(diff, Diff):
        a = sum(pair.a is not None for pair in diff.pairs)
        b = sum(pair.b is not None for pair in diff.pairs)
        parts.append(count(a, "turn") if a == b else f"{a} and {count(b, 'turn')}")
        if diff.turn is not None:
            parts[-1] = f"turn {diff.turn} alone"
    return " · ".join(parts)


def heading(pair: TurnPair | None) -> str:
    """Which turn of which: `turn 2`, `turn 2 → 3`, `turn 4 only in b`; `session` for none."""
    if pair is None:
        return "session"
    if pair.a is None or pair.b is None:
        return (
            f"turn {pair.b if pair.a is None else pair.a} only in {'b' if pair.a is None else 'a'}"
        )
    return f"turn {pair.a}" if pair.a == pair.b else f"turn {pair.a} → {pair.b}"


def caller(pair: TurnPair | None) -> str:
    """What the caller said in a turn, as far as one of both knows it."""
    return "" if pair is None else pair.a_user or pair.b_user or ""


def where(difference: Difference) -> str:
    """Level and place within the turn, such as `tools[0].arguments.city`."""
    return difference.place or {"added": "new turn", "removed": "missing turn"}.get(
        difference.kind, "turn"
    )


def events(difference: Difference) -> str:
    """The events that show it, as `a #184 · b #190`; "" where none is known."""
    sides = (("a", difference.a_seq), ("b", difference.b_seq))
    return " · ".join(f"{side} #{seq}" for side, seq in sides if seq is not None)


def remark(difference: Difference) -> str:
    """What there is to say beside the values: how much of a text, by how much a number."""
    if difference.kind == "moved":
        return "moved"
    if difference.wer is not None and difference.words is not None:
        return f"{difference.wer * 100:.0f} % of words differ"
    a, b = difference.a, difference.b
    if difference.unit is not None and is_number(a) and is_number(b):
        return signed(b - a, difference.unit)
    return ""


def written(difference: Difference, side: str) -> str:
    """The value of a side ("a" or "b") as it is shown; "" where there is none."""
    if difference.kind == ("added" if side == "a" else "removed"):
        return ""
    if difference.kind == "moved" and not difference.place:
        return ""  # the heading says from where to where
    found = difference.a if side == "a" else difference.b
    if isinstance(found, str) and difference.words is None:
        return f'"{found}"' if not found or difference.level == "tools" else found
    if difference.unit is not None and is_number(found):
        return amount(found, difference.unit)
    return summary(found, difference.path)


def places(diff: Diff) -> str:
    """Where two sessions differ, in one line: `turn 1 assistant, v2v_ms; turn 2 end`."""
    found = []
    for group in groups(diff):
        named = ", ".join(dict.fromkeys(map(where, group.differences)))
        found.append(named if group.pair is None else f"{heading(group.pair)} {named}")
    return "; ".join(found)


# Metrics.


def metric_rows(diff: Diff) -> list[MetricRow]:
    """The metrics that are known in one of both, with the verdicts of the budgets on them."""
    rows, judged = [], {verdict.key: verdict for verdict in diff.budgets}
    for metric in diff.metrics:
        verdict = judged.pop(metric.key, None)
        if verdict is not None or _tells(metric):
            rows.append(_metric_row(metric, verdict))
    for verdict in judged.values():
        metric = Metric(verdict.key, verdict.a, verdict.b, verdict.unit)
        rows.append(_metric_row(metric, verdict))
    return rows


def _tells(metric: Metric) -> bool:
    """Whether a metric on which there is no budget is worth a line."""
    if metric.a is None and metric.b is None:
        return False
    if metric.key in MAIN:
        return True
    if metric.a is None or metric.b is None or metric.change is None:
        return False
    if metric.unit == "ms":
        if metric.key.endswith(".p95"):
            return False
        return abs(metric.change) >= max(MUCH_MS, MUCH * abs(metric.a))
    return abs(metric.change) > (MUCH * abs(metric.a) if metric.unit == "tokens" else 0.005)


def _metric_row(metric: Metric, verdict: Verdict | None) -> MetricRow:
    unit, change = metric.unit, metric.change
    return MetricRow(
        metric.key,
        amount(metric.a, unit),
        amount(metric.b, unit),
        "" if change is None else signed(change, unit),
        "" if verdict is None else ruling(verdict),
        None if verdict is None else verdict.ok,
    )


def ruling(verdict: Verdict) -> str:
    """A budget and what follows from it, such as `v2v.p50=+200ms: at most 1,027 ms`."""
    limit = "" if verdict.allowed is None else f": at most {amount(verdict.allowed, verdict.unit)}"
    why = f" ({verdict.why})" if verdict.why else ""
    return f"{verdict.budget}{limit}{why}"


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """A metric of two sets in words: medians, the change and its interval, what to make of it."""

    key: str
    a: str
    b: str
    change: str
    interval: str
    turns: str
    meaning: str
    certain: bool


def told_spreads(diff: SetDiff) -> list[Spread]:
    """The metrics of a set that are worth a line: known in both, and the main ones or changed."""
    return [
        spread
        for spread in diff.spreads
        if spread.change is not None and (spread.key in MAIN_TIMES or _surely(spread))
    ]


def _surely(spread: Spread) -> bool:
    """Whether a change is no chance, and one that matters."""
    return spread.certain and spread.change is not None and abs(spread.change) >= 1


def spread_row(spread: Spread) -> SpreadRow:
    unit, change, low, high = spread.unit, spread.change, spread.low, spread.high
    interval, meaning = "–", "too few to tell"
    if low is not None and high is not None:
        interval = f"{signed(low, unit)} … {signed(high, unit)}"
        unchanged = abs(change or 0) < 0.5 and not spread.certain
        meaning = (
            "more than chance" if spread.certain else "no change" if unchanged else "may be chance"
        )
    return SpreadRow(
        spread.key,
        amount(spread.a, unit),
        amount(spread.b, unit),
        "" if change is None else signed(change, unit),
        interval,
        f"{spread.turns:,}",
        meaning,
        spread.certain,
    )


def set_budgets(diff: SetDiff) -> list[MetricRow]:
    """The verdicts over all sessions, as rows of a table."""
    return [_metric_row(Metric(v.key, v.a, v.b, v.unit), v) for v in diff.budgets]


def amount(number: float | None, unit: str) -> str:
    """A measure in words, such as `827 ms`, `1.11 s`, `−2.1 dB`, `12 %`; – for none."""
    if number is None:
        return "–"
    if unit == "ms" and abs(number) >= LONG_MS:
        return _signless(f"{number / 1000:,.2f} s")
    digits = 0 if unit == "ms" or abs(number) >= 100 else 1 if abs(number) >= 10 else 3
    text = f"{number:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return _signless(f"{text} {UNITS.get(unit, unit)}".rstrip())


def signed(number: float, unit: str) -> str:
    """A change in words, such as `+288 ms`, `−2 dB`, `±0 ms`."""
    text = amount(number, unit)
    if text.startswith(MINUS):
        return text
    return f"+{text}" if text.strip("0. ")[:1].isdigit() else f"±{text}"


def _signless(text: str) -> str:
    return (
        MINUS + text[1:]
        if text.startswith("-") and text.strip("-0. ")[:1].isdigit()
        else text.lstrip("-")
    )


def is_number(found: object) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)


def count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def by_level(differences: Iterable[Difference]) -> dict[Level, list[Difference]]:
    """Differences by their level, the levels in their order."""
    found: dict[Level, list[Difference]] = {level: [] for level in LEVELS}
    for difference in differences:
        found[difference.level].append(difference)
    return {level: some for level, some in found.items() if some}
