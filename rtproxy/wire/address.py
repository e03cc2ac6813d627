"""Addresses that a server listens on, and which requests on loopback are meant for it."""

import errno
import ipaddress
from urllib.parse import urlsplit

UNSPECIFIED = ("0.0.0.0", "::")
_LOOPBACK_NAMES = ("localhost", "localhost.localdomain")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_here(host: str) -> bool:
    """Whether a connection to an address ends on this machine, whichever machine that is: on
    loopback, or by the unspecified address, which leads there as well."""
    return is_loopback(host) or host in UNSPECIFIED


def host_of(authority: str) -> str:
    """The host in a Host header: without port and brackets."""
    name = authority.rsplit(":", 1)[0] if not authority.endswith("]") else authority
    return name.strip("[]")


def split_authority(authority: str) -> tuple[str, int]:
    """Host, without brackets, and port of `HOST:PORT`; raises ValueError if it is none."""
    host, _, port = authority.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif not host or set(host) & set("[]:/@?#\\ "):
        raise ValueError(f"{authority!r} is no HOST:PORT")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError(f"{authority!r} has no port")
    return host, int(port)


def origin_form(target: str) -> str:
    """A request's target without scheme and host, which only a proxy is sent (RFC 9112 §3.2)."""
    if target.startswith("/") or target == "*":
        return target
    rest = target.partition("://")[2]
    at = next((at for at, sign in enumerate(rest) if sign in "/?"), len(rest))
    return rest[at:] if rest[at:].startswith("/") else f"/{rest[at:]}"


def is_addressed_to(listening: str, host: str) -> bool:
    """Whether a request with this Host header is meant for a server that listens there.

    On loopback only loopback names are: a web page may have pointed its own name at 127.0.0.1.
    """
    return not is_loopback(listening) or is_loopback(host_of(host))


def is_own_origin(origin: str, host: str) -> bool:
    """Whether a page from `origin` may read what is served to it at `host` (both as headers).

    A WebSocket is open to pages from everywhere, so that its server has to ask (RFC 6455 §10.2).
    Pages from this machine and from the server's own host may.
    """
    try:
        page = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return is_loopback(page) or (page != "" and page == host_of(host).lower())


def url_host(host: str) -> str:
    """A host name or address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def why_not_listening(host: str, port: int, error: OSError | OverflowError) -> str:
    """One sentence: why an address cannot be had, and what to do."""
    where = f"{host}:{port}"
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return f"{where} is in use by another program; choose another with --listen HOST:PORT."
    if code == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; choose another with --listen HOST:PORT."
    if code == errno.EACCES:
        return f"Listening on {where} is not permitted; choose a port above 1023 with --listen."
    return f"{where} cannot be listened on ({error}); choose another with --listen HOST:PORT."
