"""A file that is there whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Write a file under a name of its own beside `path`, which it gets when all is written.

    Raises OSError.
    """
    fd, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _umask() -> int:
    """The process's umask, which only setting it tells."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
