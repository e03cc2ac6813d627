"""Values as any JSON can hold them."""

from math import isfinite
from typing import Any

LARGEST_INT = 1 << 63
MAX_DEPTH = 32


def plain(value: Any, depth: int = 0) -> Any:
    """A value as any JSON can hold it; times to the microsecond. What is nested deep is named."""
    match value:
        case float():
            return round(value, 3) if isfinite(value) else None
        case bool() | None:
            return value
        case int():
            return value if abs(value) < LARGEST_INT else None
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict() if depth < MAX_DEPTH:
            return {plain(str(key)): plain(inner, depth + 1) for key, inner in value.items()}
        case list() if depth < MAX_DEPTH:
            return [plain(inner, depth + 1) for inner in value]
    return type(value).__name__
