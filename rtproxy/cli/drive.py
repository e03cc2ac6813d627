"""`rtproxy drive`: a tape in the client's part, against a live server."""

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from rtproxy.cli.access import trust_options
from rtproxy.cli.output import say, visible
from rtproxy.cli.replay import Speed

if TYPE_CHECKING:
    from rich.console import Console

    from rtproxy.net.stop import Stop
    from rtproxy.record.proxy import Settings
    from rtproxy.record.status import Status
    from rtproxy.replay.driver import Driver
    from rtproxy.replay.report import Place
    from rtproxy.replay.request import Request

STALL_S = 30.0
SEAL_S = 10.0
"""How long the new tape may take to be sealed."""
SHOWN = 8


@click.command()
@click.argument("tape", metavar="TAPE", type=click.Path(path_type=Path))
@click.option("--upstream", metavar="URL", required=True, help="The live server.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("recordings"),
    show_default=True,
    help="Folder for the new tape.",
)
@click.option("--model", metavar="NAME", help="Ask for this model instead of the recorded one.")
@click.option(
    "--speed",
    type=Speed(),
    metavar="N|max",
    default="1",
    show_default=True,
    help="How fast the client speaks and reacts: 1 as recorded, N times faster, or max for no "
    "waiting. The server keeps its own pace.",
)
@click.option(
    "--match",
    type=click.Choice(["strict", "lenient"]),
    default="strict",
    show_default=True,
    help="Whether to give up when what the tape waits for does not come, or to warn and go on.",
)
@click.option(
    "--stall",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    default=STALL_S,
    show_default=True,
    help="Seconds that the server may say nothing while it is waited for.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Send this header, instead of the recorded one of that name. May be repeated.",
)
@click.option(
    "--api-key-env",
    metavar="NAME",
    default="OPENAI_API_KEY",
    show_default=True,
    help="Environment variable with the key that takes the place of the redacted one.",
)
@trust_options
def drive(
    tape: Path,
    upstream: str,
    out: Path,
    model: str | None,
    speed: float,
    match: str,
    stall: float,
    headers: tuple[str, ...],
    api_key_env: str,
    upstream_ca: Path | None,
    insecure: bool,
) -> None:
    """Play TAPE to a live server, in the client's part, and tape what it answers now.

    What does today's model do with yesterday's call? Each recorded client event is sent once the
    server has done what it waited for, with the ids of the new session in it; audio is streamed
    at the recorded pace. The new tape's path is printed on stdout.

        rtproxy drive call.rtape --upstream https://api.openai.com --model gpt-realtime-2

    Exits with 1 if the server does not let the tape be played to its end, 2 if it cannot be
    reached or refuses the connection.
    """
    import asyncio

    from rtproxy.cli.record import fastest_loop
    from rtproxy.errors import ReplayError
    from rtproxy.record.proxy import Settings
    from rtproxy.replay.drive import load_tape
    from rtproxy.replay.driver import Driver
    from rtproxy.replay.edition import edit
    from rtproxy.replay.request import live_request, parse_header
    from rtproxy.replay.script import read_script

    loaded = load_tape(tape)
    records, notes = edit(loaded.records, model)
    script = read_script(records, role="client")
    if script.refusal is not None:
        raise ReplayError(
            f"{tape} is the tape of a connection that was refused; nothing was said on it."
        )
    request = live_request(
        loaded.header,
        key=os.environ.get(api_key_env) or None,
        headers=[parse_header(text) for text in headers],
        model=model,
    )
    tell_notes([*loaded.notes, *request.notes, *notes])
    driver = Driver(script, match=match, speed=speed, stall_s=stall)  # type: ignore[arg-type]
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        settings = Settings(
            upstream=upstream, port=0, out=out, upstream_ca=upstream_ca, insecure=insecure
        )
        sys.exit(runner.run(run(driver, request, settings, tape)))


async def run(driver: "Driver", request: "Request", settings: "Settings", tape: Path) -> int:
    """Drive through a recording proxy until the tape has ended; return the exit code."""
    import asyncio
    from contextlib import suppress

    from rich.console import Console

    from rtproxy.cli.access import warn_insecure
    from rtproxy.cli.serving import begin_serving
    from rtproxy.errors import UpstreamError
    from rtproxy.record.proxy import Proxy
    from rtproxy.record.status import Status, Traffic

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    seen: list[Traffic] = []
    ended = asyncio.Event()

    def watch(traffic: Traffic, _: str) -> None:
        seen.append(traffic)
        if traffic.phase != "open":
            ended.set()

    status = Status(watch=watch)
    stop = begin_serving()
    async with Proxy(settings, status) as proxy:
        if settings.insecure:
            warn_insecure(console)
        try:
            await play(driver, proxy.url, request, console, stop)
        except UpstreamError:
            if seen and seen[-1].phase == "failed":
                raise UpstreamError(seen[-1].note) from None
            raise
        with suppress(TimeoutError):  # then the proxy hangs up
            async with asyncio.timeout(0 if stop.is_set() else SEAL_S):
                await ended.wait()
    tapes = tape, settings.out / seen[-1].name if seen else None
    return conclude(driver, status, console, tapes, stop.is_set())


async def play(
    driver: "Driver", url: str, request: "Request", console: "Console", stop: "Stop"
) -> None:
    """Drive until the session has ended or until stopped, and show how far it is."""
    import asyncio
    from contextlib import nullcontext

    from rich.status import Status as Spinner
    from rich.text import Text

    from rtproxy.replay.drive import drive
    from rtproxy.replay.report import Report

    def tell(report: Report, failed: bool) -> None:
        text = report.to_text(min(console.width, 120))
        console.print(f"rtproxy: {text}", style="bold red" if failed else "yellow")

    spinner = Spinner("connecting", console=console) if console.is_terminal else None

    def moved() -> None:
        if spinner is not None:
            spinner.update(Text(visible(stage(driver))))

    with spinner or nullcontext():
        driving = asyncio.ensure_future(drive(driver, url, request, tell=tell, moved=moved))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait([driving, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not driving.done():
                driving.cancel()
                await asyncio.wait([driving])
        if not driving.cancelled():
            driving.result()


def stage(driver: "Driver") -> str:
    """How far a drive is, in a few words."""
    sent, total = driver.progress
    awaited = driver.waiting
    what = f", waiting for {awaited[0].type} (#{awaited[0].seq})" if awaited else ""
    return f"{sent:,} of {total:,} client events sent{what}"


def conclude(
    driver: "Driver",
    status: "Status",
    console: "Console",
    tapes: tuple[Path, Path | None],
    stopped: bool,
) -> int:
    """Say how it went, where the new tape is and what to do with it; return the exit code.

    `tapes` are the one that was driven and the new one.
    """
    outcome = driver.finish()
    well = outcome.ok and not stopped and not status.failures
    for sentence in status.failures:
        console.print(f"rtproxy: {sentence}", style="bold red")
    if outcome.unsent:
        console.print(f"rtproxy: not sent: {', '.join(summarise(outcome.unsent))}")
    sent, total = driver.progress
    how = "stopped" if stopped else "driven to its end" if well else "not driven to its end"
    console.print(
        f"rtproxy: {how}: {sent:,} of {total:,} client events sent",
        style=None if well else "bold red",
    )
    old, new = tapes
    if new is not None and new.exists():
        click.echo(new)
        console.print(f"rtproxy: look at it with rtproxy inspect {quote(str(new))}")
        both = f"{quote(str(old))} {quote(str(new))}"
        console.print(f"rtproxy: see what changed with rtproxy diff {visible(both)}")
    return 0 if well else 1


def summarise(places: "Sequence[Place]") -> Iterator[str]:
    """Places in words, runs of the same type as one; the first few of them."""
    runs = [list(run) for _, run in groupby(places, key=lambda one: one.type)]
    for run in runs[:SHOWN]:
        kind = visible(run[0].type or "a message")
        if len(run) == 1:
            yield f"{kind} (#{run[0].seq})"
        else:
            yield f"{len(run)} × {kind} (#{run[0].seq} to #{run[-1].seq})"
    if len(runs) > SHOWN:
        yield f"and {sum(map(len, runs[SHOWN:]))} more"


def tell_notes(notes: Sequence[str]) -> None:
    for note in notes:
        say(note)
