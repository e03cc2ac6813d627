"""What a tape is, before its events: where, what, when, how much, in which state."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Any, Literal, Protocol

from rtproxy.inspect.listing import Lull, Missing, milliseconds
from rtproxy.tape.record import Control, Event, Header, Record, Seal
from rtproxy.tape.summary import Summary

State = Literal["sealed", "live", "crashed", "damaged"]

READ_AT_ONCE = 32 << 20
"""A tape of up to this many bytes is read once to see that it is sound, before it is shown."""
PEEK = 1_000
"""Records of a larger tape that is not sealed that are read to learn its dialect and model."""

DIALECTS = {"beta": "beta", "ga": "GA"}


class Lost(Protocol):
    """A place of damage, as the reader reports it."""

    @property
    def offset(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def missing(self) -> range: ...
    @property
    def what(self) -> str: ...


class Recording(Protocol):
    """An open tape, as the reader gives it."""

    @property
    def header(self) -> Header: ...
    @property
    def state(self) -> Literal["sealed", "live", "crashed"]: ...
    @property
    def seal(self) -> Seal | None: ...
    @property
    def size(self) -> int: ...
    @property
    def damage(self) -> Sequence[Lost]: ...
    def summary(self) -> Summary: ...
    def __iter__(self) -> Iterator[Record]: ...


@dataclass(frozen=True, slots=True)
class Overview:
    """`counted` is False where the counts of `summary` cover only the start of the tape."""

    path: str
    header: Header
    state: State
    size: int
    summary: Summary
    counted: bool = True
    damage: Sequence[Lost] = field(default=())

    @property
    def target(self) -> str:
        """Path and query of the request, such as /v1/realtime?model=gpt-realtime."""
        return _text(self._request.get("target"))

    @property
    def status(self) -> int | None:
        """HTTP status of the handshake."""
        status = self._response.get("status")
        return status if isinstance(status, int) else None

    @property
    def upstream(self) -> str:
        return _text(self.header.fields.get("upstream"))

    @property
    def _request(self) -> Mapping[str, Any]:
        request = self.header.fields.get("request")
        return request if isinstance(request, dict) else {}

    @property
    def _response(self) -> Mapping[str, Any]:
        response = self.header.fields.get("response")
        return response if isinstance(response, dict) else {}

    def lines(self, zone: tzinfo | None = None) -> list[tuple[str, str]]:
        """The header of the listing, as pairs of a label and a line; `zone` is for the date."""
        summary = self.summary
        session: list[str] = []
        if summary.model:
            session.append(summary.model)
        if summary.dialect:
            session.append(f"{DIALECTS[summary.dialect]} dialect")
        if summary.session:
            session.append(summary.session)
        when = [date(self.header.started_ns, zone), duration(self)]
        status = "" if self.status is None else f" → {self.status}"
        request = f"{self.upstream.rstrip('/')}{self.target}{status}"
        return [
            ("tape", " · ".join((self.path, self.state, self._origin()))),
            (self.header.connection, request or "request unknown"),
            *([("session", " · ".join(session))] if session else []),
            ("when", " · ".join(filter(None, when)) or "unknown"),
            ("events", self._counts()),
        ]

    def _origin(self) -> str:
        """How the tape came to be; of an imported one, from what, and what is not known of it."""
        about = self.header.fields.get("imported")
        if not isinstance(about, dict):
            return self.header.origin
        source = " of ".join(
            filter(None, (_text(about.get("format")), _text(about.get("program"))))
        )
        unknown = about.get("unknown")
        words = (
            [word for word in unknown if isinstance(word, str)] if isinstance(unknown, list) else []
        )
        missing = f"; unknown: {', '.join(words)}" if words else ""
        return f"{self.header.origin} from {source or 'a file'}{missing}"

    def _counts(self) -> str:
        if not self.counted:
            return f"{size(self.size)}, not counted as the tape is not sealed"
        events, volume = self.summary.events, self.summary.payload_bytes
        total = f"{events['client'] + events['server']:,}"
        return (
            f"{total}: client → {events['client']:,} ({size(volume['client'])}), "
            f"server ← {events['server']:,} ({size(volume['server'])})"
        )

    def to_map(self) -> dict[str, Any]:
        """The tape as it stands in `--json`."""
        summary, started_ns = self.summary, self.header.started_ns
        counts = {
            "duration_ms": milliseconds(summary.duration_ns),
            "records": summary.records,
            "events": dict(summary.events),
            "bytes": dict(summary.payload_bytes),
        }
        return {
            "path": self.path,
            "state": self.state,
            "id": self.header.id,
            "connection": self.header.connection,
            "origin": self.header.origin,
            "started": None if started_ns is None else moment(started_ns, UTC),
            "upstream": self.upstream or None,
            "target": self.target or None,
            "status": self.status,
            **(counts if self.counted else dict.fromkeys(counts)),
            "damage": [
                {
                    "offset": lost.offset,
                    "length": lost.length,
                    "missing": [lost.missing[0], lost.missing[-1]] if lost.missing else None,
                    "what": lost.what,
                }
                for lost in self.damage
            ],
        }

    def session(self) -> dict[str, Any]:
        """The session as far as it stands in `--json`."""
        summary = self.summary
        return {"id": summary.session, "model": summary.model, "dialect": summary.dialect}


def survey(tape: Recording, path: str) -> Overview:
    """Look a tape over without reading more than a small part of a large one."""
    counted = tape.seal is not None or tape.size <= READ_AT_ONCE
    if tape.seal is not None:
        summary = tape.summary()
        if tape.size <= READ_AT_ONCE:
            for _ in tape:
                pass
    elif counted:
        summary = tape.summary()
    else:
        summary = Summary()
        for record in islice(tape, PEEK):
            summary.add(record, 0)
    damage = list(tape.damage)
    state: State = "damaged" if damage else tape.state
    return Overview(path, tape.header, state, tape.size, summary, counted, damage)


class Source(Protocol):
    """What gives records: a tape, or a tape that is followed and has lulls."""

    @property
    def damage(self) -> Sequence[Lost]: ...
    def __iter__(self) -> Iterator[Record | Lull]: ...


def records(tape: Source) -> Iterator[Record | Missing | Lull]:
    """The records of a tape, and between them the places where something is missing."""
    told, t_ns, seq = 0, 0, 0
    for record in tape:
        told, missing = _missing(tape, told, seq, t_ns)
        yield from missing
        if isinstance(record, Event | Control):
            seq, t_ns = record.seq + 1, record.t_ns
        yield record
    yield from _missing(tape, told, seq, t_ns)[1]


def _missing(tape: Source, told: int, seq: int, t_ns: int) -> tuple[int, list[Missing]]:
    damage = tape.damage[told:]
    return told + len(damage), [
        Missing(lost.missing[0] if lost.missing else seq, t_ns, damage_line(lost))
        for lost in damage
    ]


def damage_line(lost: Lost) -> str:
    """A place of damage in words: what is missing, and where."""
    where = f"{lost.length:,} bytes at offset {lost.offset:,}: {lost.what}"
    if not lost.missing:
        return where
    first, last = lost.missing[0], lost.missing[-1]
    which = f"record {first}" if first == last else f"records {first} to {last}"
    return f"{which} missing, {where}"


def date(started_ns: int | None, zone: tzinfo | None) -> str:
    """A date and time of day with its zone; "" for none that there can be."""
    if started_ns is None:
        return ""
    return moment(started_ns, zone).replace("T", " ")


def moment(started_ns: int, zone: tzinfo | None) -> str:
    """ISO 8601, to the second, in `zone` or else the zone of this machine."""
    try:
        utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=started_ns // 1000)
        return utc.astimezone(zone).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return ""


def duration(overview: Overview) -> str:
    """How long a tape is, in seconds, and above a minute also in minutes and hours."""
    if not overview.counted:
        return ""
    seconds = overview.summary.duration_ns / 1e9
    if seconds < 60:
        return f"{seconds:.3f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02} min"


def size(n_bytes: int) -> str:
    """A number of bytes in words, three digits at most, such as 12.8 kB."""
    if n_bytes < 1000:
        return f"{n_bytes} B"
    power = 1
    while n_bytes >= 999.5 * 1000**power and power < 4:
        power += 1
    amount, unit = n_bytes / 1000**power, ("", "kB", "MB", "GB", "TB")[power]
    return f"{amount:.3g} {unit}" if amount < 99.95 else f"{amount:.0f} {unit}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
