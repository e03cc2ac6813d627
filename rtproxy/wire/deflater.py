"""RFC 7692 from the server's side: what to agree on, and deflating what is sent."""

import zlib

from rtproxy.wire.deflate import TAIL, WINDOW_BITS, Deflate

NAME = "permessage-deflate"
_KNOWN = {
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
}
_EMPTY = b"\x00"
"""An empty message (§7.2.3.6)."""


def agree(offers: str | None, wanted: Deflate) -> tuple[str, Deflate] | None:
    """Accept the first offer that can be; None if none can.

    `offers` is the client's Sec-WebSocket-Extensions, `wanted` what the server would like. Returns
    the answer's Sec-WebSocket-Extensions and what it says. §7.1: a server may always ask for less,
    except that only a client that offers `client_max_window_bits` can be told a window.
    """
    for offer in (offers or "").split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name.lower() == NAME:
            accepted = _accept(parameters, wanted)
            if accepted is not None:
                return accepted
    return None


def _accept(parameters: list[str], wanted: Deflate) -> tuple[str, Deflate] | None:
    offered: dict[str, str | None] = {}
    for parameter in parameters:
        name, equals, text = (part.strip() for part in parameter.partition("="))
        bits = text.strip('"') if equals else None
        is_window = name.endswith("_bits")
        if name not in _KNOWN or name in offered or (bits is not None) > is_window:
            return None
        if (
            is_window
            and bits not in WINDOW_BITS
            and (bits, name) != (None, "client_max_window_bits")
        ):
            return None
        offered[name] = bits
    server_bits = min(
        wanted.server_max_window_bits, int(offered.get("server_max_window_bits") or 15)
    )
    if server_bits < 9:
        return None  # zlib has no smaller window to deflate with
    client_bits = 15
    if "client_max_window_bits" in offered:
        client_bits = min(
            wanted.client_max_window_bits, int(offered["client_max_window_bits"] or 15)
        )
    agreed = Deflate(
        wanted.server_no_context_takeover or "server_no_context_takeover" in offered,
        wanted.client_no_context_takeover or "client_no_context_takeover" in offered,
        server_bits,
        client_bits,
    )
    said = [NAME]
    if agreed.server_no_context_takeover:
        said.append("server_no_context_takeover")
    if agreed.client_no_context_takeover:
        said.append("client_no_context_takeover")
    if server_bits < 15 or "server_max_window_bits" in offered:
        said.append(f"server_max_window_bits={server_bits}")
    if client_bits < 15:
        said.append(f"client_max_window_bits={client_bits}")
    return "; ".join(said), agreed


class Deflater:
    """Deflates the messages that a server sends, in order; the same ones give the same bytes."""

    __slots__ = ("_bits", "_stream", "_takeover")

    def __init__(self, agreed: Deflate) -> None:
        self._takeover = not agreed.server_no_context_takeover
        self._bits = agreed.server_max_window_bits
        self._stream = self._new()

    def deflate(self, payload: bytes) -> bytes:
        """One message's payload, without the tail that every message has (§7.2.1)."""
        if not payload:
            return _EMPTY
        deflated = self._stream.compress(payload) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        if not self._takeover:
            self._stream = self._new()
        return deflated.removesuffix(TAIL)

    def _new(self) -> "zlib._Compress":
        return zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, -self._bits)
