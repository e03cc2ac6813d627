"""A made-up difference between two sessions, with something of everything that a report shows."""

from typing import Any

from rtproxy.diff.difference import Diff, Difference, Metric, TurnPair, Verdict, WordRun
from rtproxy.diff.distribution import SetDiff, SetPair, Spread

LONG = (
    "You can change the address of an order for as long as it has not left our warehouse, which "
    "is usually until four in the afternoon of the day on which you placed it; after that please "
    "wait until it has arrived and send it back to us, which costs you nothing at all."
)
WORDS = (
    WordRun("same", "It has shipped and arrives on", "It has shipped and arrives on"),
    WordRun("changed", "Thursday.", "Friday."),
    WordRun("same", LONG, LONG),
    WordRun("removed", "Anything else?", ""),
)


def text_of(side: str) -> str:
    return " ".join(filter(None, (getattr(run, side) for run in WORDS)))


DIFFERENCES = (
    Difference("text", None, None, "session.audio.output.voice", "changed", "alloy", "marin", 2, 2),
    Difference(
        "tools", 1, 1, "turns[0].tools[0].arguments.order", "changed", "latest", "12", 143, 150
    ),
    Difference(
        "tools", 1, 1, "turns[0].tools[1]", "added", None,
        {"name": "send_mail", "arguments": {"to": "me@example.com"}, "output": "sent"}, None, 161,
    ),
    Difference(
        "text", 1, 1, "turns[0].responses[1].items[0].text", "changed",
        text_of("a"), text_of("b"), 311, 318,
        words=WORDS, wer=0.0612,
    ),
    Difference(
        "timing", 1, 1, "turns[0].metrics.model_ms", "changed", 827.0, 1115.2, 120, 122, "ms"
    ),
    Difference(
        "structure", 2, 2, "turns[1].responses[0].status", "changed",
        "completed", "cancelled", 468, 477,
    ),
    Difference("structure", 3, 4, "turns[2]", "moved", 3, 4, 470, 520),
    Difference(
        "structure", None, 3, "turns[2]", "added", None,
        {"kind": "speech", "user": "Do you deliver to the moon?", "assistant": "Not yet."},
        None, 490,
    ),
)  # fmt: skip

PAIRS = (
    TurnPair("changed", 1, 1, "Hi, where is my order?", "Hi, where is my order?",
             text_of("a"), text_of("b"), 26, 26, 511.0, 512.0),
    TurnPair("changed", 2, 2, "Stop, that is fine.", "Stop, that is fine.", "Sure.", "Sure.",
             309, 315, 4431.0, 4600.0),
    TurnPair("added", None, 3, None, "Do you deliver to the moon?", None, "Not yet.",
             None, 490, None, 6100.0),
    TurnPair("moved", 3, 4, "Thanks, bye.", "Thanks, bye.", "Bye!", "Bye!",
             470, 520, 6700.0, 7900.0),
)  # fmt: skip

METRICS = (
    Metric("v2v.p50", 827.0, 1115.2, "ms", 3, 4),
    Metric("v2v.max", 1115.2, 1115.2, "ms", 3, 4),
    Metric("v2v.p95", 1100.0, 1110.0, "ms", 3, 4),
    Metric("model.p50", 300.4, 290.0, "ms", 3, 4),
    Metric("barge_in.p50", None, 12.5, "ms", 0, 1),
    Metric("tool.p50", None, None, "ms", 0, 0),
    Metric("tokens_out", 174, 1212, "tokens"),
    Metric("assistant.wer", 0.0, 6.12, "%"),
    Metric("errors", 0, 2, ""),
)
BUDGETS = (
    Verdict("v2v.p50=+200ms", "v2v.p50", 827.0, 1115.2, 1027.0, "ms", False),
    Verdict("v2v.max=+20%", "v2v.max", 1115.2, 1115.2, 1338.2, "ms", True),
    Verdict("tool.max=+50ms", "tool.max", None, None, None, "ms", True, "neither has any"),
)


def diff(**fields: Any) -> Diff:
    """The sample, with other fields if need be."""
    made: dict[str, Any] = {
        "level": "timing",
        "pairs": PAIRS,
        "differences": DIFFERENCES,
        "metrics": METRICS,
        "budgets": BUDGETS,
        "a": "recordings/yesterday.rtape",
        "b": "recordings/today.rtape",
        "notes": ("Not all audio is on today.rtape: what rests on it is not compared.",),
    }
    return Diff(**(made | fields))


def equal(**fields: Any) -> Diff:
    """Two sessions that are the same at text."""
    pairs = tuple(
        TurnPair("same", n, n, f"Question {n}", f"Question {n}", "Answer", "Answer",
                 10 * n, 11 * n, 1000.0 * n, 1010.0 * n)
        for n in (1, 2)
    )  # fmt: skip
    made = {"level": "text", "pairs": pairs, "differences": (), "budgets": (), "notes": ()}
    return diff(**(made | fields))


def many() -> SetDiff:
    """Two folders: some pairs are the same, one is not, and each has one that the other has not."""
    pairs = [SetPair(f"call-{n}", equal(a=f"old/call-{n}.rtape", b=f"new/call-{n}.rtape"))
             for n in range(1, 6)]  # fmt: skip
    pairs[2] = SetPair("call-3", diff(a="old/call-3.rtape", b="new/call-3.rtape"))
    return SetDiff(
        "timing",
        tuple(pairs),
        ("gone",),
        ("fresh",),
        (
            Spread("v2v_ms", "ms", 827.0, 1020.0, 190.0, 120.5, 260.0, 14, 5),
            Spread("model_ms", "ms", 300.0, 298.0, -2.0, -31.0, 29.0, 14, 5),
            Spread("tool_ms", "ms", 250.0, 255.0, 5.0, None, None, 3, 3),
        ),
        (Verdict("v2v.p50=+100ms", "v2v.p50", 827.0, 1020.0, 927.0, "ms", False),),
    )
