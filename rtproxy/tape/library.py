"""A folder of tapes."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from rtproxy.errors import TapeError, TapeExistsError
from rtproxy.tape.reader import State, open_tape
from rtproxy.tape.record import Header
from rtproxy.tape.summary import Summary

Made = TypeVar("Made")

SUFFIXES = (".rtape", ".rtape.zst")


@dataclass(frozen=True, slots=True)
class Entry:
    """One tape of a library, as far as it can be known without reading all of it.

    `summary` is there when the tape is sealed. Where the file cannot be read as a tape, `error`
    says why and header and state are None.
    """

    path: Path
    size: int
    header: Header | None = None
    state: State | None = None
    summary: Summary | None = None
    error: str | None = None


class Library:
    """The tapes directly in `folder`, which need not exist before there is one."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def paths(self) -> list[Path]:
        """The tapes' paths by name, which is by time for tapes named by `new_path`.

        Raises TapeError when the folder cannot be read.
        """
        try:
            return sorted(
                path
                for path in self.folder.iterdir()
                if path.name.endswith(SUFFIXES) and not path.name.startswith(".")
            )
        except FileNotFoundError:
            raise TapeError(f"There is no folder {self.folder}.") from None
        except NotADirectoryError:
            raise TapeError(f"{self.folder} is not a folder.") from None
        except OSError as error:
            raise TapeError(f"{self.folder} cannot be read: {error.strerror}.") from None

    def __iter__(self) -> Iterator[Entry]:
        """Look at every tape, without reading through it. Raises TapeError like `paths`."""
        for path in self.paths():
            try:
                size = path.stat().st_size
                with open_tape(path) as tape:
                    summary = tape.summary() if tape.seal is not None else None
                    yield Entry(path, size, tape.header, tape.state, summary)
            except FileNotFoundError:
                continue  # removed meanwhile
            except OSError as error:
                yield Entry(path, 0, error=f"{path} cannot be read: {error.strerror}.")
            except TapeError as error:
                yield Entry(path, size, error=str(error))

    def create(self, started_ns: int, create: Callable[[Path], Made]) -> Made:
        """What `create` makes of a new name; of the next one, where another process was quicker."""
        while True:
            with suppress(TapeExistsError):
                return create(self.new_path(started_ns))

    def new_path(self, started_ns: int) -> Path:
        """A name that no tape has yet: 20261121-033210-1f9add.rtape, in UTC.

        It is made of the wall clock (ns since 1970) alone, so that nothing from the network can
        become a path. The last part is the part of the second, in 2^24ths: names sort by time,
        and a replay of the folder plays sessions that began within one second in their order.
        """
        seconds, rest = divmod(started_ns, 1_000_000_000)
        at = datetime.fromtimestamp(seconds, UTC)
        part = (rest << 24) // 1_000_000_000
        while True:
            path = self.folder / f"{at:%Y%m%d-%H%M%S}-{part:06x}.rtape"
            if not os.path.lexists(path):
                return path
            part = (part + 1) % (1 << 24)
