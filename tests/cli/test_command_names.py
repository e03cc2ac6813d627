"""What is said to a command that does not exist."""

import pytest

from tests.commandline import call_for_text


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["inspec"], "Did you mean 'inspect'?"),
        (["exprot"], "Did you mean 'export'?"),
        (["tape", "verfy"], "Did you mean 'verify'?"),
        (["export", "transcipt"], "Did you mean 'transcript'?"),
        (["frobnicate"], ""),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(words: list[str], hint: str) -> None:
    done = call_for_text(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert said == f"Error: No such command {words[-1]!r}.{' ' if hint else ''}{hint}"
