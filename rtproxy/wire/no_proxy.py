"""NO_PROXY: which hosts a program reaches without its proxy.

A list of names, addresses and networks, separated by commas. There is no standard; what curl, Go
and Python agree on is read: a name stands for itself and everything under it, with or without a
dot or `*.` before it; `*` stands for everything; a port may follow.
"""

import ipaddress
from collections.abc import Iterable
from fnmatch import fnmatchcase


def entries(no_proxy: str) -> list[str]:
    """The elements of the list, in order, without empty ones."""
    return [entry for entry in map(str.strip, no_proxy.split(",")) if entry]


def is_covered(host: str, port: int, no_proxy: str) -> bool:
    """Whether a program with this NO_PROXY reaches a host without its proxy."""
    return any(_covers(entry, host.lower(), port) for entry in entries(no_proxy))


def without(no_proxy: str, patterns: Iterable[str]) -> str:
    """The list without what keeps hosts that match a pattern (`*.example.com`) from a proxy."""
    wanted = [pattern.lower() for pattern in patterns]
    return ",".join(
        entry
        for entry in entries(no_proxy)
        if not any(_touches(_name(entry)[0], pattern) for pattern in wanted)
    )


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, only = _name(entry)
    if only is not None and only != port:
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return host == name or host.endswith(f".{name}")


def _touches(name: str, pattern: str) -> bool:
    """Whether some host that matches the pattern is the name, or is under it."""
    if name == "*" or fnmatchcase(name, pattern):
        return True
    base = pattern.lstrip("*").lstrip(".")
    if base == name or base.endswith(f".{name}"):
        return True
    return "*" in pattern and name.endswith(f".{base}")


def _name(entry: str) -> tuple[str, int | None]:
    """The entry's name, in lower case and without leading dot, and its port if it has one."""
    name, colon, port = entry.rpartition(":")
    if not colon or not port.isdigit() or (":" in name and not name.endswith("]")):
        name, port = entry, ""
    bare = name.strip("[]").lower().removeprefix("*").removeprefix(".")
    return bare or "*", int(port) if port else None
