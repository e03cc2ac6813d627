"""Text from a tape, made safe to look at.

A tape may hold terminal escape sequences, line breaks, and characters that turn the direction of
writing around or cannot be seen. None of them is sent to a terminal: each is shown as its escape.
"""

import unicodedata

_JOINERS = "\u200c\u200d"
"""Invisible, but words of several scripts and many emoji are made with them."""
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str) -> str:
    """Text in which what a terminal would act on stands as an escape, such as \\x1b."""
    if text.isprintable():
        return text
    return "".join(char if _is_harmless(char) else _escape(char) for char in text)


def _is_harmless(char: str) -> bool:
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
