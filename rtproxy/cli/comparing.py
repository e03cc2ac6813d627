"""Tapes compared, and what is printed and written of it."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import orjson

from rtproxy.diff.annotations import annotations, set_annotations
from rtproxy.diff.beside import read_both
from rtproxy.diff.compare import Comparison
from rtproxy.diff.difference import Diff
from rtproxy.diff.distribution import SetDiff, SetPair, gather
from rtproxy.diff.tapes import Match, Recording, match_tapes, read_tape, times_of
from rtproxy.errors import DiffError, TapeError
from rtproxy.tape.dump import harmless
from rtproxy.tape.escape import visible

if TYPE_CHECKING:
    from rtproxy.diff.page.document import Assets, Sides


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be printed and written."""

    form: Literal["text", "json", "github"] = "text"
    junit: Path | None = None
    html: Path | None = None
    open: bool = False
    pager: bool = True
    ascii: bool = False


def compare_tapes(a: Path, b: Path, comparison: Comparison, wanted: Wanted) -> int:
    """Compare two tapes or two folders of them; return the exit code. Raises RtproxyError."""
    if wanted.html is not None:
        from rtproxy.view.file import refuse

        refuse(wanted.html)  # said before all the work, not after it
    if a.is_dir() or b.is_dir():
        return _compare_sets(a, b, comparison, wanted)
    if wanted.html is None:
        first, second = read_both(a, b, comparison.level)
        _warn(first)
        _warn(second)
    else:
        first, second = _read(a, comparison), _read(b, comparison)
    diff = comparison.of(first.session, second.session)
    if wanted.html is not None:
        from rtproxy.diff.page.document import page

        _write_page(page(diff, _sides(diff, first, second), _assets()), wanted)
    _write_junit(diff, wanted)
    _print(diff, wanted, a, b)
    return 1 if diff or first.damaged or second.damaged else 0


@dataclass(slots=True)
class _Sets:
    """Pairs that were compared; the recordings of those that differ, if there is to be a page."""

    diff: SetDiff
    recordings: dict[str, tuple[Recording, Recording]] = field(default_factory=dict)
    damaged: bool = False
    failed: bool = False


def _compare_sets(a: Path, b: Path, comparison: Comparison, wanted: Wanted) -> int:
    sets = _pairs(match_tapes(a, b), comparison, keep=wanted.html is not None)
    diff = sets.diff
    if wanted.html is not None:
        from rtproxy.diff.page.document import set_page

        diffs = {pair.name: pair.diff for pair in diff.pairs}
        sides = {name: _sides(diffs[name], *both) for name, both in sets.recordings.items()}
        _write_page(set_page(diff, str(a), str(b), sides, _assets()), wanted)
    _write_junit(diff, wanted)
    _print(diff, wanted, a, b)
    if sets.failed:
        return 2
    return 1 if diff or sets.damaged else 0


def _pairs(matches: Sequence[Match], comparison: Comparison, keep: bool) -> _Sets:
    """Compare what has the same name, one pair after the other; what cannot be read is said."""
    pairs: list[SetPair] = []
    sets = _Sets(SetDiff(comparison.level))
    only_a = tuple(match.name for match in matches if match.b is None)
    only_b = tuple(match.name for match in matches if match.a is None)
    for match in matches:
        if match.a is None or match.b is None:
            continue
        try:
            first, second = _read(match.a, comparison), _read(match.b, comparison)
            diff = comparison.of(first.session, second.session, judge=False)
        except (TapeError, DiffError) as error:
            _say(f"{match.name}: {error}")
            sets.failed = True
            continue
        sets.damaged = sets.damaged or bool(first.damaged or second.damaged)
        pairs.append(SetPair(match.name, diff))
        if keep and diff:
            sets.recordings[match.name] = first, second
    sets.diff = gather(comparison.level, pairs, only_a, only_b, comparison.budgets)
    return sets


def _sides(diff: Diff, first: Recording, second: Recording) -> "Sides":
    """Both sessions as they are drawn: with the times of the events that differ."""
    from rtproxy.diff.page.lanes import Side

    a = {d.a_seq for d in diff.differences if d.a_seq is not None}
    b = {d.b_seq for d in diff.differences if d.b_seq is not None}
    return (
        Side(first.reading, times_of(first.path, a)),
        Side(second.reading, times_of(second.path, b)),
    )


def _read(path: Path, comparison: Comparison) -> Recording:
    """Read a tape, and say on stderr what may not be noticed. Raises TapeError."""
    recording = read_tape(path, comparison.level)
    _warn(recording)
    return recording


def _warn(recording: Recording) -> None:
    """Say on stderr what may not be noticed."""
    name = str(recording.path)
    if recording.damaged:
        places = "one place" if recording.damaged == 1 else f"{recording.damaged} places"
        _say(f"{name} is damaged in {places}: what is missing there is not compared.")
    elif recording.state != "sealed":
        why = "is being recorded" if recording.state == "live" else "is not sealed"
        _say(f"{name} {why}: what is on it is compared.")


# What is written.


def _write_junit(diff: Diff | SetDiff, wanted: Wanted) -> None:
    if wanted.junit is None:
        return
    from rtproxy.diff.junit import junit
    from rtproxy.view.file import write_file

    when = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    try:
        write_file(wanted.junit, junit(diff, when))
    except OSError as error:
        raise DiffError(f"{wanted.junit} cannot be written: {error.strerror}.") from None


def _assets() -> "Assets":
    from rtproxy.diff.page.writer import read_assets

    return read_assets()


def _write_page(page: bytes, wanted: Wanted) -> None:
    from rtproxy.view.file import write_page

    assert wanted.html is not None
    write_page(wanted.html, page)
    _say(f"{wanted.html} has the page.")
    if wanted.open:
        click.launch(str(wanted.html))


# What is printed.


def _print(diff: Diff | SetDiff, wanted: Wanted, a: Path, b: Path) -> None:
    with _until_unread():
        if wanted.form == "json":
            sys.stdout.buffer.write(harmless(orjson.dumps(diff.to_json())) + b"\n")
            sys.stdout.buffer.flush()
        elif wanted.form == "github":
            lines = annotations(diff) if isinstance(diff, Diff) else set_annotations(diff)
            for line in lines:
                print(line)  # noqa: T201
        else:
            _show(diff, wanted, a, b)


def _show(diff: Diff | SetDiff, wanted: Wanted, a: Path, b: Path) -> None:
    from rich.console import Console

    from rtproxy.diff.terminal import Terminal
    from rtproxy.view.screen import Screen

    screen = Screen(Console(), wanted.ascii)
    terminal = Terminal(screen)
    if isinstance(diff, Diff):
        lines = terminal.lines(diff)
    else:
        lines = terminal.set_lines(diff, str(a), str(b))
    screen.show(lines, wanted.pager)


@contextlib.contextmanager
def _until_unread() -> Iterator[None]:
    """Print while somebody reads; when `head` or a pager has seen enough, go on quietly."""
    stdout: object = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")  # not every terminal is UTF-8
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in Python's buffer must go somewhere when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(sentence: str) -> None:
    click.echo(f"rtproxy: {visible(sentence)}", err=True)
