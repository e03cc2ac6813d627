"""Where an export goes: a file that is there whole or not at all, or standard output."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from rtproxy.errors import ConvertError


@contextmanager
def output(path: Path | None, *, force: bool = False) -> Iterator[BinaryIO]:
    """A file to write bytes to; `None` and - are standard output.

    The file gets its name when all is written; when something fails there is none. Raises
    ConvertError where there is a file of that name already, unless `force`, and where it cannot be
    written.
    """
    if path is None or str(path) == "-":
        with _explained("standard output"):
            try:
                yield sys.stdout.buffer
                sys.stdout.buffer.flush()
            except OSError:
                # What is left in the buffer would fail again at exit, where nobody catches it.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise
        return
    refuse(path, force=force)
    with _explained(path):
        fd, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
    written = Path(name)
    try:
        with _explained(path):
            with os.fdopen(fd, "w+b") as file:
                yield cast(BinaryIO, file)
            written.chmod(0o666 & ~_umask())
            if force:
                written.replace(path)
            else:
                path.hardlink_to(written)
    finally:
        written.unlink(missing_ok=True)


def refuse(path: Path, *, force: bool = False) -> None:
    """Raise ConvertError for a file that must not be written."""
    if path.is_dir():
        raise ConvertError(f"{path} is a folder; name a file in it.")
    if not force and os.path.lexists(path):
        raise ConvertError(f"{path} exists already; --force overwrites it.")


@contextmanager
def _explained(path: Path | str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConvertError(f"{path} cannot be written: {error.strerror}.") from None


def _umask() -> int:
    """The process's umask, which only setting it tells."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
