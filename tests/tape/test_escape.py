"""Nothing that a terminal acts on is left in a text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.tape.escape import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b2J", r"\x9b2J"),
        ("a\r\nb\tc\x00", r"a\r\nb\tc\x00"),
        ("\u202eevil\u2069", r"\u202eevil\u2069"),
        ("\u2028", r"\u2028"),
        ("\ufeff\u200b\u00ad", r"\ufeff\u200b\xad"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_would_act_is_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["Cześć, 世界 👋🏽", "👩\u200d🚀", "می\u200cخواهم", "10\u202f€\u00a0!"]
)
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text


@given(st.text())
def test_no_character_that_acts_is_left(text: str) -> None:
    shown = visible(text)
    assert not any(
        unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs", "Co", "Cn")
        or (unicodedata.category(char) == "Cf" and char not in "\u200c\u200d")
        for char in shown
    )
    assert shown == visible(shown)
