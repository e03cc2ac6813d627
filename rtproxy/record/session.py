"""One recorded WebSocket session: from bytes on the two sockets to records on one tape."""

from collections.abc import Callable

from rtproxy.record.status import Traffic
from rtproxy.record.tapes import Tape
from rtproxy.tape.record import FROM_SERVER, NOT_FORWARDED, REDACTED
from rtproxy.wire.deflate import Deflate
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


class SessionRecorder:
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
        self.failure: Exception | None = None
        self._finished = False
        self._now_ns = tape.now_ns
        self._writer = tape.writer
        self._redactor = tape.redactor
        self._client = MessageDecoder(from_client=True, deflate=deflate, max_message=max_message)
        self._server = MessageDecoder(from_client=False, deflate=deflate, max_message=max_message)
        self._traffic = traffic
        self._on_failure = on_failure

    def received(self, data: bytes, *, from_server: bool, forwarded: bool) -> None:
        t_ns = self._now_ns()
        self._traffic.count_bytes(len(data), from_server=from_server)
        if self._finished or self.failure is not None:
            return
        flags = FROM_SERVER if from_server else 0
        if not forwarded:
            flags |= NOT_FORWARDED
        try:
            decoder = self._server if from_server else self._client
            self._write(decoder.feed(data), t_ns, flags)
        except Exception as error:
            self._fail(error)

    def ended(self, *, from_server: bool) -> None:
        decoder = self._server if from_server else self._client
        flags = FROM_SERVER if from_server else 0
        self._note(decoder.eof(), flags, "eof", {})

    def lost(self, error: Exception, *, from_server: bool) -> None:
        flags = FROM_SERVER if from_server else 0
        self._note([], flags, "reset", {"error": str(error)})

    def mark(self, text: str) -> None:
        """Put a marker on the tape: something that the proxy did, in words."""
        self._note([], 0, "marker", {"text": text})

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

    def _note(self, events: list[WireEvent], flags: int, name: str, data: dict[str, str]) -> None:
        t_ns = self._now_ns()
        if self._finished or self.failure is not None:
            return
        try:
            for event in events:
                self._write_control(event, t_ns, flags)
            self._writer.control(t_ns, flags, name, data)
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
