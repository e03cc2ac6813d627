"""The `rtproxy` command: its options, its subcommands, and how errors become exit codes."""

import errno
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from rtproxy import __version__
from rtproxy.cli.lazy import LazyGroup
from rtproxy.cli.outlet import flush, lead_nowhere, open_what_is_closed, outlast
from rtproxy.errors import RtproxyError

COMMANDS = {
    "record": "Put a recording proxy in front of a Realtime server.",
    "replay": "Play tapes to clients, in the server's part.",
    "drive": "Play a tape to a live server, in the client's part.",
    "inspect": "Show what is on a tape.",
    "diff": "Show what changed between two tapes, or between two folders of them.",
    "export": "Write a tape as a transcript, audio, a trace, or for another tool.",
    "import": "Make a tape of what another tool has recorded.",
    "tape": "List, check, repair and dump tapes.",
    "simulate": "Run an offline Realtime server.",
    "ca": "Show the local CA for TLS, and how programs are made to trust it.",
    "demo": "Record a simulated call and look at it; needs no key and no network.",
}
"""Subcommand → its one line in `--help`. `rtproxy.cli.NAME` holds a click command `NAME`."""

CANNOT_BE_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}
"""Errors of writing; of a file with a name, whoever writes it tells."""


def project_defaults(start: Path) -> dict[str, Any]:
    """Read `[tool.rtproxy]` from the nearest pyproject.toml at or above `start`."""
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            try:
                table = tomllib.loads(file.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise click.UsageError(f"{file} cannot be read: {error}.") from None
            defaults = table.get("tool", {}).get("rtproxy", {})
            return {
                key.replace("-", "_"): value
                if not isinstance(value, dict)
                else {name.replace("-", "_"): inner for name, inner in value.items()}
                for key, value in defaults.items()
            }
    return {}


class Root(LazyGroup):
    """The command itself, which ends quietly when `head` or a pager has seen enough."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            lead_nowhere(sys.stdout)
            ctx.exit(0)
        except click.UsageError as error:
            told = error.format_message()
            if (words := harmless(told)) == told:
                raise
            raise click.UsageError(words, error.ctx) from None
        finally:
            flush(sys.stdout)  # when the interpreter ends, nobody hears that it fails


@click.group(
    cls=Root,
    lazy=COMMANDS,
    package="rtproxy.cli",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "RTPROXY",
        "max_content_width": 100,
    },
)
@click.version_option(__version__, "-V", "--version", package_name="rtproxy")
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
@click.pass_context
def rtproxy(ctx: click.Context, debug: bool) -> None:
    """The flight recorder for realtime voice sessions.

    Record a session with a Realtime server to a tape, look at the tape, and play it back.
    """
    ctx.obj = {"debug": debug}
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise click.UsageError("The current folder has been removed; change to another.") from None
    ctx.default_map = project_defaults(here)


def main() -> None:
    """Run the command line; errors raised on purpose, and the system's, become one sentence and an
    exit code."""
    open_what_is_closed()
    outlast("stderr")
    debug = "--debug" in sys.argv[1:2]
    try:
        rtproxy(prog_name="rtproxy", standalone_mode=True)
    except RtproxyError as error:
        if debug:
            raise
        click.echo(f"rtproxy: {harmless(str(error))}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        lead_nowhere(sys.stdout)
        if debug:
            raise
        click.echo(f"rtproxy: {harmless(why_not(error))}", err=True)
        sys.exit(RtproxyError.exit_code)


def harmless(words: str) -> str:
    """Lines in which a name, of a file for instance, says nothing that a terminal obeys."""
    from rtproxy.tape.escape import visible

    return "\n".join(map(visible, words.split("\n")))


def why_not(error: OSError) -> str:
    """One sentence about an error that nobody has explained."""
    words = error.strerror or str(error)
    if error.filename is not None:
        return f"{os.fspath(error.filename)!s}: {words}."
    if error.errno in CANNOT_BE_WRITTEN:
        return f"Standard output cannot be written: {words}."
    return f"The system gives an error: {words}."
