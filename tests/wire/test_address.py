"""Which addresses are this machine's own, and who may read what is served there."""

import pytest

from rtproxy.wire.address import (
    is_addressed_to,
    is_loopback,
    is_own_origin,
    origin_form,
    split_authority,
    url_host,
)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.168.0.1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) is own


@pytest.mark.parametrize(
    ("listening", "host", "served"),
    [
        ("127.0.0.1", "127.0.0.1:8787", True),
        ("127.0.0.1", "[::1]:8787", True),
        ("127.0.0.1", "[::1]", True),
        ("127.0.0.1", "evil.example:8787", False),
        ("127.0.0.1", "", False),
        ("0.0.0.0", "box.lan:8787", True),
    ],
)
def test_the_host_header(listening: str, host: str, served: bool) -> None:
    assert is_addressed_to(listening, host) is served


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://localhost:3000", "127.0.0.1:8787", True),
        ("http://[::1]:3000", "127.0.0.1:8787", True),
        ("https://evil.example", "127.0.0.1:8787", False),
        ("https://localhost.evil.example", "127.0.0.1", False),
        ("null", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("http://[", "127.0.0.1", False),
        ("https://Box.lan", "box.LAN:8787", True),
    ],
)
def test_the_origin_of_a_page(origin: str, host: str, own: bool) -> None:
    assert is_own_origin(origin, host) is own


def test_a_host_in_a_url() -> None:
    assert (url_host("::1"), url_host("127.0.0.1")) == ("[::1]", "127.0.0.1")


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("api.openai.com:443", "api.openai.com", 443),
        ("127.0.0.1:8443", "127.0.0.1", 8443),
        ("[::1]:443", "::1", 443),
        ("[0:0:0::1]:443", "::1", 443),
    ],
)
def test_authorities(authority: str, host: str, port: int) -> None:
    assert split_authority(authority) == (host, port)


@pytest.mark.parametrize(
    "authority",
    ["", "host", "host:", ":443", "host:0", "host:65536", "host:1e3", "host:-1", "host:٤٤٣",
     "::1:443", "[::1]", "[zz]:443", "u@host:443", "host/path:443", "ho st:443", "host:443:443",
     "host:99999999999999999999"],
)  # fmt: skip
def test_what_is_no_authority(authority: str) -> None:
    with pytest.raises(ValueError):
        split_authority(authority)


@pytest.mark.parametrize(
    ("target", "origin_formed"),
    [
        ("/v1/realtime?model=x", "/v1/realtime?model=x"),
        ("http://host/v1?q=http://x/", "/v1?q=http://x/"),
        ("http://host:80/a%20b", "/a%20b"),
        ("http://host", "/"),
        ("http://host?q", "/?q"),
        ("*", "*"),
    ],
)
def test_origin_form(target: str, origin_formed: str) -> None:
    assert origin_form(target) == origin_formed
