"""A short soak; the long one is `make soak`."""

from pathlib import Path

from tests.attacks.soak.run import Soak


async def test_nothing_is_left_of_sessions_with_faults(tmp_path: Path) -> None:
    soak = Soak(tmp_path, sessions=40, seconds=2, warm_s=0.5, longest=1, quiet_s=30)
    report = await soak.run()
    assert report.problems == []
    assert report.verdict.sessions > 60
    assert report.verdict.whole > 20
    assert len(report.verdict.faults) > 30
