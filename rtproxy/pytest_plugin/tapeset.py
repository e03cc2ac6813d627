"""The tapes of one test on disk: `greeting.rtape`, or `greeting/` for several connections.

New tapes are written into a hidden folder beside them and put in place when they are complete:

    recordings/test_support/.rtproxy-HOST~PID~1f3a/20261121-….rtape     while the test runs
    recordings/test_support/greeting.rtape                              one rename later

Where both a file and a folder are found, the folder counts. A folder is replaced by two renames;
between them the old one is called `.greeting.old`, from where a reader would take it back.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from rtproxy.errors import TapeError

SUFFIXES = (".rtape", ".rtape.zst")
STAGE = ".rtproxy-"
ATTEMPTS = 100


class TapeSet:
    """The tapes called `base`: a path without an ending."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.file = base.with_name(base.name + SUFFIXES[0])
        self._packed = base.with_name(base.name + SUFFIXES[1])
        self._aside = base.with_name(f".{base.name}.old")

    def paths(self) -> list[Path]:
        """The tapes in the order of their connections; none if nothing was recorded.

        Raises TapeError if the folder cannot be read.
        """
        folder = self.base.parent
        try:
            if not folder.is_dir():
                return []
            with locked(folder, shared=True):
                found = self._look()
            if not found and self._aside.exists():
                # Somebody was killed between two renames.
                with locked(folder):
                    self._settle()
                    found = self._look()
        except OSError as error:
            raise TapeError(f"{folder} cannot be read: {error.strerror}.") from None
        return found

    def replace(self, tapes: Sequence[Path]) -> list[Path]:
        """Let these tapes, in this order, be the set from now on; returns where they are.

        They are moved, except those that are in the set already. Until the last step the old
        set is in place, and whole.
        """
        folder = self.base.parent
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            self._settle()
            if len(tapes) == 1:
                if tapes[0] not in (self.file, self._packed):
                    tapes[0].replace(self.file)
                    self._packed.unlink(missing_ok=True)
                self._put_aside()
            else:
                self._replace_folder(tapes)
            self._discard_aside()
        return self.paths()

    def describe(self) -> str:
        """Where the set is, from the current folder, and how many tapes it has."""
        where = os.path.relpath(self.base)
        if self.base.is_dir():
            return f"{where}{os.sep} ({len(self.paths())} tapes)"
        return f"{where}{SUFFIXES[0]}"

    def _replace_folder(self, tapes: Sequence[Path]) -> None:
        new = new_stage(self.base.parent)
        digits = max(2, len(str(len(tapes))))
        for number, tape in enumerate(tapes, 1):
            suffix = SUFFIXES[1] if tape.name.endswith(SUFFIXES[1]) else SUFFIXES[0]
            numbered = new / f"{number:0{digits}}{suffix}"
            if tape.parent == self.base or tape in (self.file, self._packed):
                shutil.copy2(tape, numbered)
            else:
                tape.replace(numbered)
        self._put_aside()
        new.rename(self.base)
        self.file.unlink(missing_ok=True)
        self._packed.unlink(missing_ok=True)

    def _put_aside(self) -> None:
        if self.base.is_dir():
            self.base.rename(self._aside)

    def _look(self) -> list[Path]:
        if self.base.is_dir():
            return tapes_in(self.base)
        return [path for path in (self.file, self._packed) if path.exists()][:1]

    def _settle(self) -> None:
        """Finish what was broken off: there is one set, and nothing aside."""
        if not self._aside.exists():
            return
        if self.base.exists() or self.file.exists() or self._packed.exists():
            self._discard_aside()
        else:
            self._aside.rename(self.base)

    def _discard_aside(self) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)


def tapes_in(folder: Path) -> list[Path]:
    """The tapes in a folder by name, which is the order of their connections."""
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.name.endswith(SUFFIXES) and not path.name.startswith(".")
        )
    except OSError as error:
        raise TapeError(f"{folder} cannot be read: {error.strerror}.") from None


def new_stage(folder: Path, run: str = "") -> Path:
    """Make a hidden folder in `folder` for tapes that are not complete yet.

    `run` says whose it is, see `this_run`. Raises TapeError if it cannot be made.
    """
    stage = folder / f"{STAGE}{run or this_run()}~{secrets.token_hex(4)}"
    for _ in range(ATTEMPTS):
        try:
            stage.mkdir(parents=True)
        except FileNotFoundError:
            continue  # another worker has just removed the folder, which was empty
        except OSError as error:
            raise TapeError(f"Tapes cannot be written to {folder}: {error.strerror}.") from None
        return stage
    raise TapeError(f"Tapes cannot be written to {folder}: it disappears again and again.")


def discard(stage: Path) -> None:
    """Remove a stage, and the folders above it that were made for it and are empty."""
    shutil.rmtree(stage, ignore_errors=True)
    with contextlib.suppress(OSError):
        for folder in (stage.parent, stage.parent.parent):
            folder.rmdir()


def this_run() -> str:
    """A name for this process by which others can tell whether it is still alive."""
    return f"{socket.gethostname()}~{os.getpid()}"


def sweep(folder: Path) -> None:
    """Remove the stages of runs on this machine that were killed."""
    host = f"{STAGE}{socket.gethostname()}~"
    for stage in folder.glob(f"{STAGE}*"):
        number = stage.name.removeprefix(host).split("~")[0]
        if stage.name.startswith(host) and number.isdigit() and not is_alive(int(number)):
            shutil.rmtree(stage, ignore_errors=True)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextlib.contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Keep other processes from changing the sets in a folder; leaves no file behind.

    Those who only look share the lock; they go without it where a file system has none.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError) if shared else contextlib.nullcontext():
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
