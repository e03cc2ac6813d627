"""`rtproxy tape verify`: whether tapes are as they were written."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtproxy.cli.output import place_of, print_json, say, visible

if TYPE_CHECKING:
    from rtproxy.tape.repair import Report


@click.command()
@click.argument(
    "paths", metavar="TAPE...", type=click.Path(path_type=Path), nargs=-1, required=True
)
@click.option("--secrets", is_flag=True, help="Also search for credentials, and inside base64.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def verify(ctx: click.Context, paths: tuple[Path, ...], secrets: bool, as_json: bool) -> None:
    """Check that each TAPE is sealed and every byte of it is as it was written.

    With --secrets it is also searched for keys by their shape, and for the values of environment
    variables such as OPENAI_API_KEY; what is found is named, never printed. The exit code is 0 when
    all is well, 1 when a tape is damaged, not sealed or holds a credential, 2 when one cannot be
    read.
    """
    from rtproxy.errors import TapeError
    from rtproxy.tape.repair import verify as verify_tape

    code = 0
    reports = []
    for path in paths:
        try:
            report = verify_tape(path)
        except TapeError as error:
            code = max(code, error.exit_code)
            reports.append({"path": str(path), "ok": False, "error": str(error)})
            say(str(error))
            continue
        found = _leaks(path) if secrets else []
        code = max(code, 0 if report.ok and not found else 1)
        reports.append(_report(report) | ({"secrets": found} if secrets else {}))
        if not as_json:
            click.echo(visible(f"{path}: {report}"))
            for lost in report.damage:
                click.echo(f"  {place_of(lost)}")
            for leak in found:
                place = "header" if leak["seq"] is None else f"#{leak['seq']}"
                click.echo(f"  {place}: {leak['what']}")
    if as_json:
        print_json({"schema": "rtproxy.tape.verify/1", "tapes": reports})
    ctx.exit(code)


def _leaks(path: Path) -> list[dict[str, Any]]:
    """What credentials are on a tape: where, and what kind."""
    import os

    from rtproxy.tape.leaks import known_values, leaks
    from rtproxy.tape.reader import open_tape

    with open_tape(path) as tape:
        found = leaks(tape, known_values(os.environ))
        return [{"seq": leak.seq, "what": leak.what} for leak in found]


def _report(report: "Report") -> dict[str, Any]:
    return {
        "path": str(report.path),
        "ok": report.ok,
        "state": "damaged" if report.damaged else report.state,
        "records": report.records,
        "events": report.events,
        "missing": report.missing,
        "sha256_ok": report.sha_ok,
        "damage": [
            {
                "offset": lost.offset,
                "length": lost.length,
                "missing": [lost.missing.start, lost.missing.stop] if lost.missing else None,
                "what": lost.what,
            }
            for lost in report.damage
        ],
        "says": str(report),
    }
