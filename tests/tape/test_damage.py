"""Whatever happens to the bytes of a tape is noticed and costs no more than the records it hit."""

import random
from bisect import bisect_right
from itertools import accumulate

import pytest

from rtproxy.tape.codec import encode_event
from rtproxy.tape.record import Event
from rtproxy.tape.scanner import SEARCH_FACTOR, SEARCH_FLOOR, Scanner
from tests.tape.samples import BODY, HEADER, numbered, scan, sealed, sound

SEALED = sealed()
UNSEALED = [HEADER, *BODY]
TAPES = {"sealed": SEALED, "unsealed": UNSEALED}


def starts(records: list[bytes]) -> list[int]:
    return [0, *accumulate(map(len, records))]


@pytest.mark.parametrize("name", TAPES)
def test_a_sound_tape_is_read_whole(name: str) -> None:
    scans, damage = scan(b"".join(TAPES[name]))
    assert [scanned.data for scanned in scans] == TAPES[name]
    assert [scanned.offset for scanned in scans] == starts(TAPES[name])[:-1]
    assert damage == []


@pytest.mark.parametrize("name", TAPES)
def test_every_truncation(name: str) -> None:
    records = TAPES[name]
    tape = b"".join(records)
    ends = starts(records)[1:]
    for size in range(1, len(tape)):
        whole = bisect_right(ends, size)
        scans, damage = scan(tape[:size])
        assert [scanned.data for scanned in scans] == records[:whole], size
        at_boundary = size in ends
        assert bool(damage) != at_boundary, size
        if damage:
            (place,) = damage
            start = ends[whole - 1] if whole else 0
            assert (place.offset, place.length) == (start, size - start)


HEAD = 12
"""Bytes of a record that say where it ends, and the first of what it is."""


@pytest.mark.parametrize("name", TAPES)
def test_every_change_of_one_byte(name: str) -> None:
    records = TAPES[name]
    tape = bytearray(b"".join(records))
    begin = starts(records)
    for at in range(len(tape)):
        hit = bisect_right(begin, at) - 1
        rest = records[:hit] + records[hit + 1 :]
        old = tape[at]
        framing = name == "unsealed" and at - begin[hit] < HEAD
        others = set(range(256)) if framing else {old ^ 1 << bit for bit in range(8)}
        for new in (others | {0, 0xFF, (old + 1) % 256}) - {old}:
            tape[at] = new
            scans, damage = scan(bytes(tape))
            assert [scanned.data for scanned in scans] == rest, (at, new)
            assert [(place.offset, place.length) for place in damage] == [
                (begin[hit], len(records[hit]))
            ], (at, new)
            if 0 < hit < len(records) - 1 and b"rtproxy" not in records[hit] and rest[hit:]:
                expected = range(hit - 1, hit) if records[hit + 1][11] != 5 else range(0)
                assert damage[0].missing == expected
        tape[at] = old


def test_two_damaged_records_cost_two() -> None:
    for first in range(1, len(BODY)):
        for second in range(first + 1, len(SEALED)):
            records = [bytearray(record) for record in SEALED]
            records[first][-1] ^= 0x40
            records[second][-1] ^= 0x40
            kept = [data for n, data in enumerate(SEALED) if n not in (first, second)]
            assert sound(b"".join(records)) == kept


@pytest.mark.parametrize("junk", [b"\x00" * 5000, b"\x97\xce\x00\x00\x00\x10\xce" * 900])
def test_junk_between_records_is_passed_over(junk: bytes) -> None:
    for n in range(len(SEALED) + 1):
        tape = b"".join([*SEALED[:n], junk, *SEALED[n:]])
        scans, damage = scan(tape)
        assert [scanned.data for scanned in scans] == SEALED
        assert sum(place.length for place in damage) == len(junk)
        assert not any(place.missing for place in damage)


def test_records_cut_out_are_missed() -> None:
    scans, damage = scan(b"".join([*SEALED[:2], *SEALED[4:]]))
    assert numbered([scanned.record for scanned in scans]) == [0, 3, 4, 5]
    assert [(place.length, place.missing) for place in damage] == [(0, range(1, 3))]


def test_records_that_come_twice_or_too_late_are_left_out() -> None:
    order = [HEADER, *BODY, BODY[1], BODY[4], HEADER]
    scans, damage = scan(b"".join(order))
    assert [scanned.data for scanned in scans] == [HEADER, *BODY]
    assert sum(place.length for place in damage) == sum(map(len, order[6:]))


def test_bytes_after_the_trailer_are_damage() -> None:
    scans, damage = scan(b"".join([*SEALED, BODY[0]]))
    assert [scanned.data for scanned in scans] == SEALED
    assert [place.what for place in damage] == ["bytes after the trailer"]


def test_a_tape_without_its_header_is_read() -> None:
    assert sound(b"".join(SEALED[1:])) == SEALED[1:]


@pytest.mark.parametrize("first", [0, 1, 2, 3, 4, 50])
@pytest.mark.parametrize("place", ["middle", "end"])
@pytest.mark.parametrize("around", [b"", b"\x00junk\xff"])
def test_a_tape_inside_a_damaged_payload_is_not_taken_for_records(
    first: int, place: str, around: bytes
) -> None:
    """A message may hold a tape, whose records are as sound as those of the tape it is on."""
    inner = [encode_event(first + n, 7, 0, f"inner {n}") for n in range(3)]
    carrier = encode_event(2, 300, 0, around + b"".join([HEADER, *inner]) + around)
    after = [encode_event(n, 400 + n, 1, f"outer {n}") for n in range(3, 6)]
    records = [HEADER, BODY[0], BODY[1], carrier, *(after if place == "middle" else [])]
    tape = bytearray(b"".join(records))
    start = len(HEADER) + len(BODY[0]) + len(BODY[1])
    rest = [data for data in records if data is not carrier]
    for at in range(start, start + len(carrier)):
        tape[at] ^= 0x10
        got = sound(bytes(tape))
        # With nothing behind it and its length unreadable, only its seq can tell an inner record.
        if place == "middle" or not start + 2 <= at < start + 6:
            assert got == rest, at - start
        tape[at] ^= 0x10


@pytest.mark.parametrize("length", [1, 3, 40])
def test_a_tape_inside_a_record_that_is_cut_out_of_place_is_outweighed(length: int) -> None:
    """Bytes were lost inside a message that holds a tape: neither its length nor its CRC helps."""
    inner = b"".join([HEADER, *(encode_event(n, 7, 0, f"inner {n}") for n in range(length))])
    before = [encode_event(n, n, 0, "x") for n in range(5)]
    after = [encode_event(n, n, 0, "x") for n in range(6, 80)]
    carrier = encode_event(5, 5, 0, b"payload " + inner + b" payload")
    tape = b"".join([HEADER, *before, carrier[:14] + carrier[16:], *after])
    scans, damage = scan(tape)
    assert [scanned.data for scanned in scans] == [HEADER, *before, *after]
    assert [place.missing for place in damage] == [range(5, 6)]


def test_random_damage_never_yields_a_record_that_was_not_written() -> None:
    chance = random.Random(7)
    written = [encode_event(n, n * 1000, n % 2, f"message {n} " * (n % 9)) for n in range(60)]
    records = [HEADER, *written]
    tape = b"".join(records)
    for _ in range(300):
        hurt = bytearray(tape)
        for _ in range(chance.randrange(1, 6)):
            at, length = chance.randrange(len(hurt)), chance.choice((1, 1, 2, 8, 64, 512))
            match chance.randrange(4):
                case 0:
                    hurt[at : at + length] = bytes(len(hurt[at : at + length]))
                case 1:
                    del hurt[at : at + length]
                case 2:
                    hurt[at:at] = chance.randbytes(length)
                case _:
                    hurt[at : at + length] = chance.randbytes(length)
        scans, damage = scan(bytes(hurt))
        assert {scanned.data for scanned in scans} <= set(records)
        seqs = numbered([scanned.record for scanned in scans])
        assert seqs == sorted(set(seqs))
        intact = [data for data in records if data in hurt]
        assert len(intact) - len(scans) <= 1
        assert damage or bytes(hurt) == tape[: len(hurt)]


def test_endless_fake_records_are_given_up_after_bounded_work() -> None:
    fake = b"\x97\xce\x00\x20\x00\x00\xce\x00\x00\x00\x00\x01\x05\x00\x00\xa0"
    event = BODY[0]
    tape = HEADER + event + b"\xff" + fake * (1 << 18) + encode_event(1, 11, 0, "lost")
    looked_at = 0

    def read(offset: int, size: int) -> bytes:
        nonlocal looked_at
        looked_at += len(tape[offset : offset + size])
        return tape[offset : offset + size]

    scanner = Scanner(read)
    assert [scanned.data for scanned in scanner.scan(len(tape))] == [HEADER, event]
    (place,) = scanner.damage
    assert place.what == "too damaged to search; the rest is given up"
    assert place.offset + place.length == len(tape)
    assert looked_at < 2 * (SEARCH_FACTOR * len(tape) + SEARCH_FLOOR)


def test_an_incomplete_record_is_waited_for_while_the_tape_grows() -> None:
    tape = b"".join(UNSEALED)
    size = 0
    scanner = Scanner(lambda offset, count: tape[offset : min(size, offset + count)])
    got = []
    for size in range(len(tape) + 1):
        got += [scanned.data for scanned in scanner.scan(size, final=False)]
    assert got == UNSEALED
    assert scanner.damage == []


def test_damage_in_a_growing_tape_is_passed_once_a_sound_record_follows() -> None:
    hurt = [bytearray(record) for record in UNSEALED]
    hurt[2][-1] ^= 1
    tape = b"".join(hurt)
    size = 0
    scanner = Scanner(lambda offset, count: tape[offset : min(size, offset + count)])
    got = []
    for size in range(len(tape) + 1):
        got += [scanned.data for scanned in scanner.scan(size, final=False)]
    assert got == [record for n, record in enumerate(UNSEALED) if n != 2]
    assert [place.missing for place in scanner.damage] == [range(1, 2)]


def test_places_of_damage_are_counted_only_so_far() -> None:
    records = [encode_event(n, n, 0, "x" * 20) for n in range(5000)]
    hurt = [data[:-1] + b"y" if n % 2 else data for n, data in enumerate(records)]
    scans, damage = scan(b"".join([HEADER, *hurt]))
    assert [s.record.seq for s in scans if isinstance(s.record, Event)] == list(range(0, 5000, 2))
    assert len(damage) == 1000
    assert damage[-1].what == "damaged in many places"
