"""rtproxy: the flight recorder for realtime voice sessions."""

__version__ = "0.1.0"
