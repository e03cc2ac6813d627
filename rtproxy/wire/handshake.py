"""RFC 6455 §4 and RFC 9110 §7.6: which handshake headers pass a proxy, and what they say.

Headers are lists of (name, value) pairs, as they came: order, duplicates and letter case are kept.
"""

import base64
import hashlib

Headers = list[tuple[str, str]]

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that concern one connection only: RFC 9110 §7.6.1, and §11.7 for those to a proxy."""

KEPT = ("sec-websocket-",)
"""What begins like this belongs to a WebSocket handshake even if Connection names it."""


def accept_key(key: str) -> str:
    """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455 §4.2.2)."""
    digest = hashlib.sha1(key.strip().encode() + GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def header_values(headers: Headers, name: str) -> str | None:
    """All values of the header `name`, joined by commas (RFC 9110 §5.3); None if it is absent."""
    wanted = name.lower()
    values = [value for header, value in headers if header.lower() == wanted]
    return ", ".join(values) if values else None


def header_tokens(headers: Headers, name: str) -> list[str]:
    """The comma-separated elements of the header `name`, in order, without empty ones."""
    elements = (header_values(headers, name) or "").split(",")
    return [element for element in map(str.strip, elements) if element]


def end_to_end_headers(headers: Headers, *, websocket: bool) -> Headers:
    """The headers that a proxy passes on.

    Without Host (the caller sets it), the hop-by-hop headers and those that Connection names; in
    a WebSocket handshake the caller makes Connection and Upgrade anew, and Sec-WebSocket-* stay
    whatever Connection says.
    """
    named = {token.lower() for token in header_tokens(headers, "Connection")}
    if websocket:
        named = {name for name in named if not name.startswith(KEPT)}
    dropped = HOP_BY_HOP | named | {"host"}
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def is_websocket_upgrade(method: str, headers: Headers) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455 §4.1): GET, `Connection: Upgrade` and
    `Upgrade: websocket`, each possibly among others. Key and version are left to the server."""
    connection = {token.lower() for token in header_tokens(headers, "Connection")}
    upgrade = {token.lower() for token in header_tokens(headers, "Upgrade")}
    return method.upper() == "GET" and "upgrade" in connection and "websocket" in upgrade


def offered_subprotocols(headers: Headers) -> list[str]:
    """The subprotocols that a client offers, in its order of preference."""
    return header_tokens(headers, "Sec-WebSocket-Protocol")
