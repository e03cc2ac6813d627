"""What a command finds in its environment, so that it need not know of us."""

from pathlib import Path

import pytest

from rtproxy.cli.environment import pointed_at, sent_through, trusting, without_key
from rtproxy.net.authority import Authority

URL = "http://127.0.0.1:4000"
HOSTS = ("api.openai.com", "*.openai.azure.com")
PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.open(tmp_path_factory.mktemp("ca"))


def test_pointed_at_us() -> None:
    env = pointed_at(URL, {"PATH": "/bin", "NO_PROXY": "corp.test"})
    assert env["RTPROXY_URL"] == URL
    assert env["OPENAI_BASE_URL"] == f"{URL}/v1"
    assert env["NO_PROXY"] == "corp.test,127.0.0.1,localhost,::1"
    assert env["no_proxy"] == env["NO_PROXY"]  # some programs look at one of them only
    assert env["PATH"] == "/bin"


def test_sent_through_us() -> None:
    base = {
        "https_proxy": "http://corp:1",
        "SOCKS_PROXY": "socks5://corp:2",
        "all_proxy": "http://corp:3",
        "NO_PROXY": "openai.com,corp.test",
        "OPENAI_BASE_URL": "https://mine.openai.azure.com/openai/v1",
    }
    env = sent_through(URL, base, HOSTS)
    proxies = {name: env[name] for name in env if name.upper().endswith("_PROXY")}
    del proxies["NODE_USE_ENV_PROXY"]
    ours = ("HTTPS_PROXY", "HTTP_PROXY", "WSS_PROXY", "WS_PROXY", "ALL_PROXY")
    loopback = "127.0.0.1,localhost,::1"
    assert proxies == {
        **{name: URL for one in ours for name in (one, one.lower())},
        "NO_PROXY": f"corp.test,{loopback}",
        "no_proxy": f"corp.test,{loopback}",
    }
    assert env["NODE_USE_ENV_PROXY"] == "1"
    assert env["OPENAI_BASE_URL"] == base["OPENAI_BASE_URL"]  # the program's own choice


def test_sent_through_us_but_not_by_plain_http() -> None:
    env = sent_through(URL, {"HTTP_PROXY": "http://corp:1"}, HOSTS, plain=False)
    assert not {"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} & set(env)
    assert env["HTTPS_PROXY"] == URL


def test_a_server_of_this_machine_that_is_looked_into() -> None:
    env = sent_through(URL, {}, ("127.0.0.1",))
    assert env["NO_PROXY"] == "localhost,::1"


def test_nobody_needs_to_be_trusted_without_tls() -> None:
    with trusting(None, {"A": "b"}) as env:
        assert env == {"A": "b"}


def test_our_certificates_are_trusted_besides_all_others(
    authority: Authority, tmp_path: Path
) -> None:
    roots, corporate = tmp_path / "roots.pem", tmp_path / "corporate.pem"
    roots.write_text(PEM.format("roots"))
    corporate.write_text(PEM.format("corporate"))
    base = {"SSL_CERT_FILE": str(roots), "REQUESTS_CA_BUNDLE": str(corporate)}
    with trusting(authority, base) as env:
        (bundle,) = {
            env[name] for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        }
        text = Path(bundle).read_text()
        assert [word in text for word in ("roots", "corporate")] == [True, True]
        assert text.endswith(authority.pem.decode())
        assert env["NODE_EXTRA_CA_CERTS"] == str(authority.path)
    assert not Path(bundle).exists()
    assert base["SSL_CERT_FILE"] == str(roots)


def test_what_node_trusts_besides(authority: Authority, tmp_path: Path) -> None:
    corporate = tmp_path / "corporate.pem"
    corporate.write_text(PEM.format("corporate"))
    with trusting(authority, {"NODE_EXTRA_CA_CERTS": str(corporate)}) as env:
        text = Path(env["NODE_EXTRA_CA_CERTS"]).read_text()
    assert text == f"{PEM.format('corporate')}\n{authority.pem.decode()}"


def test_files_that_are_not_there_are_no_trouble(authority: Authority) -> None:
    gone = dict.fromkeys(("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), "/nowhere.pem")
    with trusting(authority, gone) as env:
        assert Path(env["SSL_CERT_FILE"]).read_bytes().endswith(authority.pem)
        assert env["NODE_EXTRA_CA_CERTS"] == str(authority.path)


def test_a_key_that_is_ours_to_add() -> None:
    env = without_key(
        "sk-secret-key", {"MY_KEY": "sk-secret-key", "URL": "https://sk-secret-key@x"}
    )
    assert "sk-secret-key" not in repr(env)
    assert env["OPENAI_API_KEY"].startswith("sk-rtproxy")
    kept = without_key("sk-secret-key", {"OPENAI_API_KEY": "another"})
    assert kept["OPENAI_API_KEY"] == "another"
