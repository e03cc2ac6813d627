"""Finds the frames in a byte stream without looking into them."""

from rtproxy.wire.frame import Opcode, header_size


class FrameWalker:
    """Steps from frame header to frame header; payloads are neither unmasked nor kept.

    Written for speed, not for wrong input: it must cost little next to the proxy under test.
    """

    def __init__(self) -> None:
        self.closed = False
        """Whether a close frame has come."""
        self._head = b""
        self._left = 0
        self._length: int | None = None

    def feed(self, data: bytes) -> list[int]:
        """Take a read; return the payload lengths (bytes) of the data frames completed by it."""
        if self._head:
            data = self._head + data
        pos, have = self._left, len(data)
        done: list[int] = []
        if pos > have:
            self._left = pos - have
            return done
        if pos and self._length is not None:
            done.append(self._length)
        self._left, self._head = 0, b""
        while pos < have:
            size = header_size(data[pos + 1]) if have - pos > 1 else 2
            if have - pos < size:
                self._head = data[pos:]
                break
            code = data[pos + 1] & 0x7F
            if code == 126:
                code = int.from_bytes(data[pos + 2 : pos + 4], "big")
            elif code == 127:
                code = int.from_bytes(data[pos + 2 : pos + 10], "big")
            opcode = data[pos] & 0x0F
            self.closed |= opcode == Opcode.CLOSE
            length = code if opcode < Opcode.CLOSE else None
            pos += size + code
            if pos > have:
                self._left, self._length = pos - have, length
            elif length is not None:
                done.append(length)
        return done
