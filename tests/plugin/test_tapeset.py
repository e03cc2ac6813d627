"""The tapes of one test on disk: found, replaced, and whole whatever happens."""

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rtproxy.errors import TapeError
from rtproxy.pytest_plugin.tapeset import TapeSet, new_stage, sweep, tapes_in


def new(folder: Path, *texts: str) -> list[Path]:
    """Tapes, as far as their names go, on a stage beside the set."""
    stage = new_stage(folder)
    for number, text in enumerate(texts):
        (stage / f"2026-{number:03}.rtape").write_text(text)
    return tapes_in(stage)


def texts(tapes: TapeSet) -> list[str]:
    return [path.read_text() for path in tapes.paths()]


@pytest.mark.parametrize("before", [["a"], ["a", "b"], ["a", "b", "c"], []])
@pytest.mark.parametrize("after", [["x"], ["x", "y"]])
def test_any_set_replaces_any_other(tmp_path: Path, before: list[str], after: list[str]) -> None:
    tapes = TapeSet(tmp_path / "greeting")
    if before:
        tapes.replace(new(tmp_path, *before))
    assert texts(tapes) == before
    tapes.replace(new(tmp_path, *after))
    assert texts(tapes) == after
    assert (tmp_path / "greeting.rtape").exists() == (len(after) == 1)
    assert (tmp_path / "greeting").exists() == (len(after) > 1)
    assert not list(tmp_path.glob(".greeting*"))


@pytest.mark.parametrize("before", [["a"], ["a", "b"]])
def test_tapes_are_added(tmp_path: Path, before: list[str]) -> None:
    tapes = TapeSet(tmp_path / "greeting")
    tapes.replace(new(tmp_path, *before))
    tapes.replace([*tapes.paths(), *new(tmp_path, "x")])
    assert texts(tapes) == [*before, "x"]


def test_a_hundred_tapes_and_more_stay_in_order(tmp_path: Path) -> None:
    tapes = TapeSet(tmp_path / "calls")
    numbers = [str(number) for number in range(98)]
    tapes.replace(new(tmp_path, *numbers))
    for number in ("98", "99", "100"):
        tapes.replace([*tapes.paths(), *new(tmp_path, number)])
    assert texts(tapes) == [*numbers, "98", "99", "100"]


def test_a_packed_tape_is_found_and_replaced(tmp_path: Path) -> None:
    packed = tmp_path / "greeting.rtape.zst"
    packed.write_text("packed")
    tapes = TapeSet(tmp_path / "greeting")
    assert tapes.paths() == [packed]
    tapes.replace([packed, *new(tmp_path, "x")])
    assert [path.name for path in tapes.paths()] == ["01.rtape.zst", "02.rtape"]
    tapes.replace(new(tmp_path, "y"))
    assert [path.name for path in tapes.paths()] == ["greeting.rtape"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("before", [["a"], ["a", "b"]])
@pytest.mark.parametrize("after", [["x"], ["x", "y"]])
@pytest.mark.parametrize("step", range(8))
def test_killed_at_any_step_it_is_the_old_set_or_the_new_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: list[str],
    after: list[str],
    step: int,
) -> None:
    tapes = TapeSet(tmp_path / "greeting")
    tapes.replace(new(tmp_path, *before))
    prepared = new(tmp_path, *after)
    steps = iter(range(100))

    def dying(do: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if next(steps) == step:
                raise Killed
            return do(*args, **kwargs)

        return wrapped

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink"):
            patch.setattr(Path, name, dying(getattr(Path, name)))
        patch.setattr(shutil, "rmtree", dying(shutil.rmtree))
        try:
            tapes.replace(prepared)
        except Killed:
            pass
        else:
            assert texts(tapes) == after
    assert texts(tapes) in (before, after)
    assert texts(tapes) in (before, after)
    tapes.replace(new(tmp_path, "z"))
    assert texts(tapes) == ["z"]
    assert not list(tmp_path.glob(".greeting*"))


def test_readers_see_a_whole_set_while_it_is_replaced(tmp_path: Path) -> None:
    tapes = TapeSet(tmp_path / "greeting")
    tapes.replace(new(tmp_path, "a", "b"))
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(len(tapes.paths()))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(60):
            tapes.replace(new(tmp_path, *"xyz"[: 1 + number % 3]))
    finally:
        done.set()
        reader.join()
    assert seen
    assert set(seen) <= {1, 2, 3}


def test_stages_of_dead_runs_are_swept_and_no_others(tmp_path: Path) -> None:
    mine = new_stage(tmp_path)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    host = mine.name.split("~")[0]
    dead = tmp_path / f"{host}~{child}~abcd"
    elsewhere = tmp_path / f"{host}-too~{child}~abcd"
    for stage in (dead, elsewhere):
        stage.mkdir()
        (stage / "a.rtape").touch()
    sweep(tmp_path)
    assert mine.exists()
    assert elsewhere.exists()
    assert not dead.exists()


def test_a_folder_that_may_not_be_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_args: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(TapeError, match=f"{tmp_path} cannot be read: Permission denied"):
        TapeSet(tmp_path / "greeting").paths()
