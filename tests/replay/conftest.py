"""What speaks TLS is tested on both event loops."""

from collections.abc import Mapping

import pytest

from tests.loops import ASYNCIO, BOTH, LoopFactory


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    return BOTH if item.path.stem.startswith(("test_tls", "test_forward")) else ASYNCIO
