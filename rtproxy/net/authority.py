"""The local certificate authority: made on first use, in a folder that only its owner may read.

rtproxy-ca-key.pem    key and certificate, 0600; the key is nowhere else
rtproxy-ca.pem        the certificate alone: what clients are told to trust
"""

import fcntl
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rtproxy.errors import TlsError

try:
    from rtproxy.net.certificate import (
        Certificate,
        Key,
        certificate_pem,
        common_name,
        fingerprint,
        key_pem,
        make_authority,
        make_key,
        make_leaf,
        pin,
        read_authority,
    )
except ModuleNotFoundError as missing:
    raise TlsError(f"TLS needs the package {missing.name}: pip install 'rtproxy[tls]'.") from None

KEY_FILE = "rtproxy-ca-key.pem"
CERTIFICATE_FILE = "rtproxy-ca.pem"
LOCK_FILE = ".lock"
FOLDER_VARIABLE = "RTPROXY_CA_DIR"

RENEWED = timedelta(days=1)
"""An authority that ends sooner than this is replaced by a new one."""


def default_folder(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where a user's authority is, unless the user says otherwise."""
    if environ.get(FOLDER_VARIABLE):
        return Path(environ[FOLDER_VARIABLE]).expanduser()
    if platform == "darwin":
        return Path.home() / "Library/Application Support/rtproxy/ca"
    # The XDG Base Directory Specification says that a relative path is to be ignored.
    data = Path(environ.get("XDG_DATA_HOME", ""))
    return (data if data.is_absolute() else Path.home() / ".local/share") / "rtproxy/ca"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority with its key. `Authority.open(folder)` has it read, or made."""

    folder: Path
    certificate: Certificate
    _key: Key = field(repr=False)
    is_new: bool = False
    """True if it has been made just now: nobody trusts it yet."""

    @classmethod
    def open(cls, folder: Path | None = None) -> "Authority":
        """The authority in a folder; a new one if there is none or it has expired.

        Any number of processes may do this at once and get the same. Raises TlsError if the
        folder cannot be used, or if others may read the key in it.
        """
        folder = folder or default_folder()
        try:
            found = _read(folder)
            if found is None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with _locked(folder):
                    found = _read(folder) or _make(folder)
            _publish(found)
        except OSError as error:
            raise TlsError(
                f"The CA in {folder} cannot be read or made: {error.strerror or error}; "
                f"name another folder in {FOLDER_VARIABLE}."
            ) from None
        return found

    @property
    def path(self) -> Path:
        """The file with the certificate, for clients to trust."""
        return self.folder / CERTIFICATE_FILE

    @property
    def pem(self) -> bytes:
        return certificate_pem(self.certificate)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)

    @property
    def pin(self) -> str:
        return pin(self.certificate)

    @property
    def name(self) -> str:
        return common_name(self.certificate)

    @property
    def expires(self) -> datetime:
        return self.certificate.not_valid_after_utc

    def issue(self, hosts: Sequence[str], key: Key) -> bytes:
        """A certificate for `hosts`, with this one behind it, as PEM."""
        leaf = make_leaf(hosts, key, self.certificate, self._key, datetime.now(UTC))
        return certificate_pem(leaf) + self.pem


def _read(folder: Path) -> Authority | None:
    """What is there; None if there is nothing that is still valid."""
    path = folder / KEY_FILE
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            pem = file.read()
    except FileNotFoundError:
        return None
    if status.st_mode & 0o077 or status.st_uid not in (os.geteuid(), 0):
        raise TlsError(
            f"{path} is not yours alone, so its CA is not to be trusted; remove it and have a "
            "new one made."
        )
    try:
        key, certificate = read_authority(pem)
    except Exception:  # whatever cryptography raises for a file that holds something else
        raise TlsError(f"{path} holds no CA's key; remove it and have a new one made.") from None
    now = datetime.now(UTC)
    if certificate.not_valid_before_utc > now:  # a new one would have to be trusted anew
        raise TlsError(
            f"The CA in {folder} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} on, and "
            f"this machine's clock says {now:%Y-%m-%d}; set the clock, or remove {path}."
        )
    if certificate.not_valid_after_utc - RENEWED < now:
        return None
    return Authority(folder, certificate, key)


def _make(folder: Path) -> Authority:
    key = make_key()
    certificate = make_authority(key, f"rtproxy CA {secrets.token_hex(4)}", datetime.now(UTC))
    _write(folder / KEY_FILE, key_pem(key) + certificate_pem(certificate), 0o600)
    return Authority(folder, certificate, key, is_new=True)


def _publish(authority: Authority) -> None:
    """Have the certificate alone beside the key, where it is not."""
    try:
        if authority.path.read_bytes() == authority.pem:
            return
    except FileNotFoundError:
        pass
    _write(authority.path, authority.pem, 0o644)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Put a file into its place, whole; until then it is its owner's alone."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
