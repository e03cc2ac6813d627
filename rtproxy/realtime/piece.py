"""The audio on a tape, event by event, as bytes; and what is wrong with it, as values.

    pieces = Pieces(records)
    for piece in pieces:
        piece.audio.decode(piece.data)
    pieces.faults

Nothing is left out without a word: what cannot be decoded is silence of the same length, so that
everything after it keeps its place.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rtproxy.realtime.audio import AudioFormat, base64_size, decode_base64
from rtproxy.realtime.event import DELTAS, RealtimeEvent, number, parse, string
from rtproxy.realtime.formats import AudioFormats
from rtproxy.tape.record import NOT_FORWARDED, Control, Event, Record, Unknown

Side = Literal["caller", "assistant"]

MAX_FAULTS = 1000
"""Faults that are kept; more are counted."""
MAX_ACTIVE = 64
"""Responses under way at once that are remembered."""

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
    """The audio that one event carried: whole samples, in the format that was in force.

    `t_ms` is when it arrived. `item_id` is what the virtual player knows the item as; "" for what
    the caller appended, which has none yet.
    """

    seq: int
    t_ms: float
    side: Side
    item_id: str
    response_id: str | None
    audio: AudioFormat
    data: bytes

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

    `outside` are ids of responses outside of the conversation, which no event without an id is of.
    `now_ms` is the time of the latest record.
    """

    def __init__(
        self,
        records: Iterable[Record],
        outside: Iterable[str] = (),
        faults: Faults | None = None,
    ) -> None:
        self.faults = Faults() if faults is None else faults
        self.now_ms = 0.0
        self._records = records
        self._outside = set(outside)
        self._formats = AudioFormats()
        self._active: OrderedDict[str, None] = OrderedDict()
        self._caller = _Stream()
        self._items: dict[str, _Stream] = {}
        self._next_seq: int | None = None

    def __iter__(self) -> Iterator[Piece]:
        for record in self._records:
            seq = getattr(record, "seq", None)
            if seq is not None:
                self._follow(record, seq)
            if not isinstance(record, Event):
                continue
            self.now_ms = max(self.now_ms, record.t_ns / 1e6)
            if record.flags & NOT_FORWARDED:
                continue
            event = parse(record)
            kind = DELTAS.get(event.name)
            if kind == "input_audio" and not event.from_server:
                piece = self._append(event)
            elif kind == "audio" and event.from_server:
                piece = self._delta(event)
            else:
                self._notice(event)
                continue
            if piece is not None:
                yield piece
        for item_id, stream in (("", self._caller), *self._items.items()):
            if stream.half:
                self._end_half(stream, self._next_seq or 0, item_id)

    def _follow(self, record: Record, seq: int) -> None:
        """Notice what is missing before a record."""
        expected = self._next_seq if self._next_seq is not None else 0
        self._next_seq = max(seq + 1, expected)
        if isinstance(record, Control) and record.name == "gap":
            self.faults.add(Fault(seq, None, "records are missing here, and any audio in them"))
        elif seq > expected and isinstance(record, Event | Control | Unknown):
            these = f"record {expected} is" if seq == expected + 1 else (
                f"records {expected} to {seq - 1} are")  # fmt: skip
            what = f"{these} missing, and any audio in {'it' if seq == expected + 1 else 'them'}"
            self.faults.add(Fault(expected, None, what))

    def _append(self, event: RealtimeEvent) -> Piece | None:
        encoded = string(event.data, "audio")
        if not encoded:
            return None
        audio = self._formats.input
        data = self._decode(encoded, audio, self._caller, event.seq, "")
        if not data:
            return None
        return Piece(event.seq, self.now_ms, "caller", "", None, audio, data)

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
        return Piece(event.seq, self.now_ms, "assistant", item_id, response_id, audio, data)

    def _notice(self, event: RealtimeEvent) -> None:
        """An event without audio; some say what the audio is, or whose."""
        if not event.from_server:
            return
        self._formats.observe(event)
        if event.name == "response.created" and event.response_id is not None:
            if event.response_id not in self._outside:
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
        try:
            data = decode_base64(encoded)
        except ValueError:
            data = self._salvage(encoded, audio, seq, item_id)
        if audio is not stream.audio and audio != stream.audio:
            if stream.half:
                self._end_half(stream, seq, item_id)
            stream.audio = audio
        if audio.bytes_per_sample == 1 or not (stream.half or len(data) & 1):
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

    def _salvage(self, encoded: str, audio: AudioFormat, seq: int, item_id: str) -> bytes:
        """What of bad base64 is sound, and silence for the rest."""
        sound = _SOUND.match(encoded)
        whole = len(sound[0]) // 4 * 4 if sound else 0
        data = decode_base64(encoded[:whole])
        data = data[: len(data) // audio.bytes_per_sample * audio.bytes_per_sample]
        missing = max(0, base64_size(encoded) - len(data))
        self.faults.add(
            Fault(
                seq, item_id or None, f"no base64 from character {whole} on: silence in its place"
            )
        )
        return data + audio.silence(missing)
