"""docs/metrics.md says what the code does."""

from pathlib import Path

import pytest

from rtproxy.realtime import thresholds
from rtproxy.realtime.findings import CODES
from rtproxy.realtime.metrics import METRICS, Metric
from tests.realtime.comparison import table

GUIDE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in GUIDE.splitlines()]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.key)
def test_every_metric_is_defined_with_unit_and_tag(metric: Metric) -> None:
    assert [f"`{metric.key}`", metric.unit, metric.tag] in [row[:3] for row in ROWS]


def test_every_finding_is_explained() -> None:
    explained = [row[0].strip("`") for row in ROWS if len(row) == 4 and "-" in row[0]]
    assert [code for code in explained if code in CODES] == list(CODES)


def test_every_threshold_is_told_with_its_value() -> None:
    values = {name: value for name, value in vars(thresholds).items() if name.endswith("_MS")}
    told = {row[0].strip("`"): row[1] for row in ROWS if len(row) == 3}
    assert {name: told.get(name) for name in values} == {
        name: f"{value:,.0f}" for name, value in values.items()
    }


def test_the_table_is_what_is_measured() -> None:
    """`python -m tests.realtime.comparison` prints the one that belongs there."""
    assert "\n".join(table()) in GUIDE
