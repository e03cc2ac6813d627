"""Made v1.0.rtape: python -m tests.tape.golden.make FILE. The tape in this folder is never remade.

It holds every kind and flag of format 1.0, text that is not ASCII, and a record of a private kind.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

from rtproxy.tape.codec import (
    decode,
    encode_control,
    encode_event,
    encode_header,
    encode_seal,
    encode_trailer,
)
from rtproxy.tape.record import FROM_SERVER, INJECTED, NOT_FORWARDED, REDACTED
from rtproxy.tape.summary import Summary
from tests.tape.framing import framed

HEADER: dict[str, Any] = {
    "id": "4f2a9c0d1e2b3a58",
    "connection": "websocket",
    "started_ns": 1_795_231_930_123_456_789,
    "writer": {"name": "rtproxy", "version": "0.1.0"},
    "origin": "recorded",
    "request": {
        "method": "GET",
        "target": "/v1/realtime?model=gpt-realtime",
        "headers": [["Host", "127.0.0.1:8787"], ["Authorization", "Bearer REDACTED:0a1b2c3d"]],
    },
    "response": {"status": 101, "headers": [["Upgrade", "websocket"]]},
}
S = FROM_SERVER


def records() -> list[bytes]:
    """Everything between header and seal."""
    created = (
        '{"type":"session.created","event_id":"event_1","session":{"type":"realtime",'
        '"id":"sess_1","model":"gpt-realtime","client_secret":{"value":"REDACTED:5e6f7081"}}}'
    )
    return [
        encode_event(0, 41_000_000, S | REDACTED, created),
        encode_event(1, 52_000_000, 0, '{"type":"session.update","session":{"type":"realtime"}}'),
        encode_event(2, 53_000_000, 0, '{"audio":"AAAA","type":"input_audio_buffer.append"}'),
        encode_event(3, 140_000_000, S, '{"type":"response.output_text.delta","delta":"Grüße 🎙"}'),
        encode_event(4, 1_200_000_000, S, b"\x00\x01\x02\xff"),
        encode_event(5, 1_300_000_000, 0, ""),
        encode_event(6, 1_310_000_000, NOT_FORWARDED, "not JSON"),
        encode_event(7, 1_320_000_000, S | INJECTED, '{"type":"error"}'),
        encode_control(8, 20_000_000_000, S, "ping", {"payload": b"\x01\x02\x03\x04"}),
        encode_control(9, 20_010_000_000, 0, "pong", {"payload": b"\x01\x02\x03\x04"}),
        framed(96, 10, 20_500_000_000, {"private": [1, 2.5, None, True]}),
        encode_control(11, 21_000_000_000, S, "gap", {"reason": "too large", "bytes": 300_000_000}),
        encode_control(12, 22_000_000_000, 0, "marker", {"text": "here"}),
        encode_control(13, 23_000_000_000, S, "close", {"code": 1000, "reason": "bye"}),
        encode_control(14, 23_000_500_000, S, "eof", {}),
    ]


def tape() -> bytes:
    """The whole tape, sealed."""
    data = encode_header(HEADER)
    summary = Summary()
    for record in records():
        summary.add(decode(record), len(data))
        data += record
    digest = hashlib.sha256(data).hexdigest()
    said = summary.to_map() | {"id": HEADER["id"], "sha256": digest}
    return data + encode_seal(15, 23_001_000_000, said) + encode_trailer(len(data))


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(tape())
