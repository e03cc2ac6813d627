"""Bodies of HTTP messages without their content encodings."""

import gzip
import zlib
from functools import partial

import pytest

from rtproxy.wire.body import MOST_STREAMS, decode_body

PLAIN = b'{"a": "b"}' * 100
LIMIT = 10_000
packed = partial(gzip.compress, mtime=0)  # bytes name these tests, the same in every worker


@pytest.mark.parametrize(
    ("encoding", "data", "plain"),
    [
        ("", PLAIN, PLAIN),
        (" Identity ", PLAIN, PLAIN),
        ("gzip", packed(PLAIN), PLAIN),
        ("x-gzip", packed(PLAIN), PLAIN),
        ("gzip", packed(PLAIN) + packed(b"more"), PLAIN + b"more"),
        ("gzip", packed(b"") * (MOST_STREAMS - 1) + packed(PLAIN), PLAIN),
        ("gzip", packed(PLAIN)[:-8], PLAIN),  # cut off
        ("deflate", zlib.compress(PLAIN), PLAIN),
        ("deflate", zlib.compress(PLAIN)[2:-4], PLAIN),  # as some servers mean it
        ("gzip", PLAIN, None),
        ("gzip", packed(PLAIN) + b"rubbish", PLAIN),
        ("gzip", packed(b"") * (MOST_STREAMS + 2), None),
        ("br", PLAIN, None),
    ],
)
def test_an_encoding_is_undone(encoding: str, data: bytes, plain: bytes | None) -> None:
    assert decode_body(encoding, data, LIMIT) == plain


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, 10 * LIMIT])
def test_up_to_a_limit(size: int) -> None:
    once, twice = gzip.compress(b" " * size), gzip.compress(b" " * (size // 2)) * 2
    assert decode_body("gzip", once, LIMIT) == b" " * LIMIT
    assert len(decode_body("gzip", twice, LIMIT) or b"") == min(LIMIT, size // 2 * 2)
    assert decode_body("", b" " * size, LIMIT) == b" " * LIMIT
