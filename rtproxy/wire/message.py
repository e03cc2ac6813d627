"""What one direction of a WebSocket says: bytes in, messages and control frames out.

The decoder watches bytes that pass by untouched. It cannot refuse anything, so whatever is wrong
becomes a `Violation` among the other events, and decoding goes on as long as it is known where
the next frame begins.
"""

from dataclasses import dataclass
from typing import Literal

from rtproxy.wire.deflate import Deflate, Unreadable
from rtproxy.wire.frame import (
    CONTROL_MAX,
    HEADER_MAX,
    KNOWN_OPCODES,
    LENGTH_END,
    MASKED,
    FrameHeader,
    Opcode,
    decode_close,
    header_size,
    parse_header,
)
from rtproxy.wire.mask import apply_mask

NOT_UTF8 = "a text message is not UTF-8"

WHOLE_TEXT = 0x81
"""First byte of by far the most frames: FIN, no extension, text."""


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message, reassembled, unmasked and inflated.

    `data` is str for text, verbatim, and bytes for binary. After a `Violation` that says so it is
    bytes for a text that is not UTF-8, or for a compressed message that could not be inflated,
    as it was on the wire.
    """

    data: str | bytes


@dataclass(frozen=True, slots=True)
class Ping:
    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame; `code` is None when it had no payload (or one of a single byte)."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that the protocol forbids, in words; it comes before the event that it concerns.

    After a fatal one the next frame's beginning is unknown and nothing more is decoded.
    """

    reason: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Oversize:
    """A message over the limit, on the wire or inflated: `size` counts its bytes on the wire."""

    kind: Literal["text", "binary"]
    size: int


WireEvent = Message | Ping | Pong | Close | Violation | Oversize


class _Unfinished:
    """The message under way, from its first frame to its FIN."""

    __slots__ = ("compressed", "data", "opcode", "size")

    def __init__(self, opcode: int, *, compressed: bool) -> None:
        self.opcode = opcode
        self.compressed = compressed
        self.data = bytearray()
        self.size = 0  # on the wire, so more than `data` once the message is over the limit

    @property
    def kind(self) -> Literal["text", "binary"]:
        return "text" if self.opcode == Opcode.TEXT else "binary"


class MessageDecoder:
    """Decodes what one side sends after the handshake.

    The events depend on the bytes alone, never on how they were cut into reads. Memory stays
    within a small multiple of `max_message` (bytes of one message, on the wire and inflated),
    whatever a frame announces.
    """

    __slots__ = (
        "_closed",
        "_dead",
        "_held",
        "_inflater",
        "_mask_bit",
        "_max_message",
        "_message",
        "_plain",
        "_sender",
        "_skip",
        "_skipped",
        "_wanted",
    )

    def __init__(
        self, *, from_client: bool, deflate: Deflate | None = None, max_message: int = 64 * 2**20
    ) -> None:
        self._sender = "client" if from_client else "server"
        self._mask_bit = MASKED if from_client else 0
        self._inflater = deflate.inflater(from_client=from_client) if deflate else None
        self._max_message = max_message
        # The frame under way: its bytes so far and how many must be there to look at it again …
        self._held = bytearray()
        self._wanted = 0
        # … or, when it is not kept, how many are still to come, and the event at their end.
        self._skip = 0
        self._skipped: Oversize | None = None
        self._message: _Unfinished | None = None
        self._closed = False
        self._dead = False
        # No message under way and not closed: a whole text frame needs no further look.
        self._plain = True

    @property
    def mid_frame(self) -> bool:
        """Whether the bytes so far do not end at the end of a frame (after a fatal violation,
        nobody knows; it stays true)."""
        return self._dead or self._wanted > 0 or self._skip > 0

    def rest_of_frame(self, data: bytes) -> int:
        """How many of the next bytes belong to the frame that is under way: 0 if there is none,
        all of them if it goes on behind them."""
        if self._dead:
            return len(data)
        if self._skip:
            return min(self._skip, len(data))
        if not self._wanted:
            return 0
        header = parse_header(bytes(self._held[:HEADER_MAX]) + data[:HEADER_MAX])
        if header is None or header.length >= LENGTH_END:
            return len(data)
        return min(header.size + header.length - len(self._held), len(data))

    def feed(self, data: bytes) -> list[WireEvent]:
        """Take the next bytes; return the events that they complete, in order."""
        events: list[WireEvent] = []
        pos = 0
        while self._wanted or self._skip:
            if self._skip:
                pos += self._skip_bytes(len(data) - pos, events)
                if self._skip:
                    return events
            else:
                end = pos + self._wanted - len(self._held)
                self._held += data[pos:end]
                if end > len(data):
                    return events
                pos = end
                frame, self._held = self._held, bytearray()
                self._wanted = 0
                self._scan(frame, 0, events)
        if not self._dead:
            self._scan(data, pos, events)
        return events

    def eof(self) -> list[WireEvent]:
        """Say that no more bytes come; a frame or message that is under way is a violation."""
        if self._dead:
            return []
        if self._wanted or self._skip:
            return [Violation("the stream ends inside a frame")]
        if self._message is not None:
            return [Violation("the stream ends inside a fragmented message")]
        return []

    def _scan(self, data: bytes | bytearray, pos: int, events: list[WireEvent]) -> None:
        """Decode the frames that `data` holds from `pos` on; keep the beginning of the last."""
        size = len(data)
        mask_bit = self._mask_bit
        limit = self._max_message
        payload: bytes | bytearray
        while size - pos > 1:
            second = data[pos + 1]
            if data[pos] == WHOLE_TEXT and self._plain and second & MASKED == mask_bit:
                length = second & 0x7F
                if length < 126:
                    body = pos + 2
                elif length == 126 and size - pos > 3 and (data[pos + 2] or data[pos + 3] > 125):
                    length = data[pos + 2] << 8 | data[pos + 3]
                    body = pos + 4
                else:
                    body = length = size  # not as usual: never fits, so that `_frame` has it
                if mask_bit:
                    body += 4
                end = body + length
                if end <= size and length <= limit:
                    if mask_bit:
                        payload = apply_mask(data[body - 4 : body], data, body, end)
                    else:
                        payload = data[body:end]
                    try:
                        events.append(Message(payload.decode()))
                    except UnicodeDecodeError:
                        events += (Violation(NOT_UTF8), Message(bytes(payload)))
                    pos = end
                    continue
            after = self._frame(data, pos, events)
            if after < 0:
                return
            pos = after
        if pos < size:
            self._hold(data, pos, 2)

    def _hold(self, data: bytes | bytearray, pos: int, wanted: int) -> None:
        """Keep the beginning of a frame until `wanted` of its bytes are there."""
        self._held += data[pos:]
        self._wanted = wanted

    def _skip_bytes(self, available: int, events: list[WireEvent]) -> int:
        """Pass over what is still to come of a frame that is not kept; return how much it was."""
        step = min(self._skip, available)
        self._skip -= step
        if not self._skip and self._skipped is not None:
            events.append(self._skipped)
            self._skipped = None
        return step

    def _frame(self, data: bytes | bytearray, pos: int, events: list[WireEvent]) -> int:
        """Decode the frame at `pos`, whatever it is; return where it ends, or -1 if nothing can
        be decoded from there on: it is not all there yet, or its length is impossible."""
        header = parse_header(data, pos)
        if header is None:
            self._hold(data, pos, header_size(data[pos + 1]))
            return -1
        if header.length >= LENGTH_END:
            self._dead = True
            events.append(Violation("the top bit of a 64-bit frame length is set", fatal=True))
            return -1
        body = pos + header.size
        end = body + header.length
        if self._is_dropped(header):
            self._judge(header, events)
            self._drop(header)
            self._plain = self._message is None and not self._closed
            body += self._skip_bytes(len(data) - body, events)
            return -1 if self._skip else body
        if end > len(data):
            self._hold(data, pos, end - pos)
            return -1
        self._judge(header, events)
        if header.mask is None:
            payload = bytes(memoryview(data)[body:end])
        else:
            payload = apply_mask(header.mask, data, body, end)
        if header.is_control:
            self._control(header.opcode, payload, events)
        else:
            self._data(header, payload, events)
        self._plain = self._message is None and not self._closed
        return end

    def _is_dropped(self, header: FrameHeader) -> bool:
        """Whether a frame's payload is not wanted, or more than may be kept."""
        if header.opcode not in KNOWN_OPCODES:
            return True
        size = header.length
        if header.opcode == Opcode.CONTINUATION:
            if self._message is None:
                return True
            size += self._message.size
        return size > self._max_message

    def _judge(self, header: FrameHeader, events: list[WireEvent]) -> None:
        """Report all that is wrong with a frame apart from its payload."""
        opcode = header.opcode
        wrong = []
        if self._closed:
            self._closed = False  # once is enough
            wrong.append(f"the {self._sender} sends a frame after its close frame")
        if (header.mask is not None) != bool(self._mask_bit):
            masked = "an unmasked" if header.mask is None else "a masked"
            wrong.append(f"the {self._sender} sends {masked} frame")
        starts = opcode in (Opcode.TEXT, Opcode.BINARY)
        allowed = 0b100 if starts and self._inflater is not None else 0
        if header.rsv & ~allowed:
            wrong.append(f"reserved bits {header.rsv & ~allowed:03b} are set without a meaning")
        if not header.minimal:
            wrong.append(f"the frame length {header.length} is not encoded in the fewest bytes")
        if opcode not in KNOWN_OPCODES:
            wrong.append(f"opcode {opcode} is reserved; {header.length} bytes are not decoded")
        elif header.is_control:
            name = Opcode(opcode).name.lower()
            if not header.fin:
                wrong.append(f"a {name} frame is fragmented")
            if header.length > CONTROL_MAX:
                wrong.append(f"a {name} frame has {header.length} bytes, over {CONTROL_MAX}")
        elif opcode == Opcode.CONTINUATION and self._message is None:
            wrong.append(f"a continuation frame continues nothing; {header.length} bytes dropped")
        elif starts and self._message is not None:
            wrong.append(
                "a message begins before the one before it has ended; "
                f"{self._message.size} bytes of that are dropped"
            )
        events += map(Violation, wrong)

    def _control(self, opcode: int, payload: bytes, events: list[WireEvent]) -> None:
        if opcode == Opcode.PING:
            events.append(Ping(payload))
        elif opcode == Opcode.PONG:
            events.append(Pong(payload))
        else:
            code, reason, wrong = decode_close(payload)
            events += map(Violation, wrong)
            events.append(Close(code, reason))
            self._closed = True

    def _begin(self, header: FrameHeader) -> _Unfinished:
        """Return the message that a data frame belongs to or begins, the frame's size added."""
        message = self._message
        if header.opcode != Opcode.CONTINUATION or message is None:
            self._abandon()
            compressed = self._inflater is not None and header.rsv & 0b100 != 0
            message = self._message = _Unfinished(header.opcode, compressed=compressed)
        message.size += header.length
        return message

    def _abandon(self) -> None:
        """Forget the message under way, and with it what later compressed ones may refer to."""
        if self._message is not None and self._message.compressed and self._inflater is not None:
            self._inflater.lose()
        self._message = None

    def _data(self, header: FrameHeader, payload: bytes, events: list[WireEvent]) -> None:
        message = self._begin(header)
        if not header.fin:
            message.data += payload
        elif message.data:
            message.data += payload
            self._finish(message, message.data, events)
        else:
            self._finish(message, payload, events)

    def _drop(self, header: FrameHeader) -> None:
        """Begin to pass over a frame; if a message ends with it, that is `Oversize` then."""
        self._skip = header.length
        stray = header.opcode == Opcode.CONTINUATION and self._message is None
        if stray or header.is_control or header.opcode not in KNOWN_OPCODES:
            return
        message = self._begin(header)
        message.data.clear()
        if header.fin:
            self._skipped = Oversize(message.kind, message.size)
            self._abandon()

    def _finish(
        self, message: _Unfinished, payload: bytes | bytearray, events: list[WireEvent]
    ) -> None:
        """Turn a whole message's payload into its event."""
        self._message = None
        if message.compressed and self._inflater is not None:
            plain = self._inflater.inflate(payload, self._max_message)
            if plain is Unreadable.OVERSIZE:
                events.append(Oversize(message.kind, message.size))
                return
            if isinstance(plain, Unreadable):
                why = f"a compressed message cannot be inflated: {plain.value}"
                events += (Violation(why), Message(bytes(payload)))
                return
            payload = plain
        if message.opcode == Opcode.BINARY:
            events.append(Message(bytes(payload)))
            return
        try:
            events.append(Message(payload.decode()))
        except UnicodeDecodeError:
            events += (Violation(NOT_UTF8), Message(bytes(payload)))
