"""A tape as a script for the player: what the client does, what the server does, what waits.

Only what both ends of the recorded connection would see again is in it. Appended audio is no
step but an amount: the client's audio is cut into segments by its commits and clears, and a
server step waits until so many bytes of its segment have come, in whatever chunks.

    client   update      append append      append commit
    server         ready               heard              answer
    waits for      1 step              2 steps' audio     2 steps

Scripts are immutable: any number of players share one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from rtproxy.realtime.audio import PCM16, AudioFormat, decode_base64, parse_format
from rtproxy.realtime.dialect import session_field
from rtproxy.replay.ids import Echo, Origins
from rtproxy.replay.message import (
    APPENDS,
    CLEAR,
    COMMIT,
    REALTIME_EVENTS,
    appended_audio,
    audio_size,
    parse_message,
    peek,
    type_of,
)
from rtproxy.tape.record import INJECTED, NOT_FORWARDED, Control, Event, Header, Record

_CLOSE_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
"""Codes that a close frame may carry (RFC 6455, section 7.4)."""

Role = Literal["server", "client"]
Anchor = Literal["start", "client", "audio", "server"]


@dataclass(frozen=True, slots=True)
class ClientStep:
    """A message of the client, other than appended audio, that is expected once."""

    index: int
    seq: int
    t_ns: int
    payload: str | bytes
    type: str
    value: Any
    """Parsed JSON, or the payload where it is not JSON."""
    segment: int
    """Index of the audio segment in which it was sent."""
    after: int
    """Number of server steps recorded before it: equal for steps of one burst."""
    rests_on: int
    """Number of server steps that it presumes, because it carries an id from the last of them."""
    adopts: str | None
    """Name of the id that the server gave to the item that this step creates without one."""


@dataclass(frozen=True, slots=True)
class Append:
    """A message of the client that appends audio. `size` is in decoded bytes."""

    seq: int
    t_ns: int
    payload: str
    segment: int
    size: int


@dataclass(frozen=True, slots=True)
class ServerStep:
    """Something the server does: a message, a ping, or the end of the connection.

    It waits for the first `after` client steps and for `audio` bytes in segment `segment`.
    It is due `offset_ns` after its anchor: the connection's start, the last client step before
    it, its amount of audio, or the server step before it.
    """

    index: int
    seq: int
    t_ns: int
    kind: Literal["message", "ping", "close", "eof", "reset"]
    payload: str | bytes
    type: str
    after: int
    segment: int
    audio: int
    anchor: Anchor
    offset_ns: int
    echoes: tuple[Echo, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gate(self) -> tuple[int, int, int]:
        return self.after, self.segment, self.audio


@dataclass(frozen=True, slots=True)
class Ending:
    """How the connection ended: close (with code and reason), eof or reset, and by whom."""

    seq: int
    t_ns: int
    kind: str
    by_server: bool
    code: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Script:
    """A whole tape, ready to be played."""

    header: Header | None
    realtime: bool
    client: tuple[ClientStep, ...]
    appends: tuple[Append, ...]
    server: tuple[ServerStep, ...]
    segments: tuple[int, ...]
    """Bytes of audio in each segment; all but the last end with a commit or a clear."""
    client_ids: frozenset[str]
    """Names of the ids that the client made."""
    ending: Ending | None
    refusal: Mapping[str, Any] | None
    """What stands on the tape about a handshake that was refused (before 101)."""
    gaps: tuple[int, ...]
    """`seq` of records that say that something is missing before them."""

    @cached_property
    def audio(self) -> tuple[bytes, ...]:
        """The recorded audio itself, segment by segment; what is not base64 is left out."""
        joined = [bytearray() for _ in self.segments]
        for append in self.appends:
            try:
                joined[append.segment] += decode_base64(appended_audio(append.payload) or "")
            except ValueError:
                continue
        return tuple(map(bytes, joined))

    @cached_property
    def audio_format(self) -> AudioFormat:
        """What the session's input audio was in."""
        audio_format = PCM16
        for step in self.server:
            if step.type in ("session.created", "session.updated"):
                event = parse_message(step.payload)
                session = event.get("session") if isinstance(event, dict) else None
                if isinstance(session, dict):
                    named = session_field(session, "input_audio_format")
                    audio_format = parse_format(named) or audio_format
        return audio_format


def read_script(records: Iterable[Record], role: Role = "server") -> Script:
    """Turn a tape's records into a script; `role` is the part that the player will take.

    What the proxy held back or put in by itself is left in or out as that part has seen it:
    the player's peer must meet what its forerunner met.
    """
    reading = _Reading(role)
    for record in records:
        reading.take(record)
    return reading.script()


@dataclass(slots=True)
class _Reading:
    role: Role
    header: Header | None = None
    realtime: bool = False
    events: list[Event] = field(default_factory=list)
    client: list[dict[str, Any]] = field(default_factory=list)
    appends: list[Append] = field(default_factory=list)
    server: list[ServerStep] = field(default_factory=list)
    segments: list[int] = field(default_factory=lambda: [0])
    origins: Origins = field(default_factory=Origins)
    ending: Ending | None = None
    refusal: Mapping[str, Any] | None = None
    gaps: list[int] = field(default_factory=list)
    steps_seen: int = 0
    """Client steps recorded before the last server step."""

    def take(self, record: Record) -> None:
        if isinstance(record, Header):
            self.header = record
        elif self.ending is not None:
            return  # what was under way when the connection ended could come or not
        elif isinstance(record, Event):
            if self.is_seen(record):
                if record.from_server:
                    self.server_message(record)
                else:
                    self.client_message(record)
        elif isinstance(record, Control):
            self.control(record)

    def is_seen(self, event: Event) -> bool:
        """True if the peer that the player talks to had a part in this event."""
        if event.from_server == (self.role == "server"):
            return not event.flags & NOT_FORWARDED
        return not event.flags & INJECTED

    def client_message(self, event: Event) -> None:
        kind = peek(event.payload)
        if kind in APPENDS and isinstance(event.payload, str):
            audio = appended_audio(event.payload)
            if audio is not None:
                self.realtime = True
                size = audio_size(audio)
                segment = len(self.segments) - 1
                self.segments[-1] += size
                self.appends.append(Append(event.seq, event.t_ns, event.payload, segment, size))
                return
        value = parse_message(event.payload)
        kind = type_of(value)
        self.realtime = self.realtime or kind in REALTIME_EVENTS
        self.client.append({
            "index": len(self.client),
            "seq": event.seq,
            "t_ns": event.t_ns,
            "payload": event.payload,
            "type": kind,
            "value": value,
            "segment": len(self.segments) - 1,
            "after": len(self.server),
            "rests_on": self.origins.client(len(self.client), value),
        })  # fmt: skip
        if kind in (COMMIT, CLEAR):
            self.segments.append(0)

    def server_message(self, event: Event) -> None:
        kind = peek(event.payload)
        self.realtime = self.realtime or kind in REALTIME_EVENTS
        echoes: tuple[Echo, ...] = ()
        if isinstance(event.payload, str):
            echoes = self.origins.server(len(self.server), kind, event.payload)
        self.serve("message", event, kind, event.payload, echoes)

    def control(self, control: Control) -> None:
        if control.name == "ping" and control.from_server == (self.role == "server"):
            if control.from_server:
                payload = control.data.get("payload")
                payload = payload[:125] if isinstance(payload, bytes) else b""
                self.serve("ping", control, "", payload)
        elif control.name == "refused":
            self.refusal = control.data
        elif control.name == "gap":
            self.gaps.append(control.seq)
        elif control.name in ("close", "eof", "reset"):
            code, reason = control.data.get("code"), control.data.get("reason")
            can_be_sent = isinstance(code, int) and code in _CLOSE_CODES
            self.ending = Ending(
                control.seq,
                control.t_ns,
                control.name,
                control.from_server,
                code if can_be_sent else None,
                reason[:123] if isinstance(reason, str) and can_be_sent else "",
            )
            if control.from_server:
                self.serve(control.name, control, "", b"")

    def serve(
        self,
        what: Any,
        record: Event | Control,
        kind: str,
        payload: str | bytes,
        echoes: tuple[Echo, ...] = (),
    ) -> None:
        anchor, since_ns = self.anchor(kind)
        self.server.append(
            ServerStep(
                index=len(self.server),
                seq=record.seq,
                t_ns=record.t_ns,
                kind=what,
                payload=payload,
                type=kind,
                after=len(self.client),
                segment=len(self.segments) - 1,
                audio=self.segments[-1],
                anchor=anchor,
                offset_ns=max(0, record.t_ns - since_ns),
                echoes=echoes,
                data=record.data if isinstance(record, Control) else {},
            )
        )
        self.steps_seen = len(self.client)

    def anchor(self, kind: str) -> tuple[Anchor, int]:
        """What the next server step's time is measured from, and when that was.

        Audio causes what says that it was heard. While a response is spoken the caller's audio
        runs on, but the response's events follow one another.
        """
        last = self.server[-1] if self.server else None
        step = self.client[-1] if len(self.client) > self.steps_seen else None
        heard = self.appends[-1] if self.appends else None
        if heard and kind.startswith("input_audio_buffer."):
            before = step["seq"] if step else last.seq if last else -1
            if heard.seq > before:
                return "audio", heard.t_ns
        if step:
            return "client", step["t_ns"]
        return ("server", last.t_ns) if last else ("start", 0)

    def script(self) -> Script:
        adopted = self.origins.adopted
        return Script(
            header=self.header,
            realtime=self.realtime,
            client=tuple(
                ClientStep(**step, adopts=adopted.get(step["index"])) for step in self.client
            ),
            appends=tuple(self.appends),
            server=tuple(self.server),
            segments=tuple(self.segments),
            client_ids=frozenset(self.origins.clients),
            ending=self.ending,
            refusal=self.refusal,
            gaps=tuple(self.gaps),
        )
