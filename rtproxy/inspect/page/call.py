"""The call as the page tells it: what it is, its lanes, what was said, its turns and findings.

Every text that comes from the tape is made visible here, so that what a browser would hide or turn
around (control characters, marks of direction) stands as its escape.
"""

from typing import Any

from rtproxy.inspect.overview import Overview, damage_line
from rtproxy.inspect.page.lanes import lanes
from rtproxy.inspect.page.waits import waits
from rtproxy.inspect.timeline import Moments
from rtproxy.realtime.dialogue import Line, dialogue
from rtproxy.realtime.event import mappings, string
from rtproxy.realtime.finding import Finding
from rtproxy.realtime.session import Session
from rtproxy.tape.escape import visible

MAX_TEXT = 20_000
MAX_DEPTH = 24
MAX_INT = 2**53
"""From here on a browser counts in steps of more than one."""
MAX_DAMAGE = 50
MAX_TOOLS = 200


def call(overview: Overview, session: Session, moments: Moments) -> dict[str, Any]:
    """Everything but audio and events, as plain values; times in ms from the tape's start."""
    document = session.to_json()
    document["session"].pop("items")
    document["session"].pop("out_of_band")
    told: dict[str, Any] = shown({
        "tape": _tape(overview),
        "session": {
            **document["session"],
            "instructions": string(session.config.fields, "instructions"),
            "tools": _tools(session),
            "input_complete": session.input_complete,
            "output_complete": session.output_complete,
            "plays": session.plays,
        },
        "notes": list(notes(overview, session)),
        "metrics": document["metrics"],
        "turns": [_turn(session, turn) for turn in session.turns],
        "lines": [_line(line) for line in dialogue(session)],
        "lanes": lanes(session),
        "findings": [_finding(finding, moments) for finding in session.findings],
    })  # fmt: skip
    return told


def notes(overview: Overview, session: Session) -> list[str]:
    """What a reader must know before believing anything else on the page."""
    found = []
    if overview.header.connection != "websocket":
        found.append("This is no call: the tape holds an HTTP exchange.")
    elif session.dialect is None:
        found.append("There are no Realtime events on this tape.")
    if overview.state == "crashed":
        found.append("The recording broke off: the tape is not sealed.")
    if overview.state == "live":
        found.append("The tape was still being recorded when this page was made.")
    if overview.damage:
        places = len(overview.damage)
        found.append(f"The tape is damaged in {places} {'place' if places == 1 else 'places'}.")
    if not session.times_known:
        found.append("This tape has no times: how long things took is unknown.")
    elif not session.audio_complete:
        found.append(
            "Not all audio is on this tape: what would rest on it is neither shown nor judged."
        )
    return found


def _tape(overview: Overview) -> dict[str, Any]:
    about = overview.to_map()
    about["damage"] = [damage_line(lost) for lost in overview.damage[:MAX_DAMAGE]]
    about["size"] = overview.size
    return about


def _tools(session: Session) -> list[dict[str, Any]]:
    """What the model could call, as far as the session said."""
    return [
        {"name": string(tool, "name"), "description": string(tool, "description")}
        for tool in mappings(session.config.fields, "tools")[:MAX_TOOLS]
    ]


def _turn(session: Session, turn: Any) -> dict[str, Any]:
    return {
        "n": turn.n,
        "kind": turn.kind,
        "t": turn.began_ms if session.times_known else None,
        "seq": turn.seq,
        "end": turn.end,
        "metrics": dict(session.measure(turn)),
        "waits": [[wait.what, wait.start_ms, wait.end_ms] for wait in waits(session, turn)],
        "tools": len(turn.calls),
        "damaged": turn.damaged,
    }


def _line(line: Line) -> dict[str, Any]:
    """A line of the transcript; `heard` counts the characters that were, None for all of them."""
    text = shown(line.text) if line.text is not None else None
    heard = shown(line.heard) if line.cut and line.heard is not None else None
    told = {
        "who": line.speaker,
        "text": text,
        "seq": line.seq,
        "turn": line.turn,
        "start": line.start_ms,
        "end": line.end_ms,
        "approximate": line.approximate,
        "spoken": line.spoken,
        "note": line.note,
        "heard": None if heard is None or text is None else min(len(heard), len(text)),
        "heard_ms": line.heard_ms,
        "audio_ms": line.audio_ms,
    }
    if line.call is not None:
        told["tool"] = {
            "name": line.call.name,
            "arguments": line.call.arguments,
            "output": line.call.output,
            "ms": line.call.tool_ms if line.start_ms is not None else None,
            "output_seq": line.call.output_seq,
        }
    return told


def _finding(finding: Finding, moments: Moments) -> dict[str, Any]:
    times = (moments.ms(seq) for seq in reversed(finding.events))
    return {**finding.to_json(), "t": next((t for t in times if t is not None), None)}


def shown(value: Any, depth: int = 0) -> Any:
    """A plain value with its texts made visible, line by line, and bounded."""
    match value:
        case str():
            text = value[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()
            text = "\n".join(map(visible, text.replace("\r\n", "\n").split("\n")))
            return f"{text}…" if len(value) > MAX_TEXT else text
        case float():
            return round(value, 3)
        case dict() if depth < MAX_DEPTH:
            return {shown(str(key)): shown(inner, depth + 1) for key, inner in value.items()}
        case list() | tuple() if depth < MAX_DEPTH:
            return [shown(inner, depth + 1) for inner in value]
        case bool() | None:
            return value
        case int():
            return value if abs(value) < MAX_INT else float(value)
    return type(value).__name__
