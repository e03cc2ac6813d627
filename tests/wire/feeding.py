"""Ways to cut a stream of bytes into reads."""

from collections.abc import Callable, Iterable, Iterator

from hypothesis import strategies as st

from rtproxy.wire.message import MessageDecoder, WireEvent

Decoder = Callable[[], MessageDecoder]


def pieces(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut `data` into reads of the given sizes; the rest is the last."""
    pos = 0
    for size in sizes:
        yield data[pos : pos + size]
        pos += size
    yield data[pos:]


def decode(decoder: MessageDecoder, reads: Iterable[bytes]) -> list[WireEvent]:
    events = [event for read in reads for event in decoder.feed(read)]
    return events + decoder.eof()


def decode_every_way(make: Decoder, data: bytes, sizes: Iterable[int] = ()) -> list[WireEvent]:
    """Decode `data` whole, byte by byte and in the given reads; the events must be the same."""
    whole = decode(make(), [data])
    assert decode(make(), (data[i : i + 1] for i in range(len(data)))) == whole
    assert decode(make(), pieces(data, sizes)) == whole
    return whole


read_sizes = st.lists(st.integers(0, 40) | st.integers(0, 4000), max_size=30)
