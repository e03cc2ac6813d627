"""`rtproxy inspect`: what happened in a call, and what is on a tape."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rtproxy.inspect.filter import Predicate
    from rtproxy.inspect.overview import Overview
    from rtproxy.realtime.finding import Severity
    from rtproxy.tape.reader import Tape

SHOWN_DAMAGE = 10


@click.command(
    epilog="""\b
A filter is made of terms. Between blanks all must hold; between commas or | any
(they bind closer than blanks); ! or not in front turns it around; ( ) group.
\b
  response.*  error  speech_started   type: a glob, or whole dotted parts of it
  client  server  >  <                who sent it
  t>2.5  t<800ms  2s..5s  1m30s..     when, from the start of the tape
  #120  #100..200  seq>100            which, by number
  "some words"  text:word             text in it, in any case; audio is left out
\b
  rtproxy inspect call.rtape --filter 'server error,response.done'
  rtproxy inspect call.rtape --filter '!*.delta,*.append t>10s'
  rtproxy inspect call.rtape --ndjson | jq -r 'select(.type == "error") | .event.error'
"""
)
@click.argument("tape", type=click.Path(path_type=Path))
@click.option("--events", is_flag=True, help="List the events.")
@click.option("--no-fold", is_flag=True, help="List each delta and append on a line of its own.")
@click.option("--filter", "expression", metavar="EXPR", help="List only these events; see below.")
@click.option("--turn", type=click.IntRange(1), metavar="N", help="Show the Nth turn alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document with the listing.")
@click.option("--ndjson", "as_ndjson", is_flag=True, help="Print each event as a line of JSON.")
@click.option(
    "--fail-on",
    type=click.Choice(["info", "warning", "error"]),
    help="Exit with 1 when there is a finding of this severity or a higher one.",
)
@click.option("--ascii", "only_ascii", is_flag=True, help="Draw with ASCII characters alone.")
@click.option("--no-pager", is_flag=True, help="Print at once, however long it is.")
def inspect(
    tape: Path,
    events: bool,
    no_fold: bool,
    expression: str | None,
    turn: int | None,
    as_json: bool,
    as_ndjson: bool,
    fail_on: "Severity | None",
    only_ascii: bool,
    no_pager: bool,
) -> None:
    """Show what happened in a call: how it went, turn by turn, and what went wrong.

    Lanes over one axis of time, a table of turns with their latencies, and the findings: what was
    wrong, which events show it, what to do. What is no call is listed event by event, and so is any
    tape with --events, --filter or --no-fold: runs of deltas are folded into one line. On a
    terminal what is long goes through your PAGER; elsewhere it is plain text.

    Exits with 1 when the tape is damaged (what is sound is shown, and what is missing is said), or
    with --fail-on when there is such a finding.
    """
    from rtproxy.inspect.filter import parse_filter
    from rtproxy.tape.reader import open_tape

    listed = events or no_fold or expression is not None
    if as_json and as_ndjson:
        raise click.UsageError("Choose one of --json and --ndjson.")
    if turn is not None and (listed or as_json or as_ndjson):
        raise click.UsageError("--turn is for the view of the call, not for its events or JSON.")
    keep = None if expression is None else parse_filter(expression)
    with open_tape(tape) as opened:
        if as_ndjson:
            _print_ndjson(opened, keep)
        elif as_json:
            _print_json(opened, keep, fold=not no_fold)
        elif listed:
            _print_table(opened, keep, not no_fold, not no_pager, only_ascii)
        else:
            _print_view(opened, turn, not no_pager, only_ascii)
        _tell_state(opened)
        failed = bool(opened.damage)
        if fail_on is not None:
            failed = _tell_findings(opened, fail_on) or failed
    if failed:
        raise SystemExit(1)


def _print_ndjson(tape: "Tape", keep: "Predicate | None") -> None:
    from rtproxy.inspect.document import ndjson
    from rtproxy.inspect.overview import records

    _write(ndjson(records(tape), keep))


def _print_json(tape: "Tape", keep: "Predicate | None", fold: bool) -> None:
    from rtproxy.inspect.document import document, told
    from rtproxy.inspect.listing import Listing
    from rtproxy.inspect.overview import records, survey
    from rtproxy.realtime.session import Session

    session = Session()
    session.take(tape.header)
    overview = survey(tape, str(tape.path))

    def make() -> "Overview":
        damage = list(tape.damage)
        return replace(overview, damage=damage, state="damaged" if damage else tape.state)

    rows = Listing(keep, fold).rows(told(records(tape), session))
    _write(document(make, rows, session))


def _print_table(
    tape: "Tape", keep: "Predicate | None", fold: bool, pager: bool, only_ascii: bool
) -> None:
    from rich.console import Console

    from rtproxy.inspect.listing import Listing
    from rtproxy.inspect.overview import records, survey
    from rtproxy.inspect.terminal import Terminal

    rows = Listing(keep, fold).rows(records(tape))
    with _until_unread():
        terminal = Terminal(Console(), ascii=only_ascii)
        terminal.show(survey(tape, str(tape.path)), rows, fold, pager)


def _print_view(tape: "Tape", turn: int | None, pager: bool, only_ascii: bool) -> None:
    from rich.console import Console

    from rtproxy.inspect.listing import Listing
    from rtproxy.inspect.overview import READ_AT_ONCE, records, survey
    from rtproxy.inspect.screen import Screen
    from rtproxy.inspect.terminal import Terminal
    from rtproxy.inspect.timeline import Moments
    from rtproxy.inspect.view import View
    from rtproxy.realtime.session import Session

    overview, moments = survey(tape, str(tape.path)), Moments()
    # Levels take time, which a long tape has none to spare of before it is shown.
    session = Session(levels=tape.size <= READ_AT_ONCE)
    session.take(tape.header)
    for record in moments.note(tape):
        session.take(record)
    overview = replace(overview, damage=list(tape.damage))
    if tape.damage:
        overview = replace(overview, state="damaged")
    chosen = session.turns.number(turn)
    if turn is not None and chosen is None:
        raise click.UsageError(f"There is no turn {turn}: the tape has {len(session.turns)}.")
    with _until_unread():
        screen = Screen(Console(), only_ascii)
        view = View(screen, overview, session, moments, turn=chosen)
        if session.turns.all:
            screen.show(view.lines(), pager)
        else:
            rows = Listing().rows(records(tape))
            terminal = Terminal(Console(), ascii=only_ascii)
            terminal.show(overview, rows, True, pager, view.without_turns())


def _tell_findings(tape: "Tape", severity: "Severity") -> bool:
    """Say on stderr how many findings are that severe; False for none."""
    from rtproxy.realtime.session import Session

    found = [f for f in Session.from_tape(tape).findings if f.is_at_least(severity)]
    if found:
        codes = ", ".join(dict.fromkeys(f.code for f in found))
        click.echo(f"Findings of severity {severity} or higher: {len(found)} ({codes}).", err=True)
    return bool(found)


def _tell_state(tape: "Tape") -> None:
    """Say on stderr what a reader of the listing may not notice."""
    from rtproxy.inspect.overview import damage_line
    from rtproxy.tape.escape import visible

    name = visible(str(tape.path))
    if tape.state == "crashed":
        click.echo(
            f"{name} is not sealed, its recording broke off; "
            f"`rtproxy tape repair` makes a sealed tape of it.",
            err=True,
        )
    for lost in tape.damage[:SHOWN_DAMAGE]:
        click.echo(f"{name} is damaged: {visible(damage_line(lost))}", err=True)
    if len(tape.damage) > SHOWN_DAMAGE:
        click.echo(f"… and in {len(tape.damage) - SHOWN_DAMAGE} more places.", err=True)


def _write(pieces: Iterable[bytes]) -> None:
    with _until_unread():
        stdout = sys.stdout.buffer
        for piece in pieces:
            stdout.write(piece)
        stdout.flush()


@contextmanager
def _until_unread() -> Iterator[None]:
    """Print while somebody reads; when `head` or a pager has seen enough, end quietly."""
    stdout: object = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")  # for terminals that are not UTF-8
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in Python's buffer must go somewhere when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
