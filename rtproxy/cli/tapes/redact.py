"""`rtproxy tape redact`: a tape without what must not be shared."""

import re
import secrets
from pathlib import Path

import click

from rtproxy.cli.output import say, visible


@click.command(
    epilog="""\b
  rtproxy tape redact call.rtape --text '\\b\\d{16}\\b' --text 'Jane Doe'
  rtproxy tape redact call.rtape --path '$..arguments' --path session.instructions
  rtproxy tape redact call.rtape --words --audio noise -o to-share.rtape
"""
)
@click.argument("path", metavar="TAPE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Where to write; default: NAME.redacted.rtape beside TAPE.",
)
@click.option("--text", "texts", metavar="REGEX", multiple=True, help="Text that fits; repeatable.")
@click.option("--path", "paths", metavar="PATH", multiple=True, help="A member by its JSON path.")
@click.option("--words", is_flag=True, help="What both sides said, in transcripts and texts.")
@click.option("--audio", "sound", type=click.Choice(["silence", "noise"]), help="Audio becomes it.")
@click.option(
    "--side",
    type=click.Choice(["caller", "assistant", "both"]),
    default="both",
    show_default=True,
    help="Whose audio.",
)
def redact(
    path: Path,
    out: Path | None,
    texts: tuple[str, ...],
    paths: tuple[str, ...],
    words: bool,
    sound: str | None,
    side: str,
) -> None:
    """Write TAPE without what must not be shared as another tape, and print where it is.

    Credentials are never on a tape; this is for names, numbers, words and voices. Text is found
    also where it is spread over several deltas. A replaced value becomes REDACTED: and eight
    digits, the same for the same value. Audio keeps its length, so that replays keep their timing.
    """
    from rtproxy.cli.condition import tell
    from rtproxy.convert.redact import Censor, Plan
    from rtproxy.convert.rewrite import beside, rewrite
    from rtproxy.realtime.jsonpath import PathPattern
    from rtproxy.tape.reader import open_tape

    if not (texts or paths or words or sound):
        raise click.UsageError("Say what to take out: --text, --path, --words or --audio.")
    plan = Plan(
        [_pattern(text) for text in texts],
        [PathPattern(one) for one in paths],
        words,
        sound,  # type: ignore[arg-type]  # click has checked both
        side,  # type: ignore[arg-type]
    )
    censor = Censor(plan, secrets.token_bytes(16))
    target = out or beside(path, "redacted")
    with open_tape(path) as tape:
        censor.study(tape)
        fields = {**censor.header(tape.header.fields), "made_by": "redact"}
        count = rewrite(tape, target, fields, censor.edit)
    say(f"{censor.changed:,} of {count:,} records changed.")
    click.echo(visible(str(target)))
    if tell(tape):
        raise SystemExit(1)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise click.UsageError(f"--text {text!r} is no regular expression: {error}.") from None
    if pattern.match(""):
        raise click.UsageError(f"--text {text!r} fits everywhere; say more.")
    return pattern
