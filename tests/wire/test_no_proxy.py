"""NO_PROXY, as curl, Go and Python agree on it."""

import pytest

from rtproxy.wire.no_proxy import is_covered, without


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "covered"),
    [
        ("", "api.openai.com", 443, False),
        ("*", "api.openai.com", 443, True),
        ("openai.com", "api.openai.com", 443, True),
        (".openai.com", "api.openai.com", 443, True),
        ("*.openai.com", "API.openai.com", 443, True),
        ("OPENAI.com", "openai.com", 443, True),
        ("penai.com", "openai.com", 443, False),
        ("localhost, openai.com ,", "api.openai.com", 443, True),
        ("openai.com:443", "api.openai.com", 443, True),
        ("openai.com:8443", "api.openai.com", 443, False),
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]:80", "::1", 80, True),
        ("[::1]:81", "::1", 80, False),
        ("fe80::/10", "fe80::1", 80, True),
        ("10.0.0.0/99", "10.0.0.1", 80, False),
    ],
)
def test_what_it_covers(no_proxy: str, host: str, port: int, covered: bool) -> None:
    assert is_covered(host, port, no_proxy) is covered


@pytest.mark.parametrize(
    ("no_proxy", "patterns", "left"),
    [
        ("", ["api.openai.com"], ""),
        ("localhost,corp.test", ["api.openai.com"], "localhost,corp.test"),
        ("*", ["api.openai.com"], ""),
        ("openai.com,corp.test", ["api.openai.com"], "corp.test"),
        (".openai.com:443, corp.test", ["API.openai.com"], "corp.test"),
        ("api.openai.com", ["api.openai.com"], ""),
        ("eu.api.openai.com", ["api.openai.com"], "eu.api.openai.com"),
        ("azure.com", ["*.openai.azure.com"], ""),
        ("mine.openai.azure.com", ["*.openai.azure.com"], ""),
        ("a.mine.openai.azure.com", ["*.openai.azure.com"], ""),
        ("127.0.0.1,localhost,::1", ["127.0.0.1"], "localhost,::1"),
        ("10.0.0.0/8", ["api.openai.com"], "10.0.0.0/8"),
    ],
)
def test_hosts_that_must_go_through_the_proxy(
    no_proxy: str, patterns: list[str], left: str
) -> None:
    assert without(no_proxy, patterns) == left
