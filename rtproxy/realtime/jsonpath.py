"""JSON paths that name what to leave out of a comparison.

| path | names |
|---|---|
| `session.instructions` | one member |
| `item.content[0].text` | one element's member |
| `item.content[*].text` | the member in every element |
| `session.*` | every member of `session` |
| `$..text` or `..text` | every `text` at any depth below |
| `item..text` | every `text` at any depth inside `item` |

A leading `$.` may be there or not. A path names all that is inside it, too.
"""

import re

from rtproxy.errors import PathError

Path = tuple[str | int, ...]

_TOKEN = re.compile(r"\.\.|\.|\[(?:(\d+)|\*|'([^']*)'|\"([^\"]*)\")\]|([^.\[\]]+)")

ANY = "*"
DEEP = ".."


class PathPattern:
    """One path to leave out; raises PathError for text that is no such path."""

    __slots__ = ("_steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = _parse(text)

    def covers(self, path: Path) -> bool:
        """True if the pattern names the value at `path` or something around it."""
        return _covers(self._steps, path)

    def __repr__(self) -> str:
        return f"PathPattern({self.text!r})"


def format_path(path: Path) -> str:
    """A path as people write it, such as `item.content[0].text`; `$` for the whole."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[\w-]+", step):
            text += f".{step}"
        else:
            text += f"[{step!r}]"
    return text.removeprefix(".") or "$"


def _parse(text: str) -> tuple[object, ...]:
    body = text.strip()
    rest = body[1:] if body.startswith("$") else body
    steps: list[object] = []
    at = 0
    while at < len(rest):
        token = _TOKEN.match(rest, at)
        if token is None:
            raise PathError(
                f"{text!r} is no JSON path: write one such as session.instructions, "
                "item.content[*].text or $..text."
            )
        index, single, double, name = token.groups()
        if token[0] == DEEP:
            steps.append((DEEP,))
        elif index is not None:
            steps.append(int(index))
        elif token[0] == "[*]" or name == ANY:
            steps.append((ANY,))
        elif token[0] != ".":
            steps.append(name if name is not None else single if single is not None else double)
        at = token.end()
    if not steps or steps[-1] == (DEEP,):
        raise PathError(f"{text!r} is no JSON path: it names nothing.")
    return tuple(steps)


def _covers(steps: tuple[object, ...], path: Path) -> bool:
    if not steps:
        return True
    if steps[0] == (DEEP,):
        return any(_covers(steps[1:], path[skip:]) for skip in range(len(path)))
    if not path:
        return False
    return steps[0] in ((ANY,), path[0]) and _covers(steps[1:], path[1:])
