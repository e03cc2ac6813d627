"""From when to when each turn of a call is, so that the call's sound can be told apart by turns."""

from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Turn


def turn_spans(session: Session) -> list[tuple[int, float, float]]:
    """(number, start, end) of each turn in ms on the tape, one after the other without a gap.

    A turn begins where the caller's speech does, with the padding that the server heard before it;
    one that the client committed, when the reply before it was over; all others where their first
    event is. It ends where the next one begins, the last one with the call.
    """
    if not session.turns.all:
        return []
    starts: list[float] = []
    over_ms = 0.0
    for turn in session.turns:
        start = _start(turn, over_ms)
        starts.append(max(min(start, turn.began_ms), starts[-1] if starts else 0.0))
        over_ms = _over(session, turn)
    ends = [*starts[1:], max(session.now_ms, starts[-1])]
    return [
        (turn.n, start, end) for turn, start, end in zip(session.turns, starts, ends, strict=True)
    ]


def _start(turn: Turn, over_ms: float) -> float:
    if turn.speech:
        speech = turn.speech[0]
        if speech.onset_ms is None:
            return turn.began_ms
        return speech.onset_ms - (speech.padding_ms or 0.0)
    if turn.kind in ("commit", "timeout"):
        return over_ms
    return turn.began_ms


def _over(session: Session, turn: Turn) -> float:
    """When the last of a turn's replies was over."""
    tracks = session.meter.tracks
    ends = [turn.ended_ms or turn.began_ms]
    for response in turn.responses:
        ends += [track.end_ms for track in tracks.get(response.id, ())]
        ends += [response.done_ms] if response.done_ms is not None else []
    return max(ends)
