"""A folder of tapes: what is in it at a glance, and names for new ones."""

import sys
from pathlib import Path

import pytest

from rtproxy.errors import NotATapeError, TapeError
from rtproxy.tape.library import Library
from rtproxy.tape.reader import open_tape
from rtproxy.tape.repair import verify
from rtproxy.tape.writer import TapeWriter
from tests.tape.samples import BODY, HEADER, sealed

STARTED = 1_795_231_930_123_456_789


def test_what_is_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.rtape").write_bytes(b"".join(sealed()))
    (tmp_path / "b.rtape").write_bytes(HEADER + BODY[0])
    (tmp_path / "d.rtape").write_text("{}")
    (tmp_path / "e.rtape").mkdir()
    (tmp_path / "other.txt").touch()
    (tmp_path / ".c.rtape.1234.tmp").touch()
    (tmp_path / "f.rtape").symlink_to(tmp_path / "nowhere")
    writer = TapeWriter.create(tmp_path / "c.rtape", {"id": "x"})
    found = {entry.path.name: entry for entry in Library(tmp_path)}
    writer.close()
    assert [(name, entry.state) for name, entry in found.items()] == [
        ("a.rtape", "sealed"),
        ("b.rtape", "crashed"),
        ("c.rtape", "live"),
        ("d.rtape", None),
        ("e.rtape", None),
    ]
    assert found["a.rtape"].summary is not None
    assert found["b.rtape"].summary is None
    assert found["a.rtape"].header is not None
    assert "JSON" in (found["d.rtape"].error or "")
    assert "folder" in (found["e.rtape"].error or "")


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="There is no folder"):
        Library(tmp_path / "none").paths()
    (tmp_path / "file").touch()
    with pytest.raises(TapeError, match="is not a folder"):
        Library(tmp_path / "file").paths()


def test_new_names_are_made_of_time(tmp_path: Path) -> None:
    library = Library(tmp_path / "new")
    path = library.new_path(STARTED)
    assert path == tmp_path / "new" / "20261121-033210-1f9add.rtape"


def test_new_names_sort_by_time_and_are_unique(tmp_path: Path) -> None:
    """Within a second too: several tests may run in one, and each is to get its tape again."""
    library = Library(tmp_path)
    second = STARTED - STARTED % 1_000_000_000
    paths = []
    for started in (0, 1, 1_000, 1_100, 9_000_000, 80_000_000, 400_000_000, 999_999_000, 10**9):
        for _ in range(3):
            path = library.new_path(second + started)
            path.touch()
            paths.append(path)
    assert len(set(paths)) == len(paths)
    assert library.paths() == paths


def test_a_name_that_another_process_was_quicker_to_take_costs_no_tape(tmp_path: Path) -> None:
    tried: list[Path] = []

    def create(path: Path) -> TapeWriter:
        tried.append(path)
        if len(tried) == 1:
            path.write_text("another's")
        return TapeWriter.create(path, {})

    writer = Library(tmp_path).create(STARTED, create)
    writer.close()
    assert sorted(tmp_path.iterdir()) == tried
    assert writer.path == tried[1]
    assert tried[0].read_text() == "another's"


class TestPacked:
    """A tape that is compressed opens wherever one that is not does."""

    @pytest.fixture
    def packed(self, tmp_path: Path) -> Path:
        zstandard = pytest.importorskip("zstandard", reason="packed tapes need zstandard")
        path = tmp_path / "call.rtape.zst"
        path.write_bytes(zstandard.ZstdCompressor().compress(b"".join(sealed())))
        return path

    def test_it_reads_the_same(self, packed: Path) -> None:
        with open_tape(packed) as tape:
            assert tape.state == "sealed"
            assert tape.packed
            assert [scanned.data for scanned in tape.scan()] == sealed()

    def test_it_is_in_the_library(self, packed: Path) -> None:
        (entry,) = Library(packed.parent)
        assert entry.state == "sealed"

    def test_one_that_is_cut_gives_what_is_left(self, packed: Path, tmp_path: Path) -> None:
        import zstandard

        packed.write_bytes(packed.read_bytes()[:8])
        with pytest.raises(NotATapeError, match="cannot be unpacked"):
            open_tape(packed)
        long = b"".join([HEADER, *BODY]) + bytes(range(256)) * 4096
        data = zstandard.ZstdCompressor(level=1).compress(long)
        packed.write_bytes(data[:-10])
        assert verify(packed).records == len(BODY)

    def test_without_zstandard_it_says_what_to_install(
        self, packed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "zstandard", None)
        with pytest.raises(TapeError, match=r"pip install 'rtproxy\[zstd\]'"):
            open_tape(packed)
