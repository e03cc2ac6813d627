"""rtproxy: the flight recorder for realtime voice sessions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtproxy.diff.entry import compare, compare_sets
    from rtproxy.errors import MismatchError, RtproxyError
    from rtproxy.realtime.session import Session
    from rtproxy.serve import RecordProxy, ReplayServer
    from rtproxy.tape.reader import Tape, open_tape

__version__ = "0.1.0"
__all__ = [
    "MismatchError",
    "RecordProxy",
    "ReplayServer",
    "RtproxyError",
    "Session",
    "Tape",
    "__version__",
    "compare",
    "compare_sets",
    "open_tape",
]

_HOME = {
    "MismatchError": "rtproxy.errors",
    "RecordProxy": "rtproxy.serve",
    "ReplayServer": "rtproxy.serve",
    "RtproxyError": "rtproxy.errors",
    "Session": "rtproxy.realtime.session",
    "Tape": "rtproxy.tape.reader",
    "compare": "rtproxy.diff.entry",
    "compare_sets": "rtproxy.diff.entry",
    "open_tape": "rtproxy.tape.reader",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that `import rtproxy` costs nothing."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
