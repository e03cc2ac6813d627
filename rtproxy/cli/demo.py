"""`rtproxy demo`: a whole call, recorded, in ten seconds, without a key or a network."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rtproxy.simulate.report import CallEvent, CallReport

SCENARIO = "support-call"
LISTING_FILTER = "!rate_limits.updated !*.content_part.* !*.output_item.*"


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("recordings"),
    show_default=True,
    help="Folder for the tape.",
)
@click.option("--seed", type=int, help="Decides ids, voices and jitter. [default: the scenario's]")
def demo(out: Path, seed: int | None) -> None:
    """Record a simulated call and look at it; needs no key and no network.

    A simulated server, a recording proxy in front of it, and a caller who asks something, waits
    for a tool call, and interrupts the answer. Takes about ten seconds, as the call does.
    """
    import asyncio

    from rich.console import Console

    from rtproxy.inspect.filter import parse_filter
    from rtproxy.inspect.listing import Listing
    from rtproxy.inspect.overview import records, survey
    from rtproxy.inspect.terminal import Terminal
    from rtproxy.tape.reader import open_tape

    click.echo("A simulated call: caller → rtproxy → simulated server\n")
    path = asyncio.run(record_call(out, seed))
    click.echo(f"\nIt is on the tape {path}:\n")
    with open_tape(path) as tape:
        rows = Listing(parse_filter(LISTING_FILTER), True).rows(records(tape))
        Terminal(Console()).show(survey(tape, str(path)), rows, fold=True, pager=False)
    click.echo(
        "\nWhat to try next:\n"
        f"  rtproxy inspect {path}           the call, turn by turn\n"
        f"  rtproxy inspect {path} --events  every event\n"
        f"  rtproxy inspect {path} --open    a page with its waveforms, to listen to\n"
        f"  rtproxy tape verify {path}       is it whole?\n"
        f"  rtproxy replay {path}            the tape as a server for your tests\n"
        "  rtproxy record -- python your_agent.py      record your own application"
    )


async def record_call(out: Path, seed: int | None) -> Path:
    """Make the call through a proxy, telling it as it goes; return the tape's path."""
    from rtproxy.record.proxy import Proxy, Settings
    from rtproxy.record.status import Status, Traffic
    from rtproxy.simulate.caller import Caller
    from rtproxy.simulate.library import load
    from rtproxy.simulate.script import Script
    from rtproxy.simulate.server import SimulatedServer

    scenario = load(SCENARIO)
    script = Script.parse(scenario.caller, f"{SCENARIO}.toml")
    seen: list[Traffic] = []
    status = Status(watch=lambda traffic, _: seen.append(traffic))
    async with SimulatedServer(scenario, seed=seed) as server:
        async with Proxy(Settings(upstream=server.url, port=0, out=out), status) as proxy:
            report = await Caller(proxy.url, script, on_event=tell).run()
    tell_turns(report)
    return out / seen[-1].name


def tell(message: "CallEvent") -> None:
    """Print what an event means for the call, if it is one that a listener would notice."""
    line = describe(message.event)
    if line is not None:
        who, what = line
        click.echo(f"  {message.t_ms / 1000:5.2f} s  {who:<10} {what}")


def describe(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """Who did what, for the events that make up the call's story."""
    match event:
        case {"type": "input_audio_buffer.speech_started"}:
            return "caller", "begins to speak"
        case {"type": "conversation.item.input_audio_transcription.completed"}:
            return "caller", f"“{event['transcript']}”"
        case {"type": "response.function_call_arguments.done"}:
            return "assistant", f"calls {event['name']}({event['arguments']})"
        case {"type": "conversation.item.create", "item": {"output": output}}:
            return "tool", f"answers {output}"
        case {"type": "response.output_audio_transcript.done"}:
            return "assistant", f"“{event['transcript']}”"
        case {"type": "conversation.item.truncate", "audio_end_ms": heard}:
            return "caller", f"interrupts, having heard {heard / 1000:.2f} s of it"
    return None


def tell_turns(report: "CallReport") -> None:
    """Print how the turns went, as the caller's own player saw it."""
    for turn in report.turns:
        if turn.interrupted:
            received, heard = turn.received_ms / 1000, turn.heard_ms / 1000
            click.echo(f"\n  Of {received:.2f} s of answer, {heard:.2f} s were heard.")
