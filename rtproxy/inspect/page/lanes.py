"""What the page draws over the axis of time, lane by lane, in milliseconds."""

from bisect import bisect_left
from typing import Any

from rtproxy.inspect.timeline import began
from rtproxy.realtime.player import Track
from rtproxy.realtime.session import Session


def lanes(session: Session) -> dict[str, Any]:
    """Spans of each lane; empty ones where there is nothing, or where no times are known."""
    if not session.times_known:
        return {"speech": [], "tracks": [], "responses": [], "tools": [], "turns": []}
    return {
        "turns": [{"n": turn.n, "t": began(turn)} for turn in session.turns],
        "speech": _speech(session),
        "tracks": _tracks(session) if session.plays else [],
        "responses": _responses(session),
        "tools": _tools(session),
    }


def _speech(session: Session) -> list[dict[str, Any]]:
    """The caller's speech: from `start` to `silent`, and `over` when the server said so."""
    found = []
    for turn in session.turns:
        for speech in turn.speech:
            over = session.now_ms if speech.stopped_ms is None else speech.stopped_ms
            start = speech.started_ms if speech.onset_ms is None else speech.onset_ms
            silent = over if speech.fell_silent_ms is None else speech.fell_silent_ms
            found.append({
                "turn": turn.n,
                "start": start,
                "silent": max(start, silent),
                "over": max(start, over),
                "open": speech.stopped_ms is None,
                "seq": speech.started_seq,
            })  # fmt: skip
    return found


def _tracks(session: Session) -> list[dict[str, Any]]:
    """What was heard of each item, where it ran dry, and what was never heard."""
    begins = begins_of(session)
    found = []
    for track in session.tracks:
        response = session.answers.responses.find(track.response_id)
        found.append({
            "turn": response.turn if response is not None else None,
            "heard": [[part.start_ms, part.end_ms] for part in track.segments],
            "dry": [[hole.at_ms, hole.at_ms + hole.ms, hole.seq] for hole in track.underruns],
            "unheard": unheard_of(track, begins),
            "seq": response.first_audio_seq if response is not None else None,
        })  # fmt: skip
    return found


def begins_of(session: Session) -> list[float]:
    """When tracks began to sound, in order."""
    return sorted(track.segments[0].start_ms for track in session.tracks if track.segments)


def unheard_of(track: Track, begins: list[float]) -> list[float] | None:
    """Where the rest of a track would have sounded that was cut, until something else is heard.

    `begins` are the times when tracks began to sound.
    """
    if track.cut_ms is None:
        return None
    rest = track.received_ms - sum(part.ms for part in track.segments)
    if rest < 1:
        return None
    start = max(track.cut_ms, track.first_ms)
    after = bisect_left(begins, start)
    return [start, min([start + rest, *begins[after : after + 1]])]


def _responses(session: Session) -> list[dict[str, Any]]:
    found = []
    for response in session.responses:
        start = response.created_ms
        if start is None:
            continue
        done = session.now_ms if response.done_ms is None else response.done_ms
        found.append({
            "turn": response.turn,
            "start": start,
            "first": done if response.first_ms is None else min(response.first_ms, done),
            "done": max(start, done),
            "status": response.status or "open",
            "reason": response.reason,
            "outside": response.out_of_band,
            "seq": response.seq,
            "end_seq": response.done_seq,
        })  # fmt: skip
    return found


def _tools(session: Session) -> list[dict[str, Any]]:
    found = []
    for call in session.tool_calls:
        if call.done_ms is None:
            continue
        found.append({
            "name": call.name,
            "start": call.done_ms,
            "end": call.done_ms if call.output_ms is None else call.output_ms,
            "open": call.output_ms is None,
            "seq": call.done_seq,
            "output_seq": call.output_seq,
        })  # fmt: skip
    return found
