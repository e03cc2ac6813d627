"""A folder of WAV files, with or without a transcript, as a recording.

    call/01-caller.wav  call/02-assistant.wav  …      in the order of their numbers
    call/transcript.txt  (or .json, .srt, .vtt)       or call/01-caller.txt beside each file

Files of one side that follow one another make one turn. Each is read when its turn comes.
"""

import re
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from rtproxy.convert.riff import Wave
from rtproxy.convert.source import Source
from rtproxy.convert.spoken import Role, Turn, header_fields, parts
from rtproxy.convert.spoken_text import Said, read, role_in
from rtproxy.errors import ConvertError
from rtproxy.realtime.audio import PCM16, Samples, resample

TRANSCRIPTS = (".json", ".srt", ".vtt", ".txt")
MAX_FILES = 10_000
MAX_FILE = 128 * 1024 * 1024
MAX_SECONDS = 1200
MAX_TRANSCRIPT = 16 * 1024 * 1024


@dataclass(slots=True)
class _File:
    """One WAV file and what is said in it, if that is known."""

    path: Path
    role: Role
    text: str | None = None


@dataclass(slots=True)
class _Stretch:
    """What one side says at a stretch, in one file or in several."""

    role: Role
    files: list[_File] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        texts = [file.text for file in self.files if file.text is not None]
        return " ".join(texts) if texts else None

    def audio(self) -> Samples:
        return np.concatenate([_samples(file.path) for file in self.files])


def source(folder: Path) -> Source:
    """The recording that a folder makes. Raises ConvertError for a folder that makes none."""
    files = _files(folder)
    for file in files:
        _parse(file.path, _read(file.path, MAX_FILE))
        beside = file.path.with_suffix(".txt")
        if beside.is_file():
            file.text = " ".join(_text(beside).split())
    stretches = [
        _Stretch(role, list(group)) for role, group in groupby(files, key=lambda file: file.role)
    ]
    transcript = _transcript(folder, files)
    if transcript is not None:
        _put_words(stretches, files, transcript)
    turns = (Turn(one.role, one.audio, one.text) for one in stretches)
    transcribes = any(one.text is not None for one in stretches if one.role == "caller")
    transcribed = all(one.text is not None for one in stretches)
    return Source(header_fields(transcribed=transcribed), parts(turns, transcribes=transcribes))


def _files(folder: Path) -> list[_File]:
    """The WAV files of a folder, in the order of the numbers in their names."""
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() == ".wav"]
    except OSError as error:
        raise ConvertError(f"{folder} cannot be read: {error.strerror}.") from None
    if not paths:
        raise ConvertError(f"There are no WAV files in {folder}; see docs/import.md.")
    if len(paths) > MAX_FILES:
        raise ConvertError(f"There are more than {MAX_FILES:,} WAV files in {folder}.")
    found = []
    for path in paths:
        named = role_in(path.stem)
        if named is None:
            raise ConvertError(
                f"{path} does not say who speaks; name it like 01-caller.wav or 02-assistant.wav."
            )
        role, before = named
        # In turn 3 the caller speaks first; where the number stands behind the word, it counts.
        number = before if any(char.isdigit() for char in before) else path.stem[len(before) :]
        number = re.sub(r"\D+", " ", number) if number is not before else number
        order = (_natural(number), role == "assistant", _natural(path.name))
        found.append((order, _File(path, role)))
    return [file for _, file in sorted(found, key=lambda each: each[0])]


def _natural(name: str) -> list[tuple[int, str]]:
    """A key for sorting: 10 comes after 9."""
    parts = re.split(r"(\d{1,18})", name)
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _transcript(folder: Path, files: list[_File]) -> tuple[Path, list[Said]] | None:
    """The folder's transcript, if there is one: called so, or the only file that could be one."""
    beside = {file.path.with_suffix(".txt") for file in files}
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in TRANSCRIPTS and path not in beside and path.is_file()
    )
    named = [path for path in found if path.stem.lower() == "transcript"]
    if not found:
        return None
    if len(named or found) > 1:
        names = ", ".join(path.name for path in (named or found)[:5])
        raise ConvertError(
            f"There are several transcripts in {folder} ({names}); keep one of them there."
        )
    (path,) = named or found
    try:
        return path, read(_text(path), path.suffix.lower())
    except ValueError as error:
        raise ConvertError(f"{path} {error}.") from None


def _put_words(
    stretches: list[_Stretch], files: list[_File], transcript: tuple[Path, list[Said]]
) -> None:
    """Give each file, or else each stretch, its words."""
    path, lines = transcript
    by_name = {file.path.name: file for file in files}
    named = [line for line in lines if line.file is not None]
    for line in named:
        file = by_name.get(line.file or "")
        if file is None:
            raise ConvertError(f"{path} speaks of {line.file!r}, which is not in the folder.")
        file.text = f"{file.text} {line.text}" if file.text is not None else line.text
    rest = [line for line in lines if line.file is None]
    if not rest:
        return
    if [line.role for line in rest] == [file.role for file in files]:
        for file, line in zip(files, rest, strict=True):
            file.text = line.text
        return
    turns = [(role, list(group)) for role, group in groupby(rest, key=lambda line: line.role)]
    if [role for role, _ in turns] != [one.role for one in stretches]:
        raise ConvertError(
            f"{path} has {_count(len(turns), 'turn')}, the WAV files beside it make "
            f"{_count(len(stretches), 'turn')}; each change of speaker in the one must be one in "
            "the other."
        )
    for one, (_, group) in zip(stretches, turns, strict=True):
        one.files[0].text = " ".join(line.text for line in group)


def _samples(path: Path) -> Samples:
    """A file's samples at 24 kHz."""
    data = _read(path, MAX_FILE)
    wave = _parse(path, data)
    return resample(wave.samples(data), wave.rate, PCM16.rate)


def _parse(path: Path, data: bytes) -> Wave:
    try:
        wave = Wave.parse(data)
    except ValueError as error:
        raise ConvertError(f"{path} {error}.") from None
    if wave.seconds > MAX_SECONDS:
        raise ConvertError(
            f"{path} is {wave.seconds / 60:.0f} minutes long; cut it into turns of at most "
            f"{MAX_SECONDS // 60} minutes."
        )
    return wave


def _read(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file():
            raise ConvertError(f"{path} is not a file.")
        if path.stat().st_size > limit:
            raise ConvertError(f"{path} is larger than {limit >> 20} MiB.")
        return path.read_bytes()
    except OSError as error:
        raise ConvertError(f"{path} cannot be read: {error.strerror}.") from None


def _text(path: Path) -> str:
    try:
        return _read(path, MAX_TRANSCRIPT).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConvertError(f"{path} is not UTF-8.") from None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
