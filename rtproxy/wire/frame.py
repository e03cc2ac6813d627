"""RFC 6455 §5: opcodes, frame headers, close payloads; bytes to values and back."""

import struct
from enum import IntEnum
from typing import NamedTuple

from rtproxy.wire.mask import apply_mask

FIN = 0x80
RSV1 = 0x40
MASKED = 0x80
CONTROL_MAX = 125
"""A control frame's payload is at most this many bytes (§5.5)."""
HEADER_MAX = 14
"""A frame's header has at most this many bytes."""
LENGTH_END = 1 << 63
"""A 64-bit length must have its top bit clear (§5.2)."""


class Opcode(IntEnum):
    """The opcodes of §5.2; 3–7 and 11–15 are reserved."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


KNOWN_OPCODES = frozenset(Opcode)


class FrameHeader(NamedTuple):
    """One frame's header.

    `rsv` holds RSV1, RSV2, RSV3 as bits 4, 2, 1; `length` counts the payload's bytes, `size` the
    header's own; `minimal` is false when the length could have been written in fewer bytes.
    """

    fin: bool
    rsv: int
    opcode: int
    mask: bytes | None
    length: int
    size: int
    minimal: bool

    @property
    def is_control(self) -> bool:
        return self.opcode & 0x8 != 0


def header_size(second: int) -> int:
    """How many bytes a frame's header has, which its second byte tells: 2 to 14."""
    code = second & 0x7F
    size = 2 if code < 126 else 4 if code == 126 else 10
    return size + 4 if second & MASKED else size


def parse_header(data: bytes | bytearray, pos: int = 0) -> FrameHeader | None:
    """Read the frame header at `pos`; None when `data` does not hold all of it."""
    have = len(data) - pos
    if have < 2:
        return None
    first, second = data[pos], data[pos + 1]
    size = header_size(second)
    if have < size:
        return None
    length, least = second & 0x7F, 0
    if length == 126:
        length, least = int.from_bytes(data[pos + 2 : pos + 4], "big"), 126
    elif length == 127:
        length, least = int.from_bytes(data[pos + 2 : pos + 10], "big"), 0x10000
    mask = bytes(data[pos + size - 4 : pos + size]) if second & MASKED else None
    return FrameHeader(
        fin=first & FIN != 0,
        rsv=(first >> 4) & 0x7,
        opcode=first & 0xF,
        mask=mask,
        length=length,
        size=size,
        minimal=length >= least,
    )


def encode_frame(
    opcode: int,
    payload: bytes,
    *,
    fin: bool = True,
    mask: bytes | None = None,
    rsv1: bool = False,
) -> bytes:
    """Build one frame with the shortest length encoding; `mask` is 4 bytes, or None for none.

    Nothing is checked against the protocol, so that broken frames can be made as well.
    """
    first = (FIN if fin else 0) | (RSV1 if rsv1 else 0) | opcode
    second = 0 if mask is None else MASKED
    length = len(payload)
    if length < 126:
        head = bytes((first, second | length))
    elif length < 0x10000:
        head = struct.pack("!BBH", first, second | 126, length)
    else:
        head = struct.pack("!BBQ", first, second | 127, length)
    if mask is None:
        return head + payload
    return head + mask + apply_mask(mask, payload)


def encode_close(code: int | None, reason: str = "") -> bytes:
    """Build the payload of a close frame; no code means an empty payload."""
    return b"" if code is None else code.to_bytes(2, "big") + reason.encode()


def decode_close(payload: bytes) -> tuple[int | None, str, list[str]]:
    """Read a close frame's payload: code, reason, and what is wrong with them in words."""
    if not payload:
        return None, "", []
    if len(payload) == 1:
        return None, "", ["a close payload of 1 byte holds no code"]
    wrong = []
    code = int.from_bytes(payload[:2], "big")
    if not is_close_code(code):
        wrong.append(f"close code {code} must not be sent")
    try:
        reason = payload[2:].decode()
    except UnicodeDecodeError:
        reason = payload[2:].decode(errors="replace")
        wrong.append("the reason of a close frame is not UTF-8")
    return code, reason, wrong


def is_close_code(code: int) -> bool:
    """Whether an endpoint may send this code: §7.4 and IANA's registry of close codes."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))
