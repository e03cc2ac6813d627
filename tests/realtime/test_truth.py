"""What is measured of a call is what was scheduled, and what is found in it is what went wrong."""

import pytest

from rtproxy.realtime.metrics import METRICS
from tests.realtime.scenarios import CASES, Case

TOLERANCE_MS = {"wire": 25.0, "vad": 25.0, "est": 30.0}
TAGS = {metric.key: metric.tag for metric in METRICS}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_metrics_are_those_of_the_schedule(case: Case) -> None:
    session = case.session()
    assert len(session.turns) == len(case.turns)
    for turn, scheduled in zip(session.turns, case.turns, strict=True):
        measured = session.measure(turn)
        for key, value in scheduled.items():
            found = measured[key]
            if value is None:
                assert found is None, (turn.n, key)
            else:
                assert found == pytest.approx(value, abs=TOLERANCE_MS[TAGS[key]]), (turn.n, key)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_findings_are_exactly_those_that_are_there(case: Case) -> None:
    session = case.session()
    assert {(finding.code, finding.turn) for finding in session.findings} == case.findings
    assert len(session.findings) == len(case.findings)
    seqs = range(session.events + 2)
    for finding in session.findings:
        assert finding.events
        assert set(finding.events) <= set(seqs)
        assert finding.message.strip()
        assert finding.next.strip()
