"""A tape's audio into files: the whole call on one clock, or its parts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Literal

from rtproxy.convert.output import refuse
from rtproxy.convert.wav import Layout
from rtproxy.convert.wav_file import Sink, Spool, audio_file, encoder, too_long
from rtproxy.convert.wav_name import Names, stem_of
from rtproxy.convert.wav_parts import Part, Parting, Unit
from rtproxy.convert.wav_spans import turn_spans
from rtproxy.convert.wav_view import Blocks, views_of
from rtproxy.errors import ConvertError
from rtproxy.realtime.audio import PCM16, AudioFormat
from rtproxy.realtime.call import SHORTEST_MS
from rtproxy.realtime.mixdown import rate_of, render
from rtproxy.realtime.piece import Faults, Pieces, Side
from rtproxy.realtime.session import Session
from rtproxy.tape.reader import Tape
from rtproxy.tape.record import Control, Event, Record

SIDES: tuple[Side, ...] = ("caller", "assistant")
SILENT = 1 << 20
"""Samples of silence that are written at once."""
STEP = 2000
"""Records after which it is told how far it is."""

Tell = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported. `out` is a file, with `per` a folder; None is standard output.

    `rate` None is the highest of the call's, for parts their own. `heard` None is as heard where
    that is known, for items and responses as they were sent.
    """

    out: Path | None
    per: Literal["item", "response", "turn", "side"] | None = None
    heard: bool | None = None
    side: Side | None = None
    turn: int | None = None
    mixed: bool = False
    rate: int | None = None
    raw: bool = False
    form: str = "wav"
    force: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was made; `path` is None for standard output."""

    path: Path | None
    layout: Layout
    samples: int

    @property
    def ms(self) -> float:
        return self.samples * 1000 / self.layout.audio.rate


@dataclass(slots=True)
class Written:
    """What came of it: the files, and what is wrong with the audio in them."""

    session: Session
    heard: bool
    faults: Faults
    files: list[Made] = field(default_factory=list)

    @property
    def cut(self) -> bool:
        """Whether who made the tape left audio out."""
        call = self.session
        appended_ms = call.clock.total_ms
        return not call.output_complete or (
            not call.gaps and appended_ms < SHORTEST_MS * call.appends
        )

    @property
    def lost(self) -> bool:
        """Whether some of the audio could not be had as it was sent."""
        return self.faults.lost > 0 or self.cut


class _Telling:
    """A tape's records, to be iterated over, of which it is told how far one is."""

    def __init__(self, tape: Tape, tell: Tell) -> None:
        self._tape = tape
        self._tell = tell
        self._end_ns = max(1, tape.summary().duration_ns)

    def __iter__(self) -> Iterator[Record]:
        for n, record in enumerate(self._tape):
            if n % STEP == 0 and isinstance(record, Event):
                self._tell(min(1.0, record.t_ns / self._end_ns))
            yield record


class _Again(Exception):  # noqa: N818  # no error: what was assumed of the call is not so
    pass


def export(tape: Tape, wanted: Wanted, tell: Tell | None = None) -> Written:
    """Export a tape's audio. Raises ConvertError where that cannot be done as it is wanted.

    `tell` hears now and then what part of it is through, from 0 to 1.
    """
    records: Iterable[Record] = tape if tell is None else _Telling(tape, tell)
    if wanted.form != "wav":
        encoder()
    if wanted.per in ("item", "response"):
        return _export_parts(tape, records, wanted, Session.from_tape(tape), wanted.per)
    if wanted.per is None and wanted.turn is None and not wanted.raw:
        try:
            return _export_at_once(tape, records, wanted)
        except _Again:
            pass
    session = Session.from_tape(tape)
    if wanted.per == "side" and not session.times_known and wanted.turn is None:
        return _export_parts(tape, records, wanted, session, "side")
    return _export_call(tape, records, wanted, session)


def _export_at_once(tape: Tape, records: Iterable[Record], wanted: Wanted) -> Written:
    """The whole call in one pass, before it is known. Raises _Again where that went wrong."""
    first = next(iter(Pieces(Session(), tape)), None)
    rate = wanted.rate or (first.audio.rate if first is not None else PCM16.rate)
    session, heard = Session(), wanted.heard is not False
    written = Written(session, heard, Faults())
    (view,) = views_of(apart=wanted.per == "side", side=wanted.side, mixed=wanted.mixed)
    layout = Layout(AudioFormat("pcm16", rate), view.channels)
    with _files([wanted.out], layout, wanted, written) as (sink,):
        for block in render(
            session,
            _no_longer(records, layout),
            heard=heard,
            rate=rate,
            fold=True,
            faults=written.faults,
        ):
            sink.write(view.of(block))
        if _check(tape, wanted, session) != heard or rate != (wanted.rate or rate_of(session)):
            raise _Again
    return written


def _export_call(
    tape: Tape, records: Iterable[Record], wanted: Wanted, session: Session
) -> Written:
    """The call on its clock, whole or turn by turn, both sides in a file or each in its own."""
    written = Written(session, _check(tape, wanted, session), Faults())
    audio = _audio_of(tape, wanted, session)
    views = [
        view
        for view in views_of(apart=wanted.per == "side", side=wanted.side, mixed=wanted.mixed)
        if view.side is None or _has(session, view.side)
    ]
    spans = [span for span in turn_spans(session) if wanted.turn in (None, span[0])]
    if wanted.turn is None and wanted.per != "turn":
        spans = [(0, 0.0, inf)]
    if not spans:
        raise ConvertError(f"There are no turns on {tape.path}; export the whole call.")
    names = Names(stem_of(tape.path.name), wanted.form)
    paths = [
        [_path(wanted, names.name(turn=turn, side=view.side)) for view in views]
        for turn, _, _ in spans
    ]
    _make_folder(wanted, [path for row in paths for path in row])
    layout = Layout(audio, views[0].channels)
    if any(min(end, session.now_ms) - start > layout.limit_ms for _, start, end in spans):
        raise too_long(layout)
    blocks = Blocks(
        render(
            session,
            records,
            heard=written.heard,
            rate=audio.rate,
            start_ms=spans[0][1],
            end_ms=None if spans[-1][2] == inf else spans[-1][2],
            faults=written.faults,
        ),
        audio.rate,
        spans[0][1],
    )
    for row, (_, _, end) in zip(paths, spans, strict=True):
        with _files(row, layout, wanted, written) as sinks:
            for block in blocks.until(end):
                for view, sink in zip(views, sinks, strict=True):
                    sink.write(view.of(block))
    return written


def _export_parts(
    tape: Tape, records: Iterable[Record], wanted: Wanted, session: Session, unit: Unit
) -> Written:
    """Each item's audio, or each response's, or each side's, without a clock."""
    heard = _check(tape, wanted, session) if wanted.heard else False
    written = Written(session, heard, Faults())
    sides = (wanted.side,) if wanted.side else SIDES
    with Spool() as spool:
        parts = Parting(
            session,
            spool,
            unit,
            heard=heard,
            raw=wanted.raw,
            rate=wanted.rate,
            sides=sides,
            turn=wanted.turn,
            faults=written.faults,
        ).collect(records)
        if not parts:
            raise no_audio(tape, wanted)
        names = Names(stem_of(tape.path.name), wanted.form)
        paths = [
            _path(wanted, names.name(turn=part.turn, side=part.side, what=part.key or None))
            for part in parts
        ]
        _make_folder(wanted, paths)
        for part, path in zip(parts, paths, strict=True):
            if part.samples * 1000 / part.layout.audio.rate > part.layout.limit_ms:
                raise too_long(part.layout)
            with _files([path], part.layout, wanted, written) as (sink,):
                for data in _bytes_of(part, spool):
                    sink.write_bytes(data)
    return written


def _bytes_of(part: Part, spool: Spool) -> Iterator[bytes]:
    """A part's bytes in order; silence where there is nothing."""
    audio, at = part.layout.audio, 0
    width = audio.bytes_per_sample
    for extent in sorted(part.extents, key=lambda extent: extent.at):
        while at < extent.at:
            count = min(extent.at - at, SILENT)
            yield audio.silence(count * width)
            at += count
        data = spool.read(extent.place, extent.size)[(at - extent.at) * width :]
        yield data
        at += len(data) // width


@contextmanager
def _files(
    paths: Sequence[Path | None], layout: Layout, wanted: Wanted, written: Written
) -> Iterator[list[Sink]]:
    """Files of one layout to be written at once; they are noted when they are complete."""
    with ExitStack() as stack:
        sinks = [
            stack.enter_context(audio_file(path, layout, wanted.form, force=wanted.force))
            for path in paths
        ]
        yield sinks
    written.files += [
        Made(path, layout, sink.size // layout.frame)
        for path, sink in zip(paths, sinks, strict=True)
    ]


def _check(tape: Tape, wanted: Wanted, session: Session) -> bool:
    """Whether the call is to be as heard. Raises ConvertError for what cannot be had."""
    if wanted.turn is not None and session.turns.number(wanted.turn) is None:
        count = len(session.turns)
        raise ConvertError(
            f"{tape.path} has {count} turn{'' if count == 1 else 's'}; there is no {wanted.turn}."
        )
    if not any(_has(session, side) for side in SIDES if wanted.side in (None, side)):
        raise no_audio(tape, wanted)
    if wanted.heard and not session.plays:
        why = "it has no times" if not session.times_known else "its audio was cut"
        raise ConvertError(
            f"What was heard of {tape.path} is not known, as {why}; use --as delivered."
        )
    if not session.times_known and wanted.per not in ("item", "response"):
        raise ConvertError(
            f"{tape.path} has no times, so its sides cannot be put on one clock; export them apart "
            "with --per item, response or side."
        )
    return session.plays if wanted.heard is None else wanted.heard


def _has(session: Session, side: Side) -> bool:
    return bool(session.appends if side == "caller" else session.answers.audio_events)


def no_audio(tape: Tape, wanted: Wanted) -> ConvertError:
    """What to raise where there is nothing to export."""
    whose = f" of the {wanted.side}'s" if wanted.side else ""
    turn = f" in turn {wanted.turn}" if wanted.turn is not None else ""
    return ConvertError(f"There is no audio{whose} on {tape.path}{turn}.")


def _audio_of(tape: Tape, wanted: Wanted, session: Session) -> AudioFormat:
    """The format of the files: as it is, if that is wanted and possible, or pcm16."""
    if wanted.raw:
        found = {
            piece.audio for piece in Pieces(session, tape) if wanted.side in (None, piece.side)
        }
        if len(found) == 1:
            return found.pop()
        if any(audio.encoding != "pcm16" for audio in found):
            raise ConvertError(
                f"The audio on {tape.path} is of {len(found)} formats, which --raw cannot keep in "
                "one file; add --per item, or --side."
            )
    return AudioFormat("pcm16", wanted.rate or rate_of(session))


def _path(wanted: Wanted, name: str) -> Path | None:
    """Where a file goes: into the folder, or, if it is the only one, where it is wanted."""
    if wanted.per is None or wanted.out is None:
        return wanted.out
    return wanted.out / name


def _make_folder(wanted: Wanted, paths: Sequence[Path | None]) -> None:
    """Make the folder of an export into several files; none of them may be there already."""
    if wanted.per is None or wanted.out is None:
        return
    try:
        wanted.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConvertError(f"{wanted.out} cannot be made: {error.strerror}.") from None
    for path in paths:
        if path is not None:
            refuse(path, force=wanted.force)


def _no_longer(records: Iterable[Record], layout: Layout) -> Iterator[Record]:
    """The records of a call. Raises ConvertError when it lasts longer than a file can hold."""
    last_ns = layout.limit_ms * 1e6
    for record in records:
        if isinstance(record, Event | Control) and record.t_ns > last_ns:
            raise too_long(layout)
        yield record
