"""A call on a terminal, to look around in: lanes, turns, findings, events, and what led to what."""
