"""The Origin that a browser sends for a page (RFC 6454), and lists of those that are allowed."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

_STANDARD_PORTS = {"http": ":80", "https": ":443"}


def normal_origin(text: str) -> str | None:
    """An origin as browsers write it, for a list; None if it is none.

    `*` in it stands for anything, as in `http://localhost:*`.
    """
    text = text.strip().lower().rstrip("/")
    if text in ("*", "null"):
        return text
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme or not rest or set(rest) & set("/?#@ \\"):
        return None
    return f"{scheme}://{rest.removesuffix(_STANDARD_PORTS.get(scheme, '/'))}"


def is_listed(origin: str, allowed: Iterable[str]) -> bool:
    """Whether a page's origin is in a list of normal ones."""
    # A bracket is an IPv6 address's, not a pattern's.
    patterns = (pattern.replace("[", "[[]") for pattern in allowed)
    return any(fnmatchcase(origin.lower(), pattern) for pattern in patterns)


def is_same(origin: str, other: str) -> bool:
    """Whether two origins are one; what is none, or an opaque one, is no other's."""
    normal = normal_origin(origin)
    return normal not in (None, "*", "null") and normal == normal_origin(other)
