"""The turns and the findings of a call as lines of a table."""

from rtproxy.inspect.tui.line import Ink, Line, Piece, line
from rtproxy.realtime.finding import Finding
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn

COLUMNS: tuple[tuple[str, str], ...] = (
    ("voice", "v2v_ms"),
    ("endpoint", "endpoint_ms"),
    ("queue", "queue_ms"),
    ("model", "model_ms"),
    ("tool", "tool_ms"),
    ("audio", "audio_ms"),
    ("heard", "heard_ms"),
    ("prebuffer", "prebuffer_ms"),
)
"""Headings and the metrics below them, in ms, the most telling ones first."""
CELLS, END_CELLS = 5, 11
WORDS_CELLS = 24
"""Cells that words want at least; where there are fewer, the last columns go."""
MAX_WORDS = 400
ENDS: dict[str, Ink] = {
    "completed": "",
    "failed": "error",
    "unanswered": "error",
}
"""How a turn ended → its ink; for any other end it is that of a pause."""

Columns = tuple[tuple[str, str], ...]


def columns_for(width: int) -> Columns:
    """As many columns as leave room for words."""
    room = width - 4 - 9 - END_CELLS - 2 - WORDS_CELLS
    chosen: list[tuple[str, str]] = []
    for head, key in COLUMNS:
        room -= max(CELLS, len(head)) + 1
        if room < 0 and len(chosen) >= 4:
            break
        chosen.append((head, key))
    return tuple(chosen)


def turn_heading(columns: Columns) -> Line:
    heads = " ".join(f"{head:>{max(CELLS, len(head))}}" for head, _ in columns)
    return line((f"turn {'at s':>8} {heads}  {'end':<{END_CELLS}} said (ms)", "label"))


def turn_line(session: Session, turn: Turn, columns: Columns, slow: frozenset[int]) -> Line:
    """A turn: when it began, what it measured, how it ended, what was said."""
    metrics = session.measure(turn)
    pieces: list[Piece] = [
        (f"{turn.n:>4} ", "strong"),
        (f"{turn.began_ms / 1000:>8.2f} ", "quiet"),
    ]
    heard, audio = metrics["heard_ms"], metrics["audio_ms"]
    for head, key in columns:
        ink: Ink = ""
        if key == "v2v_ms":
            ink = "warning" if turn.n in slow else "strong"
        elif key == "heard_ms" and heard is not None and audio is not None and heard < audio - 1:
            ink = "pause"
        pieces.append((f"{cell(metrics[key]):>{max(CELLS, len(head))}} ", ink))
    end = turn.end
    pieces.append((f" {end:<{END_CELLS}.{END_CELLS}} ", ENDS.get(end, "pause")))
    pieces += _words(turn)
    return line(*pieces, seq=turn.seq)


def _words(turn: Turn) -> list[Piece]:
    """What the caller said, which tools were called, how the answer began."""
    called = ", ".join(f"{call.name or '?'}()" for call in turn.calls)
    user, assistant = turn.user, turn.assistant
    parts: list[Piece] = [
        (f"“{user[:MAX_WORDS]}”" if user else "", "caller"),
        (called, "tool"),
        (f"“{assistant[:MAX_WORDS]}”" if assistant else "", "heard"),
    ]
    found: list[Piece] = []
    for part in parts:
        if part[0]:
            found += [part] if not found else [(" → ", "quiet"), part]
    return found


def finding_line(mark: str, finding: Finding, at_ms: float | None) -> Line:
    """A finding: its mark, its code, when and where it shows, what happened."""
    when = "" if at_ms is None else f"{at_ms / 1000:.2f}"
    turn = "" if finding.turn is None else f"turn {finding.turn}"
    return line(
        (f"{mark:<4} ", finding.severity),
        (f"{when:>8} ", "quiet"),
        (f"{turn:<8} ", "quiet"),
        (f"{finding.code:<16} ", finding.severity),
        (finding.message, ""),
        seq=finding.events[-1] if finding.events else None,
    )


def cell(ms: float | None) -> str:
    """Milliseconds in a column's width; seconds where they are many."""
    if ms is None:
        return "–"
    return f"{ms:.0f}" if ms < 99_999.5 else f"{ms / 1000:.0f} s"
