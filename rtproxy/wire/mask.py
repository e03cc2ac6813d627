"""RFC 6455 §5.3: masking, which is XOR with four repeated bytes and its own inverse."""

import numpy as np

SHORT = 400
"""Bytes up to which one XOR of two big integers is quicker than a call of numpy (measured)."""

TILE = 0x10000
"""Bytes of repeated mask kept for a long payload; a multiple of 4."""


def apply_mask(
    mask: bytes | bytearray, data: bytes | bytearray, start: int = 0, end: int | None = None
) -> bytes:
    """Return `data[start:end]` XORed with the 4 bytes of `mask`, repeated."""
    if end is None:
        end = len(data)
    length = end - start
    words = (length + 3) >> 2
    if length <= SHORT:
        key = int.from_bytes((mask * words)[:length], "little")
        return (int.from_bytes(data[start:end], "little") ^ key).to_bytes(length, "little")
    payload = np.frombuffer(data, np.uint8, length, start)
    if length <= TILE:
        return (payload ^ np.frombuffer(mask * words, np.uint8, length)).tobytes()
    tile = np.frombuffer(mask * (TILE >> 2), np.uint8)
    plain = np.empty(length, np.uint8)
    for at in range(0, length, TILE):
        part = payload[at : at + TILE]
        np.bitwise_xor(part, tile[: len(part)], out=plain[at : at + TILE])
    return plain.tobytes()
