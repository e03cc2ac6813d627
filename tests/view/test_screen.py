"""Text in so many cells."""

import pytest
from rich.cells import cell_len

from rtproxy.view.screen import cut, cut_front


@pytest.mark.parametrize(
    ("text", "width", "front", "end"),
    [
        ("call.rtape", 10, "call.rtape", "call.rtape"),
        ("recordings/call.rtape", 11, "…call.rtape", "recordings…"),
        ("録音/通話", 6, "…/通話", "録音/…"),
        ("call", 1, "…", "…"),
    ],
)
def test_what_is_too_long_is_cut(text: str, width: int, front: str, end: str) -> None:
    assert cut_front(text, width) == front
    assert cut(text, width) == end
    assert cell_len(front) <= width
    assert cell_len(end) <= width
