"""`rtproxy export trace`: a call's timeline for Perfetto."""

from pathlib import Path

import click


@click.command(
    epilog="""\b
  rtproxy export trace call.rtape -o call.trace.json
Then open it at https://ui.perfetto.dev, which keeps it in your browser, or in chrome://tracing.
"""
)
@click.argument("tape", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="File to write; - is stdout.")
@click.option("--force", is_flag=True, help="Overwrite the file if there is one.")
def trace(tape: Path, out: Path | None, force: bool) -> None:
    """Write the timeline of TAPE as a Chrome trace, which Perfetto opens.

    Turns, speech, responses, what was heard and what was not, tools and findings are lanes;
    arrows lead from cause to effect; counters show the levels of both sides and how much audio was
    queued to be played.
    """
    from rtproxy.cli.condition import tell
    from rtproxy.convert.output import output
    from rtproxy.convert.trace import trace as traced
    from rtproxy.realtime.session import Session
    from rtproxy.tape.reader import open_tape

    with open_tape(tape) as opened:
        session = Session.from_tape(opened, levels=True)
        if not session.times_known:
            raise click.UsageError(f"{tape} has no times, of which a trace is made.")
        with output(out, force=force) as file:
            for piece in traced(session, opened, tape.name):
                file.write(piece)
        if tell(opened):
            raise SystemExit(1)
