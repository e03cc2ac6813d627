"""The tape of one imported recording: redacted as any, and marked where something is missing."""

import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rtproxy import __version__
from rtproxy.convert.source import LeftOut, Missing, Part, Source, Verbatim
from rtproxy.errors import TapeWriteError
from rtproxy.tape.codec import encode_header, plain
from rtproxy.tape.placing import of_target
from rtproxy.tape.reader import check_version
from rtproxy.tape.record import MAJOR, REDACTED, Control, Event, Header, Seal
from rtproxy.tape.redaction import Redactor
from rtproxy.tape.summary import Summary
from rtproxy.tape.writer import TapeWriter

MAX_SEQ = 1 << 62
LONGEST_REASON = 200

_BATCH = 1 << 20
_RECKONED = Summary().to_map().keys() | {"id", "sha256"}
"""What the writer puts into a seal by itself."""


class ImportedTape:
    """Writes one source's parts, as `take` is given them. Close it, or drop it."""

    def __init__(self, source: Source, redact: Sequence[re.Pattern[str]]) -> None:
        self.unsealed = False
        self.is_empty = True
        """Nothing has come so far, or nothing that could be read."""
        self._source = source
        self._redactor = Redactor(secrets.token_bytes(16), redact)
        self._fields = self._header_fields(source)
        self._content_types = _content_types(self._fields)
        self._writer: TapeWriter | None = None
        self._seal: Seal | None = None
        self._now_ns = 0
        self._unread: list[str] = []
        self._pending = 0

    @property
    def started_ns(self) -> int | None:
        return Header(self._fields).started_ns

    @property
    def path(self) -> Path:
        return self._open_writer().path

    def open(self, path: Path) -> None:
        """Create the tape. Raises TapeError where it cannot be, or could not be read again."""
        minor = self._source.minor
        check_version(path, Header(self._fields, MAJOR, minor))
        try:
            header = encode_header(self._fields, minor=minor)
        except ValueError as error:
            raise TapeWriteError(f"Cannot create the tape {path}: {error}.") from None
        self._writer = TapeWriter.create(path, self._fields, header=header)
        self._pending = self._writer.size

    def take(self, part: Part) -> LeftOut | None:
        """Put a part on the tape; returns what of it does not get there."""
        writer = self._open_writer()
        if isinstance(part, LeftOut):
            if part.lost:
                self._unread.append(part.what[:LONGEST_REASON])
            return part
        self.is_empty = False
        self._admit()
        match part:
            case Event():
                self._event(part)
            case Control():
                data, changed = self._redactor.data(plain(part.data))
                flags = part.flags | REDACTED if changed else part.flags
                writer.control(part.t_ns, flags, part.name, data)
            case Seal():
                self._seal = part
            case Missing():
                if writer.next_seq + part.records > MAX_SEQ:
                    return LeftOut("a number of missing records that is too large for a tape")
                writer.next_seq += part.records
            case Verbatim():
                seq = part.record.seq
                if seq is not None and seq != writer.next_seq:
                    return LeftOut(f"a record of kind {part.record.kind}, which is out of order")
                writer.copy(part.data, part.record)
        if not isinstance(part, Seal | Missing | Verbatim):
            self._now_ns = part.t_ns
        self._flush(_BATCH)
        return None

    def close(self) -> None:
        """Finish the tape: sealed, unless the source knows better. Raises TapeWriteError."""
        writer = self._open_writer()
        self._admit()
        self._flush(0)
        if self._seal is not None:
            extra = {k: v for k, v in plain(self._seal.data).items() if k not in _RECKONED}
            clean, _ = self._redactor.data(extra)
            writer.seal(self._seal.t_ns, clean)
        elif self._source.complete:
            writer.seal(max(self._now_ns, writer.summary.duration_ns))
        else:
            self.unsealed = True
            writer.close()
        if writer.failed is not None:
            raise of_target(writer.path, writer.failed)

    def drop(self) -> None:
        """Remove the tape again."""
        if self._writer is not None:
            self._writer.close()
            self._writer.path.unlink(missing_ok=True)

    def _open_writer(self) -> TapeWriter:
        assert self._writer is not None
        return self._writer

    def _event(self, event: Event) -> None:
        payload, flags = event.payload, event.flags
        clean: str | bytes
        if self._content_types is not None:
            data = (
                payload.encode("utf-8", "backslashreplace") if isinstance(payload, str) else payload
            )
            body, changed = self._redactor.body(self._content_types[event.from_server], data)
            clean = body.decode() if isinstance(payload, str) else body
        elif isinstance(payload, str):
            clean, changed = self._redactor.text(payload)
        else:
            clean, changed = self._redactor.binary(payload)
        self._open_writer().event(event.t_ns, flags | REDACTED if changed else flags, clean)

    def _admit(self) -> None:
        """Say on the tape that something could not be read here."""
        if self._unread:
            reason = f"could not be imported: {self._unread[0]}"
            if len(self._unread) > 1:
                reason += f", and {len(self._unread) - 1:,} more"
            data, _ = self._redactor.data({"reason": reason})
            self._open_writer().control(self._now_ns, 0, "gap", data)
            self._unread.clear()

    def _flush(self, at_least: int) -> None:
        writer = self._open_writer()
        if writer.size - self._pending >= at_least:
            self._pending = writer.size
            if not writer.flush() and writer.failed is not None:
                raise of_target(writer.path, writer.failed)

    def _header_fields(self, source: Source) -> dict[str, Any]:
        fields = dict(plain(source.fields))  # nothing in it is nested deep
        if source.complete:
            fields["writer"] = {"name": "rtproxy", "version": __version__}
        id_, connection = fields.get("id"), fields.get("connection")
        if not isinstance(id_, str) or not id_:
            id_ = secrets.token_hex(8)
        if connection not in ("websocket", "http"):
            connection = "websocket"
        fields = {"id": id_, "connection": connection} | fields
        fields |= {"id": id_, "connection": connection}
        # Twice, because a secret may stand before the place by which it is known.
        self._redactor.data(fields)
        clean, _ = self._redactor.data(fields)
        return clean


def _content_types(fields: Mapping[str, Any]) -> tuple[str, str] | None:
    """Of request and response, on a tape of an HTTP exchange; None on any other."""
    if fields["connection"] != "http":
        return None
    found = []
    for key in ("request", "response"):
        message = fields.get(key)
        lines = message.get("headers") if isinstance(message, dict) else None
        pairs = lines if isinstance(lines, list) else []
        types = (
            pair[1] for pair in pairs
            if isinstance(pair, list) and len(pair) == 2 and str(pair[0]).lower() == "content-type"
        )  # fmt: skip
        found.append(str(next(types, "")))
    return found[0], found[1]
