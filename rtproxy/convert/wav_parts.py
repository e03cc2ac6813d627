"""The audio of a tape in parts: of each item, of each response, or of each side, one file each.

Parts know no clock: they are what was sent, sample for sample, or as heard what was played of it,
with its pauses.
"""

import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from rtproxy.convert.wav import Layout
from rtproxy.convert.wav_input import Cutting, InputBuffer
from rtproxy.errors import ConvertError
from rtproxy.realtime.audio import AudioFormat, Samples, decode_base64
from rtproxy.realtime.canvas import MAX_HELD
from rtproxy.realtime.event import RealtimeEvent, mapping, mappings, string
from rtproxy.realtime.piece import Fault, Faults, Piece, Pieces, Side
from rtproxy.realtime.session import Session
from rtproxy.realtime.strand import PlayedStrand, Strand
from rtproxy.tape.record import Record

Unit = Literal["item", "response", "side"]


class Shelf(Protocol):
    """Where bytes are put away; tells the place."""

    def add(self, data: bytes) -> int: ...


@dataclass(frozen=True, slots=True)
class Extent:
    """`size` bytes of a part lie at a place of the shelf, and belong at `at` in the part."""

    at: int
    place: int
    size: int


@dataclass(slots=True)
class Part:
    """What becomes a file. `turn` is None for what belongs to none; positions count samples."""

    side: Side
    key: str
    turn: int | None
    layout: Layout
    origin: int = 0
    samples: int = 0
    held: int = 0
    extents: list[Extent] = field(default_factory=list)
    strands: dict[str, Strand] = field(default_factory=dict)


class _PartSurface:
    """Where a part's strands put their samples: on the shelf."""

    def __init__(self, part: Part, shelf: Shelf) -> None:
        self._part = part
        self._shelf = shelf

    def put(self, at: int, samples: Samples) -> None:
        if samples.size:
            self.put_bytes(at - self._part.origin, self._part.layout.audio.encode(samples))

    def put_bytes(self, at: int, data: bytes) -> None:
        part = self._part
        part.extents.append(Extent(at, self._shelf.add(data), len(data)))
        part.samples = max(part.samples, at + len(data) // part.layout.audio.bytes_per_sample)

    def hold(self, samples: int) -> None:
        """Count what is kept until it was played. Raises ConvertError for too much."""
        self._part.held += samples
        if self._part.held > MAX_HELD:
            raise ConvertError(
                "More than three hours of audio came at one time; export it as delivered."
            )


class Parting:
    """Sorts a tape's audio into parts. `session` has taken the same records.

    `rate` is that of all parts, None for each its own; `raw` keeps G.711 as it is. `turn` wants
    that one's parts alone. What is wrong with the audio is added to `faults`.
    """

    def __init__(
        self,
        session: Session,
        shelf: Shelf,
        unit: Unit,
        *,
        heard: bool = False,
        raw: bool = False,
        rate: int | None = None,
        sides: Iterable[Side] = ("caller", "assistant"),
        turn: int | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._session = session
        self._shelf = shelf
        self._unit = unit
        self._heard = heard
        self._raw = raw
        self._rate = rate
        self._sides = frozenset(sides)
        self._turn = turn
        self._faults = Faults() if faults is None else faults
        self._parts: dict[tuple[Side, str], Part | None] = {}
        self._input = InputBuffer()
        self._begins = _begins(session) if heard else {}

    def collect(self, records: Iterable[Record]) -> list[Part]:
        """The parts in the order in which they begin; those without a sample are left out."""
        pieces = Pieces(self._session, records, faults=self._faults, meet=self._meet)
        for piece in pieces:
            if piece.side == "assistant" or self._unit == "side":
                self._add(piece)
            elif self._unit == "item":
                self._input.append(piece)
        found = [part for part in self._parts.values() if part is not None]
        for part in found:
            for strand in part.strands.values():
                strand.flush()
                strand.advance(self._session.now_ms)
        return [part for part in found if part.samples]

    def _meet(self, event: RealtimeEvent) -> None:
        """An event without audio; with some, items of the caller's are complete."""
        if self._unit != "item" or "caller" not in self._sides:
            return
        cutting = self._input.meet(event)
        if cutting is not None:
            self._cut(cutting)
        elif event.name == "conversation.item.create" and not event.from_server:
            self._given(event)

    def _cut(self, cutting: Cutting) -> None:
        """An item that the server made of what was appended."""
        if cutting.missing_ms:
            what = f"{cutting.missing_ms:,.0f} ms of its audio are not on the tape"
            self._faults.add(Fault(cutting.seq, cutting.item_id, what))
        for audio, data in cutting.pieces:
            parts = [(cutting.seq, 0.0, len(data) // audio.bytes_per_sample)]
            self._add(Piece("caller", cutting.item_id, None, audio, data, parts))

    def _given(self, event: RealtimeEvent) -> None:
        """An item that the client made, with audio in it."""
        item = mapping(event.data, "item")
        item_id = string(item, "id") or f"item-of-event-{event.seq}"
        audio = self._session.answers.formats.input
        for content in mappings(item, "content"):
            encoded = string(content, "audio")
            if encoded is None:
                continue
            try:
                data = decode_base64(encoded)
            except (ValueError, binascii.Error):
                self._faults.add(Fault(event.seq, item_id, "its audio is no base64"))
                continue
            data = data[: len(data) // audio.bytes_per_sample * audio.bytes_per_sample]
            parts = [(event.seq, 0.0, len(data) // audio.bytes_per_sample)]
            self._add(Piece("caller", item_id, None, audio, data, parts))

    def _add(self, piece: Piece) -> None:
        part = self._part(piece)
        if part is None:
            return
        surface = _PartSurface(part, self._shelf)
        if self._raw and not self._heard and piece.audio == part.layout.audio:
            surface.put_bytes(part.samples, piece.data)
            return
        key = piece.item_id if self._heard else ""
        strand = part.strands.get(key)
        if strand is None:
            strand = part.strands[key] = self._strand(piece, part, surface)
        if self._raw and not self._heard:
            strand.move(part.samples)
        strand.feed(piece.data, piece.audio, piece.parts)
        strand.advance(piece.t_ms)
        if self._raw and not self._heard:
            strand.flush()

    def _strand(self, piece: Piece, part: Part, surface: _PartSurface) -> Strand:
        track = self._session.answers.player.tracks.get(piece.item_id)
        if self._heard and piece.side == "assistant" and track is not None:
            return PlayedStrand(surface, part.layout.audio.rate, track)
        return Strand(surface, part.layout.audio.rate)

    def _part(self, piece: Piece) -> Part | None:
        """The part that a piece is of; None for one that nobody wants."""
        key = self._key(piece)
        if (piece.side, key) in self._parts:
            return self._parts[piece.side, key]
        turn = self._turn_of(piece)
        part = None
        if piece.side in self._sides and (self._turn is None or turn == self._turn):
            audio = (
                piece.audio if self._raw else AudioFormat("pcm16", self._rate or piece.audio.rate)
            )
            part = Part(piece.side, key, turn, Layout(audio))
            part.origin = self._origin(piece, audio.rate)
        self._parts[piece.side, key] = part
        return part

    def _key(self, piece: Piece) -> str:
        match self._unit:
            case "item":
                return piece.item_id
            case "response":
                return piece.response_id or piece.item_id
        return ""

    def _turn_of(self, piece: Piece) -> int | None:
        if self._unit == "side":
            return 0
        if piece.side == "caller":
            turn = self._session.turns.of_item(piece.item_id)
        else:
            turn = self._session.answers.turn_of(piece.response_id)
        return turn.n if turn is not None else None

    def _origin(self, piece: Piece, rate: int) -> int:
        """When the part begins to be heard, in samples on the clock; 0 for as it was sent."""
        if not self._heard or piece.side == "caller":
            return 0
        begins = self._begins.get((self._unit, self._key(piece)), 0.0)
        return round(begins * rate / 1000)


def _begins(session: Session) -> dict[tuple[str, str], float]:
    """When each item and each response is first heard."""
    found: dict[tuple[str, str], float] = {}
    for track in session.tracks:
        for segment in track.segments[:1]:
            for key in (("item", track.item_id), ("response", track.response_id or track.item_id)):
                found[key] = min(found.get(key, segment.start_ms), segment.start_ms)
    return found
