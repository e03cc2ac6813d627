"""Bodies of HTTP messages."""

import zlib

MOST_STREAMS = 64
"""Streams that a body may consist of: each costs a look at all that follows."""


def decode_body(encoding: str, data: bytes, limit: int) -> bytes | None:
    """Undo a content encoding (RFC 9110 §8.4.1) up to `limit` bytes.

    None when the encoding is one that is not decoded here, or the data is not in it.
    """
    windows: tuple[int, ...]
    match encoding.strip().lower():
        case "" | "identity":
            return data[:limit]
        case "gzip" | "x-gzip":
            windows = (16 + zlib.MAX_WBITS,)
        case "deflate":
            windows = (zlib.MAX_WBITS, -zlib.MAX_WBITS)
        case _:
            return None
    for window in windows:
        try:
            return _unpack(data, window, limit)
        except zlib.error:
            continue
    return None


def _unpack(data: bytes, window: int, limit: int) -> bytes:
    """Raises zlib.error. A body may be several streams, one after another (RFC 1952 §2.2); what
    comes behind them and is none is left out, as by other programs."""
    stream = zlib.decompressobj(window)
    plain = stream.decompress(data, limit)
    for _ in range(MOST_STREAMS):
        if not stream.unused_data or len(plain) >= limit:
            return plain
        rest = stream.unused_data
        stream = zlib.decompressobj(window)
        try:
            plain += stream.decompress(rest, limit - len(plain))
        except zlib.error:
            return plain
    raise zlib.error("too many streams")
