"""Real captured sessions, where they are at hand: beside the checkout, never in it."""

from pathlib import Path

CAPTURES = Path(__file__).parent.parent.parent / "shared" / "captures"
