"""Reading a TOML table into a dataclass, strictly: what is unknown or of another type is an error.

A field's annotation says what is allowed: str, int, float, bool, a Literal, a dataclass (a table),
`tuple[X, ...]` (an array, or one X alone), a mapping, or a union of these. A dataclass that names
one of its keys in `NUMBER` may also be written as that number alone. Field metadata `least` and
`most` bound a number, `key` is the key where it is not the field's name.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from rtproxy.errors import ScenarioError
from rtproxy.tape.escape import visible

T = TypeVar("T")
LARGEST = 1 << 63
SHOWN = 100
"""Characters of a key or a value in a message."""


def read(kind: type[T], table: Mapping[str, Any], where: str, prefix: str = "") -> T:
    """An instance of the dataclass `kind` from a table.

    `where` names the file and `prefix` the table in it, for the message of a ScenarioError.
    """
    hints = get_type_hints(kind)
    known = {key_of(field): field for field in fields(kind)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            near = get_close_matches(key[:SHOWN], known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}."
            raise ScenarioError(f"{where}: there is no key {visible(prefix + key[:SHOWN])}{hint}")
    values = {}
    for key, field in known.items():
        if key in table:
            values[field.name] = convert(hints[field.name], table[key], where, prefix + key)
            check_bounds(field, values[field.name], where, prefix + key)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ScenarioError(f"{where}: the key {prefix}{key} is missing.")
    return kind(**values)


def key_of(field: "Field[Any]") -> str:
    return str(field.metadata.get("key", field.name))


def convert(hint: Any, value: Any, where: str, path: str) -> Any:
    """`value` as `hint` asks for it; ScenarioError when it is something else."""
    for option in options(hint):
        if isinstance(option, type) and is_dataclass(option):
            if isinstance(value, Mapping):
                return read(option, value, where, f"{path}.")
            if is_number(value) and hasattr(option, "NUMBER"):
                return read(option, {option.NUMBER: value}, where, f"{path}.")
        elif get_origin(option) is tuple:
            entries = value if isinstance(value, list) else [value]
            inner = get_args(option)[0]
            return tuple(
                convert(inner, entry, where, f"{path}[{n}]" if isinstance(value, list) else path)
                for n, entry in enumerate(entries)
            )
        elif fits(option, value):
            return float(value) if option is float else value
    allowed = " or ".join(describe(option) for option in options(hint))
    raise ScenarioError(f"{where}: {path} must be {allowed}, not {shown(value)}.")


def options(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) in (Union, UnionType):
        return tuple(option for option in get_args(hint) if option is not NoneType)
    return (hint,)


def fits(option: Any, value: Any) -> bool:
    if get_origin(option) is Literal:
        return value in get_args(option) and not isinstance(value, bool)
    if get_origin(option) is Mapping:
        return isinstance(value, Mapping)
    if option is float:
        return is_number(value)
    if option is int:
        return is_number(value) and isinstance(value, int)
    return isinstance(option, type) and isinstance(value, option)


def is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < LARGEST if isinstance(value, int) else isfinite(value)


def shown(value: Any) -> str:
    """A value in a message: it may be of any length, and nested to any depth."""
    try:
        said = repr(value)
    except (ValueError, RecursionError):
        return "a number of thousands of digits"
    return visible(said if len(said) <= SHOWN else f"{said[:SHOWN]}…")


def describe(option: Any) -> str:
    if get_origin(option) is Literal:
        return " or ".join(f'"{choice}"' for choice in get_args(option))
    if get_origin(option) is tuple:
        return f"an array, each entry {describe(get_args(option)[0])}"
    if get_origin(option) is Mapping:
        return "a table"
    if isinstance(option, type) and is_dataclass(option):
        return "a number or a table" if hasattr(option, "NUMBER") else "a table"
    words = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
    return words.get(option, str(option))


def check_bounds(field: "Field[Any]", value: Any, where: str, path: str) -> None:
    least, most = field.metadata.get("least"), field.metadata.get("most")
    if least is not None and is_number(value) and value < least:
        raise ScenarioError(f"{where}: {path} must be at least {least}, not {shown(value)}.")
    if most is not None and is_number(value) and value > most:
        raise ScenarioError(f"{where}: {path} must be at most {most}, not {shown(value)}.")
