"""All that is shared by servers is tested on both event loops."""

from collections.abc import Mapping

from tests.loops import BOTH, LoopFactory


def pytest_asyncio_loop_factories() -> Mapping[str, LoopFactory]:
    return BOTH
