"""A stream that may fail without a word."""

import io
import subprocess
import sys
from pathlib import Path

from rtproxy.cli.outlet import Outlet

LEFT_OVER = """
import io
from rtproxy.cli.outlet import Outlet
stream = io.StringIO()
outlet = Outlet(stream)
outlet.write("words")
stream.close()
outlet.circle = outlet  # so that it lasts until the interpreter ends
"""


def test_what_cannot_be_written_goes_nowhere(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        outlet = Outlet(stream)
        outlet.write("before\n")
        outlet.flush()
    assert outlet.write("after\n") == len("after\n")
    outlet.flush()
    assert (tmp_path / "log").read_text() == "before\n"


def test_it_closes_nothing_that_is_not_its_own() -> None:
    stream = io.StringIO()
    Outlet(stream).close()
    stream.write("still open")


def test_one_that_is_left_over_at_the_end_says_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LEFT_OVER], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
