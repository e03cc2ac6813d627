"""Which tape a request gets: the next unused one whose path and query fit.

Paths are compared from their last `/realtime` or `/live` on, so that a base URL with or without
`/v1` makes no difference. Of the query, only what says which session is meant counts. Where a
value was redacted on the tape, anything fits.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from rtproxy.errors import RtproxyError
from rtproxy.replay.ids import IdMap
from rtproxy.replay.matching import Rules, compare
from rtproxy.replay.message import type_of
from rtproxy.replay.recording import Recording
from rtproxy.tape.record import Header

KEYS = ("model", "deployment", "session_id", "intent", "call_id")
"""Query parameters that say which session is meant."""
QUERY = "query."
"""Prefix of an ignored path that names a parameter of the query instead of a JSON value."""
NAMING = "rtproxy_tape"
"""Query parameter that picks a tape by its name."""
NAMING_HEADER = "rtproxy-tape"
ORIGIN_HEADER = "rtproxy-origin"
"""Response header by which our own servers say that they are not the live service."""

SEARCHED = 20
"""Tapes, and events of each, that are looked through for what came to the wrong one."""
SEARCHED_BYTES = 32 * 2**20
"""Of tapes that must be read for it: meanwhile the other sessions wait, some tenths of a second."""
_RECORD = "Record a tape of it (rtproxy record)"
_ENDPOINT = re.compile(r".*(/(?:realtime|live)(?:/.*)?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as it says which tape is meant."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    tape: str | None = None
    """Name of the tape that is asked for."""

    @classmethod
    def of(cls, method: str, target: str, headers: Sequence[tuple[str, str]] = ()) -> "Asked":
        """Read a request's method, target (path and query, or a whole URL) and headers."""
        try:
            parts = urlsplit(target)
        except ValueError:
            return cls(method.upper(), target)
        pairs = dict(parse_qsl(parts.query, keep_blank_values=True))
        named = next((value for name, value in headers if name.lower() == NAMING_HEADER), None)
        return cls(
            method.upper(),
            parts.path,
            {key: pairs[key] for key in KEYS if key in pairs},
            pairs.get(NAMING, named) or None,
        )

    def __str__(self) -> str:
        """The request without what may be secret in it."""
        return f"{self.method} {self.path}" + (f"?{urlencode(self.query)}" if self.query else "")

    def differences(self, recorded: "Asked", ignored: Collection[str] = ()) -> list[str]:
        """In words, why this request does not fit the recorded one; empty if it does."""
        found = []
        if self.method != recorded.method:
            found.append(f"the method is {recorded.method}")
        if not _same(_endpoint(recorded.path), _endpoint(self.path)):
            found.append(f"the path is {recorded.path}")
        for key in self.other_keys(recorded, ignored):
            there = recorded.query.get(key)
            found.append(f"{key} is {there!r}" if there is not None else f"there is no {key}")
        return found

    def other_keys(self, recorded: "Asked", ignored: Collection[str] = ()) -> list[str]:
        """The parameters of the query by which this request does not fit the recorded one."""
        found = []
        for key in KEYS:
            there, here = recorded.query.get(key), self.query.get(key)
            if key not in ignored and not (
                there == here or (there is not None and here is not None and _same(there, here))
            ):
                found.append(key)
        return found


@dataclass(slots=True)
class Slot:
    """One tape on the shelf. `load` reads it once and keeps it; it raises TapeError."""

    name: str
    path: str
    connection: str
    asked: Asked | None
    """The recorded request; None if the tape does not know, which fits any."""
    load: Callable[[], Recording]
    required: bool = True
    """True if a run in which it is not used is not complete."""
    host: str = ""
    """The recorded server's name; empty if the tape does not know."""
    size: int = 0
    """Bytes that `load` reads the first time."""
    uses: int = 0

    @classmethod
    def of(
        cls,
        path: str,
        header: Header,
        load: Callable[[], Recording],
        *,
        required: bool,
        size: int = 0,
    ) -> "Slot":
        """A slot for the tape at `path` with this header."""
        request: Any = header.fields.get("request")
        asked = None
        if isinstance(request, dict) and isinstance(request.get("target"), str):
            asked = Asked.of(str(request.get("method", "GET")), request["target"])
        name = path.replace("\\", "/").rsplit("/", 1)[-1]
        host = _host_of(header.fields.get("upstream"))
        return cls(name, path, header.connection, asked, load, required, host, size)

    def answers_to(self, name: str) -> bool:
        """Whether the tape is called this: by its file's name, with or without its ending."""
        return name in (self.name, stem(self.name))


def stem(name: str) -> str:
    """A tape's file name without `.rtape` or `.rtape.zst`."""
    return name.removesuffix(".zst").removesuffix(".rtape")


class Shelf:
    """The tapes of a server, in the order in which they are to be played."""

    def __init__(self, slots: Sequence[Slot], notes: Sequence[str] = ()) -> None:
        self.slots = tuple(slots)
        self.notes = tuple(notes)
        """Sentences about the tapes, for a person."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of the servers whose sessions are on the tapes."""
        return tuple(dict.fromkeys(slot.host for slot in self.slots if slot.host))

    def fitting(
        self, asked: Asked, connection: str, *, loop: bool, ignored: Collection[str] = ()
    ) -> list[Slot]:
        """The tapes that the request may get, best first; without `loop` only unused ones."""
        found = [
            slot
            for slot in self.slots
            if slot.connection == connection
            and (loop or not slot.uses)
            and self._fits(slot, asked, ignored)
        ]
        return sorted(found, key=lambda slot: slot.uses)

    def elsewhere(self, slot: Slot, value: object, rules: Rules) -> str:
        """The name of another tape than this one on which the client says `value`; empty if there
        is none. Then connections may have got each other's tapes.
        """
        others = (one for one in self.slots if one is not slot)
        left = SEARCHED_BYTES
        for other in islice((one for one in others if one.connection == slot.connection), SEARCHED):
            if not other.uses:
                left -= other.size
            if left < 0:
                return ""
            with suppress(RtproxyError):
                script = other.load().script
                for step in script.client[:SEARCHED]:
                    if step.type == type_of(value) and compare(
                        script, step, value, rules, IdMap(), most=1
                    ).equal:  # fmt: skip
                        return stem(other.name)
        return ""

    def why_none(self, asked: Asked, connection: str, ignored: Collection[str] = ()) -> str:
        """Why no tape is left for a request, and what to do, in a sentence or two."""
        if asked.tape is not None:
            if any(self._fits(slot, asked, ignored) for slot in self.slots):
                return f"{asked.tape} has been played; --loop plays tapes more than once."
            known = ", ".join(slot.name for slot in self.slots)
            return (
                f"There is no tape {asked.tape!r} for a {connection} request; there are: {known}."
            )
        kin = [slot for slot in self.slots if slot.connection == connection]
        used = [slot.name for slot in kin if slot.uses and self._fits(slot, asked, ignored)]
        if used:
            return (
                f"No tape is left for {asked}: {_list(used)} played already. Give one tape for "
                "each connection, or play them more than once with --loop."
            )
        if not kin:
            what = "a WebSocket connection" if connection == "websocket" else "an HTTP request"
            return f"No tape fits {asked}: none of the tapes is of {what}. {_RECORD}."
        whys = [
            f"on {slot.name} {' and '.join(asked.differences(slot.asked, ignored))}"
            for slot in kin[:5]
            if slot.asked is not None
        ]
        more = f" and {len(kin) - 5} more" if len(kin) > 5 else ""
        why = f"No tape fits {asked}: {', '.join(whys)}{more}. {_RECORD}"
        # The first tape of which nothing but the query is another.
        for slot in kin:
            keys = asked.other_keys(slot.asked, ignored) if slot.asked is not None else []
            if slot.asked is not None and keys and self._fits(slot, asked, {*ignored, *keys}):
                options = " ".join(f"--ignore '{QUERY}{key}'" for key in keys)
                return f"{why}, or leave out what may differ with {options}."
        return f"{why}."

    def _fits(self, slot: Slot, asked: Asked, ignored: Collection[str]) -> bool:
        if asked.tape is not None:
            return slot.answers_to(asked.tape)
        return slot.asked is None or not asked.differences(slot.asked, ignored)


def origin(name: str) -> str:
    """What our answers say about where they come from: the value of `rtproxy-origin`."""
    return f"replayed; tape={quote(name, safe='')}"


def _host_of(url: object) -> str:
    try:
        return (urlsplit(url).hostname or "") if isinstance(url, str) else ""
    except ValueError:
        return ""


def _endpoint(path: str) -> str:
    found = _ENDPOINT.fullmatch(path.rstrip("/"))
    return found[1] if found else path.rstrip("/") or "/"


def _same(recorded: str, received: str) -> bool:
    """Whether two values are equal, or the recorded one was redacted."""
    return recorded == received or "REDACTED:" in recorded


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{shown} {'has' if len(names) == 1 else 'have'}"
