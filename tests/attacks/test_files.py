"""Files that are made to hurt: every command that reads one ends soon, in a sentence, as promised.

`hostile_tapes` and `hostile_imports` make the files, by the family; what is run here of each family
is what has been a fault once, or is the worst of its kind.
"""

import base64
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attacks import hostile, hostile_imports, hostile_tapes
from tests.attacks.commands import Outcome, Runner

PEAK = 400 << 20
SECONDS = 8.0
"""Of the processor's time; most take a hundredth of one."""
OBEYED = "\x1b\x9b\x07\u202e\u2066"
"""What a terminal might act on, or would turn around."""

TAPES = {
    "lies": ["claim in the middle", "claims that follow on", "map of 4 Gi in an event",
             "ext of 4 Gi in the seal", "str of 4 Gi in the header"],
    "nested": ["arrays in a control", "maps in the seal", "maps in the header", "json typed",
               "json objects within", "tool"],
    "numbers": ["number 5000 digits", "number 1e308", "number NaN", "time 2^64-1",
                "time to and fro", "seq"],
    "seals": ["header within 0", "header within 3", "seal within 5", "trailer to itself",
              "controls 3"],
    "audio": ["audio no base64", "rate 191999", "rate 10^12", "rates", "audio_ms 2^63", "indexes"],
    "names": ["name 0", "name 2", "name 3", "name 8"],
    "scripts": ["scripts everywhere", "scripts"],
    "packed": ["several frames", "bomb", "cut", "2 GiB window", "garbage behind", "checksum",
               "wrong size", "empty frames", "packed twice", "repeats"],
}  # fmt: skip
"""Family → the tapes of it that are read, the first of them by more commands than the others."""
READERS = ["lies", "seals", "packed"]
"""Families whose fault lies where it meets the reader, which is the same for every command: only
the first tape of the first of them is read by all."""
CHEAP = ["inspect --json", "tape verify"]
KEEN = ["inspect --html", "inspect --json", "export wav", "tape cut"]
"""Commands that look at a tape most closely: by these the others of a family are read."""


def reading(tape: Path, out: str) -> list[list[str]]:
    """Every command that reads a tape; what they write begins with `out`."""
    it = str(tape)
    return [
        ["inspect", it],
        ["inspect", "--events", "--no-fold", it],
        ["inspect", "--ndjson", it],
        ["inspect", "--json", it],
        ["inspect", "--html", f"{out}.html", it],
        ["inspect", "--filter", "turn:1 error,x", it],
        ["inspect", "--turn", "1", it],
        ["diff", it, "good.rtape"],
        ["diff", "--json", "good.rtape", it],
        ["diff", "--html", f"{out}-diff.html", it, it],
        ["export", "wav", it, "-o", f"{out}.wav"],
        ["export", "wav", it, "-o", f"{out}-mono.wav", "--rate", "8000", "--mix", "mono"],
        ["export", "wav", it, "-o", f"{out}-items", "--per", "item"],
        ["export", "transcript", it, "--format", "vtt"],
        ["export", "jsonl", it],
        ["export", "har", it],
        ["export", "trace", it],
        ["export", "otlp", "--content", it],
        ["export", "parquet", it, "-o", f"{out}-table"],
        ["tape", "verify", "--secrets", it],
        ["tape", "repair", it, "-o", f"{out}-repaired.rtape"],
        ["tape", "redact", it, "--words", "--audio", "noise", "-o", f"{out}-redacted.rtape"],
        ["tape", "cut", it, "--turn", "1", "-o", f"{out}-cut.rtape"],
        ["tape", "dump", it],
        ["tape", "textconv", it],
        ["tape", "pack", it, "-o", f"{out}.zst"],
        ["tape", "unpack", f"{out}.zst", "-o", f"{out}-again.rtape"],
        ["replay", it, "--listen", "127.0.0.1:0", "--speed", "max", "--", "true"],
        ["replay", it, "--salvage", "--listen", "127.0.0.1:0", "--", "true"],
        ["drive", it, "--upstream", "ws://127.0.0.1:9", "--out", "driven"],
    ]


def complaints(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """What was not as promised, each with its command."""
    for ended in outcomes:
        said = ended.out + ended.err
        wrong = [
            f"exit {ended.code}" * (ended.code not in (0, 1, 2)),
            "traceback" * ("Traceback" in ended.err),
            "said nothing" * (ended.code == 2 and not ended.err.strip()),
            "terminal obeys" * any(char in said for char in OBEYED),
            f"{ended.peak >> 20} MB" * (ended.peak > PEAK),
            f"{ended.seconds:.1f} s" * (ended.seconds > SECONDS),
        ]
        if any(wrong):
            what = ", ".join(filter(None, wrong))
            yield f"{' '.join(ended.arguments)}: {what} {ended.err[-300:]}"


def chosen(commands: list[list[str]], family: str, first: bool) -> list[list[str]]:
    """The commands that read a tape of this family."""
    if first and (family not in READERS or family == READERS[0]):
        return commands
    wanted = KEEN if first or family not in READERS else CHEAP
    picked, names = [], list(wanted)
    for command in commands:  # each of them once
        if (name := " ".join(command[:2])) in names:
            names.remove(name)
            picked.append(command)
    return picked


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as made:
        yield made


def test_every_command_stands_every_tape(runner: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = hostile.sealed(hostile.said(*hostile.call()))
    (folder / "good.rtape").write_bytes(good)
    cases = []
    for family, names in TAPES.items():
        made = dict(hostile_tapes.FAMILIES[family]())
        for name in names:
            path = folder / f"hostile-{family}-{name.replace(' ', '-')}.rtape"
            path.write_bytes(made[name])
            commands = reading(path, path.stem.replace("hostile", "out"))
            cases += chosen(commands, family, name == names[0])
    outcomes = runner.run([*cases, ["tape", "ls", "."]], folder)
    assert list(complaints(outcomes)) == []
    assert {entry.name for entry in tmp_path.iterdir()} == {"in"}  # nothing left the folder
    stems = ("out-", "hostile-", "good", "driven")
    assert [entry.name for entry in folder.iterdir() if not entry.name.startswith(stems)] == []
    for page in folder.glob("*.html"):
        assert no_foreign_tags(page.read_text("utf-8")), page


def no_foreign_tags(page: str) -> bool:
    lowered = page.lower()
    return "<img src=x" not in lowered and "<script>alert" not in lowered and "\x1b" not in page


CLIENT = """
import os, socket
at = os.environ["RTPROXY_URL"].partition("//")[2].partition("/")[0]
with socket.create_connection(at.split(":"), timeout=60) as sock:
    sock.sendall(b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\\r\\nHost: " + at.encode()
        + b"\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Version: 13"
        + b"\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n")
    got = b""
    while piece := sock.recv(65536):
        got += piece
print("rtproxy_mismatch" in got.decode("latin-1"), got[:12])
"""
"""Connects and says nothing until the server has closed."""
PLAYED = {"nested": ["json typed", "tool"], "numbers": ["time to and fro"],
          "lies": ["claim in the middle"]}  # fmt: skip


def test_hostile_tapes_are_played_to_a_client_that_gets_an_end(
    runner: Runner, tmp_path: Path
) -> None:
    (tmp_path / "client.py").write_text(CLIENT)
    cases = []
    for family, names in PLAYED.items():
        made = dict(hostile_tapes.FAMILIES[family]())
        for name in names:
            path = tmp_path / f"{name.replace(' ', '-')}.rtape"
            path.write_bytes(made[name])
            cases.append(
                ["replay", path.name, "--salvage", "--speed", "max", "--stall", "0.1",
                 "--listen", "127.0.0.1:0", "--", sys.executable, "client.py"]
            )  # fmt: skip
    outcomes = runner.run(cases, tmp_path)
    assert list(complaints(outcomes)) == []
    for ended in outcomes:
        assert (ended.code, ended.out) == (1, "True b'HTTP/1.1 101'\n"), ended
        assert "Mismatch" in ended.err


IMPORTS = {
    "har": ["times 3", "numbers 3", "numbers 0", "arrays in data", "objects in the request",
            "arrays alone", "cut", "scripts", "name 0", "name 2", "backslashes"],
    "jsonl": ["at 3", "event 3", "tape 3", "tape 0", "objects as data", "arrays as time",
              "objects in the header", "objects in a control", "name 0", "name 3", "bad lines",
              "missing", "surrogates"],
    "flow": ["length of 12 digits", "nested", "lists", "lists in a flow", "cut", "messages 0",
             "messages 4", "request 1", "host 11", "digits"],
    "wav": ["data of 4 GiB", "a million chunks", "format 1", "format 3", "format 9", "nan"],
}  # fmt: skip
"""Format → the files of it that are imported."""


def test_import_stands_every_file(runner: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    files = [(kind, name) for kind, names in IMPORTS.items() for name in names]
    made = {kind: dict(make()) for kind, make in hostile_imports.FAMILIES.items()}
    cases = []
    for n, (kind, name) in enumerate(files):
        path = folder / f"hostile-{n}.{kind}"
        if kind == "wav":
            path.mkdir()
            path /= "001-caller.wav"
        path.write_bytes(made[kind][name])
        source = path.parent if kind == "wav" else path
        cases += [
            ["import", str(source), "-o", f"tape-{n}.rtape"],
            ["inspect", "--html", f"page-{n}.html", f"tape-{n}.rtape"],
        ]
        if name == IMPORTS[kind][0] or name.startswith(("name", "scripts")):
            cases += [
                ["import", str(source), "-o", f"tapes-{n}"],
                ["inspect", f"tape-{n}.rtape"],
                ["diff", "--html", f"diff-{n}.html", f"tape-{n}.rtape", f"tape-{n}.rtape"],
            ]
    assert list(complaints(runner.run(cases, folder))) == []
    assert {entry.name for entry in tmp_path.iterdir()} == {"in"}
    for page in folder.glob("*.html"):
        assert no_foreign_tags(page.read_text("utf-8")), page


def test_an_import_names_ten_unsealed_tapes(runner: Runner, tmp_path: Path) -> None:
    header = b'{"kind":"header","tape":"1.0","fields":{"id":"%d","connection":"websocket"}}\n'
    (tmp_path / "many.jsonl").write_bytes(b"".join(header % n for n in range(30)))
    (ended,) = runner.run([["import", "many.jsonl", "-o", "tapes"]], tmp_path)
    assert ended.out.count("\n") == 30
    lines = ended.err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "rtproxy: 20 more are not sealed: many.jsonl does not say how they end."


def test_a_bomb_is_refused_and_what_is_damaged_is_read(runner: Runner, tmp_path: Path) -> None:
    made = dict(hostile_tapes.FAMILIES["packed"]())
    for name in ("bomb", "checksum"):
        (tmp_path / f"{name}.rtape.zst").write_bytes(made[name])
    bomb = zlib.compressobj(wbits=31)
    parts = [bomb.compress(bytes(1 << 24)) for _ in range(17)]
    (tmp_path / "bomb.gz").write_bytes(b"".join(parts) + bomb.flush())
    refused, compressed, sound = runner.run(
        [["tape", "unpack", "bomb.rtape.zst"], ["import", "bomb.gz"],
         ["tape", "unpack", "checksum.rtape.zst"]],
        tmp_path,
    )  # fmt: skip
    for ended in (refused, compressed):
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "holds more than 256 MiB" in ended.err
    assert sound.code == 0
    whole = hostile.sealed(hostile.said(*hostile.call()))
    assert (tmp_path / "checksum.rtape").read_bytes() == whole


def test_a_day_of_silence_takes_no_room_on_the_disk(runner: Runner, tmp_path: Path) -> None:
    before, after = hostile.call()[:8], hostile.call()[8:]
    hours = [(ms + 11 * 3_600_000, who, data) for ms, who, data in after]
    (tmp_path / "day.rtape").write_bytes(hostile.sealed(hostile.said(*before, *hours)))
    (ended,) = runner.run(
        [["export", "wav", "day.rtape", "-o", "day.wav", "--mix", "mono", "--rate", "8000"]],
        tmp_path,
    )
    assert ended.code == 0
    wave = (tmp_path / "day.wav").stat()
    assert wave.st_size > 11 * 3600 * 8000 * 2
    assert wave.st_blocks * 512 < 8 << 20


def test_items_that_overlap_without_end_are_not_exported(runner: Runner, tmp_path: Path) -> None:
    """Each of them claims all the audio that there is."""
    second = base64.b64encode(b"\1\2" * 24_000).decode()
    append = {"type": "input_audio_buffer.append", "audio": second}
    events: list[tuple[int, int, Any]] = [(n * 1000, 0, append) for n in range(60)]
    for n in range(200):
        about = {"item_id": f"u{n}"}
        for name, more in (("speech_started", {"audio_start_ms": 0}), ("committed", {})):
            said = {"type": f"input_audio_buffer.{name}", **about, **more}
            events.append((60_000, 1, said))
    (tmp_path / "all.rtape").write_bytes(hostile.sealed(hostile.said(*events)))
    (ended,) = runner.run(
        [["export", "wav", "all.rtape", "--per", "item", "-o", "items"]], tmp_path
    )
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "as they overlap" in ended.err


def test_a_har_with_scripts_is_a_page_that_executes_nothing(runner: Runner, tmp_path: Path) -> None:
    """The words of the scripts are there, and are no tags."""
    (tmp_path / "a.har").write_bytes(dict(hostile_imports.hars())["scripts"])
    outcomes = runner.run(
        [
            ["import", "a.har", "-o", "a.rtape"],
            ["inspect", "--html", "a.html", "a.rtape"],
            ["diff", "--html", "d.html", "a.rtape", "a.rtape"],
            ["tape", "dump", "a.rtape"],
        ],
        tmp_path,
    )
    assert [ended.code for ended in outcomes] == [0, 0, 0, 0]
    assert list(complaints(outcomes)) == []
    assert r"\u001b" in outcomes[-1].out  # it is shown, as an escape
    for name in ("a.html", "d.html"):
        page = (tmp_path / name).read_text("utf-8")
        assert no_foreign_tags(page)
        assert "content-security-policy" in page.lower()


SCENARIOS = {
    "million turns": "larger than 1 MiB",
    "thousands of turns": "40,000 replies; at most 1,000 are allowed",
    "long turn": "audio_ms must be at most 600000",
    "hours of voice": "at most 60 are allowed",
    "digits said": "at most 60 are allowed",
    "repeat": "audio_ms must be at most",
    "number 1": "a number of thousands of digits",
    "number 2": "must be a number, not nan",
    "number 8": "must be a number, not 9999",
    "hex": "must be a whole number, not a number of thousands of digits",
    "nested arrays": "nested too deep",
    "nested tables": "nested too deep",
    "dotted": "nested too deep",
    "table": "nested too deep",
    "quoted dots": "nested too deep",
    "half a million letters": "there is no key xxxx",
    "escape key": r"there is no key \x1b]0;x\x07",
    "escape value": "must be",
    "no UTF-8": "not a text file in UTF-8",
}
"""Scenario → what is said of it."""


def test_simulate_refuses_what_it_cannot_play(runner: Runner, tmp_path: Path) -> None:
    made, cases = dict(hostile_imports.scenarios()), []
    for n, name in enumerate(SCENARIOS):
        path = tmp_path / f"hostile-{n}.toml"
        path.write_bytes(made[name])
        cases.append(["simulate", "--scenario", str(path), "--listen", "127.0.0.1:0"])
    outcomes = runner.run(cases, tmp_path)
    assert list(complaints(outcomes)) == []
    for says, ended in zip(SCENARIOS.values(), outcomes, strict=True):
        assert ended.code == 2
        assert says in ended.err
        assert ended.err.count("\n") == 1
