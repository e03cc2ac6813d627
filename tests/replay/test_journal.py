"""The journal of a server that runs for long: it says how each connection went, in little room."""

from rtproxy.replay.journal import FEW, WHOLE, Journal
from rtproxy.replay.outcome import Outcome
from rtproxy.replay.report import Place, Report
from rtproxy.replay.selection import Shelf


def left_early(events: int) -> Outcome:
    """A client that has left at the beginning, after it said something odd."""
    places = tuple(Place(n, n, "response.output_audio.delta") for n in range(events))
    early = Report("early disconnect", "left", received={"odd": "." * 1000}, waiting=places)
    return Outcome(reports=(early,), warnings=(early,) * events, undelivered=places)


def test_what_clients_that_leave_leave_over_does_not_pile_up() -> None:
    journal = Journal(Shelf([]), all_required=False)
    for _ in range(3 * WHOLE):
        journal.end(journal.begin("GET /v1/realtime", "websocket", "a.rtape"), left_early(500))
    outcomes = [entry.finish() for entry in journal.entries]
    assert len(outcomes) == 3 * WHOLE
    assert all(len(one.undelivered) == len(one.warnings) == 500 for one in outcomes[-WHOLE:])
    for one in outcomes[:-WHOLE]:
        assert len(one.undelivered) == len(one.warnings) == FEW
        for report in one.reports + one.warnings:
            assert len(report.waiting) == FEW
            assert "received" not in report.to_json()
            assert report.message == "left"
    assert not any(entry.ok for entry in journal.entries)
    assert {entry.state for entry in journal.entries} == {"over"}
