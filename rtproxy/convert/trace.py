"""A call as a Chrome trace, which Perfetto and chrome://tracing open.

The format: "Trace Event Format", JSON object form. Every lane is a thread of one process; slices
of a lane lie one after the other or inside one another. Times are whole microseconds of the tape.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson

from rtproxy.convert.span import Span, conversation
from rtproxy.realtime.describe import describe
from rtproxy.realtime.describe_control import describe_control
from rtproxy.realtime.event import DELTAS, parse
from rtproxy.realtime.formats import AudioFormats
from rtproxy.realtime.levels import BUCKET_MS, Levels
from rtproxy.realtime.linking import links_of
from rtproxy.realtime.links import BACK, Links
from rtproxy.realtime.session import Session
from rtproxy.tape.escape import visible
from rtproxy.tape.record import NOT_FORWARDED, Control, Event, Record

PID = 1
LONGEST = 120
"""Characters of a name."""
COLOURS = {"heard": "thread_state_running", "dry": "terrible", "unheard": "grey"}

Made = dict[str, Any]


@dataclass(slots=True)
class Slice:
    """A part of a lane; times in whole µs, at least one long."""

    lane: str
    name: str
    start: int
    end: int
    args: Made


class Lanes:
    """Gives each lane a thread, in the order in which they are first named.

    Slices of one lane that overlap without lying inside one another are put on lanes of their own.
    """

    def __init__(self) -> None:
        self.threads: dict[str, int] = {}
        self._open: dict[str, list[int]] = {}

    def thread(self, lane: str) -> int:
        return self.threads.setdefault(lane, len(self.threads) + 1)

    def place(self, slices: Iterable[Slice]) -> Iterator[Slice]:
        """The slices by start, the longer one first, each on a lane that has room for it."""
        for one in sorted(slices, key=lambda one: (one.start, -one.end)):
            number = 1
            while not self._fits(lane := _numbered(one.lane, number), one):
                number += 1
            one.lane = lane
            yield one

    def _fits(self, lane: str, one: Slice) -> bool:
        ends = self._open.setdefault(lane, [])
        while ends and ends[-1] <= one.start:
            ends.pop()
        if ends and one.end > ends[-1]:
            return False
        ends.append(one.end)
        return True

    def names(self) -> Iterator[Made]:
        """Metadata that names and orders the lanes."""
        for lane, thread in self.threads.items():
            about = {"ph": "M", "pid": PID, "tid": thread}
            yield {**about, "name": "thread_name", "args": {"name": lane}}
            yield {**about, "name": "thread_sort_index", "args": {"sort_index": thread}}


ORDER = ("turns", "caller", "server", "client", "responses", "assistant", "never heard", "tools")
"""Lanes from top to bottom."""


def trace(session: Session, records: Iterable[Record], title: str) -> Iterator[bytes]:
    """The trace, piece by piece. `session` has taken the records; one with levels shows them too.

    `records` are iterated over twice.
    """
    lanes = Lanes()
    for lane in (*ORDER, "findings"):
        lanes.thread(lane)
    links = links_of(records, session)
    yield b'{"displayTimeUnit":"ms","otherData":' + orjson.dumps(_about(session)) + b","
    yield b'"traceEvents":[\n'
    yield orjson.dumps({
        "ph": "M", "pid": PID, "name": "process_name", "args": {"name": _short(title)},
    })  # fmt: skip
    for made in _events(session, records, lanes, links):
        yield b",\n" + orjson.dumps(made)
    for made in lanes.names():
        yield b",\n" + orjson.dumps(made)
    yield b"\n]}\n"


def _events(
    session: Session, records: Iterable[Record], lanes: Lanes, links: Links
) -> Iterator[Made]:
    slices = [*_spans(session), *_played(session)]
    for one in lanes.place(slices):
        yield _complete(lanes, one)
    yield from _levels(session)
    shown: dict[int, tuple[int, int]] = {}
    yield from _messages(session, records, lanes, shown)
    yield from _flows(links, shown)
    for finding in session.findings:
        at = next((shown[seq] for seq in reversed(finding.events) if seq in shown), None)
        yield {
            "ph": "i", "s": "t", "cat": finding.severity, "name": finding.code, "pid": PID,
            "tid": lanes.thread("findings"), "ts": at[1] if at else _us(session.now_ms),
            "args": {"turn": finding.turn, "events": list(finding.events),
                     "message": visible(finding.message), "next": visible(finding.next)},
        }  # fmt: skip


def _spans(session: Session) -> Iterator[Slice]:
    """Turns, speech, responses with their parts, and tools."""
    turns = [span for span in conversation(session).children if span.kind == "turn"]
    for turn, after in pairwise([*turns, None]):
        assert turn is not None
        # The assistant may still speak when the next turn begins; here that is where it ends.
        end = turn.end_ms if after is None else min(turn.end_ms, after.start_ms)
        yield _slice("turns", turn, _turn_name(turn), end)
    for span in conversation(session).walk():
        lane = {"speech": "caller", "endpoint": "caller", "tool": "tools"}.get(span.kind)
        if span.response is not None:
            lane = "responses"
        if lane is not None:
            yield _slice(lane, span, _name(span))


def _slice(lane: str, span: Span, name: str, end_ms: float | None = None) -> Slice:
    start = _us(span.start_ms)
    end = _us(span.end_ms if end_ms is None else end_ms)
    return Slice(lane, name, start, max(end, start + 1), _args(span))


def _turn_name(span: Span) -> str:
    said = span.turn.user if span.turn is not None else None
    number = f"turn {span.turn.n}" if span.turn is not None else "turn"
    return _short(f"{number}: {said}" if said else number)


def _name(span: Span) -> str:
    if span.kind == "tool" and span.call is not None:
        return _short(span.call.name or "tool")
    if span.kind == "response" and span.response is not None:
        return _short(f"response {span.response.status or 'open'}")
    return span.kind


def _args(span: Span) -> Made:
    args: Made = {"seq": span.seq}
    if span.kind == "turn" and span.turn is not None:
        args |= {"end": span.turn.end, "user": _said(span.turn.user)}
        args["assistant"] = _said(span.turn.assistant)
    elif span.kind == "response" and span.response is not None:
        response = span.response
        args |= {"id": _said(response.id), "status": _said(response.status)}
        args |= {"asked_by": response.asked_by, "text": _said(response.text)}
    elif span.call is not None:
        call = span.call
        args |= {"arguments": _said(call.arguments), "output": _said(call.output)}
    return {key: value for key, value in args.items() if value is not None}


def _played(session: Session) -> Iterator[Slice]:
    """What the caller heard of the assistant, where it ran dry, and what was never heard."""
    if not session.plays:
        return
    for track in session.tracks:
        item = session.answers.conversation.items.get(track.item_id)
        words = _short((item.text if item is not None else None) or "audio")
        args = {"item_id": _said(track.item_id), "received_ms": round(track.received_ms, 3)}
        for part in track.segments:
            yield _plain("assistant", words, part.start_ms, part.end_ms, args)
        for hole in track.underruns:
            end = hole.at_ms + hole.ms
            yield _plain("assistant", "ran dry", hole.at_ms, end, {"seq": hole.seq})
        rest = track.received_ms - sum(part.ms for part in track.segments)
        if track.cut_ms is not None and rest >= 1:
            start = max(track.cut_ms, track.first_ms)
            yield _plain("never heard", words, start, start + rest, args)


def _plain(lane: str, name: str, start_ms: float, end_ms: float, args: Made) -> Slice:
    start = _us(start_ms)
    return Slice(lane, name, start, max(_us(end_ms), start + 1), args)


def _complete(lanes: Lanes, one: Slice) -> Made:
    return {
        "ph": "X", "cat": one.lane.rstrip(" 0123456789"), "name": one.name, "pid": PID,
        "tid": lanes.thread(one.lane), "ts": one.start, "dur": one.end - one.start,
        "args": one.args,
    }  # fmt: skip


def _messages(
    session: Session, records: Iterable[Record], lanes: Lanes, shown: dict[int, tuple[int, int]]
) -> Iterator[Made]:
    """Each message but deltas as a moment, and with the audio how much of it was queued to play.

    `shown` learns where each stands: seq → thread and µs.
    """
    formats, lead = AudioFormats(), Lead(session)
    last: dict[int, int] = {}
    for record in records:
        if isinstance(record, Control):
            name, detail = f"rtproxy.{record.name}", describe_control(record)
        elif isinstance(record, Event):
            event = parse(record)
            formats.observe(event)
            name, detail = event.type or event.form, ""
            if event.name in DELTAS:
                if event.from_server and event.audio_size and not record.flags & NOT_FORWARDED:
                    ms = formats.duration_ms(event)
                    yield from lead.add(event.item_id or event.response_id, ms, record.t_ns / 1e6)
                continue
            detail = describe(event)
        else:
            continue
        thread = lanes.thread("server" if record.from_server else "client")
        # A moment is a slice of 1 µs, so that arrows can lead to it; no two may overlap.
        at = max(_us(record.t_ns / 1e6), last.get(thread, -1) + 1)
        last[thread], shown[record.seq] = at, (thread, at)
        yield {
            "ph": "X", "cat": "message", "name": _short(name), "pid": PID, "tid": thread,
            "ts": at, "dur": 1, "args": {"seq": record.seq, "detail": visible(detail)},
        }  # fmt: skip
    yield from lead.rest()


class Lead:
    """How much audio is queued to be played, as a counter that falls while it plays."""

    def __init__(self, session: Session) -> None:
        self._cuts = sorted(cut.at_ms for cut in session.answers.interruptions.all)
        self._cut_of = {track.item_id: track.cut_ms for track in session.tracks}
        self._plays = session.plays
        self._ends = 0.0

    def add(self, item_id: str | None, ms: float, now_ms: float) -> Iterator[Made]:
        """Audio arrives."""
        cut = self._cut_of.get(item_id or "")
        if not self._plays or (cut is not None and now_ms > cut):
            return
        yield from self._until(now_ms)
        if self._ends > now_ms:
            yield _counter("buffer lead", now_ms, {"ms": round(self._ends - now_ms, 3)})
        self._ends = max(self._ends, now_ms) + ms
        yield _counter("buffer lead", now_ms, {"ms": round(self._ends - now_ms, 3)})

    def rest(self) -> Iterator[Made]:
        """What is left plays to its end."""
        yield from self._until(float("inf"))

    def _until(self, now_ms: float) -> Iterator[Made]:
        """It ran out, or was flushed, before `now_ms`."""
        while self._cuts and self._cuts[0] <= now_ms:
            at = self._cuts.pop(0)
            if at < self._ends:
                yield _counter("buffer lead", at, {"ms": round(self._ends - at, 3)})
                self._ends = at
                yield _counter("buffer lead", at, {"ms": 0})
        if 0 < self._ends <= now_ms:
            yield _counter("buffer lead", self._ends, {"ms": 0})


def _levels(session: Session) -> Iterator[Made]:
    """The loudness of the caller and, as it was played, of the assistant, in dBFS."""
    if session.input_levels is not None:
        for n, db in enumerate(session.input_levels.values()):
            at = session.clock.wall(min((n + 1) * BUCKET_MS, session.clock.total_ms))
            if at is not None:
                yield _counter("caller dBFS", at - BUCKET_MS, {"level": round(db, 1)})
    if session.answers.levels is not None and session.plays:
        for track in session.tracks:
            levels = session.answers.levels.get(track.item_id)
            if levels is not None:
                yield from _assistant_levels(levels, [(p.start_ms, p.ms) for p in track.segments])


def _assistant_levels(levels: Levels, parts: list[tuple[float, float]]) -> Iterator[Made]:
    values, position = levels.values(), 0.0
    for start_ms, ms in parts:
        first, last = int(position // BUCKET_MS), int((position + ms) // BUCKET_MS)
        for n in range(first, min(last + 1, len(values))):
            at = start_ms + max(0.0, n * BUCKET_MS - position)
            yield _counter("assistant dBFS", at, {"level": round(values[n], 1)})
        yield _counter("assistant dBFS", start_ms + ms, {"level": -96.0})
        position += ms


def _flows(links: Links, shown: dict[int, tuple[int, int]]) -> Iterator[Made]:
    """An arrow from each cause to its effect."""
    for n, (cause, effect, why) in enumerate(links.pairs(), 1):
        if cause not in shown or effect not in shown:
            continue
        about = {"cat": "cause", "name": BACK[why], "id": n, "pid": PID}
        (one, start), (other, end) = shown[cause], shown[effect]
        yield {**about, "ph": "s", "tid": one, "ts": start}
        yield {**about, "ph": "f", "bp": "e", "tid": other, "ts": end}


def _counter(name: str, t_ms: float, values: Made) -> Made:
    return {"ph": "C", "pid": PID, "name": name, "ts": max(0, _us(t_ms)), "args": values}


def _about(session: Session) -> Made:
    started = session.header.fields.get("started_ns") if session.header is not None else None
    return {
        "session": _said(session.id),
        "model": _said(session.model),
        "started_ns": started if isinstance(started, int) and 0 <= started < 1 << 63 else None,
    }


def _us(ms: float) -> int:
    return round(ms * 1000)


def _numbered(lane: str, number: int) -> str:
    return lane if number == 1 else f"{lane} {number}"


def _said(text: str | None) -> str | None:
    return None if text is None else visible(text)


def _short(text: str) -> str:
    shown = visible(" ".join(text.split()))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
