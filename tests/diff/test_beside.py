"""Two tapes read at once are what they are when they are read one after the other."""

from pathlib import Path

import pytest

import rtproxy
from rtproxy.diff import beside
from rtproxy.diff.beside import read_both
from rtproxy.diff.compare import Comparison
from rtproxy.diff.tapes import read_tape
from rtproxy.errors import TapeError
from tests.diff.calls import write
from tests.diff.planting import spoken


@pytest.fixture
def tapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two tapes that differ; all tapes count as large, and there are cores."""
    monkeypatch.setattr(beside, "LARGE", 1)
    monkeypatch.setattr(beside, "_cores", lambda: 2)
    other = spoken()
    other.replace("sunny and warm", "sunny and cold")
    return write(tmp_path / "a.rtape", spoken().records), write(tmp_path / "b.rtape", other.records)


def test_the_same_is_found(tapes: tuple[Path, Path]) -> None:
    first, second = read_both(*tapes, "audio")
    assert first.kept is not None
    assert second.kept is None
    found = Comparison().of(first.session, second.session).to_json()
    alone = Comparison().of(*(read_tape(path, "audio").session for path in tapes)).to_json()
    assert found == alone
    assert [d["path"] for d in found["differences"]] == ["turns[2].responses[0].items[0].text"]
    assert rtproxy.compare(*tapes).to_json() == alone


def test_what_is_said_of_a_tape_is_said_all_the_same(tapes: tuple[Path, Path]) -> None:
    data = bytearray(tapes[1].read_bytes())
    data[len(data) // 2] ^= 1
    tapes[1].write_bytes(data)
    assert read_both(*tapes, "text")[1].damaged == read_tape(tapes[1], "text").damaged == 1


@pytest.mark.parametrize("which", [0, 1])
def test_a_tape_that_is_none(tapes: tuple[Path, Path], which: int) -> None:
    tapes[which].write_bytes(b"not a tape")
    with pytest.raises(TapeError, match=f"{tapes[which].name} is not a tape"):
        read_both(*tapes, "text")


def test_without_an_interpreter(tapes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert read_both(*tapes, "text")[1].kept is not None


def test_nothing_is_imported_from_where_one_stands(
    tapes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of tapes may hold anything."""
    folder = tapes[0].parent
    for name in ("numpy", "rtproxy", "pickle"):
        (folder / f"{name}.py").write_text("open('imported', 'w')\n")
    monkeypatch.chdir(folder)
    assert read_both(*tapes, "text")[1].kept is None
    assert not (folder / "imported").exists()


def test_small_tapes_are_not_worth_a_process(
    tapes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "LARGE", 1 << 26)
    assert read_both(*tapes, "text")[1].kept is not None
