"""Reports as text for a terminal, and as Markdown for docs/performance.md."""

from collections.abc import Iterator, Sequence

from bench.report import Cell, Report


def as_text(report: Report) -> str:
    """One row: its figures, then its budgets, then remarks."""
    return "\n".join(_text(report))


def as_markdown(reports: Sequence[Report], machine: Sequence[str]) -> str:
    """All rows: the budgets in one table first, then the figures of each row in its own."""
    lines = [*(f"- {line}" for line in machine), ""]
    lines += _table(
        ("row", "what", "budget", "measured", ""),
        [
            (report.name, verdict.what, verdict.budget, str(verdict.figure), verdict.word)
            for report in reports
            for verdict in report.verdicts
        ],
    )
    for report in reports:
        lines += ["", f"**{report.name}**: {report.title}", ""]
        if report.lines:
            cells = [(label, *map(_cell, figures)) for label, figures in report.lines]
            lines += [*_table(("", *report.columns), cells), ""]
        lines += [f"{remark}  " for remark in _remarks(report)]
    return "\n".join(lines).rstrip()


def _text(report: Report) -> Iterator[str]:
    yield f"{report.name}: {report.title}"
    if report.lines:
        yield from _aligned(
            [("", *report.columns)]
            + [(label, *map(_cell, figures)) for label, figures in report.lines]
        )
    yield from _aligned(
        [
            (verdict.word, verdict.what, verdict.budget, str(verdict.figure))
            for verdict in report.verdicts
        ]
    )
    yield from (f"  {remark}" for remark in _remarks(report))


def _remarks(report: Report) -> Iterator[str]:
    if report.skipped:
        yield f"skipped: {report.skipped}"
    if report.failed:
        yield f"could not run: {report.failed}"
    yield from report.notes


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    escaped = ((cell.replace("|", "\\|") for cell in line) for line in lines)
    return [f"| {' | '.join(line)} |" for line in escaped]


def _cell(figure: Cell) -> str:
    return "–" if figure is None else str(figure)
