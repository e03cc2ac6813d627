"""Where the page's audio goes: into the page while it is little, else into files beside it.

Files are scripts that hand their audio to the page, as a page that was opened as a file can read
nothing else. Their names say what is in them, so that those of an older page stay as they are
until the new one is there.
"""

import contextlib
import re
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

from rtproxy.inspect.page.reel import Reel, pack
from rtproxy.inspect.page.sound import Sound
from rtproxy.realtime.audio import Samples
from rtproxy.view.file import write_file

SideName = Literal["caller", "assistant"]
MAX_PENDING = 8
"""Pieces that wait to be packed, of a megabyte each."""

_PIECE = re.compile(r"(caller|assistant)-\d+-[0-9a-f]{16}\.js")


class AudioFiles:
    """Packs pieces, in a thread of its own, and keeps or writes them.

    `inline` bytes at most are kept, as they will stand in the page; with more than that all of
    them are in `folder`, and `beside` is true. `names` are the files' by side. Raises OSError.
    """

    def __init__(self, folder: Path, inline: int) -> None:
        self.folder = folder
        self.beside = False
        self.names: dict[SideName, list[str]] = {"caller": [], "assistant": []}
        self.written = 0
        """Bytes in the folder."""
        self._inline = inline
        self._held: list[tuple[SideName, bytes]] = []
        self._size = 0
        self._packing: deque[tuple[SideName, Future[bytes]]] = deque()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rtproxy-pack")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def drain(self, sound: Sound) -> None:
        """Take the pieces that are finished."""
        self._drain("caller", sound.caller.reel)
        self._drain("assistant", sound.assistant.reel)

    def finish(self) -> None:
        """All pieces have been taken: wait until they are packed."""
        while self._packing:
            self._take()

    def blocks(self) -> Iterator[tuple[str, bytes]]:
        """The pieces that the page holds itself, by name."""
        numbers: dict[SideName, int] = {"caller": 0, "assistant": 0}
        for side, piece in self._held:
            yield f"{side}-{numbers[side]}", piece
            numbers[side] += 1

    def clean(self) -> None:
        """Remove the files of the page that was there before."""
        if not self.folder.is_dir():
            return
        current = {name for names in self.names.values() for name in names}
        for entry in list(self.folder.iterdir()):
            if _PIECE.fullmatch(entry.name) and entry.name not in current:
                entry.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()  # if nothing is left in it

    def _drain(self, side: SideName, reel: Reel | None) -> None:
        while reel is not None and reel.pieces:
            samples = reel.pieces.pop(0)
            self._packing.append((side, self._pool.submit(_packed, samples)))
            while len(self._packing) > MAX_PENDING or self._packing[0][1].done():
                self._take()
                if not self._packing:
                    break

    def _take(self) -> None:
        """Keep or write the piece that has waited longest."""
        side, packing = self._packing.popleft()
        piece = packing.result()
        if self.beside:
            self._write(side, piece)
            return
        self._held.append((side, piece))
        self._size += len(piece)
        if self._size > self._inline:
            self.beside = True
            self.folder.mkdir(exist_ok=True)
            for held in self._held:
                self._write(*held)
            self._held.clear()

    def _write(self, side: SideName, piece: bytes) -> None:
        names = self.names[side]
        content = b'rtproxyAudio("%s",%d,"%s");\n' % (side.encode(), len(names), piece)
        name = f"{side}-{len(names)}-{sha256(content).hexdigest()[:16]}.js"
        self.written += write_file(self.folder / name, content)
        names.append(name)


def _packed(samples: Samples) -> bytes:
    return b64encode(pack(samples))
