"""Puts a new tape in its place once it is complete: nothing half-written ever has its name."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from rtproxy.errors import TapeWriteError
from rtproxy.tape.writer import sync_folder


@contextlib.contextmanager
def temporary(target: Path) -> Iterator[Path]:
    """A name beside `target` to write to; what is left there in the end is removed.

    A TapeWriteError that a failing file system has caused is told of `target` instead.
    """
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield unfinished
    except TapeWriteError as error:
        raise of_target(target, error) from None
    finally:
        unfinished.unlink(missing_ok=True)


def of_target(target: Path, error: TapeWriteError) -> TapeWriteError:
    """The error, as it is told where nothing of the tape is kept."""
    cause = error.__cause__
    if not isinstance(cause, OSError):
        return error
    return TapeWriteError(f"Cannot write {target}: {cause.strerror or cause}.")


def put(unfinished: Path, target: Path, *, overwrite: bool = False) -> None:
    """Give a complete file its name. Raises TapeWriteError where there is one, or it cannot be."""
    try:
        if not overwrite:
            try:
                target.hardlink_to(unfinished)  # unlike a rename, it never replaces what is there
            except OSError:
                overwrite = not os.path.lexists(target)  # a file system without hard links
                if not overwrite:
                    raise
        if overwrite:
            unfinished.replace(target)
    except FileExistsError:
        raise TapeWriteError(f"{target} exists already; choose another name with -o.") from None
    except OSError as error:
        raise TapeWriteError(f"Cannot write {target}: {error.strerror}.") from None
    sync_folder(target.parent)
