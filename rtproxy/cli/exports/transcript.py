"""`rtproxy export transcript`: what was said in a call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtproxy.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rtproxy.realtime.dialogue import Line
    from rtproxy.realtime.session import Session

FORMATS = ("txt", "srt", "vtt", "json", "md")


@click.command(
    epilog="""\b
  rtproxy export transcript call.rtape
  rtproxy export transcript call.rtape -o call.vtt
  rtproxy export transcript call.rtape --format json | jq -r '.lines[].text'
"""
)
@click.argument("tape", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="File to write; - is stdout.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Default: by the name of the file, else txt.",
)
@click.option("--turn", type=click.IntRange(1), metavar="N", help="The Nth turn alone.")
@click.option("--force", is_flag=True, help="Overwrite the file if there is one.")
def transcript(
    tape: Path, out: Path | None, form: str | None, turn: int | None, force: bool
) -> None:
    """Write who said what, and when, in the call on TAPE.

    A time is when the words sounded; ~ marks one that is only when they arrived. What the caller
    did not hear, because the assistant was cut off, is marked; subtitles leave it out.
    """
    from rtproxy.cli.condition import tell
    from rtproxy.convert.output import output
    from rtproxy.realtime.dialogue import dialogue
    from rtproxy.realtime.session import Session
    from rtproxy.tape.reader import open_tape

    chosen = form or _by_name(out)
    with open_tape(tape) as opened:
        session = Session.from_tape(opened)
    if turn is not None and session.turns.number(turn) is None:
        raise click.UsageError(f"{tape} has {len(session.turns.all)} turns; there is no {turn}.")
    lines = dialogue(session, turn)
    if chosen in ("srt", "vtt") and not session.times_known:
        raise click.UsageError(
            f"{tape} has no times, which subtitles need; use --format txt, md or json."
        )
    with output(out, force=force) as file:
        for part in _rendered(chosen, tape, session, lines):
            file.write(f"{part}\n".encode())
    if not lines:
        say(f"nothing was said on {tape}.")
    if tell(opened):
        raise SystemExit(1)


def _by_name(out: Path | None) -> str:
    suffix = out.suffix.lstrip(".").lower() if out is not None else ""
    return suffix if suffix in FORMATS else "txt"


def _rendered(form: str, tape: Path, session: Session, lines: list[Line]) -> Iterable[str]:
    import orjson

    from rtproxy.convert import subtitles, transcript
    from rtproxy.tape.dump import harmless

    match form:
        case "srt":
            return subtitles.srt(lines)
        case "vtt":
            return subtitles.vtt(lines, tape.name)
        case "md":
            return transcript.markdown(lines, tape.name)
        case "json":
            about = {
                "tape": str(tape),
                "session": session.id,
                "model": session.model,
                "times_known": session.times_known,
            }
            made = transcript.document(lines, about)
            return [harmless(orjson.dumps(made, option=orjson.OPT_INDENT_2)).decode()]
    return transcript.text(lines)
