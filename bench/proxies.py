"""The targets: a direct connection, the recording proxy, and what it is compared with."""

import contextlib
import importlib.util
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.process import (
    free_port,
    python,
    python_environment,
    running,
    wait_until_it_listens,
)

DIRECT = "direct"
RTPROXY = "rtproxy"
ASYNCIO = "rtproxy, asyncio"
NGINX = "nginx"
MITMPROXY = "mitmproxy"

WITHOUT_UVLOOP = (
    "import sys; sys.modules['uvloop'] = None; from rtproxy.cli.main import main; main()"
)

NGINX_CONFIG = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a load connects; `leader` is the process whose session is measured, if there is one."""

    port: int
    leader: int | None


Command = Callable[[int, int, Path], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """Something to connect through. `command` makes its command line from the port to listen on,
    the upstream's port and a folder for its files; a direct connection has none."""

    name: str
    command: Command | None

    @contextlib.contextmanager
    def open(self, upstream: int, folder: Path, cores: frozenset[int] | None) -> Iterator[Endpoint]:
        """Start it in front of a port on loopback. Raises MeasurementError if it does not."""
        if self.command is None:
            yield Endpoint(upstream, None)
            return
        port = free_port()
        command = self.command(port, upstream, folder)
        ours = self.name.startswith(RTPROXY)
        environment = python_environment() if ours else None
        with running(command, folder=folder, cores=cores, environment=environment) as process:
            wait_until_it_listens(process, port, folder)
            yield Endpoint(port, process.pid)


def targets() -> tuple[list[Target], list[str]]:
    """The targets that this machine has, and for each other one a word about why not."""
    found, absent = [Target(DIRECT, None), Target(RTPROXY, _rtproxy)], []
    if importlib.util.find_spec("uvloop"):
        found.append(Target(ASYNCIO, _rtproxy_on_asyncio))
    else:
        absent.append("uvloop is not installed: rtproxy runs on plain asyncio")
    if shutil.which("nginx"):
        found.append(Target(NGINX, _nginx))
    else:
        absent.append("nginx is not on PATH: no ratios to it")
    if shutil.which("mitmdump"):
        found.append(Target(MITMPROXY, _mitmproxy))
    else:
        absent.append("mitmdump is not on PATH: no ratios to mitmproxy")
    return found, absent


def _rtproxy(port: int, upstream: int, folder: Path) -> Sequence[str]:
    return python("-m", "rtproxy", *_record(port, upstream, folder))


def _rtproxy_on_asyncio(port: int, upstream: int, folder: Path) -> Sequence[str]:
    return python("-c", WITHOUT_UVLOOP, *_record(port, upstream, folder))


def _record(port: int, upstream: int, folder: Path) -> Sequence[str]:
    return (
        *("record", "--upstream", f"http://127.0.0.1:{upstream}"),
        *("--listen", f"127.0.0.1:{port}", "--out", str(folder / "tapes")),
    )


def _nginx(port: int, upstream: int, folder: Path) -> Sequence[str]:
    config = folder / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(folder=folder, port=port, upstream=upstream))
    return ["nginx", "-p", str(folder), "-c", str(config), "-e", "stderr"]


def _mitmproxy(port: int, upstream: int, folder: Path) -> Sequence[str]:
    return [
        *("mitmdump", "--quiet", "--mode", f"reverse:http://127.0.0.1:{upstream}"),
        *("--listen-host", "127.0.0.1", "--listen-port", str(port)),
        *("--save-stream-file", str(folder / "flows")),
        # Its certificates are made once for the run, not for each measurement.
        *("--set", f"confdir={folder.parent / 'mitmproxy'}"),
    ]
