"""Origins of pages, and lists of those that are allowed."""

import pytest

from rtproxy.wire.origin import is_listed, is_same, normal_origin


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("http://localhost:3000", "http://localhost:3000"),
        ("HTTP://LocalHost:3000/", "http://localhost:3000"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("https://app.example.com:80", "https://app.example.com:80"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("*", "*"),
        ("null", "null"),
        ("localhost:3000", None),
        ("http://", None),
        ("http://a/b", None),
        ("http://u@a", None),
        ("", None),
    ],
)
def test_as_browsers_write_them(text: str, normal: str | None) -> None:
    assert normal_origin(text) == normal


@pytest.mark.parametrize(
    ("origin", "allowed", "listed"),
    [
        ("http://localhost:3000", ["http://localhost:3000"], True),
        ("http://localhost:3001", ["http://localhost:3000"], False),
        ("http://localhost:3001", ["http://localhost:*"], True),
        ("http://localhost.evil.test", ["http://localhost:*", "http://localhost"], False),
        ("https://a.example.com", ["https://*.example.com"], True),
        ("https://evilexample.com", ["https://*.example.com"], False),
        ("http://[::1]:3000", ["http://[::1]:3000"], True),
        ("http://:", ["http://[::1]:3000"], False),
        ("null", ["http://localhost:3000"], False),
        ("http://localhost:3000", [], False),
    ],
)
def test_lists(origin: str, allowed: list[str], listed: bool) -> None:
    assert is_listed(origin, allowed) is listed


@pytest.mark.parametrize(
    ("origin", "other", "same"),
    [
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787", True),
        ("https://API.example.com", "https://api.example.com:443", True),
        ("http://127.0.0.1:8788", "http://127.0.0.1:8787", False),
        ("http://localhost", "https://localhost", False),
        ("http://*", "http://127.0.0.1:8787", False),
        ("null", "null", False),
        ("*", "*", False),
        ("", "", False),
    ],
)
def test_the_same(origin: str, other: str, same: bool) -> None:
    assert is_same(origin, other) is same
