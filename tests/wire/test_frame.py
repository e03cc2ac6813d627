"""Frame headers, masks and close payloads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.wire.frame import (
    Opcode,
    decode_close,
    encode_close,
    encode_frame,
    is_close_code,
    parse_header,
)
from rtproxy.wire.mask import SHORT, TILE, apply_mask

MASK = b"\x37\xfa\x21\x3d"


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (encode_frame(Opcode.TEXT, b"Hello"), "810548656c6c6f"),
        (encode_frame(Opcode.TEXT, b"Hello", mask=MASK), "818537fa213d7f9f4d5158"),
        (encode_frame(Opcode.TEXT, b"Hel", fin=False), "010348656c"),
        (encode_frame(Opcode.CONTINUATION, b"lo"), "80026c6f"),
        (encode_frame(Opcode.PING, b"Hello"), "890548656c6c6f"),
        (encode_frame(Opcode.PONG, b"Hello", mask=MASK), "8a8537fa213d7f9f4d5158"),
    ],
)
def test_frames_of_the_standard(frame: bytes, expected: str) -> None:
    """The examples of RFC 6455 §5.7."""
    assert frame.hex() == expected


@pytest.mark.parametrize(
    ("length", "head"), [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10), (70000, 10)]
)
def test_the_length_takes_as_few_bytes_as_it_can(length: int, head: int) -> None:
    frame = encode_frame(Opcode.BINARY, bytes(length))
    header = parse_header(frame)
    assert header is not None
    assert (header.size, header.length, header.minimal) == (head, length, True)
    assert len(frame) == head + length


@given(
    opcode=st.integers(0, 15),
    fin=st.booleans(),
    rsv1=st.booleans(),
    mask=st.none() | st.binary(min_size=4, max_size=4),
    payload=st.binary(max_size=300),
    before=st.binary(max_size=5),
)
def test_a_header_says_what_was_encoded(
    opcode: int, fin: bool, rsv1: bool, mask: bytes | None, payload: bytes, before: bytes
) -> None:
    frame = encode_frame(opcode, payload, fin=fin, mask=mask, rsv1=rsv1)
    header = parse_header(before + frame, len(before))
    assert header is not None
    assert (header.opcode, header.fin, header.rsv) == (opcode, fin, 4 if rsv1 else 0)
    assert (header.mask, header.length) == (mask, len(payload))
    body = frame[header.size :]
    assert (apply_mask(mask, body) if mask else body) == payload
    for short in range(header.size):
        assert parse_header(frame[:short]) is None


@pytest.mark.parametrize(
    "length",
    [*range(10), *range(SHORT - 2, SHORT + 6), *range(TILE - 1, TILE + 6), 3 * TILE + 1],
)
@pytest.mark.parametrize("container", [bytes, bytearray])
def test_masking_is_xor_with_four_repeated_bytes(
    length: int, container: type[bytes] | type[bytearray]
) -> None:
    data = bytes(i * 7 & 0xFF for i in range(length))
    masked = apply_mask(MASK, container(b"ab" + data + b"c"), 2, 2 + length)
    assert isinstance(masked, bytes)
    assert masked == bytes(byte ^ MASK[i & 3] for i, byte in enumerate(data))


def test_close_codes_that_may_be_sent() -> None:
    sendable = {code for code in range(65536) if is_close_code(code)}
    named = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
    assert sendable == named | set(range(3000, 5000))


@given(code=st.integers(0, 65535), reason=st.text(max_size=30))
def test_a_close_payload_reads_back(code: int, reason: str) -> None:
    assert decode_close(encode_close(code, reason))[:2] == (code, reason)
    assert decode_close(encode_close(None)) == (None, "", [])
