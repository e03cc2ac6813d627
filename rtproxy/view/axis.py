"""An axis of time: how far apart its ticks stand, and what is written at them."""

STEPS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30,
    60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200,
)  # fmt: skip
"""Seconds between two ticks."""


def step_of(least_s: float) -> float:
    """The shortest step of at least so many seconds, the longest if none is."""
    return next((step for step in STEPS if step >= least_s), STEPS[-1])


def clock(t_s: float, step: float) -> str:
    """A tick's label: milliseconds or seconds, above a minute minutes, above an hour hours."""
    if step < 0.1:
        return f"{t_s * 1000:.0f} ms"
    if step < 1:
        return f"{t_s:.1f} s"
    seconds = round(t_s)
    if seconds < 60 and step < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
