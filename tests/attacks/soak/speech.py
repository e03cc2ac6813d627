"""What the ends say and hear, frame by frame; with a decoder that has nothing of rtproxy's.

An item is a message or a control frame, as a short digest. What was said, what is on the tape and
what was heard are lists of items that can be compared.
"""

import base64
import hashlib
import itertools
import random
import zlib
from collections.abc import Iterator

from rtproxy.wire.frame import Opcode, encode_frame

TAIL = b"\x00\x00\xff\xff"
NO_DEFLATE = b"\x06"
"""A block of a kind that there is not."""
CONTROL = {Opcode.PING: b"p", Opcode.PONG: b"q", Opcode.CLOSE: b"c"}
PAD = base64.b64encode(random.Random(0).randbytes(3 * 2**20))
CLOSE = b"\x03\xe8"


def item(kind: bytes, payload: bytes) -> str:
    """A message (m), a ping (p), a pong (q) or a close frame (c)."""
    content = b"" if kind == b"c" else payload
    return hashlib.blake2b(kind + content, digest_size=6).hexdigest()


def unmask(key: bytes, data: bytes) -> bytes:
    size = len(data)
    pattern = (key * (size // 4 + 1))[:size]
    number = int.from_bytes(data, "big") ^ int.from_bytes(pattern, "big")
    return number.to_bytes(size, "big")


class Ear:
    """Hears one end. `items` is what has come, `closed` whether a close frame has."""

    def __init__(self, deflate: str) -> None:
        self.items: list[str] = []
        self.size = 0
        self.closed = False
        self._packs = bool(deflate)
        self._takeover = "no_context" not in deflate
        self._stream = zlib.decompressobj(-15)
        self._lost = False
        self._held = bytearray()
        self._message: bytearray | None = None
        self._packed = False
        self._dead = False

    def hear(self, data: bytes) -> None:
        self.size += len(data)
        if self._dead:
            return
        self._held += data
        start = 0
        while (end := self._frame(start)) is not None:
            start = end
        del self._held[:start]

    def _frame(self, start: int) -> int | None:
        """Take the frame at `start`; return its end, or None if it is not there yet."""
        held = self._held
        have = len(held) - start
        if have < 2:
            return None
        first, second = held[start], held[start + 1]
        length = second & 127
        wide = {126: 2, 127: 8}.get(length, 0)
        body = start + 2 + wide + (4 if second & 128 else 0)
        if len(held) < body:
            return None
        if wide:
            length = int.from_bytes(held[start + 2 : start + 2 + wide], "big")
        if length >> 63:
            self._dead = True
            return None
        if len(held) < body + length:
            return None
        payload = bytes(held[body : body + length])
        if second & 128:
            payload = unmask(bytes(held[body - 4 : body]), payload)
        self._take(first, payload)
        return body + length

    def _take(self, first: int, payload: bytes) -> None:
        opcode = first & 15
        if opcode in (8, 9, 10):
            self.items.append(item(CONTROL[Opcode(opcode)], payload))
            self.closed |= opcode == 8
            return
        if opcode > 2 or (opcode == 0 and self._message is None):
            return
        if opcode:
            if self._message is not None and self._packed:
                self._lost = self._lost or self._takeover
            self._message = bytearray()
            self._packed = self._packs and bool(first & 64)
        assert self._message is not None
        self._message += payload
        if first & 128:
            whole, self._message = bytes(self._message), None
            self.items.append(item(b"m", self._unpack(whole) if self._packed else whole))

    def _unpack(self, packed: bytes) -> bytes:
        if self._lost:
            return packed
        if not self._takeover:
            self._stream = zlib.decompressobj(-15)
        try:
            return self._stream.decompress(packed + TAIL)
        except zlib.error:
            self._lost = self._takeover
            return packed


class Mouth:
    """Makes frames for one end. `items` is what is whole and can be understood of them."""

    def __init__(self, number: int, rng: random.Random, deflate: str, *, is_client: bool) -> None:
        self.items: list[str] = []
        self.size = 0
        self._number = number
        self._rng = rng
        self._is_client = is_client
        self._packs = bool(deflate)
        self._takeover = "no_context" not in deflate
        self._stream = zlib.compressobj(1, wbits=-15)
        self._lost = False

    def text(self, size: int) -> bytes:
        at = self._rng.randrange(len(PAD) - size)
        head = f'{{"type":"soak","session":{self._number},"n":{len(self.items)},"pad":"'
        return head.encode() + PAD[at : at + size] + b'"}'

    def frame(self, opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> bytes:
        mask = self._rng.randbytes(4) if self._is_client else None
        return encode_frame(opcode, payload, fin=fin, mask=mask, rsv1=rsv1)

    def message(self, size: int) -> bytes:
        payload = self.text(size)
        self.items.append(item(b"m", payload))
        return self.frame(Opcode.TEXT, payload)

    def control(self, opcode: Opcode, payload: bytes) -> bytes:
        self.items.append(item(CONTROL[opcode], payload))
        return self.frame(opcode, payload)

    def fragments(self, size: int) -> Iterator[bytes]:
        """A message in pieces, with pings and pongs between them."""
        payload = self.text(size)
        rsv1 = self._packs and self._rng.random() < 0.5
        whole = self._pack(payload) if rsv1 else payload
        cuts = sorted(self._rng.randrange(len(whole)) for _ in range(self._rng.randint(0, 6)))
        edges = [0, *cuts, len(whole)]
        for at, (start, end) in enumerate(itertools.pairwise(edges)):
            fin = end == len(whole) and at == len(edges) - 2
            opcode = Opcode.CONTINUATION if at else Opcode.TEXT
            if fin:
                self.items.append(item(b"m", whole if rsv1 and self._lost else payload))
            yield self.frame(opcode, whole[start:end], fin=fin, rsv1=rsv1 and not at)
            if not fin and self._rng.random() < 0.5:
                opcode = self._rng.choice([Opcode.PING, Opcode.PONG])
                yield self.control(opcode, self._rng.randbytes(self._rng.randint(0, 125)))

    def packed(self, size: int) -> bytes:
        payload = self.text(size)
        packed = self._pack(payload)
        self.items.append(item(b"m", packed if self._lost else payload))
        return self.frame(Opcode.TEXT, packed, rsv1=True)

    def garbage(self) -> bytes:
        """A compressed message that is none."""
        payload = NO_DEFLATE + self._rng.randbytes(self._rng.randint(1, 2000))
        self._lost = self._lost or self._takeover
        self.items.append(item(b"m", payload))
        return self.frame(Opcode.BINARY, payload, rsv1=True)

    def broken(self) -> bytes:
        """A frame that the protocol forbids, after which the next one can be found."""
        payload = self.text(self._rng.randint(10, 300))
        match self._rng.randrange(7):
            case 0:  # a mask where there must be none, or none
                self.items.append(item(b"m", payload))
                mask = None if self._is_client else self._rng.randbytes(4)
                return encode_frame(Opcode.TEXT, payload, mask=mask)
            case 1:
                self.items.append(item(b"m", payload))
                frame = bytearray(self.frame(Opcode.TEXT, payload))
                frame[0] |= 0x30
                return bytes(frame)
            case 2:
                payload = b"\xff\xfe\xc0" + payload
                self.items.append(item(b"m", payload))
                return self.frame(Opcode.TEXT, payload)
            case 3:
                return self.control(Opcode.PING, payload + b"x" * 126)
            case 4:
                return self.frame(self._rng.choice([3, 7, 11, 15]), payload)
            case 5:
                return self.frame(Opcode.CONTINUATION, payload)
            case _:  # a message begins before the one before it has ended
                rest = self.frame(Opcode.TEXT, payload[:8], fin=False)
                return rest + self.message(20)

    def half(self) -> bytes:
        """The beginning of a frame."""
        whole = self.frame(Opcode.TEXT, self.text(self._rng.randint(200, 20_000)))
        return whole[: self._rng.randint(1, len(whole) - 1)]

    def fatal(self) -> bytes:
        """An impossible length: nobody knows what comes behind it."""
        return b"\x81" + (b"\xff" if self._is_client else b"\x7f") + b"\xff" * 8 + PAD[:50_000]

    def _pack(self, payload: bytes) -> bytes:
        if not self._takeover:
            self._stream = zlib.compressobj(1, wbits=-15)
        packed = self._stream.compress(payload) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        return packed.removesuffix(TAIL)
