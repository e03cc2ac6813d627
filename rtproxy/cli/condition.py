"""What is said of a tape that is not whole when something else was made of it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtproxy.tape.reader import Tape


def tell(tape: "Tape") -> bool:
    """Say on stderr in what condition a tape is, once it was read. True if it is damaged."""
    from rtproxy.cli.output import place_of, say

    for damage in tape.damage:
        say(f"{tape.path}: {place_of(damage)}")
    if tape.state == "live":
        say(f"{tape.path} is still being recorded; this is what is on it so far.")
    elif tape.state == "crashed" and not tape.damage:
        say(f"{tape.path} is not sealed, its recording was cut off; what is on it is sound.")
    return bool(tape.damage)
