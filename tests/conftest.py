"""What holds for all tests: the surroundings of whoever runs them do not show."""

import os

SURROUNDINGS = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PAGER", "LESS"}
"""A terminal's width and colours; pytest-xdist sets COLUMNS."""

for name in list(os.environ):
    ours = name.startswith(("RTPROXY_", "OPENAI_"))
    if name in SURROUNDINGS or ours or name.lower().endswith("_proxy"):
        del os.environ[name]
