"""Bodies of HTTP messages."""

import zlib


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
            return zlib.decompressobj(window).decompress(data, limit)
        except zlib.error:
            continue
    return None
