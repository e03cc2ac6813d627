"""A session as a dialogue: who said what, when, and how much of it was heard.

    for line in dialogue(session):
        print(line.start_ms, line.speaker, line.text)

A line of the caller's is what was transcribed of a turn, or typed; one of the assistant's is a
message of a response; a tool's is a call and what came of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rtproxy.realtime.item import Item, ToolCall
from rtproxy.realtime.player import Track
from rtproxy.realtime.response import Response
from rtproxy.realtime.session import Session
from rtproxy.realtime.turn import Interruption, Turn

Speaker = Literal["caller", "assistant", "tool", "system"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line. Times are ms on the tape, None where the tape has none.

    `start_ms` to `end_ms` is when it sounded: the caller's as the server's voice detection found
    it, the assistant's by the virtual player. They are `approximate` where they are times of
    arrival. `text` is None for what was said and never transcribed, of which `note` says why.
    `heard_ms` of `audio_ms` were played before the line was cut off; both are None where it was
    not. `seq` is the event that it begins with.
    """

    speaker: Speaker
    text: str | None
    seq: int
    turn: int | None
    start_ms: float | None = None
    end_ms: float | None = None
    approximate: bool = False
    spoken: bool = False
    item_id: str | None = None
    note: str | None = None
    heard_ms: float | None = None
    audio_ms: float | None = None
    call: ToolCall | None = None

    @property
    def cut(self) -> bool:
        """Whether some of it was never played."""
        return self.heard_ms is not None

    @property
    def heard(self) -> str | None:
        """The words that were played: of a line that was cut off, as large a part of the text as
        was heard of the audio, in whole words."""
        if self.text is None or self.heard_ms is None or not self.audio_ms:
            return self.text
        share = min(1.0, self.heard_ms / self.audio_ms)
        end = round(len(self.text) * share)
        if end >= len(self.text):
            return self.text
        if self.text[end].isspace():
            return self.text[:end].rstrip()
        words = self.text[:end].rsplit(maxsplit=1)
        return words[0] if len(words) > 1 else ""


def dialogue(session: Session, turn: int | None = None) -> list[Line]:
    """The lines in order of time, or of the conversation where times are unknown.

    With `turn` only that turn's. What is said outside of the conversation is left out.
    """
    lines = list(_lines(session))
    if session.times_known:
        lines.sort(key=lambda line: (line.start_ms or 0.0, line.seq))
    return [line for line in lines if turn in (None, line.turn)]


def _lines(session: Session) -> Iterator[Line]:
    told: set[str] = set()
    for turn in session.turns:
        told.update(turn.item_ids)
        caller = _caller(session, turn)
        if caller is not None:
            yield caller
        cuts = {cut.item_id: cut for cut in turn.interruptions if cut.unheard}
        for response in turn.responses:
            tracks = {track.item_id: track for track in session.meter.tracks.get(response.id, ())}
            for item in response.items.values():
                told.add(item.id)
                if item.text:
                    yield _said(session, turn, response, item, tracks.get(item.id), cuts)
            for call in response.calls.values():
                yield _called(session, turn, call)
    for item in session.items:
        if item.id not in told and item.response_id is None and item.text:
            yield _given(session, item)


def _caller(session: Session, turn: Turn) -> Line | None:
    """What the caller said in a turn, or typed."""
    if not turn.has_caller:
        return None
    spoken = not turn.typed
    onset = turn.speech[0].onset_ms if turn.speech else None
    silent = turn.speech[-1].fell_silent_ms if turn.speech else None
    start = turn.began_ms if onset is None else onset
    end = (turn.ended_ms or start) if silent is None else silent
    timed = session.times_known
    return Line(
        "caller",
        turn.user,
        turn.seq,
        turn.n,
        start if timed else None,
        max(start, end) if timed else None,
        approximate=spoken and (onset is None or silent is None),
        spoken=spoken,
        item_id=turn.item_ids[0] if turn.item_ids else None,
        note=_why_untold(turn) if turn.user is None else None,
    )


def _why_untold(turn: Turn) -> str:
    if any(said.error is not None for said in turn.transcripts):
        return "transcription failed"
    return "not transcribed"


def _said(
    session: Session,
    turn: Turn,
    response: Response,
    item: Item,
    track: Track | None,
    cuts: dict[str | None, Interruption],
) -> Line:
    """What a message of a response says."""
    timed, cut = session.times_known, cuts.get(item.id)
    sounded = track is not None and bool(track.segments)
    start, end = item.t_ms, item.t_ms if response.done_ms is None else response.done_ms
    if track is not None and sounded:
        start, end = track.segments[0].start_ms, track.end_ms
    return Line(
        "assistant",
        item.text,
        item.seq,
        turn.n,
        start if timed else None,
        max(start, end) if timed else None,
        approximate=not sounded and response.first_audio_ms is not None,
        spoken=response.first_audio_ms is not None,
        item_id=item.id,
        heard_ms=cut.heard_ms if cut is not None else None,
        audio_ms=cut.received_ms if cut is not None else None,
    )


def _called(session: Session, turn: Turn, call: ToolCall) -> Line:
    start = turn.began_ms if call.done_ms is None else call.done_ms
    end = start if call.output_ms is None else call.output_ms
    timed = session.times_known
    return Line(
        "tool",
        f"{call.name or 'a function'}({call.arguments or ''})",
        call.done_seq if call.done_seq is not None else turn.seq,
        turn.n,
        start if timed else None,
        max(start, end) if timed else None,
        item_id=call.item_id,
        note=None if call.output is not None else "no output",
        call=call,
    )


def _given(session: Session, item: Item) -> Line:
    """An item that somebody put into the conversation: instructions, or what was said before."""
    speakers: dict[str | None, Speaker] = {"user": "caller", "assistant": "assistant"}
    timed = item.t_ms if session.times_known else None
    return Line(
        speakers.get(item.role, "system"), item.text, item.seq, None, timed, timed, item_id=item.id
    )
