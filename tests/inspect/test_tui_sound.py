"""Playing a part of a call: what sounds, through which player, and when it ends."""

import io
import os
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rtproxy.inspect.timeline import Span
from rtproxy.inspect.tui import excerpt
from rtproxy.inspect.tui.speaker import PLAYERS, Player, Speaker, find_player, wav_header
from rtproxy.realtime.mixdown import Stereo, rate_of, render
from tests.inspect.test_tui_catalogue import catalogued
from tests.inspect.test_tui_inspection import known
from tests.inspect.tui_desk import call, desk, write

RATE = 8_000


def install(folder: Path, name: str, script: str) -> None:
    """A program of this name."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which players are looked for, and where they leave what they got."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("cat", "cp", "sleep", "sh"):
        found = next(Path(part) / tool for part in os.environ["PATH"].split(":")
                     if (Path(part) / tool).exists())  # fmt: skip
        (folder / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("GOT", str(tmp_path / "got"))
    return folder


def blocks(seconds: int = 2) -> Iterator[Stereo]:
    for n in range(seconds):
        yield np.full((RATE, 2), n + 1, np.int16)


def played(speaker: Speaker) -> None:
    speaker.start()
    speaker._thread.join(timeout=20)
    assert speaker.done


@pytest.mark.parametrize("player", PLAYERS, ids=lambda player: player.command)
def test_each_player_gets_the_sound_in_its_way(player: Player, bin_: Path, tmp_path: Path) -> None:
    install(bin_, player.command, 'cp "$1" "$GOT"' if player.file else 'cat > "$GOT"')
    assert find_player() is player
    speaker = Speaker(player, blocks(), RATE, 2 * RATE)
    played(speaker)
    assert speaker.failed is None
    data = (tmp_path / "got").read_bytes()
    if not player.raw:
        with wave.open(io.BytesIO(data)) as file:
            assert file.getparams()[:4] == (2, 2, RATE, 2 * RATE)
            data = file.readframes(2 * RATE)
    samples = np.frombuffer(data, np.int16).reshape(-1, 2)
    assert samples.shape == (2 * RATE, 2)
    assert (samples[0, 0], samples[-1, 1]) == (1, 2)


def test_the_first_player_that_there_is_is_taken() -> None:
    there = {"aplay", "play"}
    found = find_player(lambda name: name if name in there else None)
    assert found is not None
    assert found.command == "aplay"
    assert find_player(lambda _: None) is None


def test_arguments_name_the_rate(bin_: Path, tmp_path: Path) -> None:
    install(bin_, "paplay", 'echo "$@" > "$GOT"; cat > /dev/null')
    player = find_player()
    assert player is not None
    played(Speaker(player, blocks(), RATE, 2 * RATE))
    assert "--rate=8000 --channels=2" in (tmp_path / "got").read_text()


def test_what_a_player_complains_of_is_told(bin_: Path) -> None:
    install(bin_, "ffplay", "cat > /dev/null; echo noise >&2; echo 'no device' >&2; exit 3")
    player = find_player()
    assert player is not None
    speaker = Speaker(player, blocks(), RATE, 2 * RATE)
    played(speaker)
    assert speaker.failed == "ffplay cannot play this: no device"


def test_a_player_that_ends_early_is_no_trouble(bin_: Path) -> None:
    install(bin_, "ffplay", "exit 0")
    player = find_player()
    assert player is not None
    speaker = Speaker(player, blocks(200), RATE, 200 * RATE)
    played(speaker)
    assert speaker.failed is None


def test_a_player_that_cannot_be_started_is_told() -> None:
    speaker = Speaker(Player("/nowhere/player", ()), blocks(), RATE, RATE)
    played(speaker)
    assert speaker.failed == "/nowhere/player cannot play this: No such file or directory"


def test_playing_can_be_stopped(bin_: Path) -> None:
    install(bin_, "ffplay", "exec sleep 600")
    player = find_player()
    assert player is not None
    speaker = Speaker(player, blocks(600), RATE, 600 * RATE)
    speaker.start()
    while speaker._process is None:
        pass
    speaker.stop()
    assert speaker.done
    assert speaker.failed is None


def test_a_wav_header_never_overflows() -> None:
    assert len(wav_header(RATE, 1 << 40)) == 44


# What sounds.


@pytest.mark.parametrize("name", ["barge-in, truncated wrong", "two turns, transcribed", "G.711"])
@pytest.mark.parametrize("turn", [1, 2])
def test_an_excerpt_sounds_as_the_whole_does(name: str, turn: int) -> None:
    found = known(name)
    catalogue, shelf = catalogued(found.records)
    found.place.go_to_turn(turn)
    span = excerpt.heard(found.place.selection)
    rate = rate_of(found.session)
    whole = np.concatenate(list(render(
        found.session, found.records, heard=True, start_ms=span.start_ms, end_ms=span.end_ms
    )))  # fmt: skip
    part = np.concatenate(list(excerpt.sound(catalogue, found.session, shelf, span)))
    assert part.shape == whole.shape == (round(span.ms * rate / 1000), 2)
    assert np.abs(part.astype(int) - whole.astype(int)).max() <= 1
    assert np.abs(part[:, 1]).max() > 500 or found.place.turn is None


def test_of_a_long_tape_only_the_part_is_read() -> None:
    found = known("two turns, transcribed")
    catalogue, _ = catalogued(found.records)
    numbers = list(excerpt.numbers(catalogue, found.session, Span(0, 1)))
    assert numbers == sorted(set(numbers))
    last = found.session.now_ms
    later = list(excerpt.numbers(catalogue, found.session, Span(last, last + 1)))
    names = {catalogue.name(at).name for at in later if catalogue.times[at] / 1e6 < last - 5_000}
    assert names <= excerpt.TELLING
    assert "session.created" in names


async def test_a_turn_is_played_and_the_moment_moves(tmp_path: Path, bin_: Path) -> None:
    install(bin_, "aplay", 'cat > "$GOT"; until [ -e "$GOT.over" ]; do sleep 0.02; done')
    async with desk(write(tmp_path / "c.rtape", call("clean"))) as opened:
        await opened.press("n", "space")
        assert "▶ playing" in opened.status
        (tmp_path / "got.over").touch()
        while opened.app.playing:
            await opened.pilot.pause(0.02)
        span = opened.app._playing
        assert opened.app.place.cursor_ms == pytest.approx(span.end_ms)
    with wave.open(str(tmp_path / "got")) as file:
        assert file.getnframes() == round(span.ms * 24)


async def test_playing_is_stopped_by_the_same_key_and_by_leaving(
    tmp_path: Path, bin_: Path
) -> None:
    install(bin_, "aplay", "exec sleep 600")
    async with desk(write(tmp_path / "c.rtape", call("clean"))) as opened:
        await opened.press("space")
        speaker = opened.app._speaker
        assert speaker is not None
        await opened.press("space")
        assert speaker.done
        assert "playing" not in opened.status
        await opened.press("space")
        speaker = opened.app._speaker
        assert speaker is not None
    assert speaker.done


async def test_no_sound_is_told_in_a_line(tmp_path: Path, bin_: Path) -> None:
    async with desk(write(tmp_path / "c.rtape", call("clean"))) as opened:
        await opened.press("space")
        assert "There is no player here: install one of ffplay, aplay" in opened.status
        install(bin_, "ffplay", "cat > /dev/null; echo 'no audio device' >&2; exit 1")
        await opened.press("space")
        while opened.app.playing:
            await opened.pilot.pause(0.02)
        assert "ffplay cannot play this: no audio device" in opened.status
