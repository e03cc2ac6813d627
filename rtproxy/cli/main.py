"""The `rtproxy` command: its options, its subcommands, and how errors become exit codes."""

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from rtproxy import __version__
from rtproxy.errors import RtproxyError

COMMANDS = {
    "record": "Put a recording proxy in front of a Realtime server.",
    "replay": "Play tapes to clients, in the server's part.",
    "drive": "Play a tape to a live server, in the client's part.",
    "inspect": "Show what is on a tape.",
    "tape": "List, check, repair and dump tapes.",
    "simulate": "Run an offline Realtime server.",
    "demo": "Record a simulated call and look at it; needs no key and no network.",
}
"""Subcommand → its one line in `--help`. `rtproxy.cli.NAME` holds a click command `NAME`."""


class LazyGroup(click.Group):
    """Imports a subcommand's module only when it is used, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"rtproxy.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


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


@click.group(
    cls=LazyGroup,
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
    ctx.default_map = project_defaults(Path.cwd())


def main() -> None:
    """Run the command line; errors raised on purpose become one sentence and an exit code."""
    debug = "--debug" in sys.argv[1:2]
    try:
        rtproxy(prog_name="rtproxy", standalone_mode=True)
    except RtproxyError as error:
        if debug:
            raise
        click.echo(f"rtproxy: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output (head, less) has seen enough.
        sys.stderr.close()
        sys.exit(0)
