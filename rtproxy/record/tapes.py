"""Where a proxy puts its tapes: what their headers say, and what happens if one cannot be made."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rtproxy import __version__
from rtproxy.errors import TapeError
from rtproxy.record.status import Status, Traffic
from rtproxy.record.upstream import Upstream
from rtproxy.tape.library import Library
from rtproxy.tape.record import REDACTED
from rtproxy.tape.redaction import Redactor
from rtproxy.tape.writer import Durability, TapeWriter

ORIGIN_HEADER = "rtproxy-origin"
"""Response header by which our own servers say that they are not the live service."""


@dataclass(frozen=True, slots=True)
class Tape:
    """A tape being made: its writer, its redactor, and the clock's reading at its start."""

    writer: TapeWriter
    redactor: Redactor
    started_ns: int
    lost: Callable[[Exception], None]
    """Called with the reason when the tape ends before the connection does."""

    def now_ns(self) -> int:
        """Nanoseconds since the tape's start."""
        return time.monotonic_ns() - self.started_ns

    def control(self, flags: int, name: str, data: Mapping[str, Any]) -> None:
        """Put on it that something has happened now. A peer may have had a hand in the words."""
        clean, changed = self.redactor.data(data)
        self.writer.control(self.now_ns(), flags | REDACTED if changed else flags, name, clean)

    async def seal(self) -> None:
        """Finish it. In a thread, as it is read once more for its checksum."""
        await asyncio.to_thread(self.writer.seal, self.now_ns())
        if self.writer.failed is not None:
            self.lost(self.writer.failed)


class Tapes:
    """Makes one tape a connection in a folder. Raises TapeError if the folder cannot be used."""

    def __init__(
        self,
        folder: Path,
        status: Status,
        *,
        durability: Durability = "normal",
        redact: Sequence[re.Pattern[str]] = (),
    ) -> None:
        self._library = Library(folder)
        self._status = status
        self._durability = durability
        self._redact = redact
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".rtproxy-{secrets.token_hex(4)}"
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise TapeError(
                f"Tapes cannot be written to {folder}: {error.strerror or error}; "
                "give another folder with --out."
            ) from None

    def redactor(self, known: Sequence[str] = ()) -> Redactor:
        """A redactor for one connection, with a key of its own that is never stored.

        `known` are secrets that may come up in it.
        """
        redactor = Redactor(secrets.token_bytes(16), self._redact)
        for secret in known:
            redactor.learn(secret)
        return redactor

    def open(
        self,
        traffic: Traffic,
        redactor: Redactor,
        request: dict[str, Any],
        response: dict[str, Any] | None,
        *,
        upstream: Upstream,
    ) -> Tape | None:
        """Create the tape of a connection, or say loudly why there is none and return None.

        `request` {method, target, headers} and `response` {status, headers} are redacted.
        """
        wall_ns, started_ns = time.time_ns(), time.monotonic_ns()
        tape_id = secrets.token_hex(8)
        fields: dict[str, Any] = {
            "id": tape_id,
            "connection": traffic.connection,
            "started_ns": wall_ns,
            "writer": {"name": "rtproxy", "version": __version__},
            "origin": origin_of(response["headers"] if response else ()),
            "upstream": upstream.origin + upstream.prefix,
            "request": request,
        }
        if response is not None:
            fields["response"] = response
        try:
            writer = self._library.create(
                wall_ns,
                lambda path: TapeWriter.create(path, fields, durability=self._durability),
            )
        except TapeError as error:
            self._status.fail(traffic, f"{error} The session goes on without a tape.")
            return None
        traffic.name = writer.path.name
        return Tape(writer, redactor, started_ns, partial(self._lost, traffic))

    def _lost(self, traffic: Traffic, error: Exception) -> None:
        """Say loudly that a tape ends early; the session goes on."""
        self._status.fail(traffic, f"{error} The session goes on; {traffic.name} ends here.")


def origin_of(headers: Sequence[Sequence[str]]) -> str:
    """ "recorded", or what the server's `rtproxy-origin` header calls itself."""
    for name, value in headers:
        if name.lower() == ORIGIN_HEADER:
            word = value.split(";", 1)[0].strip()
            if word in ("simulated", "replayed"):
                return word
    return "recorded"
