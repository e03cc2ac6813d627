"""Writes the page of a tape, and beside it what is too large to be in it."""

import contextlib
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Literal

from rtproxy.errors import PageError
from rtproxy.inspect.overview import Overview, records, survey
from rtproxy.inspect.page.assembly import (
    SCRIPTS,
    STYLES,
    Assets,
    Contents,
    joined,
    packed_json,
    page,
)
from rtproxy.inspect.page.call import call
from rtproxy.inspect.page.gathering import Gathering
from rtproxy.inspect.page.reel import Reel
from rtproxy.realtime.session import Session
from rtproxy.tape.reader import Tape
from rtproxy.view.embed import packed
from rtproxy.view.file import write_file

INLINE = 20_000_000
"""Bytes of audio, as they are written, that a page holds itself; more lies in files beside it."""
SUFFIX = ".audio"

_PIECE = re.compile(r"(caller|assistant)-\d+-[0-9a-f]{16}\.js")
SideName = Literal["caller", "assistant"]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the page, and the folder of its audio if that lies beside it."""

    page: Path
    folder: Path | None
    size: int
    """Bytes of both."""
    session: Session


def write_page(tape: Tape, path: Path, *, inline: int = INLINE) -> Written:
    """Write the page of a tape; a page that is there already is replaced when all is written.

    Raises PageError where it cannot be written, or where `path` is some other file.
    """
    _refuse(path)
    overview = survey(tape, str(tape.path))
    gathering = Gathering(tape.header)
    with _explained(path):
        audio = _Audio(path.with_name(path.name.removesuffix(".html") + SUFFIX), inline)
        for _ in gathering.take(records(tape)):
            audio.drain(gathering)
        gathering.finish()
        audio.drain(gathering)
        size = write_file(path, _pieces(overview, gathering, audio, tape))
        audio.clean()
    folder = audio.folder if audio.beside else None
    return Written(path, folder, size + audio.written, gathering.session)


def read_assets() -> Assets:
    """The page's own files, from the package; colours are those of every page."""
    folder, theme = files("rtproxy.inspect.page") / "assets", files("rtproxy.view") / "theme.css"

    def read(name: str) -> str:
        return (folder / name).read_text("utf-8")

    return Assets(
        read("page.html"),
        "\n".join((theme.read_text("utf-8"), *(read(f"{name}.css") for name in STYLES))),
        joined([read(f"{name}.js") for name in SCRIPTS]),
    )


@dataclass(slots=True)
class _Audio:
    """Pieces of audio: held as long as they are few, else written beside the page."""

    folder: Path
    inline: int
    beside: bool = False
    held: list[tuple[SideName, bytes]] = field(default_factory=list)
    names: dict[SideName, list[str]] = field(
        default_factory=lambda: {"caller": [], "assistant": []}
    )
    size: int = 0
    written: int = 0

    def drain(self, gathering: Gathering) -> None:
        """Take the pieces that are finished."""
        sides: list[tuple[SideName, Reel | None]] = [
            ("caller", gathering.sound.caller.reel),
            ("assistant", gathering.sound.assistant.reel),
        ]
        for side, reel in sides:
            while reel is not None and reel.pieces:
                self._take(side, b64encode(reel.pieces.pop(0)))

    def _take(self, side: SideName, piece: bytes) -> None:
        self.size += len(piece)
        if not self.beside:
            self.held.append((side, piece))
            if self.size <= self.inline:
                return
            self.beside = True
            self.folder.mkdir(exist_ok=True)
            for held in self.held:
                self._write(*held)
            self.held.clear()
            return
        self._write(side, piece)

    def _write(self, side: SideName, piece: bytes) -> None:
        """Write a piece; its name says what is in it, so an older page's is never overwritten."""
        names = self.names[side]
        number = len(names)
        content = b'rtproxyAudio("%s",%d,"%s");\n' % (side.encode(), number, piece)
        name = f"{side}-{number}-{sha256(content).hexdigest()[:16]}.js"
        self.written += write_file(self.folder / name, content)
        names.append(name)

    def blocks(self) -> Iterator[tuple[str, bytes]]:
        numbers: dict[SideName, int] = {"caller": 0, "assistant": 0}
        for side, piece in self.held:
            yield f"{side}-{numbers[side]}", b'"' + piece + b'"'
            numbers[side] += 1

    def clean(self) -> None:
        """Remove the pieces of the page that was there before."""
        if not self.folder.is_dir():
            return
        current = {name for names in self.names.values() for name in names}
        for entry in list(self.folder.iterdir()):
            if _PIECE.fullmatch(entry.name) and entry.name not in current:
                entry.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()  # if nothing is left in it


def _pieces(overview: Overview, gathering: Gathering, audio: _Audio, tape: Tape) -> Iterator[bytes]:
    damage = list(tape.damage)
    if damage:
        overview = replace(overview, damage=damage, state="damaged")
    blocks: list[tuple[str, bytes]] = [
        ("events", b'"' + packed_json(gathering.event_map()) + b'"'),
        ("columns", b'"' + packed(gathering.events.columns()) + b'"'),
    ]
    for side, reel in (
        ("caller", gathering.sound.caller.reel),
        ("assistant", gathering.sound.assistant.reel),
    ):
        if reel is not None:
            blocks.append((f"{side}-peaks", b'"' + packed(reel.peaks()) + b'"'))
    for number, body in enumerate(gathering.bodies.blocks):
        blocks.append((f"bodies-{number}", b'"' + body + b'"'))
    contents = Contents(
        overview.header.id if not tape.path.name else tape.path.name,
        call(overview, gathering.session, gathering.moments),
        {
            **gathering.audio_map(),
            "folder": audio.folder.name if audio.beside else None,
            "files": audio.names,
        },
        [*blocks, *audio.blocks()],
        audio.beside,
    )
    return page(read_assets(), contents)


def _refuse(path: Path) -> None:
    """Raise PageError for what must not be overwritten."""
    if path.is_dir():
        raise PageError(f"{path} is a folder; name a file in it.")
    if not path.exists():
        return
    with _explained(path), path.open("rb") as file:
        start = file.read(1024).lstrip().lower()
    if start and not start.startswith((b"<!doctype html", b"<html")):
        raise PageError(f"{path} exists and is no HTML page; name another file.")


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PageError(f"{path} cannot be written: {error.strerror or error}.") from None
