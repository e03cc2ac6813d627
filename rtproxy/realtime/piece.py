"""The audio on a tape, event by event, as bytes; and what is wrong with it, as values.

    pieces = Pieces(session, records)
    for piece in pieces:
        piece.audio.decode(piece.data)
    pieces.faults

Nothing is left out without a word: what cannot be decoded is silence of the same length, so that
everything after it keeps its place.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rtproxy.realtime.audio import AudioFormat, base64_size, decode_base64
from rtproxy.realtime.event import DELTAS, RealtimeEvent, number, parse, plain_append, string
from rtproxy.realtime.formats import AudioFormats
from rtproxy.realtime.session import Session
from rtproxy.tape.record import (
    NOT_FORWARDED,
    Control,
    Event,
    Header,
    Record,
    Seal,
    Trailer,
)

Side = Literal["caller", "assistant"]

MAX_FAULTS = 1000
"""Faults that are kept; more are counted."""
MAX_ACTIVE = 64
"""Responses under way at once that are remembered."""
GATHER_MS = 1000.0
MAX_GATHERED = 1 << 20
"""Appends are given together, of so much time and so many bytes at most."""

_SOUND = re.compile(r"[A-Za-z0-9+/]*")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong with the audio of an event. `lost`: what was sent cannot be had whole."""

    seq: int
    item_id: str | None
    what: str
    lost: bool = True


class Faults:
    """Faults in order of the tape: the first thousand, and how many there are."""

    def __init__(self) -> None:
        self.kept: list[Fault] = []
        self.count = 0
        self.lost = 0
        """How many of them mean that audio is lost."""

    def add(self, fault: Fault) -> None:
        self.count += 1
        self.lost += fault.lost
        if self.count <= MAX_FAULTS:
            self.kept.append(fault)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.kept)

    def __len__(self) -> int:
        return self.count


@dataclass(slots=True)
class Piece:
    """Audio that arrived: whole samples, in the format that was in force.

    `parts` are the events that it came in, as (seq, ms of arrival, samples): one delta, or several
    appends. `item_id` is what the virtual player knows the item as; "" for what the caller
    appended, which has none yet.
    """

    side: Side
    item_id: str
    response_id: str | None
    audio: AudioFormat
    data: bytes
    parts: list[tuple[int, float, int]]

    @property
    def seq(self) -> int:
        return self.parts[0][0]

    @property
    def t_ms(self) -> float:
        """When the first of it arrived."""
        return self.parts[0][1]

    @property
    def samples(self) -> int:
        return len(self.data) // self.audio.bytes_per_sample

    @property
    def ms(self) -> float:
        return self.samples * 1000 / self.audio.rate


@dataclass(slots=True)
class _Stream:
    """What is known of an item's audio, or of all the caller's."""

    audio: AudioFormat | None = None
    half: bytes = b""
    odd: bool = False
    part: int = 0
    done: bool = False
    begun: bool = False


class Pieces:
    """Iterates over the audio that the records carry; once.

    `session` has taken the records, or with `fold` takes them now. `meet` is told of every event
    without audio, when all audio before it has been given. `now_ms` is the time of the latest
    record.
    """

    def __init__(
        self,
        session: Session,
        records: Iterable[Record],
        *,
        fold: bool = False,
        faults: Faults | None = None,
        meet: Callable[[RealtimeEvent], None] | None = None,
    ) -> None:
        self.faults = Faults() if faults is None else faults
        self.now_ms = 0.0
        self._records = records
        self._session = session
        self._fold = fold
        self._meet = meet
        self._formats = AudioFormats()
        self._active: OrderedDict[str, None] = OrderedDict()
        self._caller = _Stream()
        self._items: dict[str, _Stream] = {}
        self._next_seq = 0
        self._left_out: list[range] = []
        self._appended: list[bytes] = []
        self._gathered = 0
        self._parts: list[tuple[int, float, int]] = []

    def __iter__(self) -> Iterator[Piece]:
        for record in self._records:
            # Nine records of ten are appends without anything special about them.
            if type(record) is Event and not record.flags and type(record.payload) is str:
                plain = plain_append(record.payload)
                if plain is not None:
                    if self._fold:
                        self._session.take_append(record, *plain)
                    self._advance(record)
                    self._append(record.seq, plain[1])
                    if self._is_due():
                        yield from self._flush()
                    continue
            if self._fold:
                self._session.take(record)
            if isinstance(record, Event):
                self._advance(record)
                if not record.flags & NOT_FORWARDED:
                    yield from self._take(parse(record))
            else:
                self._follow(record)
        yield from self._flush()
        for item_id, stream in (("", self._caller), *self._items.items()):
            if stream.half:
                self._end_half(stream, self._next_seq, item_id)

    def _advance(self, record: Event) -> None:
        """The next event: when it was, and whether any before it are missing."""
        if record.seq == self._next_seq:
            self._next_seq += 1
        else:
            self._follow(record)
        t_ms = record.t_ns / 1e6
        if t_ms > self.now_ms:
            self.now_ms = t_ms

    def _take(self, event: RealtimeEvent) -> Iterator[Piece]:
        kind = DELTAS.get(event.name)
        if kind == "input_audio" and not event.from_server:
            self._append(event.seq, string(event.data, "audio") or "")
        elif kind == "audio" and event.from_server:
            piece = self._delta(event)
            if piece is not None:
                yield piece
        elif event.from_server:
            if event.name in ("session.created", "session.updated") or self._meet is not None:
                yield from self._flush()
            self._notice(event)
        elif self._meet is not None:
            yield from self._flush()
        if self._meet is not None and kind not in ("input_audio", "audio"):
            self._meet(event)
        if self._is_due():
            yield from self._flush()

    def _is_due(self) -> bool:
        """Whether what was gathered is enough."""
        parts = self._parts
        return bool(parts) and (
            self.now_ms - parts[0][1] > GATHER_MS or self._gathered > MAX_GATHERED
        )

    def _flush(self) -> Iterator[Piece]:
        """The appends that were gathered."""
        if self._parts and self._caller.audio is not None:
            parts, data = self._parts, b"".join(self._appended)
            self._appended, self._parts, self._gathered = [], [], 0
            yield Piece("caller", "", None, self._caller.audio, data, parts)

    def _follow(self, record: Record) -> None:
        """Notice what is missing before a record."""
        if isinstance(record, Header):
            self._left_out = record.left_out
        seq = None if isinstance(record, Header | Seal | Trailer) else record.seq
        if seq is None:
            return
        expected = self._next_seq
        self._next_seq = max(seq + 1, expected)
        if any(expected in these and seq - 1 in these for these in self._left_out):
            return
        if isinstance(record, Control) and record.name == "gap":
            self.faults.add(Fault(seq, None, "records are missing here, and any audio in them"))
        elif seq == expected + 1:
            self.faults.add(Fault(expected, None, "a record is missing, and any audio in it"))
        elif seq > expected:
            what = f"{seq - expected:,} records are missing, and any audio in them"
            self.faults.add(Fault(expected, None, what))

    def _append(self, seq: int, encoded: str) -> None:
        if not encoded:
            return
        audio = self._formats.input
        data = self._decode(encoded, audio, self._caller, seq, "")
        if data:
            self._appended.append(data)
            self._gathered += len(data)
            self._parts.append((seq, self.now_ms, len(data) // audio.bytes_per_sample))

    def _delta(self, event: RealtimeEvent) -> Piece | None:
        item_id, response_id = self._belongs(event)
        stream = self._items.get(item_id)
        if stream is None:
            stream = self._items[item_id] = _Stream()
        part = number(event.data, "content_index")
        if isinstance(part, int) and part != stream.part:
            if part < stream.part and stream.begun:
                self.faults.add(Fault(event.seq, item_id, "its parts came out of order", False))
            stream.part, stream.done = part, False
        if stream.done:
            what = "more audio came after the server had said that all had come"
            self.faults.add(Fault(event.seq, item_id, what, False))
            stream.done = False
        stream.begun = True
        encoded = string(event.data, "delta")
        if not encoded:
            if encoded is None and event.data.get("delta") != "":
                self.faults.add(Fault(event.seq, item_id, "the delta has no audio"))
            return None
        audio = self._formats.of(event)
        data = self._decode(encoded, audio, stream, event.seq, item_id)
        if not data:
            return None
        parts = [(event.seq, self.now_ms, len(data) // audio.bytes_per_sample)]
        return Piece("assistant", item_id, response_id, audio, data, parts)

    def _notice(self, event: RealtimeEvent) -> None:
        """A server's event without audio; some say what the audio is, or whose."""
        self._formats.observe(event)
        if event.name == "response.created" and event.response_id is not None:
            known = self._session.answers.responses.by_id.get(event.response_id)
            if known is None or not known.out_of_band:
                self._active[event.response_id] = None
                if len(self._active) > MAX_ACTIVE:
                    self._active.popitem(last=False)
        elif event.name == "response.done" and event.response_id is not None:
            self._active.pop(event.response_id, None)
        elif event.name == "response.output_audio.done":
            item_id, _ = self._belongs(event)
            stream = self._items.setdefault(item_id, _Stream())
            if not stream.begun:
                self.faults.add(Fault(event.seq, item_id, "none of its audio is on the tape"))
            stream.done = True

    def _belongs(self, event: RealtimeEvent) -> tuple[str, str | None]:
        """The item, as the virtual player calls it, and the response of an event with audio."""
        response_id = event.response_id
        if response_id is None and event.name.startswith("response."):
            response_id = next(iter(self._active), None)
        return event.item_id or response_id or "", response_id

    def _decode(
        self, encoded: str, audio: AudioFormat, stream: _Stream, seq: int, item_id: str
    ) -> bytes:
        """Whole samples; a half waits for its other half, which the next piece begins with."""
        if audio is not stream.audio and audio != stream.audio:
            if stream.half:
                self._end_half(stream, seq, item_id)
            stream.audio = audio
        try:
            data = decode_base64(encoded)
        except ValueError:
            return self._salvage(encoded, audio, stream, seq, item_id)
        if not (stream.half or len(data) & 1) or audio.encoding != "pcm16":
            return data
        if not stream.odd:
            stream.odd = True
            what = "pieces end in the middle of a sample; they were joined"
            self.faults.add(Fault(seq, item_id or None, what, False))
        data = stream.half + data
        size = len(data) & ~1
        stream.half = data[size:]
        return data[:size]

    def _end_half(self, stream: _Stream, seq: int, item_id: str) -> None:
        self.faults.add(Fault(seq, item_id or None, "the audio ends in the middle of a sample"))
        stream.half = b""

    def _salvage(
        self, encoded: str, audio: AudioFormat, stream: _Stream, seq: int, item_id: str
    ) -> bytes:
        """What of bad base64 is sound, and silence for the rest, in whole samples."""
        sound = _SOUND.match(encoded)
        whole = len(sound[0]) // 4 * 4 if sound else 0
        what = f"no base64 from character {whole} on: silence in its place"
        self.faults.add(Fault(seq, item_id or None, what))
        data = stream.half + decode_base64(encoded[:whole])
        width = audio.bytes_per_sample
        data = data[: len(data) // width * width]
        size = (len(stream.half) + base64_size(encoded)) // width * width
        stream.half = b""
        return data + audio.silence(max(0, size - len(data)))
