"""`rtproxy ca`: what it says of the CA, what it gives out, and what it never does."""

import subprocess
from pathlib import Path

import pytest

from rtproxy.net.authority import KEY_FILE, Authority
from tests.commandline import call_for_text


def ca(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    env = {"RTPROXY_CA_DIR": str(folder), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return call_for_text("ca", *options, env=env)


@pytest.fixture
def made(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "ca")


def test_what_it_is_and_how_it_is_trusted(made: Authority) -> None:
    done = ca(made.folder)
    assert (done.returncode, done.stderr) == (0, "")
    for shown in (
        made.name,
        str(made.path),
        made.fingerprint,
        made.pin,
        f"{made.expires:%Y-%m-%d}",
    ):
        assert shown in done.stdout
    for way in (
        "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "curl --cacert",
        "security add-trusted-cert", "update-ca-certificates", "certutil", "keytool", "Firefox",
        "trust anchor", "--ignore-certificate-errors-spki-list", "Go",
    ):  # fmt: skip
        assert way in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_it_is_made_where_there_is_none(tmp_path: Path) -> None:
    done = ca(tmp_path / "new", "--path")
    assert done.stdout == f"{tmp_path}/new/rtproxy-ca.pem\n"
    assert Path(done.stdout.strip()).read_bytes() == Authority.open(tmp_path / "new").pem


def test_the_certificate_is_given_out(made: Authority, tmp_path: Path) -> None:
    assert ca(made.folder, "--export").stdout.encode() == made.pem
    file = tmp_path / "exported.pem"
    for _ in range(2):  # again is no harm
        done = ca(made.folder, "--export", str(file))
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"rtproxy: the certificate is in {file}\n"
    assert file.read_bytes() == made.pem


def test_a_bundle_has_all_certificates(made: Authority, tmp_path: Path) -> None:
    file = tmp_path / "roots.pem"
    done = ca(made.folder, "--bundle", str(file))
    assert done.returncode == 0, done.stderr
    assert file.read_bytes().endswith(made.pem)
    assert file.read_bytes().count(b"BEGIN CERTIFICATE") > 10


@pytest.mark.parametrize("option", ["--export", "--bundle"])
def test_nothing_else_is_overwritten(made: Authority, tmp_path: Path, option: str) -> None:
    file = tmp_path / "agent.py"
    file.write_text("precious")
    done = ca(made.folder, option, str(file))
    assert done.returncode == 2
    assert done.stderr == (
        f"rtproxy: {file} is there and is no certificate; remove it, or name another.\n"
    )
    assert file.read_text() == "precious"


def test_a_file_that_cannot_be_written(made: Authority, tmp_path: Path) -> None:
    done = ca(made.folder, "--export", str(tmp_path / "no" / "ca.pem"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [[], ["--path"], ["--export"]])
def test_the_key_is_never_shown(made: Authority, options: list[str]) -> None:
    secret = (made.folder / KEY_FILE).read_text().splitlines()[1]
    done = ca(made.folder, *options)
    assert secret not in done.stdout + done.stderr
    assert "PRIVATE" not in done.stdout
