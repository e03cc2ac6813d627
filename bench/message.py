"""The messages of the load: realtime events of the sizes that voice sessions have."""

import base64
import random

from rtproxy.wire.frame import Opcode, encode_close, encode_frame

APPEND_BYTES = 960
"""Audio of one append: 20 ms of 24 kHz, 16-bit mono."""
DELTA_BYTES = 9600
"""Audio of one delta: 200 ms of it."""
SMALL = 300
"""Bytes of a small message, such as a transcript delta."""
APPENDS_PER_SECOND = 50

RESPONSE_ID, ITEM_ID = "resp_BenchBenchBenchBench1", "item_BenchBenchBenchBench1"

MASK = b"\x5a\x17\xc3\x88"

_audio = random.Random(7)


def append(event: int = 0) -> str:
    """A client's `input_audio_buffer.append` with 20 ms of noise: 1.3 KB."""
    audio = base64.b64encode(_audio.randbytes(APPEND_BYTES)).decode()
    return f'{{"event_id":"event_{event:08}","type":"input_audio_buffer.append","audio":"{audio}"}}'


def delta(event: int = 0) -> str:
    """A server's `response.output_audio.delta` with 200 ms of noise: 13 KB."""
    audio = base64.b64encode(_audio.randbytes(DELTA_BYTES)).decode()
    return (
        f'{{"type":"response.output_audio.delta","event_id":"event_{event:08}",'
        f'"response_id":"{RESPONSE_ID}","item_id":"{ITEM_ID}",'
        f'"output_index":0,"content_index":0,"delta":"{audio}"}}'
    )


def small(event: int = 0) -> str:
    """A server's transcript delta, filled up to 300 bytes."""
    head = (
        f'{{"type":"response.output_audio_transcript.delta","event_id":"event_{event:08}",'
        f'"response_id":"{RESPONSE_ID}","item_id":"{ITEM_ID}",'
        '"output_index":0,"content_index":0,"delta":"'
    )
    return head + "x" * (SMALL - len(head) - 2) + '"}'


DELTA = len(delta())
"""Bytes of a message with audio for the caller."""

MESSAGES = {"append": append, "delta": delta, "small": small}


def from_client(text: str) -> bytes:
    """One masked text frame."""
    return encode_frame(Opcode.TEXT, text.encode(), mask=MASK)


def from_server(text: str) -> bytes:
    """One text frame without a mask."""
    return encode_frame(Opcode.TEXT, text.encode())


CLIENT_CLOSE = encode_frame(Opcode.CLOSE, encode_close(1000), mask=MASK)
SERVER_CLOSE = encode_frame(Opcode.CLOSE, encode_close(1000))
