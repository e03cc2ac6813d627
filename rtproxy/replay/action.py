"""What a player asks its shell to do. The shell does it, in order, and nothing else."""

from dataclasses import dataclass

from rtproxy.replay.report import Report


@dataclass(frozen=True, slots=True)
class Send:
    """Send one message: str as text, bytes as binary. `seq` is its place on the tape, if any."""

    payload: str | bytes
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a ping frame; the answer to it is of no interest."""

    payload: bytes
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Send a close frame; without a code if `code` is None."""

    code: int | None
    reason: str = ""
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Eof:
    """End the stream without a close frame."""

    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the TCP connection."""

    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the person: this differs from the tape, and the replay goes on."""

    report: Report


@dataclass(frozen=True, slots=True)
class Fail:
    """The replay has failed. What goes to the peer because of it follows as Send and Close."""

    report: Report


Action = Send | Ping | Close | Eof | Reset | Warn | Fail
