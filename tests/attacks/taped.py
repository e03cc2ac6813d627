"""What is on the tapes of a folder, once all is over."""

from pathlib import Path

from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import Control, Event


def taped(folder: Path) -> list[tuple[list[Event], list[Control]]]:
    """The records of each tape, all of which are sealed."""
    found = []
    for path in folder.glob("*.rtape"):
        with open_tape(path) as tape:
            assert tape.state == "sealed", path
            records = list(tape)
        events = [record for record in records if isinstance(record, Event)]
        found.append((events, [record for record in records if isinstance(record, Control)]))
    return found
