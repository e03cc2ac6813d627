"""`rtproxy inspect --html`: writes a tape's page, and opens it."""

import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rtproxy.inspect.page.writer import Written
    from rtproxy.tape.reader import Tape

LARGE = 20_000_000
"""Bytes of a tape from which on progress is shown."""
STEPS = 1000


def write(tape: "Tape", path: Path | None) -> "Written":
    """Write the page, without a path in a new folder of its own; say on stderr where it is."""
    from rtproxy.inspect.overview import size
    from rtproxy.inspect.page.writer import write_page
    from rtproxy.tape.escape import visible

    if path is None:
        name = tape.path.name.removesuffix(".zst").removesuffix(".rtape")
        path = Path(tempfile.mkdtemp(prefix="rtproxy-")) / f"{name}.html"
    with _progress(tape) as tell:
        written = write_page(tape, path, tell=tell)
    beside = "" if written.folder is None else f", with its audio in {written.folder}"
    click.echo(f"{visible(f'{path}{beside}')}: {size(written.size)}", err=True)
    return written


@contextmanager
def _progress(tape: "Tape") -> "Iterator[Callable[[float], None] | None]":
    """A bar on the terminal for a tape that takes more than a moment."""
    if tape.size < LARGE or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=STEPS, label="Reading the tape", file=sys.stderr) as bar:
        yield lambda part: bar.update(int(part * STEPS) - bar.pos)
        bar.update(STEPS - bar.pos)


def show(path: Path) -> None:
    """Open a page in the browser; where there is none, say so."""
    if not webbrowser.open(path.absolute().as_uri()):
        click.echo("There is no browser to open it with; open it yourself.", err=True)
