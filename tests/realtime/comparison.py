"""The table of docs/metrics.md: what was scheduled in each simulated call, and what was measured.

`python -m tests.realtime.comparison` prints it.
"""

from collections.abc import Iterator

from tests.realtime.scenarios import CASES

COLUMNS = {
    "v2v_ms": "v2v",
    "endpoint_ms": "endpoint",
    "queue_ms": "queue",
    "model_ms": "model",
    "tool_ms": "tool",
    "heard_ms": "heard",
    "prebuffer_ms": "prebuffer",
    "barge_in_ms": "barge-in",
}


def table() -> Iterator[str]:
    """Lines of the table; a cell is scheduled / measured, or empty where nothing was scheduled."""
    yield f"| call | turn | {' | '.join(COLUMNS.values())} | findings |"
    yield "|---|---|" + "---|" * (len(COLUMNS) + 1)
    for case in CASES:
        session = case.session()
        for turn, scheduled in zip(session.turns, case.turns, strict=True):
            measured = session.measure(turn)
            cells = [_cell(scheduled.get(key), measured[key]) for key in COLUMNS]
            found = [f.code for f in session.findings if f.turn in (turn.n, None)]
            yield f"| {case.name} | {turn.n} | {' | '.join(cells)} | {', '.join(found)} |"


def _cell(scheduled: float | None, measured: float | None) -> str:
    if scheduled is None or measured is None:
        return ""
    return f"{scheduled:.0f} / {measured:.0f}"


if __name__ == "__main__":
    print("\n".join(table()))
