"""Any bytes at all: never an exception, and the same events however they are cut."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.wire.deflate import Deflate
from rtproxy.wire.frame import encode_frame
from rtproxy.wire.message import Message, MessageDecoder, Oversize
from tests.wire.feeding import decode_every_way, read_sizes

LIMIT = 60

frames = st.builds(
    encode_frame,
    st.sampled_from([0, 0, 1, 1, 2, 8, 9, 10, 3, 15]),
    st.binary(max_size=80) | st.just(b"\xcaH\xcd\xc9\xc9\x07\x00") | st.just(b"J\x84\x01\x00"),
    fin=st.booleans(),
    mask=st.none() | st.binary(min_size=4, max_size=4),
    rsv1=st.booleans(),
)
# Frames, good and bad, between noise and headers of any kind.
noise = st.binary(max_size=20) | st.builds(
    lambda first, second, rest: bytes((first, second)) + rest,
    st.integers(0, 255),
    st.sampled_from([0, 1, 125, 126, 127, 128, 254, 255]),
    st.binary(max_size=12),
)
soup = st.lists(frames | frames | noise, max_size=12).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=300) | soup,
    from_client=st.booleans(),
    deflate=st.none() | st.builds(Deflate, st.booleans(), st.booleans()),
    sizes=read_sizes,
)
def test_any_bytes_give_the_same_events_in_whatever_reads(
    data: bytes, from_client: bool, deflate: Deflate | None, sizes: list[int]
) -> None:
    def make() -> MessageDecoder:
        return MessageDecoder(from_client=from_client, deflate=deflate, max_message=LIMIT)

    for event in decode_every_way(make, data, sizes):
        if isinstance(event, Message):
            size = len(event.data.encode() if isinstance(event.data, str) else event.data)
            assert size <= LIMIT
        if isinstance(event, Oversize):
            assert 0 < event.size <= len(data)
