"""`rtproxy replay`: a tape in the server's part."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtproxy.cli.access import PageOrigin, forward_options, tls_option
from rtproxy.cli.listen import Listen, address_for
from rtproxy.cli.serving import serving_options, token_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from rtproxy.net.stop import Stop
    from rtproxy.replay.report import Report
    from rtproxy.replay.selection import Shelf
    from rtproxy.replay.server import Settings, TapeServer

SETTLE_S = 2.0
"""How long sessions may take to end once the command has."""


class Speed(click.ParamType[float]):
    """A factor of the recorded pace, or max."""

    name = "N|max"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from rtproxy.errors import ReplayError
        from rtproxy.replay.pacing import parse_speed

        try:
            return value if isinstance(value, float) else parse_speed(str(value))
        except ReplayError as error:
            self.fail(str(error), param, ctx)


class Replay(click.Command):
    """A command whose arguments after `--` are another command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta["rtproxy.command"] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


@click.command(cls=Replay)
@click.argument(
    "tapes", nargs=-1, required=True, metavar="TAPE|DIR...", type=click.Path(path_type=Path)
)
@click.option(
    "--listen",
    type=Listen(),
    help="Where clients connect. [default: 127.0.0.1:8787; any free port with a COMMAND]",
)
@click.option(
    "--speed",
    type=Speed(),
    metavar="N|max",
    help="How fast the server speaks: 1 as recorded, N times faster, or max for no waiting. "
    "[default: 1; max with a COMMAND]",
)
@click.option(
    "--match",
    type=click.Choice(["exact", "strict", "lenient"]),
    default="strict",
    show_default=True,
    help="How closely the client must follow the tape. lenient only warns.",
)
@click.option(
    "--stall",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    default=10.0,
    show_default=True,
    help="Seconds that the client may keep the tape waiting, beyond what it took on the tape.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="PATH",
    help="JSON path that need not be equal, such as session.instructions or item.output; "
    "query.NAME for a parameter of the URL. May be repeated.",
)
@click.option("--loop", is_flag=True, help="Play each tape as often as it is asked for.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="SPEC",
    help="Something to go wrong on purpose, such as delay=200ms, drop=response.*.delta:5%, "
    "close=1011@response.created#2 or refuse=503. May be repeated.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Decides what faults do by chance."
)
@click.option("--salvage", is_flag=True, help="Play what is sound on a damaged tape.")
@tls_option
@forward_options("answered from tapes")
@click.option(
    "--tunnel",
    is_flag=True,
    help="With --forward: let programs reach all other hosts by https. Otherwise they are refused.",
)
@click.option(
    "--allow-origin",
    type=PageOrigin(),
    multiple=True,
    help="Serve pages from here too, such as https://app.example.com; those of this machine are "
    "always served. May be repeated.",
)
@serving_options
def replay(tapes: tuple[Path, ...], grace: float, **options: Any) -> None:
    """Play tapes in the server's part.

    Each connection gets the next unused tape whose path and query fit, and is answered as on the
    tape once the client has done what it did on the tape. ?rtproxy_tape=NAME picks one by name.
    Point the client's base URL at the address that is printed first. Stop with Ctrl-C.

    With a COMMAND after --, run it with OPENAI_BASE_URL, RTPROXY_URL and, if there is none, a
    dummy OPENAI_API_KEY set, end with it, and exit with its code if that is not 0:

        rtproxy replay call.rtape -- pytest

    Exits with 1 if a client did not follow its tape to the end; with a COMMAND, also if a tape
    that is named was not used (those of a folder, and with --loop any, may stay unused).
    """
    import asyncio
    import os
    import sys

    from rtproxy.cli.record import fastest_loop
    from rtproxy.replay.loader import load_shelf

    command: tuple[str, ...] = click.get_current_context().meta.get("rtproxy.command", ())
    salvage = options.pop("salvage")
    settings = settings_of(options, os.environ, with_command=bool(command))
    shelf = load_shelf(tapes, salvage=salvage)
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        sys.exit(runner.run(run(shelf, settings, command, grace)))


def settings_of(
    options: "Mapping[str, Any]", environ: "Mapping[str, str]", *, with_command: bool
) -> "Settings":
    """The server's settings out of the command line's options, which have click's names."""
    from math import inf

    from rtproxy.replay.fault import parse_faults
    from rtproxy.replay.server import Settings

    given = dict(options)
    host, port = address_for(given.pop("listen"), with_command=with_command)
    speed = given.pop("speed")
    token = token_for(host, allow_remote=given.pop("allow_remote"), environ=environ)
    return Settings(
        host=host,
        port=port,
        speed=speed if speed is not None else (inf if with_command else 1.0),
        stall_s=given.pop("stall"),
        token=token,
        idle_s=given.pop("idle"),
        faults=parse_faults(given.pop("faults"), given.pop("seed")),
        **given,
    )


async def run(
    shelf: "Shelf", settings: "Settings", command: tuple[str, ...], grace_s: float
) -> int:
    """Serve until stopped or until the command ends; return the exit code."""
    from rich.console import Console

    from rtproxy.cli.access import introduce
    from rtproxy.cli.serving import begin_serving, tell_open, tell_stopping
    from rtproxy.replay.server import TapeServer
    from rtproxy.tape.escape import visible

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    stop = begin_serving()
    code = 0
    server = TapeServer(
        shelf,
        settings,
        lambda _, what, failed: tell(console, what, failed),
        lambda where, sentence: tell(console, f"{where}: {sentence}", failed=False),
    )
    async with server:
        names = ", ".join(slot.name for slot in shelf.slots[:3])
        more = f" and {len(shelf.slots) - 3} more" if len(shelf.slots) > 3 else ""
        console.print(f"rtproxy: {server.url} replays {visible(names)}{more}")
        for note in shelf.notes:
            console.print(f"rtproxy: {visible(note)}")
        tell_open(console, settings.token)
        introduce(console, server.access, server.authority, with_command=bool(command))
        if command:
            code = await run_with(server, command, stop)
            await server.settle(SETTLE_S, stop)
            await server.close(stop)
        else:
            await stop.wait()
            tell_stopping(console, server.open, grace_s)
            await server.close(stop, grace_s)
    mismatched = conclude(server, console, with_command=bool(command))
    return code or mismatched


async def run_with(server: "TapeServer", command: tuple[str, ...], stop: "Stop") -> int:
    """Run a command whose sessions are played from the tapes."""
    from rtproxy.cli.command import run_command
    from rtproxy.cli.environment import (
        DUMMY_KEY,
        current_environment,
        pointed_at,
        sent_through,
        trusting,
    )

    with trusting(server.authority, current_environment()) as env:
        if server.access.forward:
            plain = not server.settings.tunnel
            env = sent_through(server.url, env, server.access.intercept, plain=plain)
        else:
            env = pointed_at(server.url, env)
        env.setdefault("OPENAI_API_KEY", DUMMY_KEY)
        return await run_command(command, env, stop)


def tell(console: "Console", what: "Report | str", failed: bool) -> None:
    """Print a mismatch, or a sentence about a request that could not be served."""
    from rtproxy.tape.escape import visible

    style = "bold red" if failed else "yellow"
    text = visible(what) if isinstance(what, str) else what.to_text(min(console.width, 120))
    console.print(f"rtproxy: {text}", style=style)


def conclude(server: "TapeServer", console: "Console", *, with_command: bool) -> int:
    """Say what has not been said yet, and how it went; return the exit code."""
    from rtproxy.replay.fault import not_happened

    journal = server.journal
    if not with_command or server.settings.loop:
        journal.all_required = False
    for sentence in journal.leftovers():
        tell(console, sentence, failed=True)
    for fault in server.settings.faults.unmet() if journal.count or with_command else ():
        tell(console, not_happened(fault), failed=False)
    unused = sum(not slot.uses for slot in server.shelf.slots)
    well = sum(entry.ok for entry in journal.entries)
    console.print(
        f"rtproxy: {well} of {journal.count} connections as on their tapes"
        + (f"; {unused} of {len(server.shelf.slots)} tapes not used" if unused else ""),
        style=None if journal.ok else "bold red",
    )
    return 0 if journal.ok else 1
