"""What is going to happen in each session: drawn from a seed, so that both ends know their parts.

The number of a session is in its path; whoever has the seed and the number has the plan.
"""

import random
from dataclasses import dataclass

PLAIN = ""
TAKEOVER = "permessage-deflate"
NO_TAKEOVER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

KINDS = {"session": 76, "refused": 9, "left": 5, "http": 10}
ENDINGS = {
    "close": 30,
    "eof": 12,
    "drop": 12,
    "reset": 16,
    "cut": 12,
    "cut and reset": 10,
    "fatal": 8,
}
MANNERS = {
    "talk": 46,
    "flood": 6,
    "big": 3,
    "drip": 8,
    "fragments": 12,
    "broken": 10,
    "pings": 3,
    "silent": 12,
}
PACKED_MANNERS = {**MANNERS, "packed": 30, "garbage": 12}
EARS = {"open": 70, "slow": 18, "deaf": 12}
ANSWERS = {"401": 4, "429": 4, "500 cut off": 2, "garbage": 3, "nothing": 3, "reset": 2, "mute": 2}
LEAVINGS = {"half a head": 1, "close": 2, "reset": 2, "late": 2}
EXCHANGES = {"secrets": 4, "events": 4, "upload": 2, "models": 1}
FIRST = 1_000_000
"""Sessions with smaller numbers are for warming up, and short."""
WARM_S = 2.0
MISHAPS = {"none": 6, "client leaves": 2, "cut off": 1, "reset": 1, "mute": 1}
"""What comes between an HTTP request and the end of its answer."""


def draw(rng: random.Random, weights: dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


@dataclass(frozen=True)
class Part:
    """How one end behaves: how it speaks, and how it reads."""

    manner: str
    ear: str


@dataclass(frozen=True)
class Plan:
    """One session, or one request."""

    seed: int
    number: int
    kind: str
    seconds: float
    client: Part
    server: Part
    deflate: str
    ended_by_client: bool
    ending: str
    answer: str
    leaving: str
    slow_answer: bool
    exchange: str
    mishap: str

    @staticmethod
    def of(seed: int, number: int, longest: float) -> "Plan":
        rng = random.Random(f"{seed}/{number}")
        longest = min(longest, WARM_S) if number < FIRST else longest
        low, high = rng.choices([(0.2, 3), (3, 8), (8, 20)], [60, 30, 10])[0]
        deflate = rng.choices([PLAIN, TAKEOVER, NO_TAKEOVER], [70, 18, 12])[0]
        manners = PACKED_MANNERS if deflate else MANNERS
        parts = [Part(draw(rng, manners), draw(rng, EARS)) for _ in range(2)]
        return Plan(
            seed=seed,
            number=number,
            kind=draw(rng, KINDS),
            seconds=min(rng.uniform(low, high), longest),
            client=parts[0],
            server=parts[1],
            deflate=deflate,
            ended_by_client=rng.random() < 0.5,
            ending=draw(rng, ENDINGS),
            answer=draw(rng, ANSWERS),
            leaving=draw(rng, LEAVINGS),
            slow_answer=rng.random() < 0.1,
            exchange=draw(rng, EXCHANGES),
            mishap=draw(rng, MISHAPS),
        )

    @property
    def is_taped(self) -> bool:
        return not (self.kind == "http" and self.exchange == "models")

    @property
    def path(self) -> str:
        query = f"?model=gpt-realtime&soak={self.number}"
        if self.kind != "http":
            return "/v1/realtime" + query
        name = {"secrets": "realtime/client_secrets", "models": "models"}.get(self.exchange)
        return f"/v1/{name or 'realtime/calls'}{query}"

    def rng(self, side: str) -> random.Random:
        """What else one side draws."""
        return random.Random(f"{self.seed}/{self.number}/{side}")

    def faults(self) -> list[str]:
        """What is out of the ordinary in it, in words, for the count at the end."""
        if self.kind == "refused":
            return [f"handshake: {self.answer}"]
        if self.kind == "left":
            return [f"handshake: client leaves, {self.leaving}"]
        if self.kind == "http":
            return [f"http {self.exchange}: {self.mishap}"]
        found = []
        for side, part in (("client", self.client), ("server", self.server)):
            found += [f"{side} speaks: {part.manner}", f"{side} reads: {part.ear}"]
        found.append(f"ends by {'client' if self.ended_by_client else 'server'}: {self.ending}")
        return found


def number_in(target: str) -> int | None:
    """The session that a request is for; None for somebody else's."""
    _, found, number = target.partition("soak=")
    return int(number) if found and number.isdigit() else None
