"""What can go wrong with a measurement."""


class MeasurementError(Exception):
    """A target or a load failed; the message says which and why."""
