"""A call in a few words: latency, interruptions, tools, errors, tokens, findings."""

from rtproxy.realtime.finding import SEVERITIES
from rtproxy.realtime.session import Session

COUNTED = (("barge_ins", "barge-in"), ("tool_calls", "tool call"), ("errors", "error"))
"""What is counted only where there is any: the metric and its word."""


def digest(session: Session) -> list[str]:
    """How a call went, part by part; the last part is about findings."""
    metrics = session.metrics
    latency, found = metrics["v2v_ms"], session.findings
    tokens = (metrics["tokens_in"] or 0) + (metrics["tokens_out"] or 0)
    parts = [count(metrics["turns"], "turn")]
    if latency["n"]:
        median, most = length(latency["p50"]), length(latency["max"])
        one = latency["n"] == 1
        parts.append(f"voice to voice {most if one else f'p50 {median}, max {most}'}")
    parts += [count(metrics[key], word) for key, word in COUNTED if metrics[key]]
    if tokens:
        parts.append(f"{tokens:,} tokens")
    severities = [finding.severity for finding in found]
    counts = [
        f"{severities.count(severity)} info"
        if severity == "info"
        else count(severities.count(severity), severity)
        for severity in reversed(SEVERITIES)
        if severity in severities
    ]
    wrong = f"{count(len(found), 'finding')} ({', '.join(counts)})"
    return [*parts, wrong if found else "no findings"]


def length(ms: float) -> str:
    """A latency in words, such as `827 ms` or `1.11 s`."""
    return f"{ms:.0f} ms" if ms < 999.5 else f"{ms / 1000:.2f} s"


def count(number: int, word: str) -> str:
    """So many of something, such as `1 turn` or `2 turns`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
