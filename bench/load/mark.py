"""Points in a load at which the benchmark looks at the target."""

import json
import sys


def mark(name: str) -> None:
    """Tell the benchmark that this point is reached, and wait until it has looked."""
    print(json.dumps({"mark": name}), flush=True)
    sys.stdin.readline()
