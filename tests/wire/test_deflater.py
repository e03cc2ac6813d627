"""Deflating as a server: what is agreed on, and that clients can inflate it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.wire.deflate import Deflate
from rtproxy.wire.deflater import Deflater, agree

PLAIN = Deflate()


@pytest.mark.parametrize(
    ("offers", "wanted", "answer"),
    [
        (None, PLAIN, None),
        ("", PLAIN, None),
        ("x-webkit-deflate-frame", PLAIN, None),
        ("permessage-deflate", PLAIN, "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", PLAIN, "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits",
            Deflate(client_max_window_bits=12),
            "permessage-deflate; client_max_window_bits=12",
        ),
        ("permessage-deflate", Deflate(client_max_window_bits=12), "permessage-deflate"),
        (
            "permessage-deflate; server_max_window_bits=10",
            Deflate(server_max_window_bits=12),
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            'permessage-deflate; server_max_window_bits="15"',
            PLAIN,
            "permessage-deflate; server_max_window_bits=15",
        ),
        (
            "permessage-deflate; server_no_context_takeover",
            Deflate(client_no_context_takeover=True),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        # Offers that cannot be accepted are passed over for the next (RFC 7692 §5).
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate",
            PLAIN,
            "permessage-deflate",
        ),
        ("permessage-deflate; server_max_window_bits", PLAIN, None),
        ("permessage-deflate; server_max_window_bits=16", PLAIN, None),
        ("permessage-deflate; unknown", PLAIN, None),
        ("permessage-deflate; server_no_context_takeover=1", PLAIN, None),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", PLAIN, None),
    ],
)  # fmt: skip
def test_what_is_agreed_on(offers: str | None, wanted: Deflate, answer: str | None) -> None:
    agreed = agree(offers, wanted)
    assert (agreed and agreed[0]) == answer
    if agreed is not None:
        assert Deflate.from_header(agreed[0]) == agreed[1]


@given(
    st.lists(st.binary(max_size=300)),
    st.booleans(),
    st.integers(9, 15),
)
def test_what_is_deflated_can_be_inflated(
    messages: list[bytes], no_takeover: bool, bits: int
) -> None:
    agreed = Deflate(server_no_context_takeover=no_takeover, server_max_window_bits=bits)
    deflater, again = Deflater(agreed), Deflater(agreed)
    inflater = agreed.inflater(from_client=False)
    for message in messages:
        deflated = deflater.deflate(message)
        assert deflated == again.deflate(message)
        assert inflater.inflate(deflated, 1000) == message
