"""Writes flow files as mitmproxy does, one tnetstring a flow, for tests without mitmproxy."""

from typing import Any


def dump(value: Any) -> bytes:
    """A value as a tnetstring, with mitmproxy's tag for text."""
    match value:
        case None:
            tag, payload = b"~", b""
        case bool():
            tag, payload = b"!", b"true" if value else b"false"
        case int():
            tag, payload = b"#", str(value).encode()
        case float():
            tag, payload = b"^", repr(value).encode()
        case bytes():
            tag, payload = b",", value
        case str():
            tag, payload = b";", value.encode()
        case list() | tuple():
            tag, payload = b"]", b"".join(map(dump, value))
        case dict():
            parts = (dump(key) + dump(inner) for key, inner in value.items())
            tag, payload = b"}", b"".join(parts)
        case _:
            raise TypeError(type(value))
    return b"%d:%s%s" % (len(payload), payload, tag)


KEY = "sk-abcdef1234567890"
STARTED_S = 1795264461.5
MESSAGES: list[Any] = [
    [1, False, b'{"type":"session.created"}', STARTED_S + 0.25, False, False],
    [1, True, b'{"type":"response.create"}', STARTED_S + 0.5, False, False],
    [2, True, b"\x00\xff", STARTED_S + 0.75, True, False],
    [1, False, '{"type":"é"}'.encode(), STARTED_S + 1.0, False, True],
]


def websocket_flow(**changes: Any) -> dict[str, Any]:
    """A flow of a WebSocket, in mitmproxy's order of members."""
    flow: dict[str, Any] = {
        "websocket": {
            "timestamp_end": STARTED_S + 2,
            "close_reason": "bye",
            "close_code": 1000,
            "closed_by_client": True,
            "messages": MESSAGES,
        },
        "response": {
            "reason": b"Switching Protocols", "status_code": 101, "content": b"",
            "headers": [[b"Upgrade", b"websocket"]], "http_version": b"HTTP/1.1",
            "timestamp_start": STARTED_S, "timestamp_end": STARTED_S,
        },
        "request": {
            "path": b"/v1/realtime?model=gpt-realtime", "scheme": b"https", "method": b"GET",
            "port": 443, "host": "api.openai.com", "authority": b"",
            "timestamp_start": STARTED_S, "content": b"",
            "headers": [[b"Host", b"api.openai.com"], [b"Authorization", f"Bearer {KEY}".encode()]],
        },
        "error": None,
        "type": "http",
        "version": 21,
    }  # fmt: skip
    return flow | changes


def http_flow(**changes: Any) -> dict[str, Any]:
    flow = websocket_flow(websocket=None)
    flow["request"] |= {
        "path": b"/v1/realtime/client_secrets", "method": b"POST", "content": b'{"a":1}',
        "headers": [[b"Content-Type", b"application/json"]],
    }  # fmt: skip
    flow["response"] |= {"status_code": 200, "content": b'{"value":"ek_1234567890abcdef"}',
                         "headers": [[b"Content-Type", b"application/json"]]}  # fmt: skip
    return flow | changes
