"""`rtproxy tape cut`: a part of a tape."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtproxy.cli.output import say, visible

if TYPE_CHECKING:
    from rtproxy.convert.cut import Part
    from rtproxy.tape.reader import Tape


class Moment(click.ParamType[int]):
    """A time such as 2.5, 800ms or 1m30s, as nanoseconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        from rtproxy.tape.moment import moment_ns

        try:
            return moment_ns(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Numbers(click.ParamType[tuple[int, int]]):
    """A number, or the first and the last such as 2..4."""

    name = "range"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        found = re.fullmatch(r"(\d{1,18})(?:\.\.(\d{1,18}))?", str(value))
        if found is None or int(found[2] or found[1]) < int(found[1]):
            self.fail(f"{value!r} is no range; one looks like 3 or 2..4.", param, ctx)
        return int(found[1]), int(found[2] or found[1])


@click.command(
    epilog="""\b
  rtproxy tape cut call.rtape --turn 3 -o turn3.rtape
  rtproxy tape cut call.rtape --from 1m30s --to 2m
  rtproxy tape cut call.rtape --events 184..260 --bare
"""
)
@click.argument("path", metavar="TAPE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Where to write; default: NAME.cut.rtape beside TAPE.",
)
@click.option("--turn", "turns", type=Numbers(), metavar="N[..M]", help="These turns.")
@click.option("--from", "from_ns", type=Moment(), metavar="TIME", help="From this time on.")
@click.option("--to", "to_ns", type=Moment(), metavar="TIME", help="Up to this time.")
@click.option("--events", type=Numbers(), metavar="A[..B]", help="Records by number.")
@click.option("--bare", is_flag=True, help="Without the events that set the session up.")
def cut(
    path: Path,
    out: Path | None,
    turns: tuple[int, int] | None,
    from_ns: int | None,
    to_ns: int | None,
    events: tuple[int, int] | None,
    bare: bool,
) -> None:
    """Write a part of TAPE as a tape of its own, and print where it is.

    Times, numbers, ids and the handshake stay as they are. The events that set the session up
    before the part are kept, so that it can be understood and replayed, and so is its end.
    """
    from rtproxy.cli.condition import tell
    from rtproxy.convert.cut import Part, choose
    from rtproxy.convert.rewrite import beside, rewrite
    from rtproxy.tape.reader import open_tape

    timed = from_ns is not None or to_ns is not None
    if (turns is not None) + timed + (events is not None) != 1:
        raise click.UsageError("Say which part: --turn, --from and --to, or --events.")
    with open_tape(path) as tape:
        if turns is not None:
            part = _turns(tape, *turns)
        elif events is not None:
            part = Part(seqs=range(events[0], events[1] + 1))
        else:
            part = Part(from_ns or 0, to_ns)
        part.frame = not bare
        chosen = choose(part, tape)
        if not part.kept:
            raise click.UsageError(f"{path} has nothing there; see rtproxy inspect --events.")
        before = [[gap.start, gap.stop - 1] for gap in tape.header.left_out]
        left_out = sorted([*before, *part.left_out])
        fields = {**tape.header.fields, "made_by": "cut", "left_out": left_out}
        target = out or beside(path, "cut")
        count = rewrite(
            tape, target, fields, lambda one: one if getattr(one, "seq", None) in chosen else None
        )
    say(f"{count:,} records kept.")
    click.echo(visible(str(target)))
    if tell(tape):
        raise SystemExit(1)


def _turns(tape: "Tape", first: int, last: int) -> "Part":
    from rtproxy.convert.cut import turns_part
    from rtproxy.realtime.session import Session

    session = Session.from_tape(tape)
    count = len(session.turns.all)
    if not 1 <= first <= last <= count:
        raise click.UsageError(f"{tape.path} has {count} turns; choose among them.")
    return turns_part(session, first, last)
