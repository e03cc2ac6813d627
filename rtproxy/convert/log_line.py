"""A line of a JSON log as a message: who sent it, when, and what, in the spellings people use.

| | read from | |
|---|---|---|
| who | `direction`, `dir`, `from`, `sender` | a word of CLIENT or SERVER, in any case |
| | `from_server`, `from_client` | true or false |
| | `type` | `send` or `receive`, as in a HAR's messages |
| when | `at`, `t`, `time`, `timestamp`, `ts` | see `moment` |
| | `t_ns`, `t_ms` | ns or ms from the start |
| what | `data`, `event`, `message`, `payload` | JSON, kept as it stands there, or a string |
| | `payload_base64`; `encoding` "base64" or `opcode` 2 beside it | base64 of a binary message |
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from rtproxy.convert.jsontext import MAX_VALUE, Cursor, parse
from rtproxy.convert.source import BINARY, MAX_NS, SHOWN, kept, nanoseconds
from rtproxy.realtime.audio import decode_base64
from rtproxy.tape.dump import FLAG_NAMES
from rtproxy.tape.record import FROM_SERVER

DIRECTION_KEYS = ("direction", "dir", "from", "sender")
BOOLEAN_KEYS = {"from_server": True, "from_client": False}
DATA_KEYS = ("data", "event", "message", "payload", "payload_base64")
TIME_KEYS = ("at", "t_ns", "t_ms", "t", "time", "timestamp", "ts")
CLIENT = {"client", "send", "sent", "out", "outgoing", "c2s", "client_to_server", ">"}
SERVER = {"server", "receive", "received", "recv", "in", "incoming", "s2c", "server_to_client",
          "<"}  # fmt: skip
"""As the client sees it: what it sends is the client's, what it receives is the server's."""

SINCE_1970 = 10**8
"""A time that is a number is seconds from the start below this, and since 1970 from here on."""

_EXACT = re.compile(rb"(-?)(\d{1,10})(?:\.(\d{1,9}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """A line's members, each as its raw JSON; `number` counts the file's lines from 1.

    What is read from it raises ValueError, in a clause, where it is not as it should be.
    """

    number: int
    members: Mapping[str, memoryview | bytes]

    @classmethod
    def parse(cls, number: int, raw: memoryview | bytes) -> "Line":
        """Raises ValueError where the line is no JSON object."""
        cursor = Cursor(raw)
        if cursor.peek() != ord("{"):
            raise cursor.wrong()
        members = {key: cursor.take() for key in cursor.members()}
        if cursor.peek() >= 0:
            raise cursor.wrong()
        return cls(number, members)

    def get(self, key: str) -> Any:
        """The value of a member; None where there is none."""
        raw = self.members.get(key)
        return None if raw is None else parse(raw)

    def text(self, key: str) -> str:
        """The value of a member if it is a string, else an empty one."""
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def flags(self) -> int:
        """The flags of a tape's record, the direction among them."""
        flags = self.get("flags")
        flags = flags & ~FROM_SERVER if type(flags) is int and 0 <= flags <= MAX_NS else 0
        for flag, name in FLAG_NAMES.items():
            if self.get(name) is True:
                flags |= flag
        return flags | FROM_SERVER if self.from_server() else flags

    def from_server(self) -> bool:
        for key, meaning in BOOLEAN_KEYS.items():
            if isinstance(said := self.get(key), bool):
                return said is meaning
        key = next((key for key in DIRECTION_KEYS if key in self.members), "type")
        word = self.text(key).lower().replace("-", "_").replace(" ", "_")
        if word in SERVER or word in CLIENT:
            return word in SERVER
        if key == "type":
            raise ValueError('it has no "direction"')
        raise ValueError(f'"{key}" is {word[:SHOWN]!r}, neither "client" nor "server"')

    def time(self, *, relative: bool = False) -> tuple[int, bool] | None:
        """Nanoseconds, and whether they are since 1970; None where the line has no time.

        `relative` says that no number is since 1970.
        """
        for key in TIME_KEYS:
            raw = self.members.get(key)
            if raw is None:
                continue
            if key in ("t_ns", "t_ms"):
                value = parse(raw)
                if isinstance(value, int | float) and not isinstance(value, bool):
                    return (kept(value) if key == "t_ns" else nanoseconds(value / 1000)), False
                continue
            exact = _EXACT.fullmatch(raw)
            if exact is not None and (relative or int(exact[2]) < SINCE_1970):
                ns = int(exact[2]) * 10**9 + int((exact[3] or b"").ljust(9, b"0"))
                return kept(-ns if exact[1] else ns), False
            found = moment(parse(raw))
            if found is not None:
                return found
        return None

    def payload(self) -> str | bytes:
        """The message: JSON as it stands in the line, text, or bytes."""
        key = next((key for key in DATA_KEYS if key in self.members), None)
        if key is None:
            raise ValueError('it has no "data"')
        raw = self.members[key]
        if raw[0] in b"{[":
            if len(raw) <= MAX_VALUE:
                parse(raw)  # to know that it is JSON
            return bytes(raw).decode()
        text = parse(raw)
        if not isinstance(text, str):
            raise ValueError(f'"{key}" is neither an event nor text')
        encoded = key == "payload_base64" or self.text("encoding") == "base64"
        if encoded or self.get("opcode") == BINARY:
            return decode_base64(text)
        return text


def moment(value: Any) -> tuple[int, bool] | None:
    """A time as logs write it, in ns, and whether it counts from 1970; None for what is none.

    A number is seconds from the start below SINCE_1970; above, it is seconds since 1970, or
    milli-, micro- or nanoseconds where that would be beyond the year 5138. A string is ISO 8601,
    in UTC where it names no zone.
    """
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value.strip())
            since = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - _EPOCH
        except (ValueError, OverflowError):
            return None
        microseconds = (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds
        return kept(microseconds * 1000), True
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        return None
    if value < SINCE_1970:
        return nanoseconds(value), False
    for limit, unit in ((1e11, 10**9), (1e14, 10**6), (1e17, 10**3)):
        if value < limit:
            return nanoseconds(value, unit), True
    return kept(value), True
