"""Budgets: what they allow, and what is said of them."""

import pytest

from rtproxy.diff.budget import Values, parse_budget
from rtproxy.diff.difference import Metric
from rtproxy.errors import DiffError

ALLOWED = [
    ("v2v.p50=+200ms", 700, 900),
    ("v2v.p50 = +0.2s", 700, 900),
    ("v2v.max=+20%", 1000, 1200),
    ("v2v.p95=900ms", 5000, 900),
    ("v2v.p95=900", None, 900),
    ("v2v_ms.p50=+200ms", 700, 900),
    ("V2V.P50=+200MS", 700, 900),
    ("model.p50=-50ms", 400, 350),
    ("model.p50=-10%", 400, 360),
    ("endpoint=+100ms", 300, 400),
    ("barge_in_detection.max=1.5s", 0, 1500),
    ("tokens_out=+10%", 200, 220),
    ("tokens_in=+50 tokens", 200, 250),
    ("errors=0", 3, 0),
    ("assistant.wer=5%", 0, 5),
    ("assistant.wer=+5%", 0, 5),
    ("v2v.p50=+200ms", None, None),
]


@pytest.mark.parametrize(("text", "a", "allowed"), ALLOWED)
def test_what_a_budget_allows(text: str, a: float | None, allowed: float | None) -> None:
    found = parse_budget(text).allowed(a)
    assert found == (pytest.approx(allowed) if allowed is not None else None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no budget: write one such as v2v.p50=+200ms"),
        ("v2v.p50", "is no budget: write one such as"),
        ("v2v.p50=", "is no budget: write one such as"),
        ("v2v.p50=fast", "is no budget: write one such as"),
        ("v2v.p50=++2ms", "is no budget: write one such as"),
        ("v3v.p50=+2ms", "there is no metric v3v.p50; choose from v2v, endpoint"),
        ("v2v.p51=+2ms", "there is no metric v2v.p51"),
        ("tokens_in.p50=+2", "there is no metric tokens_in.p50"),
        ("tokens_in=+2ms", "tokens_in is not counted in ms"),
        ("v2v.p50=+2tokens", "v2v.p50 is not counted in tokens"),
        ("v2v.p50=20%", "a share of what?"),
    ],
)
def test_what_is_no_budget(text: str, said: str) -> None:
    with pytest.raises(DiffError) as caught:
        parse_budget(text)
    assert said in str(caught.value)
    assert str(caught.value).endswith(".")


def metric(a: float | None, b: float | None) -> Metric:
    return Metric("v2v.p50", a, b, "ms")


@pytest.mark.parametrize(
    ("text", "a", "b", "ok", "why"),
    [
        ("v2v.p50=+200ms", 700, 900, True, None),
        ("v2v.p50=+200ms", 700, 901, False, None),
        ("v2v.p50=+200ms", 700, 100, True, None),
        ("v2v.p50=900ms", None, 800, True, None),
        ("v2v.p50=900ms", None, 950, False, None),
        ("v2v.p50=+200ms", None, 900, True, "not known in the first"),
        ("v2v.p50=+200ms", 700, None, False, "not known in the second"),
        ("v2v.p50=+200ms", None, None, True, "not known in either"),
    ],
)
def test_a_verdict(text: str, a: float | None, b: float | None, ok: bool, why: str | None) -> None:
    verdict = parse_budget(text).judge(metric(a, b))
    assert (verdict.ok, verdict.why, verdict.budget) == (ok, why, text)


def test_a_budget_of_every_turn_is_judged_by_the_worst() -> None:
    budget = parse_budget("v2v=+100ms")
    turns: list[tuple[int, Values, Values]] = [
        (1, {"v2v_ms": 500.0}, {"v2v_ms": 550.0}),
        (2, {"v2v_ms": 500.0}, {"v2v_ms": 700.0}),
        (3, {"v2v_ms": None}, {"v2v_ms": 9000.0}),
    ]
    verdict = budget.judge_each(turns)
    assert (verdict.ok, verdict.a, verdict.b, verdict.why) == (False, 500.0, 700.0, "turn 2")
    assert budget.judge_each(turns[:1]).ok
    assert budget.judge_each([]).why == "not known in either"
