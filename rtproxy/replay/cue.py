"""A tape as the client's part: what it sends, and the moments it waits for before it does.

A recorded client event waits for every moment before it that a client may have waited for (see
`naming`), however many deltas came between. Appended audio waits only for the session to be
ready and for answers to begin and to be over: who interrupts an answer or takes the next turn
does so after it has begun or ended, but a microphone does not stop when the server hears
something.
"""

from dataclasses import dataclass

from rtproxy.realtime.dialect import canonical
from rtproxy.replay.ids import ids_in
from rtproxy.replay.message import parse_message, type_of
from rtproxy.replay.naming import AUDIO_WAITS, Namer
from rtproxy.replay.report import Place
from rtproxy.replay.script import Append, ClientStep, Script, ServerStep
from rtproxy.replay.splice import value_span


@dataclass(frozen=True, slots=True)
class Moment:
    """A server event that is waited for: its key in every run, and its place on the tape."""

    key: str
    place: Place


@dataclass(frozen=True, slots=True)
class Reference:
    """An id of the server's making in a client's text: text[start:end] is JSON for it."""

    start: int
    end: int
    name: str
    recorded: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The claim in a truncate that `ms` of an item were heard: text[start:end] is JSON for it."""

    start: int
    end: int
    ms: int
    item: str
    """Name of the item."""
    part: int
    """Index of its content part."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One thing to send, or the end (`payload` None).

    It is due `offset_ns` after the last of `waits`, or after the cue before it if it has none.
    """

    place: Place
    payload: str | bytes | None
    waits: tuple[Moment, ...]
    offset_ns: int
    references: tuple[Reference, ...] = ()
    cut: Cut | None = None
    is_audio: bool = False
    in_answer: bool = False
    """True for an end that came while the server was answering."""


def own_ids(script: Script) -> frozenset[str]:
    """The ids that the tape's client made itself."""
    adopted = {step.adopts for step in script.client}
    return frozenset(name.removeprefix("id:") for name in script.client_ids - adopted)


def read_cues(script: Script) -> tuple[Cue, ...]:
    """The client's part of a script; the last cue is the end of the connection."""
    namer = Namer(own_ids(script))
    cues: list[Cue] = []
    pending: list[Moment] = []
    answering: set[str] = set()
    last_ns = 0
    steps: list[ClientStep | Append | ServerStep] = [
        *script.client,
        *script.appends,
        *script.server,
    ]
    for step in sorted(steps, key=lambda one: one.seq):
        if isinstance(step, ServerStep):
            key = namer.take(step.type, step.payload) if isinstance(step.payload, str) else None
            if key is not None:
                pending.append(Moment(key, Place(step.seq, step.t_ns, step.type)))
                what, _, name = key.partition(" ")
                if what == "response.created":
                    answering.add(name)
                elif what == "response.done":
                    answering.discard(name)
            continue
        is_audio = isinstance(step, Append)
        waits = [one for one in pending if not is_audio or one.key.split()[0] in AUDIO_WAITS]
        pending = [one for one in pending if one not in waits]
        cues.append(_cue(step, waits, last_ns, namer))
        last_ns = step.t_ns
    end = script.ending
    end_ns = end.t_ns if end else max((one.t_ns for one in steps), default=0)
    since_ns = pending[-1].place.t_ns if pending else last_ns
    place = Place(end.seq if end else len(steps), end_ns, end.kind if end else "close")
    offset_ns = max(0, end_ns - since_ns)
    cues.append(Cue(place, None, tuple(pending), offset_ns, in_answer=bool(answering)))
    return tuple(cues)


def _cue(step: ClientStep | Append, waits: list[Moment], last_ns: int, namer: Namer) -> Cue:
    kind = step.type if isinstance(step, ClientStep) else type_of(parse_message(step.payload))
    since_ns = waits[-1].place.t_ns if waits else last_ns
    references = []
    cut = None
    if isinstance(step, ClientStep) and isinstance(step.payload, str):
        for path, name in ids_in(step.value):
            recorded = name.removeprefix("id:")
            span = value_span(step.payload, path)
            if recorded in namer.name_of and span:
                references.append(Reference(*span, namer.name_of[recorded], recorded))
        cut = _cut(step, step.payload, namer)
    return Cue(
        Place(step.seq, step.t_ns, kind),
        step.payload,
        tuple(waits),
        max(0, step.t_ns - since_ns),
        tuple(sorted(references, key=lambda one: one.start)),
        cut,
        isinstance(step, Append),
    )


def _cut(step: ClientStep, text: str, namer: Namer) -> Cut | None:
    if canonical(step.type) != "conversation.item.truncate" or not isinstance(step.value, dict):
        return None
    ms, part = step.value.get("audio_end_ms"), step.value.get("content_index", 0)
    item = namer.name_of.get(str(step.value.get("item_id")))
    span = value_span(text, ("audio_end_ms",))
    if item is None or span is None or type(ms) is not int or type(part) is not int:
        return None
    return Cut(*span, ms, item, part)
