"""Base64 inside other texts: what it says, and what a value looks like in it."""

from base64 import b64encode
from binascii import Error, a2b_base64

_CERTAIN = (0, 2, 3)
"""Characters at the beginning that depend on what stands before a value, by its offset modulo 3."""
SHORTEST = 12
"""Characters by which a value is known in base64; fewer turn up by chance."""


def from_base64(text: str) -> bytes:
    """The bytes of base64 in either alphabet, with or without padding; b"" for what is none."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(plain + "=" * (-len(plain) % 4))
    except (Error, ValueError):
        return b""


def in_base64(value: str) -> list[str]:
    """What `value` looks like inside base64, wherever in the encoded bytes it begins.

    Characters that also depend on what stands beside it are left out: up to three at either end.
    Too short a value is not known in it.
    """
    raw = value.encode("utf-8", "surrogatepass")
    forms: list[str] = []
    for offset, skip in enumerate(_CERTAIN):
        whole = (offset + len(raw)) // 3 * 4
        form = b64encode(bytes(offset) + raw).decode("ascii")[skip:whole]
        if len(form) >= SHORTEST:
            forms += dict.fromkeys((form, form.replace("+", "-").replace("/", "_")))
    return forms
