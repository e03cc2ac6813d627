"""Everything that looks random in a simulated session, as a function of its seed.

Each kind of value has its own counter, so that the third item has the same id whatever else was
numbered before it. Shapes are those of the live service: `event_` and 21 letters and digits.
"""

from collections import Counter
from hashlib import blake2b

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = {"call": 16, "ek": 32}
OBFUSCATION_BLOCK = 16


class Chance:
    """Ids, padding and jitter. Equal seeds and equal calls give equal values."""

    def __init__(self, *seed: int | str) -> None:
        self._key = repr(seed).encode()
        self._counts: Counter[str] = Counter()

    def id(self, prefix: str) -> str:
        """A new id such as `item_E6U0wpLmn5e80rVGpEeKv`."""
        return f"{prefix}_{self._letters(prefix, ID_LENGTH.get(prefix, 21))}"

    def obfuscation(self, delta: str) -> str:
        """Padding that hides the length of `delta`: together a multiple of 16 characters."""
        return self._letters("obfuscation", OBFUSCATION_BLOCK - len(delta) % OBFUSCATION_BLOCK)

    def vary(self, kind: str, spread: float) -> float:
        """A number between −spread and +spread."""
        if not spread:
            return 0.0
        return (2 * self._number(kind) / 2**256 - 1) * spread

    def _letters(self, kind: str, length: int) -> str:
        number = self._number(kind)
        letters = []
        for _ in range(length):
            number, digit = divmod(number, len(ALPHABET))
            letters.append(ALPHABET[digit])
        return "".join(letters)

    def _number(self, kind: str) -> int:
        self._counts[kind] += 1
        message = f"{kind} {self._counts[kind]}".encode()
        return int.from_bytes(blake2b(message, key=self._key[:64], digest_size=32).digest())
