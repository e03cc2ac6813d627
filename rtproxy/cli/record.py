"""`rtproxy record`: a recording proxy in front of a Realtime server."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtproxy.cli.access import PageOrigin, forward_options, tls_option, trust_options
from rtproxy.cli.listen import Listen, address_for
from rtproxy.cli.serving import serving_options, token_for
from rtproxy.wire.address import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtproxy.net.route import ConnectTo
    from rtproxy.net.stop import Stop
    from rtproxy.record.injection import Injection
    from rtproxy.record.proxy import Proxy, Settings


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


class Elsewhere(click.ParamType["ConnectTo"]):
    """HOST:PORT:OTHER_HOST:OTHER_PORT, as curl has it."""

    name = "HOST:PORT:HOST:PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "ConnectTo":
        from rtproxy.net.route import ConnectTo

        try:
            return value if isinstance(value, ConnectTo) else ConnectTo.parse(str(value))
        except ValueError as error:
            self.fail(f"{error}, such as api.openai.com:443:127.0.0.1:8443.", param, ctx)


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
@tls_option
@forward_options("taped")
@click.option(
    "--connect-to",
    type=Elsewhere(),
    multiple=True,
    help="Find a server at another address; its name and certificate stay its own. An empty HOST "
    "or PORT is any, or the same. May be repeated.",
)
@trust_options
@click.option(
    "--inject-key",
    metavar="ENV",
    help="Add the key that is in this environment variable to requests to the upstream that have "
    "none, so that clients need none.",
)
@click.option(
    "--allow-origin",
    type=PageOrigin(),
    multiple=True,
    help="With --inject-key: pages from here may use the key, such as http://localhost:3000. "
    "May be repeated.",
)
@click.option(
    "--live/--no-live",
    default=None,
    help="Tell how each session goes: its turn, its latency, what is found in it. "
    "[default: on a terminal]",
)
@serving_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def record(command: tuple[str, ...], live: bool | None, grace: float, **options: Any) -> None:
    """Put a recording proxy in front of a Realtime server.

    Every session that a client opens through it goes onto a tape of its own, frame by frame;
    client and server cannot tell that it is there. Point the client's base URL at the address
    that is printed first. Stop with Ctrl-C.

    With a COMMAND after --, run it with OPENAI_BASE_URL and RTPROXY_URL set, end with it, and
    exit with its code:

        rtproxy record -- python agent.py

    With --forward, programs whose servers' addresses cannot be changed are recorded as they are:

        rtproxy record --forward -- python agent.py

    Exits with 1 if a tape is incomplete (a full disk, for instance), 2 on a usage error.
    """
    import asyncio
    import gc
    import os
    import sys

    # A session's objects live as long as it does: looking through them all at every 700th new
    # object would hold up the others.
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)

    settings = settings_of(options, os.environ, with_command=bool(command))
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        sys.exit(runner.run(run(settings, command, live, grace)))


def settings_of(
    options: "Mapping[str, Any]", environ: "Mapping[str, str]", *, with_command: bool
) -> "Settings":
    """The proxy's settings out of the command line's options, which have click's names."""
    from rtproxy.record.proxy import Settings

    given = dict(options)
    host, port = address_for(given.pop("listen"), with_command=with_command)
    variable, origins = given.pop("inject_key"), given.pop("allow_origin")
    if origins and variable is None:
        raise click.UsageError("--allow-origin says who may use a key; it goes with --inject-key.")
    inject = injection_of(variable, environ, origins) if variable is not None else None
    if inject is not None and not is_loopback(host):
        raise click.UsageError("--inject-key is for this machine only; --listen on 127.0.0.1.")
    token = token_for(host, allow_remote=given.pop("allow_remote"), environ=environ)
    idle_s = given.pop("idle")
    return Settings(host=host, port=port, inject=inject, token=token, idle_s=idle_s, **given)


def injection_of(
    variable: str, environ: "Mapping[str, str]", origins: tuple[str, ...]
) -> "Injection":
    """The key in an environment variable, and who may use it."""
    from rtproxy.record.injection import Injection

    if not variable.isidentifier():
        raise click.UsageError("--inject-key takes the name of an environment variable.")
    key = environ.get(variable, "").strip()
    # What was given may be the key itself, so it is not repeated.
    if not key:
        raise click.UsageError("--inject-key: the environment variable that it names is not set.")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise click.UsageError("--inject-key: what the variable that it names holds is no key.")
    return Injection(key, origins)


def fastest_loop() -> "type | None":
    """uvloop's event loop where it is installed (the `speed` extra), else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    loop: type = uvloop.Loop
    return loop


async def run(
    settings: "Settings", command: tuple[str, ...], live: bool | None, grace_s: float
) -> int:
    """Serve until stopped or until the command ends; return the exit code.

    `live` is whether to tell how the sessions go; None: on a terminal.
    """
    from contextlib import AsyncExitStack

    from rich.console import Console

    from rtproxy.cli.access import introduce, warn_insecure
    from rtproxy.cli.serving import begin_serving, tell_open, tell_stopping
    from rtproxy.record.live import LiveDisplay
    from rtproxy.record.observer import Observer
    from rtproxy.record.proxy import Proxy
    from rtproxy.record.status import Status

    console = Console(stderr=True, highlight=False)
    status = Status()
    stop = begin_serving()
    code = 0
    table = console.is_terminal and not command
    live = console.is_terminal if live is None else live
    with LiveDisplay(console, status, settings.out, table=table, insights=live) as display:
        async with AsyncExitStack() as stack:
            if live:  # entered first, so that it hears of the sessions' ends
                observer = Observer(status, settings.out, display.tell_found, stop)
                await stack.enter_async_context(observer)
            proxy = await stack.enter_async_context(Proxy(settings, status))
            line = f"rtproxy: {proxy.url} → {settings.upstream}, tapes in {settings.out}/"
            console.print(line, soft_wrap=True, markup=False)
            if settings.insecure:
                warn_insecure(console)
            tell_open(console, settings.token)
            introduce(console, proxy.access, proxy.authority, with_command=bool(command))
            if command:
                code = await run_with(proxy, command, stop)
            else:
                await stop.wait()
                tell_stopping(console, len(status.open), grace_s)
            await proxy.close(stop, grace_s)
    ended = "1 connection" if status.finished == 1 else f"{status.finished:,} connections"
    trouble = f"; {len(status.failures)} of them with errors" if status.failures else ""
    console.print(
        f"rtproxy: {ended}, {status.messages:,} events{trouble}",
        style="bold red" if status.failures else None,
    )
    return code or (1 if status.failures else 0)


async def run_with(proxy: "Proxy", command: tuple[str, ...], stop: "Stop") -> int:
    """Run a command whose sessions come to the proxy."""
    from rtproxy.cli.command import run_command
    from rtproxy.cli.environment import (
        current_environment,
        pointed_at,
        sent_through,
        trusting,
        without_key,
    )

    base = current_environment()
    if proxy.settings.inject is not None:
        base = without_key(proxy.settings.inject.key, base)
    with trusting(proxy.authority, base) as env:
        if proxy.access.forward:
            env = sent_through(proxy.url, env, proxy.access.intercept)
        else:
            env = pointed_at(proxy.url, env)
        return await run_command(command, env, stop)
