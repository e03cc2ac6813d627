"""`rtproxy record`: a recording proxy in front of a Realtime server."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtproxy.cli.listen import Listen

if TYPE_CHECKING:
    from rtproxy.record.proxy import Settings

DEFAULT_LISTEN = ("127.0.0.1", 8787)


class Pattern(click.ParamType[re.Pattern[str]]):
    """A regular expression."""

    name = "REGEX"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> re.Pattern[str]:
        try:
            return value if isinstance(value, re.Pattern) else re.compile(str(value))
        except re.error as error:
            self.fail(f"{value!r} is no regular expression: {error}.", param, ctx)


@click.command(context_settings={"ignore_unknown_options": False})
@click.option(
    "--upstream",
    metavar="URL",
    default="https://api.openai.com",
    show_default=True,
    help="The server to stand in front of.",
)
@click.option(
    "--listen",
    type=Listen(),
    help="Where clients connect. [default: 127.0.0.1:8787; any free port with a COMMAND]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("recordings"),
    show_default=True,
    help="Folder for the tapes.",
)
@click.option(
    "--http",
    type=click.Choice(["all", "realtime", "none"]),
    default="realtime",
    show_default=True,
    help="Which HTTP requests are taped; all of them pass.",
)
@click.option(
    "--durability",
    type=click.Choice(["none", "normal", "always"]),
    default="normal",
    show_default=True,
    help="How often tapes are forced to the disk: never, every 2 s, or at each write. "
    "A crash of rtproxy loses nothing in any case; a power cut may.",
)
@click.option(
    "--redact",
    type=Pattern(),
    multiple=True,
    help="Also remove what matches from everything taped. May be repeated. "
    "Credentials are always removed.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def record(
    upstream: str,
    listen: tuple[str, int] | None,
    out: Path,
    http: str,
    durability: str,
    redact: tuple[re.Pattern[str], ...],
    command: tuple[str, ...],
) -> None:
    """Put a recording proxy in front of a Realtime server.

    Every session that a client opens through it goes onto a tape of its own, frame by frame;
    client and server cannot tell that it is there. Point the client's base URL at the address
    that is printed first. Stop with Ctrl-C.

    With a COMMAND after --, run it with OPENAI_BASE_URL and RTPROXY_URL set, end with it, and
    exit with its code:

        rtproxy record -- python agent.py

    Exits with 1 if a tape is incomplete (a full disk, for instance), 2 on a usage error.
    """
    import asyncio
    import gc
    import sys

    from rtproxy.record.proxy import Settings

    # A session's objects live as long as it does: looking through them all at every 700th new
    # object would hold up the others.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)

    host, port = listen or (DEFAULT_LISTEN[0], 0 if command else DEFAULT_LISTEN[1])
    settings = Settings(
        upstream=upstream,
        host=host,
        port=port,
        out=out,
        http=http,  # type: ignore[arg-type]  # click.Choice has checked it
        durability=durability,  # type: ignore[arg-type]
        redact=redact,
    )
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        sys.exit(runner.run(run(settings, command)))


def fastest_loop() -> "type | None":
    """uvloop's event loop where it is installed (the `speed` extra), else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    loop: type = uvloop.Loop
    return loop


async def run(settings: "Settings", command: tuple[str, ...]) -> int:
    """Serve until stopped or until the command ends; return the exit code."""
    import asyncio

    from rich.console import Console

    from rtproxy.cli.command import current_environment, environment, run_command, stop_on_signals
    from rtproxy.record.live import LiveDisplay
    from rtproxy.record.proxy import Proxy
    from rtproxy.record.status import Status

    console = Console(stderr=True, highlight=False)
    status = Status()
    stop = asyncio.Event()
    stop_on_signals(stop)
    code = 0
    table = console.is_terminal and not command
    with LiveDisplay(console, status, settings.out, table=table):
        async with Proxy(settings, status) as proxy:
            line = f"rtproxy: {proxy.url} → {settings.upstream}, tapes in {settings.out}/"
            console.print(line, soft_wrap=True, markup=False)
            if command:
                env = environment(proxy.url, current_environment())
                code = await run_command(command, env, stop)
            else:
                await stop.wait()
    ended = "1 connection" if status.finished == 1 else f"{status.finished:,} connections"
    trouble = f"; {len(status.failures)} of them with errors" if status.failures else ""
    console.print(
        f"rtproxy: {ended}, {status.messages:,} events{trouble}",
        style="bold red" if status.failures else None,
    )
    return code or (1 if status.failures else 0)
