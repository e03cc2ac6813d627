"""So much of a value as a person reads, and as is kept of what a client says."""

from itertools import islice
from typing import Any

LONG = 160
"""Characters of a value shown before it is cut short."""
ROOM = 1000
"""Characters and values of a message up to which all of it is kept."""
MOST = 100
"""Values that are shown of a message."""

_NOTE = 40
"""Characters that say how long a text was: what has been cut is not cut again."""


def excerpt(value: Any) -> Any:
    """The value itself if it is short, what can be shown of it otherwise."""
    return value if _is_short(value) else plain(value, MOST // 2)


def plain(value: Any, most: int = MOST) -> Any:
    """A value as JSON that can be read: long strings cut short, bytes counted, so many members."""
    return _Plain(most).value(value)


def shortened(text: str) -> str:
    """A text, or its beginning and how long it was."""
    if len(text) <= LONG + _NOTE:
        return text
    return f"{text[:LONG]}… ({len(text):,} characters)"


def _is_short(value: Any) -> bool:
    left = ROOM
    values = [value]
    while values and left > 0:
        one = values.pop()
        left -= 1
        if isinstance(one, str | bytes):
            left -= len(one)
        elif isinstance(one, dict | list | tuple):
            left -= len(one)
            if left > 0:
                values += one.values() if isinstance(one, dict) else one
                left -= sum(map(len, one)) if isinstance(one, dict) else 0
    return left > 0


class _Plain:
    """Makes one value plain; `left` is how many more of those in it are shown."""

    def __init__(self, most: int) -> None:
        self.left = most

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return shortened(value)
        if isinstance(value, bytes):
            more = "…" if len(value) > 16 else ""
            return f"({len(value):,} bytes: {value[:16].hex(' ')}{more})"
        if isinstance(value, dict):
            shown: dict[str, Any] = {}
            for key, inner in value.items():
                if self.left <= 0:
                    shown["…"] = f"({len(value) - len(shown):,} more)"
                    break
                self.left -= 1
                shown[shortened(str(key))] = self.value(inner)
            return shown
        if isinstance(value, list | tuple):
            items = []
            for inner in islice(value, max(0, self.left)):
                if self.left <= 0:
                    break
                self.left -= 1
                items.append(self.value(inner))
            if len(items) < len(value):
                items.append(f"({len(value) - len(items):,} more)")
            return items
        return value
