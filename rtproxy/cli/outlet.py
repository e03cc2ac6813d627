"""Where our words go: what becomes of a terminal or a pipe does not become of us.

A terminal is closed, `tee` has had the same Ctrl-C, a disk with a log is full: sessions go on, and
tapes are sealed, with nobody to tell.
"""

import os
import sys
from contextlib import suppress
from io import TextIOBase
from typing import Any, TextIO


class Outlet(TextIOBase):
    """A text stream that takes everything, for one that may fail. After that it leads nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            self._give_up()
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def close(self) -> None:
        """Nothing: the stream is not ours, and the end of the interpreter closes us when much of
        it is gone already."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def _give_up(self) -> None:
        lead_nowhere(self._stream)


def lead_nowhere(stream: TextIO) -> None:
    """Have a stream that has failed take everything: what it still holds, and what is to come."""
    with suppress(OSError, ValueError):
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
        stream.flush()


def flush(stream: TextIO) -> None:
    """Have a stream pass on what it holds; a reader that has gone misses nothing, others do."""
    try:
        stream.flush()
    except BrokenPipeError:
        lead_nowhere(stream)


def open_what_is_closed() -> None:
    """Have stdin, stdout and stderr lead nowhere where we were started without them.

    The next file or connection would take the number of one of them: a tape would get what a
    program prints, and uvloop ends the process when it is to close such a connection.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def outlast(*names: str) -> None:
    """Let stdout or stderr fail without a word, from now on."""
    for name in names:
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Outlet):
            setattr(sys, name, Outlet(stream))


def leave_out_odd_names() -> None:
    """Show no traceback for a client that names a server in other characters than ASCII.

    Python's TLS decodes the name (RFC 6066 §3) before it asks anybody, and shows that it fails in
    this way only; the handshake fails besides, of which we tell.
    """
    show = sys.unraisablehook

    def hook(what: "sys.UnraisableHookArgs") -> None:
        if not (isinstance(what.exc_value, UnicodeDecodeError) and isinstance(what.object, bytes)):
            show(what)

    sys.unraisablehook = hook
