"""`tape verify --secrets` finds what is there, says where, and prints none of it."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from rtproxy.cli.main import rtproxy
from rtproxy.tape.leaks import known_values, leaks
from rtproxy.tape.record import Control, Event, Header, Record
from tests.tapes import write_tape

KEY = "sk-proj-4242abcdef4242abcdef4242abcdef"
PASSWORD = "correct/horse+battery staple"
KNOWN = {"DATABASE_PASSWORD": PASSWORD}
ENCODED = base64.b64encode(f'{{"authorization":"Bearer {KEY}"}}'.encode()).decode()


def message(**fields: object) -> Event:
    return Event(0, 0, 0, json.dumps({"type": "x", **fields}))


BESIDE = base64.b64encode(b"xy" + PASSWORD.encode()).decode()
AUDIO = base64.b64encode(bytes(999) + PASSWORD.encode()).decode()
PLANTED: dict[str, Record] = {
    "a key in a message": message(text=f"my key is {KEY}"),
    "a key in a header": Header({"request": {"headers": [["Authorization", f"Bearer {KEY}"]]}}),
    "a key in a query": Header({"request": {"target": f"/v1/realtime?api-key={KEY}"}}),
    "a client secret": message(session={"client_secret": {"value": "ek_0123456789abcdef"}}),
    "a key in bytes": Event(0, 0, 0, b"\x00\xff" + KEY.encode()),
    "a key in a ping": Control(0, 0, 0, "ping", {"payload": KEY.encode()}),
    "a key in base64": message(data=ENCODED),
    "a known value": message(text=PASSWORD),
    "a known value in a URL": message(url=f"https://x/?p={quote(PASSWORD, safe='')}"),
    "a known value in JSON": Event(0, 0, 0, '{"a":"correct\\/horse+battery staple"}'),
    "a known value in base64": message(data=BESIDE),
    "a known value in audio": message(audio=AUDIO),
    "a known value in a close": Control(0, 0, 0, "close", {"reason": PASSWORD}),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_found_and_not_quoted(what: str) -> None:
    found = list(leaks([PLANTED[what]], KNOWN))
    assert found
    for leak in found:
        assert KEY not in leak.what
        assert PASSWORD not in leak.what
        assert leak.seq == getattr(PLANTED[what], "seq", None)


def test_a_clean_tape_has_none() -> None:
    audio = base64.b64encode(bytes(range(256)) * 40).decode()
    records: list[Record] = [
        Header({"request": {"headers": [["Authorization", "Bearer REDACTED:01234567"]]}}),
        message(audio=audio),
        message(text="tokens are counted, secrets are kept, and keys open doors"),
        message(session={"id": "sess_0123456789abcdefghij", "max_output_tokens": 4096}),
        Control(3, 0, 0, "close", {"reason": "bye"}),
    ]
    assert list(leaks(records, KNOWN)) == []


def test_which_variables_are_credentials() -> None:
    given = {"OPENAI_API_KEY": "a", "GITHUB_TOKEN": "b", "HOME": "/", "APIKEY": "c",
             "KEYBOARD": "d", "MY_SECRET": "e", "DB_PASSWORD": "f", "MAX_TOKENS": "g"}  # fmt: skip
    assert set(known_values(given)) == {
        "OPENAI_API_KEY", "GITHUB_TOKEN", "APIKEY", "MY_SECRET", "DB_PASSWORD",
    }  # fmt: skip


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", PASSWORD)
    clean = write_tape(tmp_path / "clean.rtape", [Header({}), message(text="hello")])
    dirty = write_tape(
        tmp_path / "dirty.rtape", [Header({}), message(text=KEY), message(text=PASSWORD)]
    )
    done = CliRunner().invoke(rtproxy, ["tape", "verify", "--secrets", str(clean)])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(rtproxy, ["tape", "verify", "--secrets", str(clean), str(dirty)])
    assert done.exit_code == 1
    assert "#0: something with the shape" in done.stdout
    assert "#1: the value of SOME_SECRET" in done.stdout
    assert KEY not in done.output
    assert PASSWORD not in done.output
    done = CliRunner().invoke(rtproxy, ["tape", "verify", "--secrets", "--json", str(dirty)])
    (report,) = json.loads(done.stdout)["tapes"]
    assert [leak["seq"] for leak in report["secrets"]] == [0, 1]
    assert report["ok"], "the bytes themselves are sound"
