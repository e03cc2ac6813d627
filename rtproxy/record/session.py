"""One recorded WebSocket session: from bytes on the two sockets to records on one tape."""

from collections.abc import Callable

from rtproxy.record.status import Traffic
from rtproxy.record.tapes import Tape
from rtproxy.tape.record import FROM_SERVER, INJECTED, NOT_FORWARDED, REDACTED
from rtproxy.wire.deflate import Deflate
from rtproxy.wire.frame import CONTROL_MAX
from rtproxy.wire.message import (
    Close,
    Message,
    MessageDecoder,
    Oversize,
    Ping,
    Pong,
    Violation,
    WireEvent,
)

ALL_CONTROL = CONTROL_MAX
"""The longest message that is decoded where only control frames matter."""


class Follower:
    """Follows what both sides say, frame by frame, and tapes nothing; counts bytes in `traffic`."""

    def __init__(
        self, deflate: Deflate | None, *, traffic: Traffic, max_message: int = ALL_CONTROL
    ) -> None:
        self._client = MessageDecoder(from_client=True, deflate=deflate, max_message=max_message)
        self._server = MessageDecoder(from_client=False, deflate=deflate, max_message=max_message)
        self._traffic = traffic
        self._closed: set[bool] = set()
        self._lost = False
        """Whether decoding has failed, so that nobody knows where a frame ends."""

    def received(self, data: bytes, *, from_server: bool, forwarded: bool) -> None:  # noqa: ARG002
        self._traffic.count_bytes(len(data), from_server=from_server)
        self._follow(data, from_server)

    def ended(self, *, from_server: bool) -> None: ...

    def lost(self, error: Exception, *, from_server: bool) -> None: ...

    def mark(self, text: str) -> None: ...

    def injected(self, code: int, reason: str, *, from_server: bool) -> None: ...

    def has_closed(self, *, from_server: bool) -> bool:
        """Whether a close frame has come from this side."""
        return from_server in self._closed

    def mid_frame(self, *, from_server: bool) -> bool:
        """Whether what has come from this side ends in the middle of a frame, or may do so."""
        return self._lost or self._decoder(from_server).mid_frame

    def rest_of_frame(self, data: bytes, *, from_server: bool) -> int:
        """How many of the next bytes from this side belong to the frame under way."""
        return len(data) if self._lost else self._decoder(from_server).rest_of_frame(data)

    def _decoder(self, from_server: bool) -> MessageDecoder:
        return self._server if from_server else self._client

    def _follow(self, data: bytes, from_server: bool) -> None:
        """Take bytes of which nothing is kept."""
        if self._lost:
            return
        try:
            events = self._decoder(from_server).feed(data)
        except Exception:
            self._lost = True  # nobody expected this; the session goes on
            return
        if any(isinstance(event, Close) for event in events):
            self._closed.add(from_server)


class SessionRecorder(Follower):
    """Decodes what the tap shows it, removes secrets, and writes the records of each read.

    It never raises: an error that nobody expected ends the recording, not the session.
    `on_failure` is called once, with the reason, when the tape can no longer be written.
    """

    def __init__(
        self,
        tape: Tape,
        deflate: Deflate | None,
        *,
        traffic: Traffic,
        on_failure: Callable[[Exception], None],
        max_message: int,
    ) -> None:
        super().__init__(deflate, traffic=traffic, max_message=max_message)
        self.failure: Exception | None = None
        self._finished = False
        self._now_ns = tape.now_ns
        self._writer = tape.writer
        self._redactor = tape.redactor
        self._on_failure = on_failure

    def received(self, data: bytes, *, from_server: bool, forwarded: bool) -> None:
        t_ns = self._now_ns()
        self._traffic.count_bytes(len(data), from_server=from_server)
        if self._finished:
            return
        if self.failure is not None:
            self._follow(data, from_server)
            return
        flags = FROM_SERVER if from_server else 0
        if not forwarded:
            flags |= NOT_FORWARDED
        try:
            events = (self._server if from_server else self._client).feed(data)
        except Exception as error:
            self._lost = True
            self._fail(error)
            return
        try:
            self._write(events, t_ns, flags)
        except Exception as error:
            self._fail(error)

    def ended(self, *, from_server: bool) -> None:
        flags = FROM_SERVER if from_server else 0
        self._note(self._decoder(from_server).eof(), flags, "eof", {})

    def lost(self, error: Exception, *, from_server: bool) -> None:
        flags = FROM_SERVER if from_server else 0
        self._note([], flags, "reset", {"error": str(error)})

    def mark(self, text: str) -> None:
        """Put a marker on the tape: something that the proxy did, in words."""
        self._note([], 0, "marker", {"text": text})

    def injected(self, code: int, reason: str, *, from_server: bool) -> None:
        """Tape a close frame of ours; `from_server` if it is the client that gets it."""
        flags = INJECTED | (FROM_SERVER if from_server else 0)
        self._note([], flags, "close", {"code": code, "reason": reason})

    def finish(self) -> None:
        """Take no more: what still comes from a connection that is torn down is not on the tape."""
        self._finished = True

    def seal(self) -> None:
        """Seal the tape after `finish`. Blocking: reads it once more for the checksum."""
        if self.failure is not None:
            self._writer.close()  # without a seal: it is not all that happened
            return
        try:
            self._writer.seal(self._now_ns())
            if self._writer.failed is not None:
                raise self._writer.failed
        except Exception as error:
            self._fail(error)

    def _note(
        self, events: list[WireEvent], flags: int, name: str, data: dict[str, object]
    ) -> None:
        t_ns = self._now_ns()
        if self._finished or self.failure is not None:
            return
        try:
            for event in events:
                self._write_control(event, t_ns, flags)
            clean, changed = self._redactor.data(data)
            self._writer.control(t_ns, flags | REDACTED if changed else flags, name, clean)
            self._flush()
        except Exception as error:
            self._fail(error)

    def _write(self, events: list[WireEvent], t_ns: int, flags: int) -> None:
        if not events:
            return
        for event in events:
            if type(event) is Message:
                payload = event.data
                changed: bool
                redacted: str | bytes
                if type(payload) is str:
                    redacted, changed = self._redactor.text(payload)
                else:
                    assert isinstance(payload, bytes)
                    redacted, changed = self._redactor.binary(payload)
                self._writer.event(t_ns, flags | REDACTED if changed else flags, redacted)
                self._traffic.count_message(from_server=bool(flags & FROM_SERVER))
            else:
                self._write_control(event, t_ns, flags)
        self._flush()

    def _write_control(self, event: WireEvent, t_ns: int, flags: int) -> None:
        data: dict[str, object]
        match event:
            case Ping(payload):
                name, data = "ping", {"payload": payload}
            case Pong(payload):
                name, data = "pong", {"payload": payload}
            case Close(code, reason):
                name, data = "close", {"code": code, "reason": reason}
                self._closed.add(bool(flags & FROM_SERVER))
            case Violation(reason):
                name, data = "protocol_error", {"reason": reason, "fatal": event.fatal}
            case Oversize(kind, size):
                name, data = "gap", {"reason": "message too large", "kind": kind, "bytes": size}
            case Message(text):
                raise AssertionError(f"a message is no control record: {text[:20]!r}")
        clean, changed = self._redactor.data(data)
        self._writer.control(t_ns, flags | REDACTED if changed else flags, name, clean)

    def _flush(self) -> None:
        if not self._writer.flush():
            assert self._writer.failed is not None
            self._fail(self._writer.failed)
        self._traffic.model = self._writer.summary.model or self._traffic.model

    def _fail(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
            self._on_failure(error)
