"""The machine: what it is, and which of its cores do what."""

import os
import platform
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PAGE = resource.getpagesize()
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cores:
    """The proxy has a core of its own; server and load have the others. None: not pinned."""

    proxy: frozenset[int] | None
    load: frozenset[int] | None


def cores() -> Cores:
    """Give the last core to the proxy, unless there is only one or the system cannot pin."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return Cores(None, None)
    return Cores(frozenset(allowed[-1:]), frozenset(allowed[:-1]))


def allow_many_files() -> None:
    """Raise the limit of open files: a proxy needs two sockets and a tape for each session."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def describe() -> list[str]:
    """Lines that say what the figures were measured on and with."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    pinned = (
        "pinned: latency and throughput all on one core; else the proxy on one, the load on others"
    )
    return [
        f"{os.cpu_count()} × {_processor()}, {platform.system()} {platform.release()}, "
        f"load average {load}",
        f"Python {platform.python_version()}, aiohttp {_package('aiohttp')}, "
        f"uvloop {_package('uvloop')}, {_nginx()}, {_mitmproxy()}",
        pinned if cores().proxy else "not pinned to cores",
    ]


def session_memory(leader: int) -> int:
    """Resident bytes of all processes of a session (Linux). Shared pages count in each."""
    return sum(int(fields[21]) * PAGE for fields in _stats(leader))


def session_cpu(leader: int) -> float:
    """Seconds of CPU time that all processes of a session have used (Linux)."""
    return sum(int(fields[11]) + int(fields[12]) for fields in _stats(leader)) / TICKS


def _stats(leader: int) -> list[list[str]]:
    """Fields 3 and following of /proc/PID/stat (proc(5)) for each process of the session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[3]) == leader:
            found.append(fields)
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(": ")[2]
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _nginx() -> str:
    if not (path := shutil.which("nginx")):
        return "nginx absent"
    said = subprocess.run([path, "-v"], capture_output=True, text=True, check=False)
    return said.stderr.strip().rpartition(": ")[2].replace("/", " ") or "nginx"


def _mitmproxy() -> str:
    if not (path := shutil.which("mitmdump")):
        return "mitmproxy absent"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    first = said.stdout.partition("\n")[0]
    return f"mitmproxy {first.rpartition(' ')[2]}" if first else "mitmproxy"


def have_proc() -> bool:
    """Whether memory and CPU time of other processes can be read here."""
    return sys.platform == "linux"
