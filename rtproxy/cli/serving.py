"""What the commands that serve have in common: who may come, and how they are stopped."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from rtproxy.cli.output import say
from rtproxy.wire.address import is_loopback

if TYPE_CHECKING:
    import asyncio

    from rich.console import Console

    from rtproxy.net.stop import Stop
    from rtproxy.net.token import Token

GRACE_S = 2.0
TOKEN_VARIABLE = "RTPROXY_TOKEN"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,256}")


def serving_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--allow-remote`, `--idle` and `--grace`."""
    for option in (
        click.option(
            "--grace",
            type=click.FloatRange(min=0),
            metavar="S",
            default=GRACE_S,
            show_default=True,
            help="When stopped, give sessions so many seconds to end before they are closed. A "
            "second Ctrl-C does not wait.",
        ),
        click.option(
            "--idle",
            type=click.FloatRange(min=0, min_open=True),
            metavar="S",
            default=75.0,
            show_default=True,
            help="Close connections that ask for nothing for so many seconds, or take as long to "
            "ask. Sessions may be silent as long as they like.",
        ),
        click.option(
            "--allow-remote",
            is_flag=True,
            help="Let other machines in, if --listen is an address that they can reach. They must "
            f"know the token that is printed; {TOKEN_VARIABLE} gives one of your own.",
        ),
    ):
        command = option(command)
    return command


def token_for(host: str, *, allow_remote: bool, environ: Mapping[str, str]) -> "Token | None":
    """What clients must know; None where there are none but this machine's, or none are let in."""
    from rtproxy.net.token import Token

    if not allow_remote:
        return None
    if is_loopback(host):
        say(
            f"--allow-remote lets nobody in: {host} is an address of this machine alone; give "
            "another with --listen, such as 0.0.0.0:8787."
        )
        return None
    given = environ.get(TOKEN_VARIABLE)
    if not given:
        return Token.random()
    if not _TOKEN.fullmatch(given):
        # What was given may be secret elsewhere, so it is not repeated.
        raise click.UsageError(
            f"{TOKEN_VARIABLE} must be 16 to 256 letters, digits, hyphens and underscores."
        )
    return Token(given)


def begin_serving() -> "Stop":
    """Get ready to serve in the running event loop; return what tells when to stop."""
    import asyncio

    from rtproxy.cli.command import stop_on_signals
    from rtproxy.cli.outlet import leave_out_odd_names, outlast
    from rtproxy.net.crowd import raise_descriptor_limit
    from rtproxy.net.stop import Stop

    outlast("stdout", "stderr")
    leave_out_odd_names()
    raise_descriptor_limit()
    if not click.get_current_context().find_root().obj.get("debug"):
        asyncio.get_running_loop().set_exception_handler(tell_unexpected)
    stop = Stop()
    stop_on_signals(stop)
    return stop


def tell_unexpected(_: "asyncio.AbstractEventLoop", context: dict[str, Any]) -> None:
    """Say in a line what an event loop would say with a traceback; the others are still served."""
    from rtproxy.tape.escape import visible

    error = context.get("exception")
    cause = f": {type(error).__name__}: {error}" if error is not None else ""
    sentence = visible(f"{context.get('message')}{cause}")
    click.echo(f"rtproxy: {sentence}", err=True)


def tell_stopping(console: "Console", sessions: int, grace_s: float) -> None:
    """Say what is waited for, if anything is."""
    if sessions and grace_s:
        what = "1 connection has" if sessions == 1 else f"{sessions:,} connections have"
        console.print(
            f"rtproxy: {what} {grace_s:g} s to end; stop again to end at once",
            soft_wrap=True,
            markup=False,
        )


def tell_open(console: "Console", token: "Token | None") -> None:
    """Say that other machines can come in."""
    if token is not None:
        console.print(
            "rtproxy: open to other machines; whoever knows this address, which holds the token, "
            "can use it",
            style="bold",
            soft_wrap=True,
            markup=False,
        )
