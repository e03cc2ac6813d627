"""A tape made of another that does not fit on the disk: one sentence, and nothing is left."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rtproxy.simulate.library import load
from tests.commandline import call_for_text
from tests.realtime.simulated import call_records
from tests.tapes import write_tape

MADE = {
    "pack": ("tape", "pack", "call.rtape", "-o", "made.rtape.zst"),
    "cut": ("tape", "cut", "call.rtape", "--turn", "1", "-o", "made.rtape"),
    "redact": ("tape", "redact", "call.rtape", "--words", "-o", "made.rtape"),
    "repair": ("tape", "repair", "call.rtape", "-o", "made.rtape"),
    "repair of a damaged one": ("tape", "repair", "damaged.rtape", "-o", "made.rtape"),
    "import": ("import", "call.jsonl", "-o", "made.rtape"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tapes")
    tape = write_tape(folder / "call.rtape", call_records(load("support-call")))
    damaged = bytearray(tape.read_bytes())
    damaged[5_000] ^= 1
    (folder / "damaged.rtape").write_bytes(damaged)
    words = ("export", "jsonl", "call.rtape", "-o", "call.jsonl")
    assert call_for_text(*words, cwd=folder).returncode == 0
    return folder


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("words", MADE.values(), ids=MADE)
def test_it_is_one_sentence_about_the_tape_that_was_asked_for(
    folder: Path, words: tuple[str, ...]
) -> None:
    before = sorted(folder.iterdir())
    with files_of_at_most(20_000):
        done = call_for_text(*words, cwd=folder)
    assert done.stderr == f"rtproxy: Cannot write {words[-1]}: File too large.\n"
    assert done.returncode == 2
    assert sorted(folder.iterdir()) == before
