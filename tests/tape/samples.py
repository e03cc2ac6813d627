"""Small tapes made by hand, for the tests of this folder."""

from collections.abc import Sequence

from rtproxy.tape.codec import (
    encode_control,
    encode_event,
    encode_header,
    encode_seal,
    encode_trailer,
)
from rtproxy.tape.record import FROM_SERVER, Header, Record, Trailer
from rtproxy.tape.scanner import Damage, Scanned, Scanner

HEADER = encode_header({"id": "4f2a9c", "connection": "websocket"})
BODY = [
    encode_event(0, 10, 0, '{"type":"session.update"}'),
    encode_event(1, 200, FROM_SERVER, '{"type":"session.updated"}'),
    encode_control(2, 3000, FROM_SERVER, "ping", {"payload": b"\x01\x02"}),
    encode_event(3, 40000, 0, b"\x00\xff"),
    encode_control(4, 500000, FROM_SERVER, "close", {"code": 1000, "reason": ""}),
]


def sealed(header: bytes = HEADER, body: Sequence[bytes] = BODY) -> list[bytes]:
    """The records of a sealed tape; the seal has the seq after the body's last."""
    offset = len(header) + sum(map(len, body))
    seal = encode_seal(len(body), 500001, {"id": "4f2a9c", "records": len(body)})
    return [header, *body, seal, encode_trailer(offset)]


def scan(tape: bytes) -> tuple[list[Scanned], list[Damage]]:
    """The sound records and the damage of a tape that nobody writes to any more."""
    scanner = Scanner(lambda offset, size: tape[offset : offset + size])
    return list(scanner.scan(len(tape))), scanner.damage


def sound(tape: bytes) -> list[bytes]:
    """The bytes of the sound records."""
    return [scanned.data for scanned in scan(tape)[0]]


def numbered(records: Sequence[Record]) -> list[int]:
    """The seqs of the records that have one."""
    return [
        record.seq
        for record in records
        if not isinstance(record, Header | Trailer) and record.seq is not None
    ]
