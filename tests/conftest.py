"""What holds for all tests: the surroundings of whoever runs them do not show."""

import atexit
import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

from rtproxy.net.trust import system_roots

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

# A busy machine is no failure. In CI the same examples are tried every time. More of them:
# pytest --hypothesis-profile=thorough
settings.register_profile(
    "rtproxy",
    parent=settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", parent=settings.get_profile("rtproxy"), max_examples=1000)
settings.load_profile("rtproxy")

# The CA of whoever runs them is not theirs to make, or to use. Nothing is asked of hosts whose
# certificates others sign; to read the hundred roots of a system in each process takes its time.
_folder = Path(tempfile.mkdtemp(prefix="rtproxy-tests-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["RTPROXY_CA_DIR"] = str(_folder / "ca")
_root, _end, _ = system_roots().partition(b"-----END CERTIFICATE-----\n")
(_folder / "root.pem").write_bytes(_root + _end)
if _end:
    os.environ["SSL_CERT_FILE"] = str(_folder / "root.pem")


def pytest_collection_finish() -> None:
    """What has been imported stays; whoever collects garbage need not look through it again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """At the end everything is cleared away, as libraries that count their objects expect."""
    gc.unfreeze()
