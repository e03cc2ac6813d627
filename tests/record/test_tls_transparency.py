"""With TLS on one side of the proxy or on both, the ends see what they see without it."""

from pathlib import Path
from typing import cast

import pytest

from rtproxy.net import tap
from tests.record import test_transparency, wirekit
from tests.record.tlskit import Where, way_with_tls

HALF_CLOSED = "test_half_close_leaves_the_other_direction_open"
"""TLS as event loops have it ends in both directions at once."""

for _name, _test in vars(test_transparency).items():
    if _name.startswith("test_") and _name != HALF_CLOSED:
        globals()[_name] = _test


@pytest.fixture(params=["client", "server", "both"], autouse=True)
def way(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> wirekit.Way:
    folder: Path = tmp_path_factory.mktemp("authorities")
    way = way_with_tls(cast(Where, request.param), folder)
    monkeypatch.setattr(wirekit, "way", way)
    monkeypatch.setattr(tap, "LINGER_S", 0.1)
    monkeypatch.setattr(test_transparency, "LONG", 4 * 2**20)  # many records of TLS
    return way
