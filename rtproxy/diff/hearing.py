"""How two sounds differ: in length, loudness, pauses and clipping, or in any sample at all.

| what | is the same up to | why |
|---|---|---|
| length | 100 ms | a sentence spoken again is hardly ever as long to the tenth of a second |
| level | 0.5 dB | less than a listener can tell; 10 % quieter is 0.9 dB |
| pauses of 300 ms and more | 150 ms at either end | |
| samples as loud as can be | twice as many, or 10 | |

Where one session is a replay of the other, the assistant's audio is to be the same to the sample.
"""

from rtproxy.diff.ledger import Ledger, Seqs
from rtproxy.diff.normal import NormalTurn
from rtproxy.diff.sound import Sound, level_change, same_pauses
from rtproxy.diff.values import Path

LENGTH_MS = 100.0
LEVEL_DB = 0.5
PAUSE_MS = 150.0
CLIPPED = 10


def compare_speech(ledger: Ledger, a: NormalTurn, b: NormalTurn) -> None:
    """The caller's audio in a turn, as far as it is known."""
    seqs, path = (a.seq, b.seq), ("speech",)
    if a.sound is not None and b.sound is not None:
        compare_sound(ledger, a.sound, b.sound, path, seqs)
    elif a.spoken_ms is not None and b.spoken_ms is not None:
        compare_length(ledger, a.spoken_ms, b.spoken_ms, path, seqs)


def compare_length(ledger: Ledger, a: float, b: float, path: Path, seqs: Seqs) -> bool:
    """Whether two sounds are as long as one another; puts it down if not."""
    if abs(a - b) <= LENGTH_MS:
        return True
    ledger.put("audio", (*path, "ms"), round(a), round(b), seqs, unit="ms")
    return False


def compare_sound(
    ledger: Ledger,
    a: Sound | None,
    b: Sound | None,
    path: Path,
    seqs: Seqs,
    *,
    exact: bool = False,
    cut: bool = False,
) -> None:
    """All that differs between two sounds; one that is None is not there. Of sounds that were
    `cut` the shorter is compared with as much of the other."""
    if cut and a is not None and b is not None:
        a, b = a.first(min(a.ms, b.ms)), b.first(min(a.ms, b.ms))
    if a is None or b is None:
        if a is not None:
            ledger.put("audio", path, {"ms": round(a.ms)}, None, seqs, kind="removed")
        elif b is not None:
            ledger.put("audio", path, None, {"ms": round(b.ms)}, seqs, kind="added")
        return
    differing = a.differs_from(b)
    if differing is None and a.checks is not None and b.checks is not None:
        return
    equal = compare_length(ledger, a.ms, b.ms, path, seqs)
    change = level_change(a, b)
    if change is not None and abs(change) > LEVEL_DB:
        before = a.speech_db or 0.0
        after = round(before + change, 1)
        ledger.put("audio", (*path, "level_db"), round(before, 1), after, seqs, unit="dB")
        equal = False
    if equal and not same_pauses(a.pauses(), b.pauses(), PAUSE_MS):
        one, two = ([list(pause) for pause in sound.pauses()] for sound in (a, b))
        ledger.put("audio", (*path, "pauses"), one, two, seqs, unit="ms")
        equal = False
    if a.clipped is not None and b.clipped is not None and _clips(a.clipped, b.clipped):
        ledger.put("audio", (*path, "clipped"), a.clipped, b.clipped, seqs, unit="samples")
        equal = False
    if exact and equal and differing is not None:
        said = f"other samples between {differing[0]} s and {differing[1]} s"
        ledger.put("audio", (*path, "samples"), "as recorded", said, seqs)


def _clips(a: int, b: int) -> bool:
    low, high = sorted((a, b))
    return high - low > CLIPPED and high > 2 * low
