"""Names of exported audio files: the tape, the turn, whose voice it is, and what it is.

`call.turn-02.assistant.item_ABC.wav`. Nothing on a tape becomes a path: of ids only letters,
digits, hyphens and underscores are kept, and not too many.
"""

import re

LONGEST = 48
"""Characters of an id that are kept."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def stem_of(tape: str) -> str:
    """The name of a tape's file, given without a folder, without its endings."""
    return tape.removesuffix(".zst").removesuffix(".rtape") or "tape"


def safe(name: str) -> str:
    """An id as a part of a file name; "unnamed" for one without a safe character."""
    return _UNSAFE.sub("-", name).strip("-")[:LONGEST] or "unnamed"


class Names:
    """Gives every file of an export a name of its own."""

    def __init__(self, stem: str, ending: str) -> None:
        self._stem = stem
        self._ending = ending
        self._given: set[str] = set()
        self._numbers: dict[str, int] = {}
        """The last number that names of this kind got."""

    def name(self, *, turn: int | None, side: str | None = None, what: str | None = None) -> str:
        """A name that no other file has; ids that look the same are numbered.

        Case is no difference, as it is none to some file systems. `turn` is None for what belongs
        to no turn, 0 for the whole call.
        """
        parts = [self._stem]
        if turn != 0:
            parts.append("no-turn" if turn is None else f"turn-{turn:02}")
        parts += [side] if side else []
        parts += [safe(what)] if what is not None else []
        base = ".".join(parts)
        name, number = f"{base}.{self._ending}", self._numbers.get(base.lower(), 1)
        while name.lower() in self._given:
            number += 1
            name = f"{base}-{number}.{self._ending}"
        self._given.add(name.lower())
        self._numbers[base.lower()] = number
        return name
