"""The one exception tree. Every error that rtproxy raises on purpose is in it.

    RtproxyError                 exit code 2 unless said otherwise
    ├── TapeError                a tape cannot be opened, read or written
    │   ├── NotATapeError        the file is something else, or empty
    │   ├── TapeVersionError     a newer major version, or a requirement we do not know
    │   ├── TapeDamagedError     bytes on the tape are not what was written (exit code 1)
    │   └── TapeWriteError       the tape could not be created or written to
    │       └── TapeExistsError  there is a file of that name
    ├── ListenError              the address to listen on cannot be had
    ├── UpstreamError            the upstream's URL is wrong, or it cannot be reached
    ├── TlsError                 a certificate or a key cannot be made, read or used
    ├── ScenarioError            a scenario file is wrong
    ├── FilterError              a filter expression is wrong
    ├── PathError                a JSON path is wrong
    ├── DiffError                two sessions cannot be compared as asked
    ├── ConvertError             a file cannot be exported or imported
    ├── PageError                an HTML page cannot be written
    ├── CommandError             the command to run cannot be started
    └── ReplayError              a replay cannot be set up
        └── MismatchError        the client did something that is not on the tape (exit code 1)

The message of each is one sentence that says what happened and what to do.
"""


class RtproxyError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line exits with."""

    exit_code = 2


class TapeError(RtproxyError):
    """A tape cannot be opened, read or written."""


class NotATapeError(TapeError):
    """The file is empty or is something other than a tape."""


class TapeVersionError(TapeError):
    """The tape was written by a newer major version or requires what this one does not know."""


class TapeDamagedError(TapeError):
    """Bytes on the tape are not what was written."""

    exit_code = 1


class TapeWriteError(TapeError):
    """The tape could not be created or written to."""


class TapeExistsError(TapeWriteError):
    """The tape could not be created: there is a file of that name."""


class ListenError(RtproxyError):
    """The address to listen on cannot be had."""


class UpstreamError(RtproxyError):
    """The upstream's URL is wrong, or it cannot be reached."""


class TlsError(RtproxyError):
    """A certificate or a key cannot be made, read or used."""


class ScenarioError(RtproxyError):
    """A scenario file is wrong."""


class FilterError(RtproxyError):
    """A filter expression is wrong."""


class PathError(RtproxyError):
    """A JSON path is wrong."""


class DiffError(RtproxyError):
    """Two sessions cannot be compared as asked."""


class ConvertError(RtproxyError):
    """A file cannot be exported or imported."""


class PageError(RtproxyError):
    """An HTML page cannot be written."""


class CommandError(RtproxyError):
    """The command to run cannot be started."""


class ReplayError(RtproxyError):
    """A replay cannot be set up."""


class MismatchError(ReplayError):
    """The client did something that is not on the tape."""

    exit_code = 1
