"""One record ↔ its bytes. The layout is specified in docs/tape-format.md.

    0  1  0x90|n       array of n ≤ 15 elements
    1  5  ce LLLLLLLL  body length, always in uint32 form
    6  5  ce CCCCCCCC  CRC-32 (zlib) of bytes 0-5 and the body
    11 L  body         kind, seq, …

A record is one msgpack array and is read by any msgpack library. The two fixed-width numbers in
front make it possible to step from record to record, and to know a damaged one, without one.
"""

import struct
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

import msgpack

from rtproxy.errors import TapeDamagedError
from rtproxy.tape.checksum import crc32
from rtproxy.tape.record import (
    KIND_CONTROL,
    KIND_EVENT,
    KIND_HEADER,
    KIND_SEAL,
    KIND_TRAILER,
    MAGIC,
    MAJOR,
    MINOR,
    Control,
    Event,
    Header,
    Record,
    Seal,
    Trailer,
    Unknown,
)

FRAME_SIZE = 11
"""Bytes in front of a record's body."""
MAX_BODY = (1 << 28) - 1
"""The longest body, in bytes."""
MAX_SEQ = (1 << 63) - 1
TRAILER_SIZE = 21
"""A trailer's offset is always in uint64 form, so that it has this size."""

MAX_MAP_RECORD = 1 << 22
"""The longest record of a kind other than event, in bytes: maps take far more memory than space."""
MAX_ITEMS = 1 << 16
"""The most elements of an array or map on a tape."""

EVENT_MARK = 0x97
"""First byte of an event of this version: an array of seven elements."""
UINT32 = 0xCE
"""First byte of a number in uint32 form."""

_FRAME = struct.Struct(">BBIBI")
_HEAD = struct.Struct(">BBI")
unpack_frame = _FRAME.unpack_from
"""(first byte, UINT32, length of the body, UINT32, CRC) of a buffer from an offset on."""
_UINT64 = 0xCF
_MAX_DEPTH = 32
_LARGE = 1 << 16

# Bytes of a msgpack integer by its first byte, 0 for all else.
_INT_SIZE = bytes(
    1 if mark < 0x80 or mark >= 0xE0 else {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9,
                                           0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}.get(mark, 0)
    for mark in range(256)
)  # fmt: skip
# Bytes of the length of a msgpack str or bin by its first byte.
_LENGTH_SIZE = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}

# A packer keeps the largest buffer that it ever needed, so large records get one of their own.
_pack_small = msgpack.Packer().pack


class Frame(NamedTuple):
    """What stands in front of a record's body."""

    elements: int
    body_size: int
    crc: int

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return FRAME_SIZE + self.body_size


def encode_header(fields: Mapping[str, Any], *, major: int = MAJOR, minor: int = MINOR) -> bytes:
    """Encode the first record of a tape. Raises ValueError when it is too large."""
    return _encode_map((KIND_HEADER, MAGIC, major, minor, fields))


def encode_event(seq: int, t_ns: int, flags: int, payload: str | bytes) -> bytes:
    """Encode one message. Raises ValueError when it is too large.

    A lone surrogate in a text cannot stand in UTF-8; it becomes the six characters \\udXXX, which
    inside a JSON string mean the same.
    """
    body = (KIND_EVENT, seq, t_ns, flags, payload)
    try:
        return _encode(body, large=len(payload) > _LARGE)
    except UnicodeEncodeError:
        return _encode((*body[:4], plain(payload)), large=len(payload) > _LARGE)


def encode_control(
    seq: int, t_ns: int, flags: int, name: str, data: Mapping[str, Any] | None = None
) -> bytes:
    """Encode something on the connection that is no message. Raises ValueError when too large."""
    return _encode_map((KIND_CONTROL, seq, t_ns, flags, plain(name), data or {}))


def encode_seal(seq: int, t_ns: int, data: Mapping[str, Any]) -> bytes:
    """Encode the last word of a finished tape. Raises ValueError when it is too large."""
    return _encode_map((KIND_SEAL, seq, t_ns, data))


def encode_trailer(seal_offset: int) -> bytes:
    """Encode the fixed-width end of a sealed tape."""
    body = struct.pack(">BBQ", KIND_TRAILER, _UINT64, seal_offset)
    return _framed(0x94, body)


def _encode(elements: tuple[Any, ...], *, large: bool = False) -> bytes:
    packed = msgpack.packb(elements) if large else _pack_small(elements)
    return _framed(packed[0] + 2, packed[1:])


def _encode_map(elements: tuple[Any, ...]) -> bytes:
    data = _encode((*elements[:-1], plain(elements[-1])), large=True)
    if len(data) > MAX_MAP_RECORD:
        raise ValueError(f"a map of {len(data)} bytes is too large for a tape")
    return data


def _framed(first: int, body: bytes) -> bytes:
    size = len(body)
    if size > MAX_BODY:
        raise ValueError(f"a record of {size} bytes is too large for a tape")
    crc = crc32(body, crc32(_HEAD.pack(first, UINT32, size)))
    return _FRAME.pack(first, UINT32, size, UINT32, crc) + body


def plain(value: Any, depth: int = 0) -> Any:
    """Turn any value into one that msgpack can hold and every reader can read.

    Map keys become text, sequences lists, lone surrogates \\udXXX, integers beyond 64 bits and
    objects of other types their text; what is nested deeper than 32 becomes "…", and what comes
    after 65,536 items is left out.
    """
    if value is None or value is True or value is False or isinstance(value, float):
        return value
    if isinstance(value, int):
        value = int(value)
        return value if -(1 << 63) <= value < 1 << 64 else str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if depth == _MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        items = islice(value.items(), MAX_ITEMS)
        return {plain(str(key)): plain(inner, depth + 1) for key, inner in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner, depth + 1) for inner in islice(value, MAX_ITEMS)]
    return plain(str(value))


def frame_at(data: bytes, at: int = 0) -> Frame | None:
    """Read what stands in front of a record; None when `data` does not look like one there."""
    if len(data) - at < FRAME_SIZE:
        return None
    first, length_mark, size, crc_mark, crc = _FRAME.unpack_from(data, at)
    if (
        not 0x93 <= first <= 0x9F
        or length_mark != UINT32
        or crc_mark != UINT32
        or not 0 < size <= MAX_BODY
    ):
        return None
    return Frame(first & 0x0F, size, crc)


def crc_of(data: bytes) -> int:
    """The CRC-32 that one whole record should have."""
    return crc32(memoryview(data)[FRAME_SIZE:], crc32(data[:6]))


def crc_of_head(data: bytes, size: int | None = None) -> int:
    """CRC-32 of a record's first six bytes, with its length replaced by `size` when given."""
    return crc32(data[:6] if size is None else _HEAD.pack(data[0], UINT32, size))


def is_sound(data: bytes) -> bool:
    """Whether `data` is one whole record whose CRC is right."""
    frame = frame_at(data)
    return frame is not None and frame.size == len(data) and crc_of(data) == frame.crc


def kind_and_seq(data: bytes) -> tuple[int, int | None]:
    """Peek at a framed record's kind and seq without decoding it; (-1, None) when malformed."""
    if len(data) <= FRAME_SIZE or data[FRAME_SIZE] > 0x7F:
        return -1, None
    kind = data[FRAME_SIZE]
    if kind in (KIND_HEADER, KIND_TRAILER) or len(data) <= FRAME_SIZE + 1:
        return kind, None
    mark = data[FRAME_SIZE + 1]
    if mark < 0x80:
        return kind, mark
    if not 0xCC <= mark <= 0xCF:
        return kind, None
    number = data[FRAME_SIZE + 2 : FRAME_SIZE + 2 + (1 << (mark - 0xCC))]
    seq = int.from_bytes(number, "big")
    return (kind, seq) if seq <= MAX_SEQ else (-1, None)


def decode(data: bytes) -> Record:
    """Decode one framed record, checking its CRC. Raises TapeDamagedError."""
    if not is_sound(data):
        raise TapeDamagedError("The record's CRC does not match its bytes.")
    return decode_sound(data)


def decode_sound(data: bytes) -> Record:
    """Decode one framed record whose CRC is known to match. Raises TapeDamagedError."""
    try:
        if data[FRAME_SIZE] == KIND_EVENT:
            return _decode_event(data)
        if len(data) <= MAX_MAP_RECORD:
            most = min(len(data), MAX_ITEMS)
            # Map keys are text (strict_map_key), so a crafted map cannot collide their hashes.
            elements = msgpack.unpackb(data, max_array_len=most, max_map_len=most)
            if record := _decode_rare(elements[2], elements[3:]):
                return record
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        pass
    raise TapeDamagedError("The record is malformed.")


def decode_plain_event(data: bytes) -> Event | None:
    """Decode an event whose CRC is known to match, without a look at what it will build.

    None for anything else, and for what is malformed, which `decode_sound` tells apart. A hostile
    one may build 60 times its size.
    """
    try:
        _, _, kind, seq, t_ns, flags, payload = msgpack.unpackb(
            data, max_array_len=7, max_map_len=0, max_ext_len=0
        )
    except (ValueError, TypeError, RecursionError):
        return None
    plain_numbers = type(seq) is type(t_ns) is type(flags) is int
    if kind != KIND_EVENT or not plain_numbers or type(payload) not in (str, bytes):
        return None
    return Event(seq, t_ns, flags, payload)


def _decode_event(data: bytes) -> Event:
    """Decode an event, building nothing but its five elements, whatever a hostile one holds."""
    at = FRAME_SIZE + 1
    for _ in range(3):
        if not (size := _INT_SIZE[data[at]]):
            raise ValueError("not an integer")
        at += size
    mark = data[at]
    if 0xA0 <= mark <= 0xBF:
        end = at + 1 + (mark & 0x1F)
    elif mark in _LENGTH_SIZE:
        begin = at + 1 + _LENGTH_SIZE[mark]
        end = begin + int.from_bytes(data[at + 1 : begin], "big")
    else:
        raise ValueError("neither text nor binary")
    if data[0] != 0x97 or end != len(data):  # elements that a newer version appended
        data = b"\x97" + data[1:end]
    _, _, _, seq, t_ns, flags, payload = msgpack.unpackb(data)
    return Event(seq, t_ns, flags, payload)


def _decode_rare(kind: Any, rest: list[Any]) -> Record | None:
    match kind, rest:
        case 2, [int(seq), int(t_ns), int(flags), str(name), dict(data), *_]:
            return Control(seq, t_ns, flags, name, data)
        case 0, ["rtproxy-tape", int(major), int(minor), *more]:
            fields = more[0] if more and isinstance(more[0], dict) else {}
            return Header(fields, major, minor)
        case 4, [int(seq), int(t_ns), dict(data), *_]:
            return Seal(seq, t_ns, data)
        case 5, [int(offset), *_]:
            return Trailer(offset)
        case int(), _ if kind == 3 or 5 < kind <= 127:
            numbered = bool(rest) and type(rest[0]) is int and rest[0] >= 0
            return Unknown(kind, rest[0] if numbered else None, tuple(rest))
    return None
