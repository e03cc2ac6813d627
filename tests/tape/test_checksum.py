"""The checksum of records, whichever library computes it."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from rtproxy.tape.checksum import crc32


@given(st.lists(st.binary(max_size=3000), max_size=4))
def test_it_is_that_of_zlib(pieces: list[bytes]) -> None:
    ours = theirs = 0
    for piece in pieces:
        ours, theirs = crc32(memoryview(piece), ours), zlib.crc32(piece, theirs)
    assert ours == theirs


def test_it_is_that_of_the_specification() -> None:
    assert crc32(b"123456789") == 0xCBF43926
