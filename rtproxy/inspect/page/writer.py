"""Writes the page of a tape, and beside it what is too large to be in it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import chain
from pathlib import Path

from rtproxy.errors import PageError
from rtproxy.inspect.overview import Overview, records, survey
from rtproxy.inspect.page.assembly import (
    SCRIPTS,
    STYLES,
    Assets,
    Contents,
    joined,
    page,
)
from rtproxy.inspect.page.audio_files import AudioFiles
from rtproxy.inspect.page.call import call
from rtproxy.inspect.page.gathering import Gathering
from rtproxy.realtime.session import Session
from rtproxy.tape.reader import Tape
from rtproxy.view.embed import packed
from rtproxy.view.file import refuse, write_file

INLINE = 20_000_000
"""Bytes of audio, as they are written, that a page holds itself; more lies in files beside it."""
SUFFIX = ".audio"
Tell = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the page, and the folder of its audio if that lies beside it."""

    page: Path
    folder: Path | None
    size: int
    """Bytes of both."""
    session: Session


def write_page(
    tape: Tape, path: Path, *, inline: int = INLINE, tell: Tell | None = None
) -> Written:
    """Write the page of a tape; a page that is there already is replaced when all is written.

    `tell` hears now and then what part of the tape's events is through, from 0 to 1. Raises
    PageError where it cannot be written, or where `path` is some other file.
    """
    refuse(path)
    overview = survey(tape, str(tape.path))
    whole = sum(overview.summary.events.values()) if overview.counted else 0
    gathering = Gathering(tape.header)
    folder = path.with_name(path.name.removesuffix(".html") + SUFFIX)
    with _explained(path), AudioFiles(folder, inline) as audio:
        for _ in gathering.take(records(tape)):
            audio.drain(gathering.sound)
            if tell is not None and whole:
                tell(min(1.0, gathering.session.events / whole))
        gathering.finish()
        audio.drain(gathering.sound)
        audio.finish()
        size = write_file(path, _pieces(overview, gathering, audio, tape))
        audio.clean()
    return Written(path, folder if audio.beside else None, size + audio.written, gathering.session)


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


def _pieces(
    overview: Overview, gathering: Gathering, audio: AudioFiles, tape: Tape
) -> Iterator[bytes]:
    damage = list(tape.damage)
    if damage:
        overview = replace(overview, damage=damage, state="damaged")
    sound, bodies = gathering.sound, gathering.bodies
    blocks = [
        ("events", packed(gathering.event_json())),
        ("columns", packed(gathering.events.columns())),
    ]
    for name, side in (("caller", sound.caller), ("assistant", sound.assistant)):
        if side.reel is not None:
            blocks.append((f"{name}-peaks", packed(side.reel.peaks())))
    blocks += [(f"bodies-{number}", body) for number, body in enumerate(bodies.blocks)]
    contents = Contents(
        tape.path.name,
        call(overview, gathering.session, gathering.moments),
        {
            **gathering.audio_map(),
            "folder": audio.folder.name if audio.beside else None,
            "files": audio.names,
        },
        chain(blocks, audio.blocks()),
        audio.beside,
    )
    return page(read_assets(), contents)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PageError(f"{path} cannot be written: {error.strerror or error}.") from None
