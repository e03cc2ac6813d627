"""What holds for all tests: the surroundings of whoever runs them do not show."""

import atexit
import os
import shutil
import sys
import tempfile

from hypothesis import HealthCheck, settings

SURROUNDINGS = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PAGER", "LESS"}
"""A terminal's width and colours; pytest-xdist sets COLUMNS."""

for name in list(os.environ):
    ours = name.startswith(("RTPROXY_", "OPENAI_"))
    if name in SURROUNDINGS or ours or name.lower().endswith("_proxy"):
        del os.environ[name]

# Hundreds of processes are started here; none needs to compile anew what the first has compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Nor a thread for each core, for matrices that nobody multiplies.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

# A busy machine is no failure. In CI the same examples are tried every time.
settings.register_profile(
    "rtproxy",
    parent=settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("rtproxy")

# The CA of whoever runs them is not theirs to make, or to use.
os.environ["RTPROXY_CA_DIR"] = tempfile.mkdtemp(prefix="rtproxy-tests-")
atexit.register(shutil.rmtree, os.environ["RTPROXY_CA_DIR"], ignore_errors=True)
