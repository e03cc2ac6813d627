"""`rtproxy export otlp`: a call as OpenTelemetry spans."""

from pathlib import Path

import click


@click.command(
    epilog="""\b
  rtproxy export otlp call.rtape -o call.otlp.json
  rtproxy export otlp call.rtape --endpoint http://localhost:4318
"""
)
@click.argument("tape", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="File to write; - is stdout.")
@click.option("--force", is_flag=True, help="Overwrite the file if there is one.")
@click.option("--endpoint", metavar="URL", help="Send the spans to this collector instead.")
@click.option("--service", default="rtproxy", show_default=True, help="The service's name.")
@click.option("--content", is_flag=True, help="Include what was said, and what tools were told.")
def otlp(
    tape: Path, out: Path | None, force: bool, endpoint: str | None, service: str, content: bool
) -> None:
    """Write the call on TAPE as OpenTelemetry spans: conversation, turns, responses, tools.

    Names are those of the GenAI semantic conventions. Without --endpoint they are written as
    OTLP/JSON, one request in one line.
    """
    import orjson

    from rtproxy.cli.condition import tell
    from rtproxy.convert.otlp import Mapper, document
    from rtproxy.convert.output import output
    from rtproxy.realtime.session import Session
    from rtproxy.tape.dump import harmless
    from rtproxy.tape.reader import open_tape

    if endpoint is not None and out is not None:
        raise click.UsageError("Spans are written to a file or sent; give -o or --endpoint.")
    with open_tape(tape) as opened:
        session = Session.from_tape(opened)
    if not session.times_known:
        raise click.UsageError(f"{tape} has no times, of which spans are made.")
    mapper = Mapper(session, content=content)
    spans = list(mapper.spans())
    if endpoint is not None:
        from rtproxy.convert.otlp_sender import send

        send(spans, endpoint, service)
        click.echo(f"{len(spans)} spans sent to {endpoint}.", err=True)
    else:
        with output(out, force=force) as file:
            file.write(harmless(orjson.dumps(document(spans, service))) + b"\n")
    if mapper.started_ns is None:
        click.echo(
            f"rtproxy: {tape} does not say when it was recorded; its spans begin in 1970.", err=True
        )
    if tell(opened):
        raise SystemExit(1)
