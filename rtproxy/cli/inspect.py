"""`rtproxy inspect`: what happened in a call, and what is on a tape."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rtproxy.inspect.following import Following
    from rtproxy.inspect.printing import Wanted
    from rtproxy.inspect.tui.request import Request
    from rtproxy.realtime.finding import Severity
    from rtproxy.realtime.session import Session
    from rtproxy.tape.reader import Tape

SHOWN_DAMAGE = 10
INTERRUPTED = 130
"""Exit code after Ctrl-C, as of any program that it ends."""


@click.command(
    epilog="""\b
A filter is made of terms. Between blanks all must hold; between commas or | any
(they bind closer than blanks); ! or not in front turns it around; ( ) group.
\b
  response.*  error  speech_started   type: a glob, or whole dotted parts of it
  client  server  >  <                who sent it
  t>2.5  t<800ms  2s..5s  1m30s..     when, from the start of the tape
  #120  #100..200  seq>100            which, by number
  turn:2  turn:2..4  turn>2           in or about which turn
  "some words"  text:word             text in it, in any case; audio is left out
\b
  rtproxy inspect call.rtape --filter 'server error,response.done'
  rtproxy inspect call.rtape --filter '!*.delta,*.append t>10s'
  rtproxy inspect call.rtape --filter 'turn:2 !*.delta,*.append'
  rtproxy inspect call.rtape --ndjson | jq -r 'select(.type == "error") | .event.error'
  rtproxy inspect recordings/ --follow
  rtproxy inspect call.rtape --html call.html --open
  rtproxy inspect call.rtape --tui
"""
)
@click.argument("tape", type=click.Path(path_type=Path))
@click.option("--events", is_flag=True, help="List the events.")
@click.option("--no-fold", is_flag=True, help="List each delta and append on a line of its own.")
@click.option("--filter", "expression", metavar="EXPR", help="List only these events; see below.")
@click.option("--turn", type=click.IntRange(1), metavar="N", help="Show only the Nth turn.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document with the listing.")
@click.option("--ndjson", "as_ndjson", is_flag=True, help="Print each event as a line of JSON.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the call as one HTML page, to look at and listen to.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page, written anywhere or to FILE.")
@click.option("--tui", is_flag=True, help="Look around in the call: lanes, turns, events.")
@click.option("--follow", is_flag=True, help="Go on while the tape is being recorded.")
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
    html: Path | None,
    opens: bool,
    tui: bool,
    follow: bool,
    fail_on: "Severity | None",
    only_ascii: bool,
    no_pager: bool,
) -> None:
    """Show what happened in a call: how it went, turn by turn, and what went wrong.

    Lanes over one axis of time, a table of turns with their latencies, and the findings: what was
    wrong, which events show it, what to do. What is no call is listed event by event, and so is any
    tape with --events, --filter or --no-fold: runs of deltas are folded into one line. On a
    terminal what is long goes through your PAGER; elsewhere it is plain text.

    With --follow it goes on while the tape is being recorded, until it is sealed; on a terminal the
    view is drawn again as the call goes on. Of a folder it takes the session that is being recorded
    there, or waits for the next one. Ctrl-C ends it with 130.

    With --html it prints nothing and writes a page that needs no network: lanes with waveforms,
    playback of both sides, transcript, turns, findings, and every event. Audio over 20 MB lies in a
    folder beside it.

    With --tui you look around in it on the terminal; press ? there for the keys.

    Exits with 1 when the tape is damaged (what is sound is shown, and what is missing is said),
    when it breaks off while it is followed, or with --fail-on when there is such a finding.
    """
    from rtproxy.inspect.filter import parse_filter
    from rtproxy.inspect.printing import Wanted
    from rtproxy.inspect.tui.request import Request

    listed = events or no_fold or expression is not None
    _check_views(as_json, as_ndjson, html is not None or opens, tui, only_ascii)
    if expression is not None:
        parse_filter(expression, lambda _: ())  # what is wrong with it is said first
    if tui:
        request = Request(expression or "", turn, not no_fold, listed, follow)
        raise SystemExit(_browse(tape, request, fail_on))
    if html is not None or opens:
        if listed or turn is not None or follow:
            raise click.UsageError("--html writes the whole call; use it without other views.")
        if code := _page(tape, html, opens, fail_on):
            raise SystemExit(code)
        return
    wanted = Wanted(
        "ndjson" if as_ndjson else "json" if as_json else "table" if listed else "view",
        expression,
        turn,
        fold=not no_fold,
        pager=not no_pager,
        ascii=only_ascii,
        judged=fail_on is not None,
    )
    code = (_follow if follow else _print)(tape, wanted, fail_on)
    if code:
        raise SystemExit(code)


def _check_views(as_json: bool, as_ndjson: bool, page: bool, tui: bool, only_ascii: bool) -> None:
    """Raise UsageError for views that cannot be had together."""
    if as_json + as_ndjson + page + tui > 1:
        raise click.UsageError("Choose one of --json, --ndjson, --html and --tui.")
    if tui and only_ascii:
        raise click.UsageError("--ascii is for text; --tui draws with more.")


def _print(path: Path, wanted: "Wanted", fail_on: "Severity | None") -> int:
    """Print a tape as it is; return the exit code."""
    from rtproxy.inspect.printing import Printer
    from rtproxy.tape.reader import open_tape

    with open_tape(path) as tape:
        printer = Printer(tape, wanted)
        printer.show()
        _tell_state(tape)
        return _judge(tape, printer.session, fail_on)


def _page(path: Path, html: Path | None, opens: bool, fail_on: "Severity | None") -> int:
    """Write a tape's page, and open it if wanted; return the exit code."""
    from rtproxy.cli.page import show, write
    from rtproxy.tape.reader import open_tape

    with open_tape(path) as tape:
        written = write(tape, html)
        if opens:
            show(written.page)
        _tell_state(tape)
        return _judge(tape, written.session, fail_on)


def _browse(path: Path, request: "Request", fail_on: "Severity | None") -> int:
    """Look around in a tape, or in the newest of a folder; return the exit code."""
    from rtproxy.cli.browsing import browse
    from rtproxy.inspect.following import Interrupt, newest
    from rtproxy.realtime.session import Session
    from rtproxy.tape.reader import open_tape

    found: Path | None = path
    if request.follow and path.is_dir():
        with Interrupt() as interrupt:
            found = newest(path, interrupt, _say)
    if found is None:
        return INTERRUPTED
    with open_tape(found) as tape:
        session = browse(tape, request)
        _tell_state(tape)
        if session is None and fail_on is not None:
            session = Session.from_tape(tape)
        return _judge(tape, session, fail_on)


def _follow(path: Path, wanted: "Wanted", fail_on: "Severity | None") -> int:
    """Print a tape, or the newest of a folder, as it comes; return the exit code."""
    from rtproxy.inspect.following import Following, Interrupt, is_unread, newest
    from rtproxy.inspect.printing import Printer
    from rtproxy.tape.reader import open_tape

    with Interrupt() as interrupt:
        found = newest(path, interrupt, _say) if path.is_dir() else path
        if found is None:
            return interrupt.code
        with open_tape(found) as tape:
            following = Following(tape, interrupt, is_unread)
            printer = Printer(tape, wanted, following)
            printer.show()
            if following.state == "live" and not interrupt.asked:
                return 0  # whoever read our output has seen enough
            _tell_end(tape, following)
            code = _judge(tape, printer.session, fail_on)
            if following.state == "live":
                return interrupt.code
            return 1 if following.broke_off else code


def _judge(tape: "Tape", session: "Session | None", fail_on: "Severity | None") -> int:
    """1 if the tape is damaged, or there are findings that are that severe, which is said."""
    code = 1 if tape.damage else 0
    if fail_on is None or session is None:
        return code
    found = [finding for finding in session.findings if finding.is_at_least(fail_on)]
    if not found:
        return code
    codes = ", ".join(dict.fromkeys(finding.code for finding in found))
    _say(f"Findings of severity {fail_on} or higher: {len(found)} ({codes}).")
    return 1


def _tell_end(tape: "Tape", following: "Following") -> None:
    """Say on stderr how following a tape has ended, unless it was sealed in order."""
    from rtproxy.tape.escape import visible

    name, so_far = visible(str(tape.path)), _so_far(following)
    if following.state == "live":
        _say(f"{name} is still being recorded; it was followed {so_far}.")
    elif following.broke_off:
        _say(
            f"{name} broke off {so_far}: whatever recorded it has ended without sealing it; "
            "`rtproxy tape repair` makes a sealed tape of it."
        )
        _tell_damage(tape)
    else:
        _tell_state(tape)


def _so_far(following: "Following") -> str:
    summary = following.summary
    records = "1 record" if summary.records == 1 else f"{summary.records:,} records"
    return f"up to {summary.duration_ns / 1e9:.3f} s, {records}"


def _tell_state(tape: "Tape") -> None:
    """Say on stderr what a reader of the listing may not notice."""
    from rtproxy.tape.escape import visible

    if tape.state == "crashed":
        _say(
            f"{visible(str(tape.path))} is not sealed, its recording broke off; "
            f"`rtproxy tape repair` makes a sealed tape of it."
        )
    _tell_damage(tape)


def _tell_damage(tape: "Tape") -> None:
    from rtproxy.inspect.overview import damage_line
    from rtproxy.tape.escape import visible

    name = visible(str(tape.path))
    for lost in tape.damage[:SHOWN_DAMAGE]:
        _say(f"{name} is damaged: {visible(damage_line(lost))}")
    if len(tape.damage) > SHOWN_DAMAGE:
        _say(f"… and in {len(tape.damage) - SHOWN_DAMAGE} more places.")


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)
