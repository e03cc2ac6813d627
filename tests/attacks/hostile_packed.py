"""Packed tapes that are made to hurt whoever unpacks them, each with its name."""

from collections.abc import Iterator

import zstandard

from tests.attacks.hostile import call, said, sealed

MAGIC = b"\x28\xb5\x2f\xfd"
LAST = 1
REPEATED = 1 << 1


def packed() -> Iterator[tuple[str, bytes]]:
    good = sealed(said(*call()))
    whole = zstandard.compress(good)
    yield "several frames", b"".join(frames(good, 1_000))
    yield "bomb", bomb(good, 1 << 31)
    yield "cut", whole[: len(whole) // 2]
    yield "magic", MAGIC
    yield "2 GiB window", MAGIC + b"\x00\xa8" + block(LAST | REPEATED, 100) + b"x"
    yield "garbage behind", whole + b"garbage" * 1_000
    yield "tape behind", whole + good
    yield "two", whole + whole
    summed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(good))
    summed[-1] ^= 1
    yield "checksum", bytes(summed)
    size = (1 << 62).to_bytes(8, "little")
    yield "wrong size", MAGIC + b"\xe0" + size + block(LAST, len(good)) + good
    yield "empty frames", zstandard.compress(b"") * 100_000 + whole
    yield "packed twice", zstandard.compress(whole)
    yield "repeats", MAGIC + b"\x00\x58" + block(LAST | REPEATED, 1 << 17) + b"\0"


def frames(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield zstandard.compress(data[at : at + size])


def bomb(front: bytes, size: int) -> bytes:
    """A tape, and then as many zeros as a few KB can tell of."""
    zeros = MAGIC + b"\x00\x38" + (block(REPEATED, 1 << 17) + b"\0") * 255
    zeros += block(LAST | REPEATED, 1 << 17) + b"\0"
    return zstandard.compress(front) + zeros * (size // (256 << 17))


def block(kind: int, size: int) -> bytes:
    """The front of a block as RFC 8878 has it (3.1.1.2)."""
    return (kind | size << 3).to_bytes(3, "little")
