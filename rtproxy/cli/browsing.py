"""Opens a tape in the terminal application, where there is a terminal and the application."""

import os
import sys
from typing import TYPE_CHECKING

from rtproxy.errors import RtproxyError

if TYPE_CHECKING:
    from rtproxy.inspect.tui.request import Request
    from rtproxy.realtime.session import Session
    from rtproxy.tape.reader import Tape

MISSING = "--tui needs textual: pip install 'rtproxy[tui]'."
NO_TERMINAL = "--tui needs a terminal to draw on; leave it out to print the same as text."


def browse(tape: "Tape", request: "Request") -> "Session | None":
    """Let somebody look around in a tape until they quit.

    Returns the session, None if they quit before all of it was read. Raises RtproxyError where
    there is no terminal or no textual.
    """
    if not is_terminal():
        raise RtproxyError(NO_TERMINAL)
    try:
        import textual  # noqa: F401
    except ImportError:
        raise RtproxyError(MISSING) from None
    from rtproxy.inspect.overview import survey
    from rtproxy.inspect.tui.app import Tui

    app = Tui(tape, survey(tape, str(tape.path)), request)
    app.run()
    return app.loading.session if app.work.judged else None


def is_terminal() -> bool:
    """Whether there is somebody to see it and to press keys."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return os.environ.get("TERM") != "dumb" and all(stream.isatty() for stream in streams)
