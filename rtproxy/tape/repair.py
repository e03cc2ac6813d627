"""Checks a tape, and makes a sealed tape out of the sound records of one that is not."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtproxy.errors import TapeError, TapeWriteError
from rtproxy.tape.placing import put, temporary
from rtproxy.tape.reader import State, Tape, open_tape
from rtproxy.tape.record import Event, Header, Seal, Trailer
from rtproxy.tape.scanner import Damage
from rtproxy.tape.writer import TapeWriter

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found.

    `records` counts the sound records between header and seal, `events` the messages among them.
    `missing` counts records known to be lost, `admitted` those of them that a repair's seal speaks
    of. `sha_ok` is None where there is no seal.
    """

    path: Path
    state: State
    records: int
    events: int
    damage: list[Damage]
    missing: int
    admitted: int
    sha_ok: bool | None

    @property
    def damaged(self) -> bool:
        """Whether bytes are not what was written, or records are missing that no seal admits."""
        unreadable = any(place.length for place in self.damage)
        headless = any(place.offset == 0 for place in self.damage)
        return unreadable or headless or self.missing > self.admitted or self.sha_ok is False

    @property
    def ok(self) -> bool:
        """Sealed, and every byte of it as it was written."""
        return self.state == "sealed" and not self.damaged

    def __str__(self) -> str:
        """One sentence: how the tape is, and what to do."""
        sound = _count(self.records, "record") + " sound"
        if self.state == "live":
            return f"live, still being recorded: {sound} so far"
        advice = f"run rtproxy tape repair {self.path}"
        if not self.damaged:
            if self.state == "crashed":
                return f"crashed, not sealed: {sound}; {advice}"
            lost = f", {self.missing} lost before it was repaired" if self.missing else ""
            return f"sealed: {sound}{lost}"
        lost = f", {self.missing} missing" if self.missing else ""
        if not self.damage:
            return f"damaged, its SHA-256 is not the one in its seal: {sound}; {advice}"
        places = _count(len(self.damage), "place")
        sealed = "" if self.state == "sealed" else " and not sealed"
        return f"damaged in {places}{sealed}: {sound}{lost}; {advice}"


def verify(path: str | Path) -> Report:
    """Read all of a tape and say how it is. Raises TapeError when it cannot be read at all."""
    with open_tape(path) as tape:
        records = events = 0
        for scanned in tape.scan():
            if not isinstance(scanned.record, Header | Seal | Trailer):
                records += 1
                events += isinstance(scanned.record, Event)
        return Report(
            path=tape.path,
            state=tape.state,
            records=records,
            events=events,
            damage=list(tape.damage),
            missing=sum(len(place.missing) for place in tape.damage),
            admitted=_admitted(tape.seal),
            sha_ok=_sha_ok(tape),
        )


def repair(path: str | Path, out: str | Path | None = None, *, in_place: bool = False) -> Path:
    """Write a sealed tape with every sound record of `path`, byte for byte; returns where it is.

    That is `out`, which must not exist yet, or NAME.repaired.rtape beside the tape; or the tape's
    own place with `in_place`. Nothing appears there before it is complete and on disk. A tape that
    is sealed and sound is copied as it is. Raises TapeError, and TapeWriteError where the new tape
    cannot be written.
    """
    path = Path(path)
    report = verify(path)
    if report.state == "live":
        raise TapeError(f"{path} is still being recorded; end the recording before repairing it.")
    with open_tape(path) as tape:
        if in_place:
            if tape.packed:
                raise TapeError(f"{path} is packed; name another place with -o.")
            if report.ok:
                return path
            target = path.resolve()
        else:
            target = Path(out) if out is not None else _beside(path)
            if os.path.lexists(target):
                raise TapeWriteError(f"{target} exists already; choose another name with -o.")
        with temporary(target) as unfinished:
            if report.ok:
                _copy_as_is(tape, unfinished)
            else:
                _copy_sound(tape, unfinished, report)
            put(unfinished, target, overwrite=in_place)
    return target if not in_place else path


def _copy_sound(tape: Tape, unfinished: Path, report: Report) -> None:
    scans = tape.scan()
    first = next(scans, None)
    header = first.data if first is not None and isinstance(first.record, Header) else None
    writer = TapeWriter.create(unfinished, tape.header.fields, header=header)
    try:
        t_ns: int | None = None
        extra: dict[str, Any] = {}
        pending = writer.size
        for scanned in (first, *scans) if first is not None and header is None else scans:
            if isinstance(scanned.record, Seal):
                t_ns, extra = scanned.record.t_ns, dict(scanned.record.data)
            elif not isinstance(scanned.record, Header | Trailer):
                writer.copy(scanned.data, scanned.record)
            if writer.size - pending > _PIECE:
                pending = writer.size
                writer.flush()
        known = writer.summary.to_map().keys() | {"id", "sha256"}
        kept = {key: value for key, value in extra.items() if key not in known}
        lost_bytes = sum(place.length for place in report.damage)
        kept["repaired"] = {"lost": report.missing, "bytes": lost_bytes}
        writer.seal(writer.summary.duration_ns if t_ns is None else t_ns, kept)
    finally:
        writer.close()
    if writer.failed is not None:
        raise writer.failed


def _copy_as_is(tape: Tape, unfinished: Path) -> None:
    try:
        with unfinished.open("xb") as file:
            at = 0
            while piece := tape.read(at, _PIECE):
                file.write(piece)
                at += len(piece)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise TapeWriteError(f"Cannot write {unfinished}: {error.strerror}.") from error


def _beside(path: Path) -> Path:
    name = path.name.removesuffix(".zst").removesuffix(".rtape")
    return path.with_name(f"{name}.repaired.rtape")


def _admitted(seal: Seal | None) -> int:
    repaired = seal.data.get("repaired") if seal is not None else None
    lost = repaired.get("lost") if isinstance(repaired, dict) else 0
    return lost if isinstance(lost, int) else 0


def _sha_ok(tape: Tape) -> bool | None:
    if tape.seal is None or tape.seal_offset is None:
        return None
    digest = hashlib.sha256()
    at = 0
    while piece := tape.read(at, min(_PIECE, tape.seal_offset - at)):
        digest.update(piece)
        at += len(piece)
    return tape.seal.data.get("sha256") == digest.hexdigest()


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
