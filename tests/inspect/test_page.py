"""What the page holds, on values: the call, its sound, its events, and how they are embedded."""

import json
import random
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtproxy.errors import PageError
from rtproxy.inspect.entry import entry_of
from rtproxy.inspect.overview import Overview, records, survey
from rtproxy.inspect.page import bodies as bodies_module
from rtproxy.inspect.page import events as events_module
from rtproxy.inspect.page.assembly import SCRIPTS, STYLES, policy
from rtproxy.inspect.page.bodies import Bodies, body_of
from rtproxy.inspect.page.call import call
from rtproxy.inspect.page.gathering import Gathering
from rtproxy.inspect.page.reel import Reel, pack, unpack
from rtproxy.inspect.page.sound import Part
from rtproxy.inspect.page.waits import waits
from rtproxy.inspect.page.writer import read_assets, write_page
from rtproxy.realtime.audio import Samples
from rtproxy.realtime.mixdown import render
from rtproxy.realtime.session import Session
from rtproxy.tape.reader import open_tape
from rtproxy.tape.record import FROM_SERVER, Event, Header, Record
from rtproxy.tape.summary import Summary
from rtproxy.view.embed import as_json, hash_of
from tests.inspect.sample import sample, tape_of
from tests.realtime.scenarios import CASES, Case
from tests.realtime.simulated import call_records
from tests.tapes import write_tape

RATE = 24_000
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def played(case: Case) -> list[Record]:
    return call_records(case.toml)


def gathered(records: Iterable[Record]) -> tuple[Gathering, dict[str, Samples]]:
    """What is gathered of records, and each side's samples."""
    kept = list(records)
    header = kept[0] if isinstance(kept[0], Header) else Header({})
    gathering = Gathering(header)
    taken: dict[str, list[Samples]] = {"caller": [], "assistant": []}

    def drain() -> None:
        for name in taken:
            reel = getattr(gathering.sound, name).reel
            while reel is not None and reel.pieces:
                taken[name].append(reel.pieces.pop(0))

    for _ in gathering.take(kept):
        drain()
    gathering.finish()
    drain()
    return gathering, {
        name: np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
        for name, pieces in taken.items()
    }


def laid_out(parts: list[Part], reel: Samples, rate: int, length: int) -> Samples:
    """The samples of a reel where its parts say; what overlaps is added."""
    clock = np.zeros(length, np.int64)
    for part in parts:
        at = round(part.t_ms * rate / 1000)
        end = min(length, at + part.count)
        clock[at:end] += reel[part.first : part.first + max(0, end - at)]
    return np.clip(clock, -32768, 32767).astype(np.int16)


class TestSound:
    @every_case
    def test_parts_lay_out_what_the_mixdown_renders(self, case: Case) -> None:
        tape = played(case)
        gathering, reels = gathered(tape)
        session = Session.fold(tape)
        for heard in (False, True):
            blocks = list(render(session, tape, heard=heard))
            stereo = np.concatenate(blocks) if blocks else np.zeros((0, 2), np.int16)
            placed = gathering.sound.heard(session)[0] if heard else gathering.sound.delivered
            for side, parts in ((0, list(gathering.sound.caller.parts)), (1, placed)):
                name = ("caller", "assistant")[side]
                reel = getattr(gathering.sound, name).reel
                if reel is None:
                    assert not stereo[:, side].any()
                    continue
                ours = laid_out(parts, reels[name], reel.rate, len(stereo))
                assert misplaced(ours, stereo[:, side]) <= 1

    @every_case
    def test_heard_and_unheard_together_are_what_came(self, case: Case) -> None:
        tape = played(case)
        gathering, reels = gathered(tape)
        heard, unheard = gathering.sound.heard(gathering.session)
        ranges = sorted((part.first, part.count) for part in [*heard, *unheard])
        assert all(a + n <= b + 1 for (a, n), (b, _) in pairwise(ranges))
        assert sum(part.count for part in heard) <= len(reels["assistant"])

    def test_samples_are_packed_without_loss(self) -> None:
        noise = np.random.default_rng(1).integers(-32768, 32767, 5_000).astype(np.int16)
        for samples in (noise, np.zeros(7, np.int16), np.array([32767, -32768, 0], np.int16)):
            assert np.array_equal(unpack(pack(samples)), samples)

    @given(st.lists(st.integers(0, 400_000), max_size=6))
    def test_a_reel_gives_back_what_it_was_given(self, sizes: list[int]) -> None:
        reel, given_ = Reel(RATE), []
        for n, size in enumerate(sizes):
            samples = np.full(size, n - 3, np.int16)
            reel.add(samples, RATE)
            given_.append(samples)
        reel.finish()
        whole = np.concatenate([np.zeros(0, np.int16), *given_])
        assert np.array_equal(np.concatenate([np.zeros(0, np.int16), *reel.pieces]), whole)
        assert len(reel.peaks()) == 2 * -(-whole.size // reel.bucket)

    def test_peaks_are_square_roots_of_the_extremes(self) -> None:
        reel = Reel(RATE)
        reel.add(np.array([0, 8192, -32768] + [0] * 237, np.int16), RATE)
        reel.finish()
        assert np.frombuffer(reel.peaks(), np.int8).tolist() == [-127, 64]

    def test_audio_that_was_cut_is_not_drawn_as_if_it_were_whole(self) -> None:
        tape = [
            appended(n * 20, b64encode(b"\0\0").decode()) for n in range(50)
        ]  # one sample for every 20 ms
        assert gathered(tape)[0].audio_map()["caller"]["cut"] is True

    def test_faults_are_told(self) -> None:
        tape = [appended(0, "!!!!!!!!"), appended(20, b64encode(bytes(960)).decode())]
        (fault,) = gathered(tape)[0].audio_map()["faults"]
        assert fault[0] == 0
        assert "no base64" in fault[1]


def misplaced(ours: Samples, theirs: Samples) -> int:
    """By how many samples two sounds that are else equal are shifted; many if they are not."""
    for shift in (0, 1, -1):
        a = ours[max(0, shift) : len(ours) + min(0, shift)]
        b = theirs[max(0, -shift) : len(theirs) + min(0, -shift)]
        if np.count_nonzero(a != b) <= len(a) // 200:
            return abs(shift)
    return len(ours)


class TestWaits:
    @every_case
    def test_are_the_voice_to_voice_latency_together(self, case: Case) -> None:
        session = case.session()
        for turn in session.turns:
            whole = session.measure(turn)["v2v_ms"]
            spans = waits(session, turn)
            assert all(wait.ms > 0 for wait in spans)
            assert all(a.end_ms == b.start_ms for a, b in pairwise(spans))
            if whole is not None:
                assert sum(wait.ms for wait in spans) == pytest.approx(whole)

    def test_name_what_was_waited_for(self) -> None:
        session = next(case for case in CASES if case.name == "slow tool").session()
        whats = [wait.what for wait in waits(session, session.turns[0])]
        assert whats == ["endpoint", "queue", "model", "tool", "queue", "model"]
        times = {wait.what: wait.ms for wait in waits(session, session.turns[0])}
        assert times["tool"] == pytest.approx(2500, abs=1)


class TestCall:
    def test_times_that_are_unknown_make_no_lanes(self, tmp_path: Path) -> None:
        tape = [event for event in sample() if isinstance(event, Event)]
        still = [Event(one.seq, 0, one.flags, one.payload) for one in tape]
        told = document(tmp_path, [*tape_of([])[:1], *still])
        assert told["lanes"]["responses"] == []
        assert any("no times" in note for note in told["notes"])

    @every_case
    def test_is_json_and_has_every_turn_and_finding(self, case: Case, tmp_path: Path) -> None:
        told = json.loads(json.dumps(document(tmp_path, played(case))))
        session = case.session()
        assert [turn["n"] for turn in told["turns"]] == [turn.n for turn in session.turns]
        assert [finding["code"] for finding in told["findings"]] == [
            finding.code for finding in session.findings
        ]
        said = {line["text"] for line in told["lines"] if line["who"] == "assistant"}
        assert said == {item.text for item in session.items if item.role == "assistant"} - {None}

    def test_marks_what_was_never_heard(self, tmp_path: Path) -> None:
        case = next(case for case in CASES if case.name == "barge-in, truncated right")
        lines = document(tmp_path, played(case))["lines"]
        cut = next(line for line in lines if line["who"] == "assistant")
        assert cut["text"] == "Let me tell you all about it."
        assert cut["text"][: cut["heard"]] == "Let me"
        assert cut["heard_ms"] == pytest.approx(2060, abs=1)

    def test_shows_what_is_invisible(self, tmp_path: Path) -> None:
        told = json.dumps(document(tmp_path, tape_of(sample())), ensure_ascii=False)
        assert "\x1b" not in told
        assert "\u202e" not in told
        assert r"\\x1b[31mred" in told

    def test_any_part_of_a_call_in_any_order_makes_a_page(self) -> None:
        whole = [one for one in played(CASES[2]) if not isinstance(one, Header)] + list(sample())
        chance = random.Random(7)
        for _ in range(12):
            part = chance.sample(whole, chance.randrange(len(whole)))
            for tape in (part, sorted(part, key=lambda one: getattr(one, "seq", 0))):
                gathering, _ = gathered(tape)
                told = call(OVERVIEW, gathering.session, gathering.moments)
                as_json([told, json.loads(gathering.event_json()), gathering.audio_map()])
                assert len(gathering.events.columns()) == 28 * len(gathering.events)

    def test_numbers_that_no_browser_can_count_are_bounded(self) -> None:
        tape = [Event(2**63 + n, 2**62 + n, n % 2, '{"type": "x"}') for n in range(4)]
        gathering, _ = gathered(tape)
        told = as_json(call(OVERVIEW, gathering.session, gathering.moments))
        assert b"9223372036854775" not in told + gathering.event_json()


OVERVIEW = Overview("call.rtape", Header({}), "sealed", 0, Summary())


def document(folder: Path, tape: Iterable[Record]) -> dict[str, Any]:
    """The call of the page of these records."""
    path = write_tape(folder / "call.rtape", tape)
    with open_tape(path) as opened:
        gathering = Gathering(opened.header)
        for _ in gathering.take(records(opened)):
            pass
        gathering.finish()
        return call(survey(opened, "call.rtape"), gathering.session, gathering.moments)


class TestEvents:
    def test_each_event_has_its_row_and_its_body(self) -> None:
        tape = tape_of(sample())
        gathering, _ = gathered(tape)
        told = json.loads(gathering.event_json())
        columns = gathering.events.columns()
        count = told["count"]
        assert count == sum(isinstance(one, Event) for one in sample()) + 3  # ping, pong, close
        seqs = np.frombuffer(columns, "<f8", count).astype(int)
        rows = np.frombuffer(columns, "<u4", count, 20 * count)
        numbers = np.frombuffer(columns, "<i4", count, 24 * count)
        lines = b"\n".join(zlib.decompress(b64decode(b)) for b in gathering.bodies.blocks)
        all_bodies = lines.split(b"\n")
        for seq, row, number in zip(seqs, rows, numbers, strict=True):
            assert told["rows"][row][0] <= seq
            json.loads(all_bodies[number])
        assert {int(n) for n in np.bincount(rows)} == {row[8] for row in told["rows"]} | {1}

    def test_links_go_both_ways_and_a_delta_knows_its_whole(self) -> None:
        case = next(case for case in CASES if case.name == "slow tool")
        told = json.loads(gathered(played(case))[0].event_json())
        types = {row[0]: told["types"][row[4]] for row in told["rows"]}
        pairs = {(types.get(a), types.get(b), told["back"][why]) for a, b, why in told["links"]}
        assert ("response.created", "response.done", "part of") in pairs
        speech = next(row for row in told["rows"] if "audio" in told["types"][row[4]] and row[8] > 4
                      and row[3] == 1)  # fmt: skip
        assert types[speech[11]] == "response.created"

    def test_what_does_not_fit_is_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bodies_module, "MAX_PIECES", 100)
        monkeypatch.setattr(events_module, "MAX_EVENTS", 60)
        told = json.loads(gathered(tape_of(sample()))[0].event_json())
        assert told["count"] == 60
        assert told["events_left_out"] > 0
        assert told["bodies_left_out"] > 0


class TestBodies:
    @pytest.mark.parametrize(
        ("payload", "body"),
        [
            ('{"type": "a",\n "b": 1}', '{"type": "a",  "b": 1}'),
            ("no JSON", '{"text":"no JSON"}'),
            (b"\x01\x02", '{"base64":"AQI="}'),
            ('["x"]', '["x"]'),
            ('{"type":"x","n":1e400}', None),
            ('{"type":"x","s":"\\ud800"}', None),
        ],
    )
    def test_are_as_they_were_sent(self, payload: str | bytes, body: str | None) -> None:
        shown = body_of(entry_of(Event(0, 0, 0, payload))).decode()
        assert "\n" not in shown
        assert shown == (payload if body is None else body)

    def test_have_no_audio(self) -> None:
        audio = b64encode(bytes(3000)).decode()
        plain = json.dumps({"type": "input_audio_buffer.append", "audio": audio})
        assert json.loads(body_of(entry_of(Event(0, 0, 0, plain)))) == {
            "type": "input_audio_buffer.append",
            "audio": "… 4,000 characters of base64",
        }
        escaped = plain.replace("A", "\\u0041")
        assert len(body_of(entry_of(Event(0, 0, 0, escaped)))) < 200
        nested = json.dumps({"type": "x", "item": {"content": [{"audio": audio}]}})
        assert "4,000 characters" in body_of(entry_of(Event(0, 0, 0, nested))).decode()

    def test_are_bounded(self) -> None:
        deep: Any = 1
        for _ in range(200):
            deep = [deep]
        for value in ({"a": "x y " * 100_000}, {"a": list(range(50_000))}, {"a": deep},
                      {f"k{n}": "v" * 100 for n in range(5_000)}):  # fmt: skip
            payload = json.dumps({"type": "x", **value})
            shown = body_of(entry_of(Event(0, 0, FROM_SERVER, payload)))
            assert len(shown) <= bodies_module.MAX_BODY
            assert json.loads(shown)["type"] == "x"

    @given(st.text() | st.binary())
    def test_anything_has_a_body_of_one_line(self, payload: str | bytes) -> None:
        bodies = Bodies()
        bodies.add(entry_of(Event(0, 0, 0, payload)))
        bodies.finish()
        (block,) = bodies.blocks
        assert b"\n" not in zlib.decompress(b64decode(block))


class TestPage:
    def test_has_one_script_and_one_style_which_the_policy_names(self, tmp_path: Path) -> None:
        html = written(tmp_path, played(CASES[0])).read_text("utf-8")
        script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
        style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
        assert len(script) == len(style) == 1
        allowed = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
        assert allowed is not None
        rules = dict(rule.split(" ", 1) for rule in allowed[1].split("; "))
        assert rules["default-src"] == rules["connect-src"] == "'none'"
        assert rules["script-src"] == hash_of(script[0])
        assert rules["style-src"] == hash_of(style[0])
        assert "unsafe" not in allowed[1]
        assert not re.search(
            r"\son\w+=|\sstyle=|javascript:|https?://(?!www\.w3\.org)", html.split("<script")[0]
        )

    def test_nothing_of_a_tape_is_markup(self, tmp_path: Path) -> None:
        tape = tape_of(sample())
        evil = "</script><img src=x onerror=alert(1)><!--<script>"
        tape.append(Event(900, 9_000_000_000, FROM_SERVER, json.dumps({"type": evil, "x": evil})))
        html = written(tmp_path, tape, name=f"{evil.replace('/', '')}.rtape").read_text("utf-8")
        assert "<img" not in html
        assert html.count("<!--") == 0
        assert html.count("<script") == html.count("</script")
        for content in re.findall(
            r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL
        ):
            assert "<" not in content
            json.loads(content)

    def test_every_file_of_the_page_is_in_it(self) -> None:
        assets = files("rtproxy.inspect.page") / "assets"
        names = {entry.name for entry in assets.iterdir()}
        assert names == {"page.html", *(f"{n}.js" for n in SCRIPTS), *(f"{n}.css" for n in STYLES)}

    def test_the_script_makes_no_markup_and_asks_nothing_of_a_network(self) -> None:
        script = read_assets().script
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                     "new Function", "fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon",
                     "importScripts", "EventSource"):  # fmt: skip
            assert word not in script.replace("this.fetch(", "").replace("async fetch(", ""), word

    def test_audio_beside_it_is_allowed_from_there_alone(self) -> None:
        assets = read_assets()
        assert "'self'" not in policy(assets, beside=False)
        assert f"script-src {hash_of(assets.script)} 'self' file:;" in policy(assets, beside=True)


def written(folder: Path, tape: Iterable[Record], *, name: str = "call.rtape") -> Path:
    with open_tape(write_tape(folder / name, tape)) as opened:
        return write_page(opened, folder / "call.html").page


class TestWriter:
    @pytest.fixture
    def tape(self, tmp_path: Path) -> Iterator[Any]:
        with open_tape(write_tape(tmp_path / "call.rtape", played(CASES[0]))) as opened:
            yield opened

    def test_what_is_no_page_is_not_overwritten(self, tape: Any, tmp_path: Path) -> None:
        before = tape.path.read_bytes()
        with pytest.raises(PageError, match="is no HTML page; name another file"):
            write_page(tape, tape.path)
        with pytest.raises(PageError, match="is a folder"):
            write_page(tape, tmp_path)
        with pytest.raises(PageError, match="cannot be written"):
            write_page(tape, tmp_path / "none" / "page.html")
        assert tape.path.read_bytes() == before
        assert {path.name for path in tmp_path.iterdir()} == {"call.rtape"}

    def test_a_page_is_replaced(self, tape: Any, tmp_path: Path) -> None:
        path = tmp_path / "page.html"
        path.write_text("<!DOCTYPE html>old", "utf-8")
        write_page(tape, path)
        assert "old" not in path.read_text("utf-8")[:100]

    def test_much_audio_lies_beside_the_page(self, tape: Any, tmp_path: Path) -> None:
        path = tmp_path / "page.html"
        inside = write_page(tape, path)
        assert inside.folder is None
        assert not (tmp_path / "page.audio").exists()
        size = path.stat().st_size
        beside = write_page(tape, path, inline=1000)
        assert beside.folder == tmp_path / "page.audio"
        assert path.stat().st_size < size
        names = {entry.name for entry in beside.folder.iterdir()}
        assert {name.split("-")[0] for name in names} == {"caller", "assistant"}
        (beside.folder / "notes.txt").write_text("mine", "utf-8")
        stale = beside.folder / f"caller-9-{'0' * 16}.js"
        stale.write_text("old", "utf-8")
        write_page(tape, path, inline=1000)
        assert {entry.name for entry in beside.folder.iterdir()} == names | {"notes.txt"}
        write_page(tape, path)
        assert {entry.name for entry in beside.folder.iterdir()} == {"notes.txt"}

    def test_tells_how_far_it_is(self, tape: Any, tmp_path: Path) -> None:
        told: list[float] = []
        write_page(tape, tmp_path / "page.html", tell=told.append)
        assert told == sorted(told)
        assert 0 < told[0] < told[-1] <= 1


def appended(t_ms: float, audio: str) -> Event:
    payload = json.dumps({"type": "input_audio_buffer.append", "audio": audio})
    return Event(round(t_ms / 20), round(t_ms * 1e6), 0, payload)
