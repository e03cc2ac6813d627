"""What the server says, as frames: the same actions give the same bytes."""

from rtproxy.wire.deflate import Deflate
from rtproxy.wire.deflater import Deflater
from rtproxy.wire.frame import CONTROL_MAX, Opcode, encode_close, encode_frame


class Framer:
    """Frames of one connection's server; each message is one frame."""

    __slots__ = ("_deflater",)

    def __init__(self, deflate: Deflate | None) -> None:
        self._deflater = Deflater(deflate) if deflate else None

    def message(self, payload: str | bytes) -> bytes:
        """A text or a binary message."""
        if isinstance(payload, str):
            opcode, data = Opcode.TEXT, payload.encode("utf-8", "replace")
        else:
            opcode, data = Opcode.BINARY, payload
        if self._deflater is not None:
            return encode_frame(opcode, self._deflater.deflate(data), rsv1=True)
        return encode_frame(opcode, data)

    def ping(self, payload: bytes) -> bytes:
        return encode_frame(Opcode.PING, payload[:CONTROL_MAX])

    def pong(self, payload: bytes) -> bytes:
        return encode_frame(Opcode.PONG, payload[:CONTROL_MAX])

    def close(self, code: int | None, reason: str) -> bytes:
        """A close frame; a reason that is too long for one is cut."""
        payload = encode_close(code, reason)
        while len(payload) > CONTROL_MAX:
            reason = reason[:-1]
            payload = encode_close(code, reason)
        return encode_frame(Opcode.CLOSE, payload)
