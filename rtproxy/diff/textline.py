"""How an entry of a tape's text is written: indented below its turn, ids numbered.

An id is numbered within the turn that it begins in, so that a turn that is new moves no other's:
`item_2`, and in a later turn `item_2 (turn -1)`. A text that stands above in the turn is ↑.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import orjson

from rtproxy.realtime.turn import Turn
from rtproxy.tape.escape import visible

MAX_DEPTH = 32
BULK = 400
"""Characters from which text without blanks is taken for data."""
REPEATED = 8
"""Characters from which words are not said twice."""
HEADING = 60
IDS = {
    "item_id": "item", "item.id": "item", "approval_request_id": "item",
    "item.approval_request_id": "item", "response_id": "resp", "response.id": "resp",
    "call_id": "call", "item.call_id": "call",
}  # fmt: skip
"""Path of an id → the word that it is numbered with."""
ORDER = ("resp", "item", "call")
JSON_WITHIN = ("arguments", "output")
ABOVE = "↑"
_SHAPED = re.compile(r"\b(?:item|resp|call|event|sess)_[A-Za-z0-9]{6,}")
_PLAIN = re.compile(r"[\w./:@+-]+")


@dataclass(slots=True)
class Entry:
    """An event as far as it is told: `leaves` by path, below one another if `tall`.

    `from_server` is None for what nobody sent; `then` stands right after it.
    """

    seq: int
    from_server: bool | None
    name: str
    leaves: list[tuple[str, Any]] = field(default_factory=list)
    note: str = ""
    tall: bool = False
    then: list["Entry"] = field(default_factory=list)


def leaves(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The leaves of a JSON value: path (`tools[0].name`) and value, keys in alphabetical order."""
    if isinstance(value, Mapping) and value and depth < MAX_DEPTH:
        for key in sorted(value, key=str):
            yield from leaves(value[key], f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list) and value and depth < MAX_DEPTH:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]", depth + 1)
    else:
        yield path, value


class Page:
    """Writes entries in their order, with a heading where a turn begins."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = turns
        self._begins = [turn.seq for turn in turns]
        self._turn = -1
        self._numbers: dict[str, tuple[int, str]] = {}
        self._counts: Counter[str] = Counter()
        self._said: set[str] = set()

    def lines(self, entry: Entry) -> Iterator[str]:
        """An entry, and what stands after it."""
        yield from self._heading(entry.seq)
        yield from self._entry(entry)
        for after in entry.then:
            yield from self._entry(after)

    def _heading(self, seq: int) -> Iterator[str]:
        turn = bisect_right(self._begins, seq)
        if turn <= self._turn:
            return
        self._turn = turn
        self._counts.clear()
        self._said.clear()
        yield ""
        if turn == 0:
            yield "session"
            return
        begun = self._turns[turn - 1]
        said = begun.user
        if said is not None and len(said) > HEADING:
            said = said[: HEADING - 1] + "…"
        yield f"turn {quoted(said) if said else begun.kind}"

    def _entry(self, entry: Entry) -> Iterator[str]:
        arrow = {True: "←", False: "→", None: "!"}[entry.from_server]
        line = f"  {arrow} {visible(entry.name) or 'message'}"
        ids = [(IDS[path], str(value)) for path, value in entry.leaves if path in IDS]
        rest = [leaf for leaf in entry.leaves if leaf[0] not in IDS]
        parts = [line, self._ids(ids), visible(entry.note)]
        if not entry.tall:
            parts += [self._pair(path, value) for path, value in rest]
        yield " ".join(filter(None, parts))
        if entry.tall:
            for path, value in rest:
                yield from self._tall(path, value)

    def _tall(self, path: str, value: Any) -> Iterator[str]:
        label = f"      {visible(path)}: " if path else "      "
        if isinstance(value, str) and "\n" in value:
            yield label.rstrip()
            for line in value.split("\n"):
                yield f"        {visible(line)}".rstrip()
        else:
            yield label + self._written(value)

    def _pair(self, path: str, value: Any) -> str:
        key = path.rpartition(".")[2]
        short = path.removeprefix("item.").removeprefix("response.").removeprefix("error.")
        if key in JSON_WITHIN and isinstance(value, str):
            value = _canonical(value)
            return f"{visible(short)}={self._once(value, visible(self._renamed(value)))}"
        return f"{visible(short)}={self._written(value)}"

    def _written(self, value: Any) -> str:
        if isinstance(value, str):
            return self._once(value, written(self._renamed(value)))
        return written(value)

    def _once(self, text: str, shown: str) -> str:
        """What is shown of a text, or the sign that it stands above."""
        if len(text) < REPEATED or (text.isascii() and not re.search(r"[\s{]", text)):
            return shown
        if text in self._said:
            return ABOVE
        self._said.add(text)
        return shown

    # Ids.

    def _ids(self, ids: list[tuple[str, str]]) -> str:
        """Ids by their numbers, and for those of an earlier turn how many turns ago that was."""
        by_turn: dict[int, list[str]] = {}
        for word, id in sorted(ids, key=lambda one: ORDER.index(one[0])):
            if id not in self._numbers:
                self._counts[word] += 1
                self._numbers[id] = self._turn, f"{word}_{self._counts[word]}"
            turn, name = self._numbers[id]
            by_turn.setdefault(turn - self._turn, []).append(name)
        return " ".join(
            f"{' '.join(names)} (turn {ago})" if ago else " ".join(names)
            for ago, names in by_turn.items()
        )

    def _id(self, id: str) -> str:
        turn, name = self._numbers[id]
        return name if turn == self._turn else f"{name} (turn {turn - self._turn})"

    def _renamed(self, text: str) -> str:
        """A text in which ids are numbers; those that are known from nowhere are …"""

        def rename(found: re.Match[str]) -> str:
            id = found[0]
            return self._id(id) if id in self._numbers else f"{id.partition('_')[0]}_…"

        return self._id(text) if text in self._numbers else _SHAPED.sub(rename, text)


def written(value: Any) -> str:
    """A leaf in one line that a terminal can show; data is told by its size and checksum."""
    if isinstance(value, bytes):
        return _bulk(f"{len(value):,} bytes", value)
    if isinstance(value, str):
        if len(value) >= BULK and not re.search(r"\s", value):
            return _bulk(f"{len(value):,} characters", value.encode("utf-8", "surrogatepass"))
        return value if _PLAIN.fullmatch(value) else quoted(value)
    if isinstance(value, Mapping | list) and value:
        return "…"  # nested too deep
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return visible(str(value))


def quoted(text: str) -> str:
    """Text between quotes, with what does not belong on a terminal as an escape."""
    return f'"{visible(text)}"'


def _bulk(size: str, data: bytes) -> str:
    return f"<{size}, CRC-32 {crc32(data):08x}>"


def _canonical(text: str) -> str:
    """JSON with its keys in order; other text as it is."""
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS).decode()
    except ValueError:
        return text
