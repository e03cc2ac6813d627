"""A project with tests of its own, and a server to record them from."""

import sys
from collections.abc import Iterator

import pytest

from rtproxy.serve import Background
from rtproxy.simulate.scenario import Scenario
from rtproxy.simulate.server import SimulatedServer
from tests.plugin.project import Project

SCENARIO = """
[delays]
first_text = 0

[[reply]]
when = ""
text = "Good day. How can I help?"
"""


@pytest.fixture(scope="session")
def upstream() -> Iterator[str]:
    """The URL of a simulated Realtime server."""
    scenario = Scenario.parse(SCENARIO, "plugin.toml")
    background = Background(lambda: SimulatedServer(scenario))
    background.start()
    yield background.server.url
    background.close()


@pytest.fixture
def project(pytester: pytest.Pytester, upstream: str, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project of a user, outside of any CI."""
    # Its modules are written again within a second, which compiled ones would not notice.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("CI", raising=False)
    return Project(pytester, upstream)
