"""docs/cli.md says what `--help` says, and the help says what can be done."""

from rtproxy.cli.main import COMMANDS, rtproxy
from tests.cli.reference import FILE, commands, reference


def test_the_reference_is_up_to_date() -> None:
    written, made = FILE.read_text("utf-8"), reference()
    # Versions of click wrap and indent differently.
    assert written.split() == made.split(), "run python -m tests.cli.reference"


def test_every_command_exists_and_explains_itself() -> None:
    helped = dict(commands(rtproxy, "rtproxy"))
    for name in COMMANDS:
        assert f"rtproxy {name}" in helped
    for name, text in helped.items():
        assert len(text.splitlines()) > 5, name
