"""`rtproxy inspect --html`: writes a tape's page, and opens it."""

import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rtproxy.inspect.page.writer import Written
    from rtproxy.tape.reader import Tape


def write(tape: "Tape", path: Path | None) -> "Written":
    """Write the page, without a path in a new folder of its own; say on stderr where it is."""
    from rtproxy.inspect.overview import size
    from rtproxy.inspect.page.writer import write_page
    from rtproxy.tape.escape import visible

    if path is None:
        name = tape.path.name.removesuffix(".zst").removesuffix(".rtape")
        path = Path(tempfile.mkdtemp(prefix="rtproxy-")) / f"{name}.html"
    written = write_page(tape, path)
    beside = "" if written.folder is None else f", with its audio in {written.folder}"
    click.echo(f"{visible(f'{path}{beside}')}: {size(written.size)}", err=True)
    return written


def show(path: Path) -> None:
    """Open a page in the browser; where there is none, say so."""
    if not webbrowser.open(path.absolute().as_uri()):
        click.echo("There is no browser to open it with; open it yourself.", err=True)
