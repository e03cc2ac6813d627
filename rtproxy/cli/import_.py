"""`rtproxy import`: a tape of what another tool has recorded."""

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtproxy.cli.record import Pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rtproxy.convert.importing import Imported

DEFAULT_FOLDER = Path("recordings")
MAX_UNSEALED = 10
"""So many tapes of a file that are not sealed are named."""


@click.command(
    name="import",
    epilog="""\b
  rtproxy import devtools.har                     # a HAR, as Chrome and others save it
  rtproxy import flows -o recordings              # what mitmdump -w flows has recorded
  rtproxy import session.jsonl -o session.rtape   # lines of {direction, at?, data}
  rtproxy import call/                            # a folder of WAV files and a transcript
  ssh host cat flows | rtproxy import -           # standard input
""",
)
@click.argument(
    "files", metavar="FILE|DIR...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--out",
    metavar="TAPE|DIR",
    type=click.Path(path_type=Path),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="The tape to write (NAME.rtape), or a folder for tapes.",
)
@click.option(
    "--redact",
    type=Pattern(),
    multiple=True,
    help="Also remove what matches. May be repeated. Credentials are always removed.",
)
@click.pass_context
def import_(
    ctx: click.Context, files: tuple[Path, ...], out: Path, redact: tuple[re.Pattern[str], ...]
) -> None:
    """Make a tape of each session in FILE, which another tool has recorded.

    The format is told by the content. The tapes' names are printed. What the file does not tell,
    such as pings, is marked on the tape; what could not be read is named on stderr, and the exit
    code is then 1.
    """
    from rtproxy.cli.output import say
    from rtproxy.convert.importing import Place, import_file

    place = Place(out)
    if len(files) > 1 and not place.is_folder:
        raise click.UsageError(f"{out} has room for one file; give a folder with -o for several.")
    lost = 0
    for path in files:
        with _progress(path) as watch:
            found = import_file(path, place, redact, watch)
        lost += found.lost
        for tape in found.tapes:
            click.echo(str(tape))
        for sentence in _about(path, found):
            say(sentence)
    if lost:
        ctx.exit(1)


@contextmanager
def _progress(path: Path) -> "Iterator[Callable[[Imported], None]]":
    """Shows on a terminal how far an import is, while it lasts."""
    from rich.console import Console
    from rich.text import Text

    from rtproxy.cli.output import visible

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    name = visible(str(path))
    with console.status(Text(f"importing {name}")) as status:
        yield lambda found: status.update(Text(f"importing {name}: {found.events:,} events"))


def _about(path: Path, found: "Imported") -> list[str]:
    """What there is to say about an import."""
    said = [f"{path}: left out {note}." for note in found.notes]
    if found.untold:
        said.append(f"{path}: left out {found.untold:,} more.")
    named, more = found.unsealed[:MAX_UNSEALED], len(found.unsealed) - MAX_UNSEALED
    said += [f"{tape} is not sealed: {path} does not say how it ends." for tape in named]
    if more == 1:
        said.append(f"1 more is not sealed: {path} does not say how it ends.")
    elif more > 1:
        said.append(f"{more:,} more are not sealed: {path} does not say how they end.")
    return said
