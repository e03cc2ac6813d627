"""A time on a tape as people write it: 2.5, 800ms, 1m30s."""

import re

_AMOUNT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h)?", re.ASCII)
_UNIT_NS = {"ms": 1e6, "s": 1e9, "": 1e9, "m": 60e9, "h": 3600e9}
_LONGEST = 64

LOOKS = "2.5, 800ms or 1m30s"
"""How one looks, for whoever is told that theirs does not."""


def moment_ns(text: str) -> int:
    """Nanoseconds; a number alone is seconds. Raises ValueError for what is no time."""
    amounts = list(_AMOUNT.finditer(text)) if len(text) <= _LONGEST else []
    whole = "".join(amount[0] for amount in amounts) == text
    if not amounts or not whole or any(not amount[2] for amount in amounts[:-1]):
        raise ValueError(f"{text!r} is no time; one looks like {LOOKS}")
    return round(sum(float(amount[1]) * _UNIT_NS[amount[2] or ""] for amount in amounts))
