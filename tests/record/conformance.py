"""Cases of RFC 6455 and RFC 7692 as raw bytes: what a WebSocket peer must answer, or refuse.

They follow the sections of the suites that libraries are measured by: framing (1), pings and
pongs (2), reserved bits (3), opcodes (4), fragmentation (5), UTF-8 (6), close handshake (7), many
fragments (10), compression (12, 13).
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rtproxy.wire.frame import Opcode, encode_close, encode_frame

TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE
MASK = b"\x37\xfa\x21\x3d"

Frame = tuple[int, bytes, bool, int]
"""Opcode, payload, fin, reserved bits."""


@dataclass(frozen=True)
class Case:
    """Frames to send, and the code that the peer closes with.

    `chop` is how many bytes are sent at once, 0 for all. `deflate` is what both ends agree on.
    """

    name: str
    frames: tuple[Frame, ...]
    code: int | None = 1000
    chop: int = 0
    deflate: str = ""

    def encode(self, *, masked: bool) -> Iterator[bytes]:
        """The bytes of all frames, chopped, then a close frame."""
        mask = MASK if masked else None
        data = b""
        for opcode, payload, fin, rsv in self.frames:
            frame = bytearray(encode_frame(opcode, payload, fin=fin, mask=mask))
            frame[0] |= rsv << 4
            data += frame
        data += encode_frame(CLOSE, encode_close(1000), mask=mask)
        size = self.chop or len(data)
        yield from (data[at : at + size] for at in range(0, len(data), size))


def one(opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0) -> Frame:
    return (opcode, payload, fin, rsv)


def framing() -> Iterator[Case]:
    for kind, opcode in (("text", TEXT), ("binary", BINARY)):
        for size in (0, 125, 126, 127, 128, 65535, 65536):
            yield Case(f"1.{kind}-{size}", (one(opcode, b"*" * size),))
        yield Case(f"1.{kind}-65536-chopped", (one(opcode, b"*" * 65536),), chop=997)


def pings() -> Iterator[Case]:
    for name, payload in (("empty", b""), ("text", b"Hello, world!"), ("125", b"\xfe" * 125),
                          ("bytes", bytes(range(0, 250, 3)))):  # fmt: skip
        yield Case(f"2.ping-{name}", (one(PING, payload),))
        yield Case(f"2.pong-{name}", (one(PONG, payload),))
        yield Case(f"2.pong-ping-{name}", (one(PONG, payload), one(PING, payload)))
    yield Case("2.ping-126", (one(PING, b"\xfe" * 126),), 1002)
    yield Case("2.ping-125-bytewise", (one(PING, b"\xfe" * 125),), chop=1)
    ten = tuple(one(PING, b"payload-%d" % n) for n in range(10))
    yield Case("2.ten-pings", ten)
    yield Case("2.ten-pings-bytewise", ten, chop=1)


def reserved_bits() -> Iterator[Case]:
    for rsv in range(1, 8):
        yield Case(f"3.text-rsv-{rsv}", (one(TEXT, b"Hello", rsv=rsv),), 1002)
        before = (one(TEXT, b"Hello"), one(TEXT, b"Hello", rsv=rsv), one(PING))
        yield Case(f"3.second-text-rsv-{rsv}", before, 1002)
        yield Case(f"3.second-text-rsv-{rsv}-bytewise", before, 1002, chop=1)
    for rsv, opcode in ((1, PING), (3, PONG), (7, CLOSE), (6, BINARY)):
        yield Case(f"3.{opcode.name}-rsv-{rsv}", (one(opcode, b"\x03\xe8", rsv=rsv),), 1002)


def opcodes() -> Iterator[Case]:
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Case(f"4.opcode-{opcode}", (one(opcode),), 1002)
        yield Case(f"4.opcode-{opcode}-payload", (one(opcode, b"reserved"),), 1002)
        after = (one(TEXT, b"Hello"), one(opcode, b"x"), one(PING))
        yield Case(f"4.opcode-{opcode}-after-text", after, 1002)
        yield Case(f"4.opcode-{opcode}-after-text-bytewise", after, 1002, chop=1)


def fragments() -> Iterator[Case]:
    a, b, c = b"fragment1", b"fragment2", b"fragment3"
    start, end = one(TEXT, a, fin=False), one(CONT, b)
    empty = one(TEXT, b"", fin=False)
    whole: dict[str, tuple[tuple[Frame, ...], int | None]] = {
        "ping-in-two": ((one(PING, a, fin=False), end), 1002),
        "pong-in-two": ((one(PONG, a, fin=False), end), 1002),
        "text-in-two": ((start, end), 1000),
        "ping-between": ((start, one(PING, b"ping"), end), 1000),
        "pong-between": ((start, one(PONG, b"pong"), end), 1000),
        "continuation-of-nothing": ((one(CONT, a), one(TEXT, b)), 1002),
        "open-continuation-of-nothing": ((one(CONT, a, fin=False), one(TEXT, b)), 1002),
        "continuation-after-whole": ((one(TEXT, a), one(CONT, b)), 1002),
        "text-inside-text": ((start, one(TEXT, b)), 1002),
        "binary-inside-text": ((start, one(BINARY, b)), 1002),
        "in-three": ((start, one(CONT, b, fin=False), one(CONT, c)), 1000),
        "empty-fragments": ((empty, one(CONT, b"", fin=False), one(CONT)), 1000),
        "empty-around": ((empty, one(CONT, a, fin=False), one(CONT)), 1000),
        "pings-between": (
            (start, one(PING, b"1"), one(CONT, b, fin=False), one(PING, b"2"), one(CONT, c)), 1000,
        ),
        "then-continuation": ((start, end, one(CONT, c)), 1002),
        "close-between": ((start, one(CLOSE, encode_close(1000)), end), 1000),
        "second-start-after-open": ((start, one(TEXT, b, fin=False), one(CONT, c)), 1002),
    }  # fmt: skip
    for name, (frames, code) in whole.items():
        yield Case(f"5.{name}", frames, code)
        yield Case(f"5.{name}-bytewise", frames, code, chop=1)
    many = (start, *(one(CONT, b"%d" % n, fin=False) for n in range(50)), one(CONT))
    yield Case("5.fifty", many)


VALID_UTF8 = {
    "greek": "κόσμε", "mixed": "Hello-µ@ßöäüàá-UTF-8!!", "boundary-2": "\x80", "boundary-3": "ࠀ",
    "boundary-4": "\U00010000", "last-1": "\x7f", "last-2": "\u07ff", "last-3": "\uffff",
    "last": "\U0010ffff", "before-surrogates": "\ud7ff", "after-surrogates": "\ue000",
    "replacement": "\ufffd", "emoji": "👩🏽\u200d🚀 ok", "null": "a\0b", "bom": "\ufeffx",
    "noncharacter": "\ufffe\U0001fffe",
}  # fmt: skip
INVALID_UTF8 = {
    "continuation": b"\x80",
    "continuations": b"\x80\xbf\x80",
    "lonely-2": b"\xc0 \xc1 \xdf ",
    "lonely-3": b"\xe0 \xef ",
    "lonely-4": b"\xf0 \xf7 ",
    "lonely-5": b"\xf8 ",
    "lonely-6": b"\xfc ",
    "fe": b"\xfe",
    "ff": b"\xff",
    "overlong-slash-2": b"\xc0\xaf",
    "overlong-slash-3": b"\xe0\x80\xaf",
    "overlong-slash-4": b"\xf0\x80\x80\xaf",
    "overlong-5": b"\xf8\x80\x80\x80\xaf",
    "overlong-6": b"\xfc\x80\x80\x80\x80\xaf",
    "overlong-max-2": b"\xc1\xbf",
    "overlong-max-3": b"\xe0\x9f\xbf",
    "overlong-max-4": b"\xf0\x8f\xbf\xbf",
    "null-2": b"\xc0\x80",
    "null-3": b"\xe0\x80\x80",
    "surrogate-high": b"\xed\xa0\x80",
    "surrogate-low": b"\xed\xbf\xbf",
    "surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond": b"\xf4\x90\x80\x80",
    "five": b"\xf8\x88\x80\x80\x80",
    "truncated-2": b"\xce",
    "truncated-3": b"\xe1\x80",
    "truncated-4": b"\xf1\x80\x80",
    "greek-then-surrogate": "κόσμε".encode() + b"\xed\xa0\x80edited",
}


def utf8() -> Iterator[Case]:
    for name, text in VALID_UTF8.items():
        data = text.encode("utf-8")
        yield Case(f"6.valid-{name}", (one(TEXT, data),))
        yield Case(f"6.valid-{name}-bytewise", (one(TEXT, data),), chop=1)
        parts = [one(CONT, data[n : n + 1], fin=False) for n in range(1, len(data))]
        yield Case(f"6.valid-{name}-split", (one(TEXT, data[:1], fin=False), *parts, one(CONT)))
    for name, data in INVALID_UTF8.items():
        yield Case(f"6.invalid-{name}", (one(TEXT, data),), 1007)
        yield Case(f"6.invalid-{name}-inside", (one(TEXT, b"ok" + data + b"ok"),), 1007)
        split = (one(TEXT, data[:1], fin=False), one(CONT, data[1:]))
        yield Case(f"6.invalid-{name}-split", split, 1007)
        yield Case(f"6.as-binary-{name}", (one(BINARY, data),))


def closing() -> Iterator[Case]:
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield Case(f"7.code-{code}", (one(CLOSE, encode_close(code, "bye")),), code)
    for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999):
        yield Case(f"7.invalid-code-{code}", (one(CLOSE, code.to_bytes(2, "big") + b"x"),), 1002)
    yield Case("7.empty", (one(CLOSE),), None)
    yield Case("7.one-byte", (one(CLOSE, b"a"),), 1002)
    yield Case("7.longest-reason", (one(CLOSE, encode_close(1000, "x" * 123)),))
    yield Case("7.too-long", (one(CLOSE, encode_close(1000, "x" * 124)),), 1002)
    yield Case("7.reason-no-utf8", (one(CLOSE, b"\x03\xe8\xce\xba\xff"),), 1007)
    yield Case("7.after-text", (one(TEXT, b"Hello"), one(CLOSE, encode_close(1000))))
    yield Case("7.twice", (one(CLOSE, encode_close(1000)), one(CLOSE, encode_close(1001))))
    yield Case("7.ping-after", (one(CLOSE, encode_close(1000)), one(PING, b"late")))
    yield Case("7.text-after", (one(CLOSE, encode_close(1000)), one(TEXT, b"late")))
    yield Case("7.in-fragments", (one(CLOSE, b"\x03\xe8", fin=False), one(CONT, b"x")), 1002)


def many() -> Iterator[Case]:
    parts = [b"*" * 1300] * 50
    frames = (one(TEXT, parts[0], fin=False), *(one(CONT, p, fin=False) for p in parts[1:]))
    yield Case("10.fifty-of-1300", (*frames, one(CONT)))


def compressed() -> Iterator[Case]:
    """Messages that begin compressed, with and without context takeover, whole and in parts."""
    for takeover in (True, False):
        terms = "permessage-deflate" + (
            "" if takeover else "; client_no_context_takeover; server_no_context_takeover"
        )
        for size in (0, 16, 500, 20_000):
            for fragments in (1, 3):
                pack = _packer(takeover)
                words = (b'{"type":"response.audio.delta","n":%d}' % size * 600)[:size]
                frames: list[Frame] = []
                for _ in range(4):
                    frames += _in_parts(pack(words), fragments)
                name = f"12.{'kept' if takeover else 'fresh'}-{size}-in-{fragments}"
                yield Case(name, tuple(frames), deflate=terms)
        plain = (one(TEXT, b"not compressed"), one(PING, b"x"))
        yield Case(f"13.plain-{takeover}", plain, deflate=terms)
        empty = one(TEXT, b"\x00", rsv=4)
        yield Case(f"13.empty-block-{takeover}", (empty, empty), deflate=terms)
        garbage = (one(TEXT, b"\xff\xff\xff\xff", rsv=4),)
        yield Case(f"13.garbage-{takeover}", garbage, 1007, deflate=terms)
        yield Case(f"13.rsv-2-{takeover}", (one(TEXT, b"x", rsv=2),), 1002, deflate=terms)
        again = (one(TEXT, b"\x00", fin=False, rsv=4), one(CONT, b"\x00", rsv=4))
        yield Case(f"13.rsv-on-continuation-{takeover}", again, 1002, deflate=terms)


def _packer(takeover: bool) -> Callable[[bytes], bytes]:
    """Compresses messages as RFC 7692 §7.2.1 says; with takeover one window for all."""
    shared = zlib.compressobj(wbits=-15)

    def pack(data: bytes) -> bytes:
        deflater = shared if takeover else zlib.compressobj(wbits=-15)
        return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    return pack


def _in_parts(data: bytes, count: int) -> list[Frame]:
    size = -(-len(data) // count) or 1
    parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
    return [
        one(TEXT if n == 0 else CONT, part, fin=n == len(parts) - 1, rsv=4 if n == 0 else 0)
        for n, part in enumerate(parts)
    ]


SECTIONS = (
    framing, pings, reserved_bits, opcodes, fragments, utf8, closing, many, compressed,
)  # fmt: skip
CASES = {case.name: case for section in SECTIONS for case in section()}
