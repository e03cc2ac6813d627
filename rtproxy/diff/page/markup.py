"""HTML that is made of elements, so that text in it can never be taken for markup.

tag("p", "a < b ", tag("b", "c"), class_="note")   →   <p class="note">a &lt; b <b>c</b></p>
"""

from rtproxy.view.embed import as_text

VOID = frozenset({"br", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *inner: str, **attributes: str | float | None) -> Markup:
    """An element. What is inside is text unless it is Markup; attributes that are None are left
    out, and a `_` in their names is a `-` unless it is the last character."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{as_text(str(found))}"'
        for key, found in attributes.items()
        if found is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(*inner)}</{name}>")


def joined(*parts: str) -> Markup:
    """Parts one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else as_text(part) for part in parts))
