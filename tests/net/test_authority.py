"""The local CA: made once, kept to its owner, and certificates that all verifiers accept."""

import shutil
import ssl
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from rtproxy.errors import TlsError
from rtproxy.net.authority import KEY_FILE, Authority, default_folder
from rtproxy.net.certificate import (
    BACKDATED,
    certificate_pem,
    key_pem,
    make_authority,
    make_key,
    normal_host,
)
from rtproxy.net.leaves import KEPT, Leaves
from rtproxy.net.trust import ALPN

OPEN = "import sys; from pathlib import Path; from rtproxy.net.authority import Authority; "


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_on_first_use_and_then_kept(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "ca"
    made = Authority.open(folder)
    assert made.is_new
    assert mode(folder) == 0o700
    assert mode(folder / KEY_FILE) == 0o600
    assert made.path.read_bytes() == made.pem
    again = Authority.open(folder)
    assert not again.is_new
    assert again.fingerprint == made.fingerprint
    assert {path.name for path in folder.iterdir()} == {KEY_FILE, made.path.name, ".lock"}


def test_the_key_is_in_one_file_only_and_is_never_shown(tmp_path: Path) -> None:
    made = Authority.open(tmp_path)
    secret = (tmp_path / KEY_FILE).read_text().splitlines()[1]
    assert "PRIVATE KEY" in (tmp_path / KEY_FILE).read_text()
    others = [path.read_text() for path in tmp_path.iterdir() if path.name != KEY_FILE]
    assert not any(secret in text for text in [*others, repr(made), made.pem.decode()])


def test_a_certificate_that_was_lost_is_written_again(tmp_path: Path) -> None:
    made = Authority.open(tmp_path)
    made.path.write_text("something else")
    assert Authority.open(tmp_path).path.read_bytes() == made.pem


def test_processes_that_start_at_once_get_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    script = OPEN + "print(Authority.open(Path(sys.argv[1])).fingerprint)"
    command = [sys.executable, "-c", script, str(folder)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    prints = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert prints == {Authority.open(folder).fingerprint + "\n"}


def test_threads_that_start_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(Authority.open, [tmp_path / "ca"] * 8))
    assert len({one.fingerprint for one in made}) == 1
    assert sum(one.is_new for one in made) == 1


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o666])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, bits: int) -> None:
    Authority.open(tmp_path)
    (tmp_path / KEY_FILE).chmod(bits)
    with pytest.raises(TlsError, match="not yours alone"):
        Authority.open(tmp_path)


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / KEY_FILE
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(TlsError, match="holds no CA's key"):
        Authority.open(tmp_path)


def test_a_key_with_another_ones_certificate_is_refused(tmp_path: Path) -> None:
    key, other = make_key(), make_key()
    certificate = make_authority(other, "other", datetime.now(UTC))
    path = tmp_path / KEY_FILE
    path.write_bytes(key_pem(key) + certificate_pem(certificate))
    path.chmod(0o600)
    with pytest.raises(TlsError, match="holds no CA's key"):
        Authority.open(tmp_path)


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TlsError, match="RTPROXY_CA_DIR"):
        Authority.open(tmp_path / "file" / "ca")


def test_one_that_is_not_valid_yet_is_refused(tmp_path: Path) -> None:
    """A clock that was set back: no client would take it, and a new one is trusted by nobody."""
    key = make_key()
    later = datetime.now(UTC) + timedelta(days=30)
    file = tmp_path / KEY_FILE
    file.write_bytes(key_pem(key) + certificate_pem(make_authority(key, "later", later)))
    file.chmod(0o600)
    with pytest.raises(TlsError, match=f"is valid from {later - BACKDATED:%Y-%m-%d} on, .* clock"):
        Authority.open(tmp_path)


def test_an_expired_one_is_replaced(tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=6 * 365)
    key = make_key()
    path = tmp_path / KEY_FILE
    path.write_bytes(key_pem(key) + certificate_pem(make_authority(key, "old", long_ago)))
    path.chmod(0o600)
    made = Authority.open(tmp_path)
    assert made.is_new
    assert made.expires > datetime.now(UTC) + timedelta(days=365)
    assert made.path.read_bytes() == made.pem


@pytest.mark.parametrize(
    ("environ", "platform", "folder"),
    [
        ({}, "linux", "HOME/.local/share/rtproxy/ca"),
        ({"XDG_DATA_HOME": "/data"}, "linux", "/data/rtproxy/ca"),
        ({"XDG_DATA_HOME": "data"}, "linux", "HOME/.local/share/rtproxy/ca"),
        ({"XDG_DATA_HOME": "/data"}, "darwin", "HOME/Library/Application Support/rtproxy/ca"),
        ({"RTPROXY_CA_DIR": "/here"}, "darwin", "/here"),
        ({"RTPROXY_CA_DIR": "~/here", "XDG_DATA_HOME": "/data"}, "linux", "HOME/here"),
    ],
)
def test_where_it_is(environ: dict[str, str], platform: str, folder: str) -> None:
    assert str(default_folder(environ, platform)) == folder.replace("HOME", str(Path.home()))


def test_without_its_library_there_is_one_line(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['cryptography'] = None; "
        f"sys.argv = ['rtproxy', 'record', '--tls', '--out', {str(tmp_path)!r}]; "
        "from rtproxy.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'rtproxy[tls]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


# --- certificates ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.open(tmp_path_factory.mktemp("ca"))


def shake_hands(
    context: ssl.SSLContext, server: ssl.SSLContext, name: str | None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Do a handshake in memory; raises what the client raises."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(down, up, server_hostname=name)
    served = server.wrap_bio(up, down, server_side=True)
    waiting = [client, served]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    return client, served


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "::1", "api.openai.com", "xn--bcher-kva.example", "a_b.test"]
)
@pytest.mark.parametrize("strict", [False, True])
def test_leaves_are_accepted(made: Authority, host: str, strict: bool) -> None:
    context = ssl.create_default_context(cafile=made.path)
    if strict:  # the default from Python 3.13 on
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    client, _ = shake_hands(context, Leaves(made).context(host), host)
    assert client.version() == "TLSv1.3"


def test_a_client_that_does_not_know_the_authority_refuses(made: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(ssl.create_default_context(), Leaves(made).context("localhost"), "localhost")


def test_another_name_than_the_one_asked_for_is_refused(made: Authority) -> None:
    context = ssl.create_default_context(cafile=made.path)
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        shake_hands(context, Leaves(made).context("127.0.0.1"), "10.0.0.1")


def test_a_client_that_names_a_host_gets_that_ones(made: Authority) -> None:
    context = ssl.create_default_context(cafile=made.path)
    listener = Leaves(made).context("localhost", "127.0.0.1")
    for name in ("localhost", "proxy.test", "PROXY.test", "api.openai.com"):
        shake_hands(context, listener, name)


def test_http_1_1_is_all_that_is_agreed_on(made: Authority) -> None:
    context = ssl.create_default_context(cafile=made.path)
    context.set_alpn_protocols(["h2", "http/1.1"])
    client, _ = shake_hands(context, Leaves(made).context("localhost"), "localhost")
    assert client.selected_alpn_protocol() == "http/1.1"
    assert ALPN == ["http/1.1"]


@pytest.mark.parametrize("name", ["localhost", "other.test"])
def test_nothing_comes_after_the_handshake(made: Authority, name: str) -> None:
    """A client that reads in one thread and writes in another loses what it says meanwhile."""
    context = ssl.create_default_context(cafile=made.path)
    client, served = shake_hands(context, Leaves(made).context("localhost"), name)
    served.write(b"hello")
    assert client.read() == b"hello"
    assert client.session is not None
    assert not client.session.has_ticket


def test_leaves_are_kept_up_to_a_number_and_renewed(
    made: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves = Leaves(made)
    first = leaves.context("first.test")
    assert leaves.context("first.test") is first
    now = 0.0
    monkeypatch.setattr("rtproxy.net.leaves.time.monotonic", lambda: now)
    fresh = leaves.context("second.test")
    now = 8 * 24 * 3600.0
    assert leaves.context("second.test") is not fresh
    monkeypatch.setattr("rtproxy.net.leaves.Leaves._make", lambda *_: fresh)
    for number in range(KEPT + 10):
        leaves.context(f"{number}.test")
    assert leaves.context("first.test") is not first
    assert len(leaves._leaves) == KEPT


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("API.OpenAI.com.", "api.openai.com"),
        ("[::1]", None),
        ("0:0::1", "::1"),
        ("a..b", None),
        ("-a", None),
        ("a/b", None),
        ("a\nb", None),
        ("", None),
        ("é.test", None),
        ("a" * 254, None),
        ("*", None),
    ],
)
def test_hosts_as_certificates_name_them(host: str, normal: str | None) -> None:
    assert normal_host(host) == normal


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is needed")
def test_openssl_finds_nothing_wrong(made: Authority, tmp_path: Path) -> None:
    chain = made.issue(["api.openai.com", "127.0.0.1"], make_key())
    (tmp_path / "leaf.pem").write_bytes(chain)
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver"]
    done = subprocess.run(
        [*verify, "-CAfile", made.path, "-verify_hostname", "api.openai.com", "leaf.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "leaf.pem: OK\n", done.stderr
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", made.path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.fingerprint in shown.stdout


def test_leaves_do_not_outlive_their_authority(made: Authority) -> None:
    certificate = x509.load_pem_x509_certificate(made.issue(["a.test"], make_key()))
    assert certificate.not_valid_after_utc <= made.expires
    assert certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(days=15)
    assert certificate.not_valid_before_utc < datetime.now(UTC)
