"""What of a handshake passes a proxy."""

import pytest

from rtproxy.wire.handshake import (
    accept_key,
    end_to_end_headers,
    header_values,
    is_websocket_upgrade,
    offered_subprotocols,
)

UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket")]


def test_the_accept_key_of_the_standard() -> None:
    """The example of RFC 6455 §1.3."""
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_end_to_end_headers_keep_order_duplicates_and_case() -> None:
    kept = [
        ("authorization", "Bearer x"),
        ("X-Twice", "1"),
        ("OpenAI-Beta", "realtime=v1"),
        ("x-twice", "2"),
        ("Sec-WebSocket-Key", "k"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("Cookie", "a=b"),
        ("Proxy-Status", "cache; hit"),
    ]
    assert end_to_end_headers([*UPGRADE, *kept, ("HOST", "here")], websocket=True) == kept
    assert end_to_end_headers(kept, websocket=False) == kept


@pytest.mark.parametrize("websocket", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        "Connection", "keep-alive", "Proxy-Connection", "Proxy-Authorization",
        "Proxy-Authenticate", "TE", "Trailer", "Transfer-Encoding", "UPGRADE", "Host",
    ],
)  # fmt: skip
def test_hop_by_hop_headers_stay_behind(name: str, websocket: bool) -> None:
    headers = [("A", "1"), (name, "x"), ("B", "2")]
    assert end_to_end_headers(headers, websocket=websocket) == [("A", "1"), ("B", "2")]


def test_headers_that_connection_names_stay_behind() -> None:
    headers = [("Connection", "x-one , close"), ("X-One", "1"), ("X-Two", "2"), ("X-three", "3")]
    headers.append(("connection", "X-Three"))
    assert end_to_end_headers(headers, websocket=False) == [("X-Two", "2")]


def test_connection_cannot_take_the_handshake_apart() -> None:
    headers = [("Connection", "Upgrade, Sec-WebSocket-Key, X"), ("Sec-WebSocket-Key", "k")]
    assert end_to_end_headers([*headers, ("X", "")], websocket=True) == headers[1:]
    assert end_to_end_headers([*headers, ("X", "")], websocket=False) == []


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", UPGRADE, True),
        ("GET", [("connection", "keep-alive, upgrade"), ("UPGRADE", "WebSocket")], True),
        ("GET", [("Connection", "keep-alive"), ("Connection", "Upgrade"), UPGRADE[1]], True),
        ("POST", UPGRADE, False),
        ("GET", UPGRADE[:1], False),
        ("GET", UPGRADE[1:], False),
        ("GET", [UPGRADE[0], ("Upgrade", "h2c")], False),
        ("GET", [], False),
    ],
)
def test_what_asks_for_a_websocket(
    method: str, headers: list[tuple[str, str]], expected: bool
) -> None:
    assert is_websocket_upgrade(method, headers) is expected


def test_offered_subprotocols_in_order() -> None:
    headers = [
        ("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.sk-1"),
        ("sec-websocket-protocol", ",openai-beta.realtime-v1 "),
    ]
    assert offered_subprotocols(headers) == [
        "realtime",
        "openai-insecure-api-key.sk-1",
        "openai-beta.realtime-v1",
    ]
    assert offered_subprotocols([]) == []


def test_values_of_a_repeated_header_are_joined() -> None:
    headers = [("A", "1"), ("b", "2"), ("a", "3")]
    assert header_values(headers, "A") == "1, 3"
    assert header_values(headers, "c") is None
