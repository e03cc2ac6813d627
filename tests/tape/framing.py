"""Frames records without the codec, so that a test may put anything into one."""

import struct
import zlib
from typing import Any

import msgpack


def framed(*body_elements: Any, body: bytes | None = None, elements: int | None = None) -> bytes:
    """One record with a right CRC; `body` and the count of its `elements` may be given raw."""
    if body is None:
        body = b"".join(msgpack.packb(element) for element in body_elements)
    count = len(body_elements) if elements is None else elements
    head = struct.pack(">BBI", 0x90 | count + 2, 0xCE, len(body))
    return head + struct.pack(">BI", 0xCE, zlib.crc32(head + body)) + body
