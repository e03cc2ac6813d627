"""RFC 7692, permessage-deflate: what the handshake agreed on, and inflating within bounds."""

import zlib
from dataclasses import dataclass
from enum import Enum

TAIL = b"\x00\x00\xff\xff"
"""The end of an empty stored block, which the sender takes off each message (§7.2.1)."""

WINDOW_BITS = frozenset(str(bits) for bits in range(8, 16))

MAX_STREAMS = 64
"""DEFLATE streams read from one message; each final block ends one and begins the next."""


@dataclass(frozen=True, slots=True)
class Deflate:
    """The agreed parameters (§7.1). Window bits are 8 to 15, as the base 2 logarithm of bytes."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = 15
    client_max_window_bits: int = 15

    @staticmethod
    def from_header(value: str | None) -> "Deflate | None":
        """Read the Sec-WebSocket-Extensions of a 101; several such headers joined by commas.

        None when permessage-deflate was not agreed on. A parameter that is malformed or unknown
        counts as absent: the endpoints judge it, we only follow.
        """
        for extension in (value or "").split(","):
            name, *parameters = (part.strip() for part in extension.split(";"))
            if name.lower() == "permessage-deflate":
                return Deflate._from_parameters(parameters)
        return None

    @staticmethod
    def _from_parameters(parameters: list[str]) -> "Deflate":
        agreed = {}
        for parameter in parameters:
            name, _, text = parameter.partition("=")
            agreed[name.strip().lower()] = text.strip().strip('"')
        return Deflate(
            server_no_context_takeover="server_no_context_takeover" in agreed,
            client_no_context_takeover="client_no_context_takeover" in agreed,
            server_max_window_bits=window_bits(agreed.get("server_max_window_bits")),
            client_max_window_bits=window_bits(agreed.get("client_max_window_bits")),
        )

    def inflater(self, *, from_client: bool) -> "Inflater":
        """The inflater for what the client, or else the server, sends."""
        if from_client:
            return Inflater(
                takeover=not self.client_no_context_takeover,
                window_bits=self.client_max_window_bits,
            )
        return Inflater(
            takeover=not self.server_no_context_takeover,
            window_bits=self.server_max_window_bits,
        )


def window_bits(text: str | None) -> int:
    """Read a window size parameter; 15, the largest, when it is absent or out of range."""
    return int(text) if text is not None and text in WINDOW_BITS else 15


class Unreadable(Enum):
    """Why a compressed message could not be had."""

    OVERSIZE = "it inflates to more than the limit"
    DAMAGED = "it is not sound DEFLATE data"
    CONTEXT_LOST = "it builds on an earlier message that could not be inflated"


class Inflater:
    """Inflates the messages of one direction, in order.

    With context takeover a message may refer to the 32 KiB before it. Once a message could not be
    inflated these are unknown, so that every later one is `Unreadable.CONTEXT_LOST` at no cost.
    """

    __slots__ = ("_lost", "_stream", "_takeover", "_wbits")

    def __init__(self, *, takeover: bool = True, window_bits: int = 15) -> None:
        self._takeover = takeover
        self._wbits = -window_bits
        self._stream: zlib._Decompress | None = None
        self._lost = False

    def lose(self) -> None:
        """Say that a compressed message went by that `inflate` was not given."""
        self._stream = None
        self._lost = self._takeover

    def inflate(self, payload: bytes | bytearray, limit: int) -> bytes | Unreadable:
        """Inflate one message's payload; memory and work end at `limit` bytes of output."""
        if self._lost:
            return Unreadable.CONTEXT_LOST
        if not payload:
            return b""  # No DEFLATE data at all, though some senders mean an empty message.
        try:
            plain = self._inflate(payload + TAIL, limit)
        except zlib.error:
            self.lose()
            return Unreadable.DAMAGED
        if len(plain) > limit:
            self.lose()
            return Unreadable.OVERSIZE
        if not self._takeover:
            self._stream = None
        return plain

    def _inflate(self, data: bytes | bytearray, limit: int) -> bytes:
        """Inflate up to `limit` + 1 bytes; raises zlib.error."""
        stream = self._stream or zlib.decompressobj(self._wbits)
        plain = stream.decompress(data, limit + 1)
        streams = 1
        while stream.eof:
            # A final block (§7.2.3.4) ends zlib's stream but not the sliding window.
            streams += 1
            if streams > MAX_STREAMS:
                raise zlib.error("too many final blocks in one message")
            rest = stream.unused_data
            stream = zlib.decompressobj(self._wbits, zdict=plain[-0x8000:])
            if rest == TAIL or len(plain) > limit:
                break
            plain += stream.decompress(rest, limit + 1 - len(plain))
        self._stream = stream
        return plain
