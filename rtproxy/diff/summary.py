"""What only one session has, or what moved, in one line: a turn, a response, a call, an item."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

Fields = Mapping[str, Any]

_LAST = re.compile(r"(?:turns\[\d+\]\.?)?(?:(?:responses|items|tools)\[\d+\]\.)*(\w+)\[\d+\]")


def summary(found: Any, path: str = "") -> str:
    """A value in one line: text as it is, JSON of what is no part of a session in words.

    `path` says what it is: such as `turns[1]` or `turns[0].responses[1].items[0]`.
    """
    if found is None:
        return "–"
    if isinstance(found, str):
        return found
    last = _LAST.fullmatch(path) if isinstance(found, Mapping) else None
    told = PARTS.get(last[1]) if last is not None else None
    return (told(found) if told is not None else "") or _json(found)


def _turn(turn: Fields) -> str:
    tools = turn.get("tools")
    called = ", ".join(f"{name}()" for name in tools) if isinstance(tools, list) else ""
    began = _quoted(turn.get("user")) or str(turn.get("kind") or "")
    return " → ".join(filter(None, (began, called, _quoted(turn.get("assistant")))))


def _call(call: Fields) -> str:
    arguments, output = call.get("arguments"), call.get("output")
    given = "" if arguments is None else _plain(arguments)
    answered = "" if output is None else f" → {_plain(output)}"
    return f"{call.get('name') or '?'}({given}){answered}"


def _response(response: Fields) -> str:
    status = str(response.get("status") or "still open")
    return " ".join(filter(None, (status, _quoted(response.get("text")))))


def _item(item: Fields) -> str:
    told = (item.get("role") or item.get("type"), _quoted(item.get("text")))
    return " ".join(str(part) for part in told if part)


def _event(event: Fields) -> str:
    rest = {key: value for key, value in event.items() if key != "type"}
    return " ".join(filter(None, (str(event.get("type") or ""), _json(rest) if rest else "")))


PARTS: Mapping[str, Callable[[Fields], str]] = {
    "turns": _turn,
    "responses": _response,
    "tools": _call,
    "items": _item,
    "events": _event,
}
"""The last name in a path → what is said of what is there."""


def _quoted(text: object) -> str:
    return f"“{text}”" if text else ""


def _plain(found: Any) -> str:
    return found if isinstance(found, str) else _json(found)


def _json(found: Any) -> str:
    try:
        return orjson.dumps(found, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return str(found)
