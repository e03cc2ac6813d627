"""Bytes → events, where nothing is special: the way of nearly every record, in half the time.

It stops before whatever needs a closer look, which `scanner` takes.
"""

from collections.abc import Iterator

from rtproxy.tape.checksum import crc32
from rtproxy.tape.codec import EVENT_MARK, FRAME_SIZE, UINT32, decode_plain_event, unpack_frame
from rtproxy.tape.record import Event

LARGEST = 1 << 16
"""The longest body, in bytes, that is decoded without a look at it first."""


def plain_events(buffer: bytes, at: int, end: int, seq: int) -> Iterator[tuple[int, bytes, Event]]:
    """The sound events from `at` on that lie before `end`, as long as each has the next `seq`.

    Of each where it starts, its bytes with the frame, and what it says.
    """
    view = memoryview(buffer)
    while at + FRAME_SIZE <= end:
        first, length_mark, length, crc_mark, crc = unpack_frame(buffer, at)
        body = at + FRAME_SIZE
        after = body + length
        if (
            first != EVENT_MARK
            or length_mark != UINT32
            or crc_mark != UINT32
            or not 0 < length <= LARGEST
            or after > end
            or crc32(view[body:after], crc32(view[at : at + 6])) != crc
        ):
            return
        data = buffer[at:after]
        event = decode_plain_event(data)
        if event is None or event.seq != seq:
            return
        yield at, data, event
        at = after
        seq += 1
