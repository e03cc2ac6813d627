"""The first lines: which tape it is, how its session was set up, how the call went."""

from rtproxy.inspect.digest import digest
from rtproxy.inspect.overview import DIALECTS, Overview, duration
from rtproxy.inspect.tui.line import Ink, Line, Piece, line
from rtproxy.inspect.tui.loading import Loading
from rtproxy.realtime.dialect import session_field
from rtproxy.realtime.finding import SEVERITIES
from rtproxy.realtime.phrase import short
from rtproxy.realtime.session import Session
from rtproxy.realtime.settings import format_name, turn_detection
from rtproxy.view.axis import clock

STATES: dict[str, Ink] = {"sealed": "good", "live": "client", "crashed": "warning"}
MAX_PART = 60
"""Characters of a part that the tape's author chose."""
DOT: Piece = (" · ", "quiet")


def name_line(overview: Overview, loading: Loading) -> Line:
    """The tape, its state, the session's model and settings, its length."""
    session = loading.session
    state = "damaged" if loading.damage else loading.state
    parts: list[Piece] = [
        (overview.path, "strong"),
        (state, STATES.get(state, "error")),
        (_length(overview, loading), ""),
        (f"{_events(overview, loading):,} events", ""),
        (short(session.model or overview.summary.model or "", MAX_PART), ""),
        *((short(part, MAX_PART), "") for part in _set_up(session)),
    ]
    return _joined(parts)


def call_line(session: Session) -> Line:
    """How the call went."""
    turns, *parts, found = digest(session)
    severities = [finding.severity for finding in session.findings]
    ink: Ink = max(severities, key=SEVERITIES.index) if severities else "good"
    rest: list[Piece] = [(part, "strong") for part in parts]
    return _joined([(turns, "strong"), (found, ink), *rest])


def reading_line(fraction: float, what: str, width: int) -> Line:
    """How far something has come that takes a while."""
    bar = max(8, min(30, width - len(what) - 10))
    done = round(bar * fraction)
    return line(
        (f"{what} ", "pause"),
        ("━" * done, "caller"),
        ("━" * (bar - done), "quiet"),
        (f" {fraction:.0%}", "quiet"),
    )


def state_words(loading: Loading) -> list[str]:
    """What somebody should know about a tape that is not sealed, sound, and complete."""
    session, found = loading.session, []
    if loading.damage:
        places = len(loading.damage)
        where = "in one place" if places == 1 else f"in {places:,} places"
        found.append(f"The tape is damaged {where}: what is missing stands in the list of events.")
    elif loading.state == "live":
        found.append("The call is being recorded: what comes is shown as it comes.")
    elif loading.state == "crashed":
        found.append("The tape is not sealed, its recording broke off; all that is on it is shown.")
    if loading.complete and len(loading.catalogue):
        if not session.times_known:
            found.append("This tape has no times: how long things took is unknown.")
        elif not session.audio_complete and not loading.damage:
            found.append("Not all audio is on this tape: nothing is judged by it.")
    return found


def _set_up(session: Session) -> list[str]:
    fields = session.config.fields
    found = [DIALECTS[session.dialect] if session.dialect else ""]
    if session.config.detects is not None:
        found.append(turn_detection(session_field(fields, "turn_detection")))
    formats = [
        format_name(value)
        for name in ("input_audio_format", "output_audio_format")
        if (value := session_field(fields, name)) is not None
    ]
    return [found[0], " → ".join(dict.fromkeys(formats)), *found[1:]]


def _length(overview: Overview, loading: Loading) -> str:
    if overview.counted and overview.state == "sealed":
        return duration(overview)
    seconds = loading.session.now_ms / 1000
    return f"{seconds:.3f} s" if seconds < 60 else clock(seconds, 60)


def _events(overview: Overview, loading: Loading) -> int:
    if overview.counted and overview.state == "sealed":
        return sum(overview.summary.events.values())
    return loading.session.events


def _joined(parts: list[Piece]) -> Line:
    pieces: list[Piece] = []
    for part in parts:
        if part[0]:
            pieces += [DOT, part] if pieces else [part]
    return line(*pieces)
