"""`rtproxy diff`: what changed between two sessions, or between two folders of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rtproxy.diff.difference import Level

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog="""\b
Levels, each with those before it:
  structure  turns, responses, items, how they ended, the order of events
  tools      names, arguments, outputs
  text       what was said and written, settings
  timing     the metrics of rtproxy inspect, turn by turn
  audio      length, level, pauses, clipping
\b
A budget says how much more the second may have:
  v2v.p50=+200ms   v2v.max=+20%   v2v.p95=900ms   v2v=+300ms   tokens_out=+10%
\b
  rtproxy diff yesterday.rtape today.rtape
  rtproxy diff yesterday.rtape today.rtape --level text
  rtproxy diff baseline/ candidate/ --level text --budget v2v.p50=+200ms
  rtproxy diff old.rtape new.rtape --ignore 'config.instructions' --html diff.html --open
  rtproxy diff old.rtape new.rtape --format github --junit diff.xml
"""
)
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--level",
    type=click.Choice(["structure", "tools", "text", "timing", "audio"]),
    default="audio",
    show_default=True,
    help="What is compared; see below.",
)
@click.option(
    "--budget", "budgets", metavar="METRIC=±X", multiple=True,
    help="How much worse a metric may be; may be repeated.",
)  # fmt: skip
@click.option(
    "--ignore", metavar="PATH", multiple=True,
    help="Leave out a place, such as turns[*].tools[0].output; may be repeated.",
)  # fmt: skip
@click.option("--turn", type=click.IntRange(1), metavar="N", help="Compare only A's Nth turn.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--format", "form", type=click.Choice(["text", "github"]), default="text", show_default=True,
    help="Print text, or annotations for a GitHub workflow.",
)  # fmt: skip
@click.option("--junit", type=FILE, metavar="FILE", help="Write JUnit XML as well.")
@click.option("--html", type=FILE, metavar="FILE", help="Write a page as well.")
@click.option("--open", "show", is_flag=True, help="Open the page.")
@click.option("--ascii", "only_ascii", is_flag=True, help="Write with ASCII characters alone.")
@click.option("--no-pager", is_flag=True, help="Print at once, however long it is.")
def diff(
    a: Path,
    b: Path,
    level: Level,
    budgets: tuple[str, ...],
    ignore: tuple[str, ...],
    turn: int | None,
    as_json: bool,
    form: str,
    junit: Path | None,
    html: Path | None,
    show: bool,
    only_ascii: bool,
    no_pager: bool,
) -> None:
    """Show what changed from session A to session B: two tapes, or two folders of tapes.

    Ids, times of day and other things that differ in any two runs are left out, both dialects are
    one, and deltas are what they come to. Turns are matched by what was said and done. On a
    terminal both sides stand beside one another; elsewhere it is a list of - and + lines.

    Tapes in folders are matched by their names; one that has no other counts as a difference.

    Exits with 0 when both are the same and every budget is kept, with 1 when they are not, and with
    2 when they cannot be compared.
    """
    from rtproxy.cli.comparing import Wanted, compare_tapes
    from rtproxy.diff.compare import Comparison

    if as_json and form != "text":
        raise click.UsageError("Choose one of --json and --format.")
    if show and html is None:
        raise click.UsageError("--open opens the page that --html FILE writes.")
    wanted = Wanted(
        "json" if as_json else "github" if form == "github" else "text",
        junit=junit,
        html=html,
        open=show,
        pager=not no_pager,
        ascii=only_ascii,
    )
    code = compare_tapes(a, b, Comparison(level, ignore, budgets, turn), wanted)
    if code:
        raise SystemExit(code)
