"""Whom programs trust: us when we connect to servers, and the programs that we start."""

import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from rtproxy.errors import TlsError

ALPN = ["http/1.1"]
"""What we speak, whatever a peer could speak beside it."""

BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


def upstream_context(authorities: str | os.PathLike[str] | None, *, verify: bool) -> ssl.SSLContext:
    """How servers' certificates are checked: by the system's roots and those in a file besides.

    Raises TlsError if the file cannot be used.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(ALPN)
    if authorities is not None:
        try:
            context.load_verify_locations(cafile=authorities)
        except ssl.SSLError:
            raise TlsError(
                f"{os.fspath(authorities)} holds no certificate that can be read; "
                "it must be PEM, beginning with -----BEGIN CERTIFICATE-----."
            ) from None
        except OSError as error:
            raise TlsError(f"{os.fspath(authorities)} cannot be read: {error.strerror}.") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def system_roots(environ: Mapping[str, str] = os.environ) -> bytes:
    """The certificates that programs trust already, as PEM; empty if none are found.

    Those of SSL_CERT_FILE where it is set, else those that OpenSSL has been built for, else those
    at the places that systems keep them, else certifi's.
    """
    for path in _places(environ):
        try:
            pem = Path(path).read_bytes()
        except OSError:
            continue
        if b"BEGIN CERTIFICATE" in pem:
            return pem
    return b""


def _places(environ: Mapping[str, str]) -> Iterator[str]:
    yield environ.get("SSL_CERT_FILE", "")
    defaults = ssl.get_default_verify_paths()
    yield defaults.openssl_cafile
    yield from BUNDLES
    try:
        import certifi
    except ModuleNotFoundError:
        return
    yield certifi.where()
