"""`rtproxy export wav`: what was to be heard in a call."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtproxy.cli.output import say, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rtproxy.convert.wav_writer import Wanted, Written
    from rtproxy.tape.reader import Tape

FORMATS = ("wav", "mp3", "ogg", "flac", "opus")
RATES = ("8000", "11025", "12000", "16000", "22050", "24000", "32000", "44100", "48000", "96000")
SHOWN = 10
"""Faults that are named."""
LARGE = 20_000_000
"""Bytes of a tape from which on the terminal shows how far it is."""
STEPS = 1000


@click.command(
    epilog="""\b
  rtproxy export wav call.rtape
  rtproxy export wav call.rtape -o call.mp3 --mix mono
  rtproxy export wav call.rtape --per item -o parts
  rtproxy export wav call.rtape --turn 2 --side assistant --as delivered -o - | aplay
"""
)
@click.argument("tape", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="File to write, with --per a folder; - is stdout. Default: named after the tape, here.",
)
@click.option(
    "--per",
    type=click.Choice(("item", "response", "turn", "side")),
    help="A file for each of them, in a folder, instead of one for the whole call.",
)
@click.option(
    "--as",
    "as_",
    type=click.Choice(("heard", "delivered")),
    help="The assistant as the caller heard it, cut off and with gaps, or all that was sent. "
    "Default: heard; for items and responses, delivered.",
)
@click.option("--side", type=click.Choice(("caller", "assistant")), help="This side alone.")
@click.option("--turn", type=click.IntRange(1), metavar="N", help="The Nth turn alone.")
@click.option(
    "--mix",
    type=click.Choice(("stereo", "mono")),
    help="Both sides apart, caller left and assistant right, or in one channel.  [default: stereo]",
)
@click.option(
    "--rate",
    type=click.Choice(RATES),
    metavar="HZ",
    help="Sample rate: 8000, 16000, 24000, 44100, 48000 and others. Default: the call's highest; "
    "of items and responses their own.",
)
@click.option("--raw", is_flag=True, help="Keep G.711 as it is, in WAV.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Default: by the name of the file, else wav. All others need ffmpeg.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def wav(
    tape: Path,
    out: Path | None,
    per: str | None,
    as_: str | None,
    side: str | None,
    turn: int | None,
    mix: str | None,
    rate: str | None,
    raw: bool,
    form: str | None,
    force: bool,
) -> None:
    """Write the audio of the call on TAPE: both sides on one clock, or its parts.

    What is wrong with the audio is named on stderr and all the rest is exported; the exit code is
    1 if some of it is lost.
    """
    from rtproxy.cli.condition import tell
    from rtproxy.convert.wav_writer import export
    from rtproxy.tape.reader import open_tape

    wanted = _wanted(tape, out, per, as_, side, turn, mix, rate, raw, form, force)
    with open_tape(tape) as opened:
        with _progress(opened) as progress:
            written = export(opened, wanted, progress)
    _tell(wanted, written)
    damaged = tell(opened)
    for line in _complaints(tape, written):
        say(line)
    if damaged or written.lost:
        raise SystemExit(1)


def _wanted(
    tape: Path,
    out: Path | None,
    per: str | None,
    as_: str | None,
    side: str | None,
    turn: int | None,
    mix: str | None,
    rate: str | None,
    raw: bool,
    form: str | None,
    force: bool,
) -> Wanted:
    """What the options mean. Raises UsageError for those that exclude one another."""
    from typing import Any, cast

    from rtproxy.convert.wav_name import stem_of
    from rtproxy.convert.wav_writer import Wanted

    suffix = out.suffix.lstrip(".").lower() if out is not None and per is None else ""
    chosen = form or (suffix if suffix in FORMATS else "wav")
    apart = per in ("item", "response")
    if per is not None and str(out) == "-":
        raise click.UsageError("--per writes several files; name a folder with -o.")
    if raw and (rate is not None or chosen != "wav"):
        raise click.UsageError("--raw keeps the audio as it is; leave out --rate and --format.")
    if mix is not None and (side is not None or per == "side" or apart):
        raise click.UsageError("--mix is about both sides of a call; leave it out.")
    if raw and mix == "mono":
        raise click.UsageError("--raw keeps the audio as it is; it cannot be mixed.")
    if per == "response" and side == "caller":
        raise click.UsageError("Responses are the assistant's; use --per item or --per turn.")
    if out is None:
        stem = stem_of(tape.name)
        out = Path(stem) if per is not None else Path(f"{stem}.{chosen}")
    return Wanted(
        None if str(out) == "-" else out,
        cast(Any, per),
        None if as_ is None else as_ == "heard",
        cast(Any, side),
        turn,
        mix == "mono",
        None if rate is None else int(rate),
        raw,
        chosen,
        force,
    )


@contextmanager
def _progress(tape: Tape) -> Iterator[Callable[[float], None] | None]:
    """A bar on the terminal for a tape that takes more than a moment."""
    if tape.size < LARGE or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=STEPS, label="Writing the audio", file=sys.stderr) as bar:
        yield lambda part: bar.update(int(part * STEPS) - bar.pos)
        bar.update(STEPS - bar.pos)


def _tell(wanted: Wanted, written: Written) -> None:
    """Say what was written."""
    total_ms = sum(made.ms for made in written.files)
    tenths = round(total_ms / 100)
    length = f"{tenths // 600}:{tenths % 600 / 10:04.1f}" if tenths else f"{total_ms:.0f} ms"
    layouts = {made.layout for made in written.files}
    about = [length]
    if len(layouts) == 1:
        layout = layouts.pop()
        about += [{1: "mono", 2: "stereo"}[layout.channels], f"{layout.audio.rate:,} Hz"]
        if layout.audio.encoding != "pcm16":
            about.append({"g711_ulaw": "µ-law", "g711_alaw": "A-law"}[layout.audio.encoding])
    about.append("as heard" if written.heard else "as delivered")
    where = "stdout" if wanted.out is None else str(wanted.out)
    if wanted.per is not None:
        count = len(written.files)
        where = f"{count} file{'' if count == 1 else 's'} in {where}"
    click.echo(f"{visible(where)}: {', '.join(about)}", err=True)


def _complaints(tape: Path, written: Written) -> list[str]:
    """What the files do not hold as it was, a line each."""
    lines = []
    if written.cut:
        lines.append(f"the audio on {tape} was cut by who recorded it; this is what there is.")
    for fault in list(written.faults)[:SHOWN]:
        item = f", {fault.item_id[:64]}" if fault.item_id else ""
        lines.append(f"event {fault.seq}{item}: {fault.what}")
    if len(written.faults) > SHOWN:
        lines.append(f"and {len(written.faults) - SHOWN:,} more.")
    return lines
