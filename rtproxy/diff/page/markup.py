"""HTML that is made of elements, so that text in it can never be taken for markup.

tag("p", "a < b ", tag("b", "c"), class_="note")   →   <p class="note">a &lt; b <b>c</b></p>
"""

import html
from base64 import b64encode
from hashlib import sha256

from rtproxy.tape.escape import visible

VOID = frozenset({"br", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *inner: str, **attributes: str | float | None) -> Markup:
    """An element. What is inside is text unless it is Markup; attributes that are None are left
    out, and a `_` in their names is a `-` unless it is the last character."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(found))}"'
        for key, found in attributes.items()
        if found is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(*inner)}</{name}>")


def joined(*parts: str) -> Markup:
    """Parts one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else text(part) for part in parts))


def text(plain: str) -> Markup:
    """Text as the content of an element or of a quoted attribute, with what is invisible shown."""
    return Markup(html.escape(visible(plain)))


def hash_of(source: str) -> str:
    """An inline script or style as a Content-Security-Policy names it (CSP 3 §2.3.1)."""
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"
