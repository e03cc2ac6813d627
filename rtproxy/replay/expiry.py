"""Recorded answers that would be of no use today: secrets that were redacted, and have expired."""

import hashlib
import re

LEAST_S = 60
"""Seconds that a replayed secret is good for, at least."""

_EXPIRES_AT = re.compile(r'("expires_at"\s*:\s*)([1-9]\d{0,14})\b')
_SECRET = re.compile(r"REDACTED:([0-9a-f]{8})")


def refresh(body: str, recorded_s: float | None, now_s: float) -> str:
    """A JSON answer as the server would give it now; every other byte stays as it was.

    Redacted secrets become made-up ones (`ek_…`), equal ones equal; each `expires_at` (seconds
    since 1970) moves to the time that it left when it was recorded, and at least LEAST_S from now.
    """

    def later(found: re.Match[str]) -> str:
        left = int(found[2]) - recorded_s if recorded_s is not None else 0.0
        return f"{found[1]}{round(now_s + max(left, LEAST_S))}"

    return _EXPIRES_AT.sub(later, _SECRET.sub(_made_up, body))


def _made_up(found: re.Match[str]) -> str:
    return "ek_" + hashlib.sha256(b"rtproxy:" + found[1].encode()).hexdigest()[:32]
