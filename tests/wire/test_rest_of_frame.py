"""Where the frame under way ends: the place at which a frame of our own may follow."""

from hypothesis import given
from hypothesis import strategies as st

from rtproxy.wire.frame import Opcode, encode_frame
from rtproxy.wire.message import MessageDecoder

MASK = b"\x01\x02\x03\x04"
LIMIT = 200

frames = st.lists(
    st.builds(
        lambda opcode, size, masked, fin: encode_frame(
            opcode, b"a" * size, mask=MASK if masked else None, fin=fin
        ),
        st.sampled_from([*Opcode, 0x3, 0xB]),
        st.integers(0, 300) | st.sampled_from([125, 126, 0xFFFF, 0x10000]),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@given(frames, st.data(), st.sampled_from([0, LIMIT, 2**20]))
def test_the_frame_under_way_ends_where_it_ends(
    sent: list[bytes], data: st.DataObject, limit: int
) -> None:
    stream = b"".join(sent)
    ends = {0}
    for frame in sent:
        ends.add(max(ends) + len(frame))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    decoder = MessageDecoder(from_client=True, max_message=limit)
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        next_end = min(at for at in ends if at >= start)
        for read in (stream[start:], stream[start:end], b""):
            assert decoder.rest_of_frame(read) == min(next_end - start, len(read))
        assert decoder.mid_frame == (start not in ends)
        decoder.feed(stream[start:end])


def test_after_an_impossible_length_no_end_is_known() -> None:
    impossible = b"\x82\x7f" + b"\xff" * 8
    decoder = MessageDecoder(from_client=False)
    decoder.feed(impossible[:5])
    assert decoder.rest_of_frame(impossible[5:] + b"more") == 9
    decoder.feed(impossible[5:])
    assert decoder.rest_of_frame(b"more") == 4
