"""docs/cli.md says what `--help` says, and the help says what can be done."""

import subprocess
import sys

from rtproxy.cli.main import COMMANDS, rtproxy
from tests.cli.reference import FILE, commands


def test_the_reference_is_up_to_date() -> None:
    # In a process of its own: click remembers help options of earlier contexts.
    ran = subprocess.run(
        [sys.executable, "-m", "tests.cli.reference"],
        cwd=FILE.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    # Versions of click wrap and indent differently.
    assert FILE.read_text("utf-8").split() == ran.stdout.split(), (
        "run python -m tests.cli.reference > docs/cli.md"
    )


def test_every_command_exists_and_explains_itself() -> None:
    helped = dict(commands(rtproxy, "rtproxy"))
    for name in COMMANDS:
        assert f"rtproxy {name}" in helped
    for name, text in helped.items():
        assert len(text.splitlines()) > 5, name
