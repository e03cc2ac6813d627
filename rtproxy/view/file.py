"""Files that are there whole or not at all; pages among them, which replace nothing but pages."""

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rtproxy.errors import PageError


def write_file(path: Path, data: bytes | Iterable[bytes]) -> int:
    """Write a file under a name of its own beside `path`, which it gets when all is written.

    Returns how many bytes it has. Raises OSError.
    """
    size = 0
    fd, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            for piece in (data,) if isinstance(data, bytes) else data:
                size += file.write(piece)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    return size


def write_page(path: Path, page: bytes | Iterable[bytes]) -> int:
    """Write an HTML page; one that is there is replaced when all is written. Returns its bytes.

    Raises PageError where it cannot be written, or where `path` is some other file.
    """
    refuse(path)
    try:
        return write_file(path, page)
    except OSError as error:
        raise PageError(f"{path} cannot be written: {error.strerror or error}.") from None


def refuse(path: Path) -> None:
    """Raise PageError for what a page must not overwrite."""
    if path.is_dir():
        raise PageError(f"{path} is a folder; name a file in it.")
    try:
        with path.open("rb") as file:
            start = file.read(1024).lstrip().lower()
    except FileNotFoundError:
        return
    except OSError as error:
        raise PageError(f"{path} cannot be written: {error.strerror or error}.") from None
    if start and not start.startswith((b"<!doctype html", b"<html")):
        raise PageError(f"{path} exists and is no HTML page; name another file.")


def _umask() -> int:
    """The process's umask, which only setting it tells."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
