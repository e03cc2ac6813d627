"""What the server answers to a client event that it cannot obey, in the live service's words."""

from collections.abc import Iterable
from typing import Any


class InvalidRequest(Exception):  # noqa: N818 - it is what the protocol calls it
    """A client event is refused; it becomes an `error` event and the session goes on."""

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.kind = kind


def missing(param: str) -> InvalidRequest:
    return InvalidRequest(
        "missing_required_parameter", f"Missing required parameter: '{param}'.", param
    )


def unknown(param: str) -> InvalidRequest:
    return InvalidRequest("unknown_parameter", f"Unknown parameter: '{param}'.", param)


def wrong_type(param: str, expected: str, value: Any) -> InvalidRequest:
    return InvalidRequest(
        "invalid_type",
        f"Invalid type for '{param}': expected {expected}, but got {name_of(value)} instead.",
        param,
    )


def wrong_value(param: str, value: Any, allowed: Iterable[str]) -> InvalidRequest:
    names = [f"'{name}'" for name in allowed]
    comma = "," if len(names) > 2 else ""
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])}{comma} and {names[-1]}"
    shown = repr(value) if isinstance(value, str) else str(value)
    return InvalidRequest(
        "invalid_value", f"Invalid value: {shown}. Supported values are: {listed}.", param
    )


def out_of_range(param: str, value: float, low: float, high: float | None) -> InvalidRequest:
    kind = "integer" if isinstance(value, int) and isinstance(low, int) else "decimal"
    if value < low:
        side, bound, sign = "below_min_value", low, ">="
        words = f"{kind} below minimum value"
    else:
        assert high is not None
        side, bound, sign = "above_max_value", high, "<="
        words = f"{kind} above maximum value"
    return InvalidRequest(
        f"{kind}_{side}",
        f"Invalid '{param}': {words}. Expected a value {sign} {bound}, but got {value} instead.",
        param,
    )


def name_of(value: Any) -> str:
    """What the service calls the type of a JSON value."""
    names: dict[type, str] = {
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
        str: "a string",
        list: "an array",
        dict: "an object",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)
