"""Differences as one self-contained HTML page."""
