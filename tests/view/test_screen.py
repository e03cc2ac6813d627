"""Text in so many cells."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from rtproxy.view.screen import Screen, cut, cut_front


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


@pytest.mark.parametrize(("encoding", "shown"), [("latin-1", "> ###"), ("utf-8", "→ ███")])
def test_an_output_without_lines_and_blocks_gets_ascii(encoding: str, shown: str) -> None:
    out = io.BytesIO()
    with io.TextIOWrapper(out, encoding) as text:
        Screen(Console(file=text)).show(["→ ███"], pager=False)
        text.flush()
        assert out.getvalue().decode(encoding) == f"{shown}\n"
