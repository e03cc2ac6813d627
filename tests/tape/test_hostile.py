"""Any bytes given to the reader yield records or one of our errors, in bounded memory."""

import contextlib
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtproxy.errors import NotATapeError, TapeDamagedError, TapeError, TapeVersionError
from rtproxy.tape.codec import encode_event, encode_header, encode_seal, encode_trailer
from rtproxy.tape.reader import open_tape
from rtproxy.tape.repair import verify
from tests.tape.framing import framed
from tests.tape.samples import BODY, HEADER, scan, sealed

SEALED = b"".join(sealed())
HEADS = st.sampled_from([
    b"\x97\xce\x0f\xff\xff\xff\xce", b"\x97\xce\x00\x00\x00\x20\xce", HEADER, *BODY,
    framed(1, 1, 1, 1, ["x"]), framed(96, 7), framed(5, 0), framed(0, "rtproxy-tape", 1, 0, {}),
])  # fmt: skip
JUNK = st.lists(st.binary(max_size=40) | HEADS, max_size=12).map(b"".join)


def mutated(tape: bytes) -> st.SearchStrategy[bytes]:
    edit = st.tuples(st.integers(0, len(tape)), st.integers(0, 40), st.binary(max_size=20))

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        hurt = bytearray(tape)
        for at, length, new in edits:
            hurt[at : at + length] = new
        return bytes(hurt)

    return st.lists(edit, min_size=1, max_size=4).map(apply)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JUNK | mutated(SEALED))
def test_any_bytes_yield_records_or_tape_errors(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.rtape"
    path.write_bytes(data)
    with contextlib.suppress(TapeError), open_tape(path) as tape:
        list(tape)
        tape.summary()
        str(verify(path))


@settings(deadline=None)
@given(mutated(SEALED))
def test_a_mutated_tape_yields_only_what_was_written(data: bytes) -> None:
    written = set(sealed())
    scans, damage = scan(data)
    assert {scanned.data for scanned in scans} <= written
    covered = sum(len(scanned.data) for scanned in scans) + sum(place.length for place in damage)
    assert covered == len(data)


def deep(mark: bytes, count: int) -> bytes:
    return framed(body=b"\x02\x00\x00\x00\xa0" + mark * count + b"\xc0", elements=6)


def raw(elements: int, body: bytes) -> bytes:
    return framed(body=body, elements=elements)


BOMBS = {
    "256 MiB claimed": HEADER + b"\x97\xce\x0f\xff\xff\xff\xce\x00\x00\x00\x00\x01\x00\x00\x00",
    "256 MiB claimed, often": HEADER + b"\x97\xce\x0f\xff\xff\xff\xce\x00\x00\x00\x00\x01" * 9999,
    "string of 4 GiB claimed": HEADER + raw(5, b"\x01\x00\x00\x00\xdb\xff\xff\xff\xff"),
    "array of 4 Gi claimed": HEADER + raw(5, b"\x01\x00\x00\x00\xdd\xff\xff\xff\xff"),
    "map of 4 Gi claimed": HEADER + raw(6, b"\x02\x00\x00\x00\xa0\xdf\xff\xff\xff\xff"),
    "deep arrays": HEADER + deep(b"\x91", 1 << 20),
    "deep arrays that claim much": HEADER + deep(b"\xdc\xff\xff", 500),
    "deep maps": HEADER + deep(b"\x81\xa0", 1 << 20),
    "many empty maps in an event": HEADER + framed(
        body=b"\x01\x00\x00\x00\xdd\x00\x10\x00\x00" + b"\x80" * (1 << 20), elements=5
    ),
    "many empty maps behind an event": HEADER + framed(
        body=b"\x01\x00\x00\x00\xa0\xdd\x00\x10\x00\x00" + b"\x80" * (1 << 20), elements=6
    ),
    "a control of 8 MiB": HEADER + framed(2, 0, 0, 0, "x", {"": [{}] * (1 << 23)}),
    "a header of 8 MiB": framed(0, "rtproxy-tape", 1, 0, {"": "x" * (1 << 23)}),
    "zeroes": HEADER + bytes(1 << 22),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_memory_is_bounded(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.rtape"
    path.write_bytes(BOMBS[name])
    size = len(BOMBS[name])
    tracemalloc.start()
    try:
        with contextlib.suppress(TapeError), open_tape(path) as tape:
            for _ in tape:
                pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * size + (8 << 20)


def test_a_sound_tape_is_read_in_less_memory_than_its_size(tmp_path: Path) -> None:
    path = tmp_path / "long.rtape"
    path.write_bytes(HEADER + b"".join(encode_event(n, n, 0, "x" * 4000) for n in range(4000)))
    tracemalloc.start()
    try:
        with open_tape(path) as tape:
            assert sum(1 for _ in tape) == 4001
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 << 20


def test_a_message_cannot_pass_for_the_seal(tmp_path: Path) -> None:
    """A peer sends what looks like seal and trailer as the last message before a crash."""
    start = HEADER + BODY[0]
    shell = encode_event(1, 11, 1, b"")
    forged_at = len(start) + len(shell)
    forged = encode_seal(2, 12, {"id": "guessed", "records": 0}) + encode_trailer(forged_at)
    event = encode_event(1, 11, 1, forged)
    assert (start + event).index(forged) == forged_at
    path = tmp_path / "call.rtape"
    path.write_bytes(start + event)
    with open_tape(path) as tape:
        assert tape.state == "crashed"
        assert [event.payload for event in tape.events()][1:] == [forged]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image"),
        (b'{"log": {"version": "1.2"}}', "JSON"),
        (b"\n [1, 2]", "JSON"),
        (b"RIFF\x00\x00\x00\x00WAVE", "audio"),
        (b"hello", "is not a tape."),
        (os.urandom(100_000), "is not a tape"),
        (b"\x28\xb5\x2f\xfd but no zstd", "cannot be unpacked"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file.rtape"
    path.write_bytes(content)
    with pytest.raises(NotATapeError, match=says) as caught:
        open_tape(path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_a_tape_cut_within_its_header_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "file.rtape"
    path.write_bytes(HEADER[:-1])
    with pytest.raises(TapeDamagedError, match="no record on it is readable"):
        open_tape(path)


def test_a_path_that_cannot_be_opened_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="There is no file"):
        open_tape(tmp_path / "none.rtape")
    with pytest.raises(TapeError, match="is a folder"):
        open_tape(tmp_path)
    with pytest.raises(TapeError, match="cannot be opened"):
        open_tape("nul\0byte")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TapeError, match="is not a file"):
        open_tape(tmp_path / "pipe")
    with pytest.raises(TapeError, match="is not a file"):
        open_tape("/dev/null")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.rtape"
    path.write_bytes(SEALED)
    path.chmod(0)
    with pytest.raises(TapeError, match="Permission denied"):
        open_tape(path)


def test_a_newer_minor_is_read_and_a_newer_major_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "new.rtape"
    path.write_bytes(encode_header({"id": "x", "later": 1}, minor=7) + BODY[0])
    with open_tape(path) as tape:
        assert tape.header.minor == 7
        assert len(list(tape.events())) == 1
    path.write_bytes(encode_header({"id": "x"}, major=2) + BODY[0])
    with pytest.raises(TapeVersionError, match=r"2\.0.*newer"):
        open_tape(path)


@pytest.mark.parametrize("requires", [["braille"], "braille", [["nested"]], {"map": 1}, 7])
def test_an_unknown_requirement_is_refused(tmp_path: Path, requires: object) -> None:
    path = tmp_path / "new.rtape"
    path.write_bytes(encode_header({"id": "x", "requires": requires}) + BODY[0])
    with pytest.raises(TapeVersionError, match="does not know"):
        open_tape(path)
