"""How a caller conducts itself, on values: time is a number and nothing is sent anywhere."""

import base64
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.errors import UpstreamError
from rtproxy.realtime.audio import G711_ULAW, PCM16, level_db
from rtproxy.simulate.conduct import Conduct, HangUp, Send
from rtproxy.simulate.microphone import Microphone
from rtproxy.simulate.playback import Playback
from rtproxy.simulate.script import Script
from rtproxy.simulate.voice import speech_ms

AUDIO_500_MS = base64.b64encode(bytes(PCM16.size(500))).decode()


class Bench:
    """A caller on the bench: the clock is set by hand, and what it does is noted with its time."""

    def __init__(self, steps: list[dict[str, Any]], **keys: Any) -> None:
        self.conduct = Conduct(Script.parse({"step": steps, **keys}, "call.toml"))
        self.now = 0.0
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self.hung_up: HangUp | None = None
        self._take(self.conduct.advance(0.0))

    def until(self, now: float) -> "Bench":
        """Let time pass, waking the caller whenever it is due."""
        while not self.conduct.finished and self.conduct.due() <= now:
            self.now = max(self.now, self.conduct.due())
            self._take(self.conduct.advance(self.now))
        self.now = now
        self._take(self.conduct.advance(now))
        return self

    def hear(self, type_: str, **fields: Any) -> "Bench":
        self._take(self.conduct.receive({"type": type_, **fields}, self.now))
        return self

    def respond(self, id_: str, *deltas: str, item: str = "", **done: Any) -> "Bench":
        """A whole response with audio deltas."""
        self.hear("response.created", response={"id": id_})
        for delta in deltas:
            self.hear(
                "response.output_audio.delta",
                response_id=id_, item_id=item or f"item_{id_}", content_index=0, delta=delta,
            )  # fmt: skip
        return self.hear("response.done", response={"id": id_, "status": "completed", **done})

    def _take(self, actions: list[Any]) -> None:
        for action in actions:
            assert self.hung_up is None, "nothing follows hanging up"
            match action:
                case Send(event):
                    self.sent.append((self.now, event))
                case _:
                    self.hung_up = action

    def events(self, *types: str) -> list[dict[str, Any]]:
        return [event for _, event in self.sent if event["type"] in types]

    @property
    def types(self) -> list[str]:
        return [event["type"] for _, event in self.sent]

    @property
    def words(self) -> list[str]:
        return [name for name in self.types if name != "input_audio_buffer.append"]


def test_typed_words_are_answered_and_the_call_ends() -> None:
    bench = Bench([{"text": "Hi"}, {"wait": "reply"}])
    assert bench.types == []
    bench.hear("session.created", session={"id": "sess_1", "model": "m"})
    assert bench.types == ["conversation.item.create", "response.create"]
    assert bench.events("conversation.item.create")[0]["item"] == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
    }
    bench.hear("response.created", response={"id": "r"})
    for delta in ("Hel", "lo."):
        bench.hear("response.output_text.delta", response_id="r", item_id="i", delta=delta)
    assert not bench.conduct.finished
    bench.hear("response.done", response={"id": "r", "status": "completed"})
    assert bench.hung_up == HangUp(1000)
    report = bench.conduct.conclude(bench.now)
    assert (report.session_id, report.model) == ("sess_1", "m")
    assert [(turn.said, turn.reply, turn.statuses) for turn in report.turns] == [
        ("Hi", "Hello.", ["completed"])
    ]


def test_a_configured_call_starts_once_the_server_took_the_configuration() -> None:
    bench = Bench([{"text": "Hi"}], session={"voice": "ash"})
    assert bench.types == ["session.update"]
    bench.hear("session.created", session={})
    assert bench.types == ["session.update"]
    bench.hear("session.updated", session={})
    assert bench.words[1:] == ["conversation.item.create", "response.create"]


def test_a_refused_configuration_does_not_stop_the_call() -> None:
    bench = Bench([{"text": "Hi"}], session={"voice": "nobody"})
    bench.hear("session.created", session={}).hear("error", error={"message": "No such voice."})
    assert "response.create" in bench.types
    assert bench.conduct.conversation.last_error == "No such voice."


def test_an_open_microphone_streams_all_the_time() -> None:
    words = "Hello there."
    bench = Bench([{"wait": 100}, {"say": words}, {"wait": 200}], chunk_ms=20)
    bench.hear("session.created", session={}).until(10_000)
    times = [t for t, event in bench.sent if event["type"] == "input_audio_buffer.append"]
    assert times == [20.0 * n for n in range(len(times))]
    audio = b"".join(base64.b64decode(event["audio"]) for _, event in bench.sent)
    samples = PCM16.decode(audio)
    assert len(samples) == len(times) * 480
    start = 120 * 24  # the chunk that is due at 100 ms was still idle
    spoken = samples[start : start + speech_ms(words) * 24]
    assert level_db(samples[:start]) == pytest.approx(-62, abs=1)
    assert level_db(spoken) > -30
    assert level_db(samples[start + len(spoken) :]) == pytest.approx(-62, abs=1)
    assert bench.hung_up is not None


def test_push_to_talk_streams_only_speech() -> None:
    bench = Bench(
        [{"wait": 500}, {"say": "Hello."}, {"commit": True}, {"respond": True}, {"wait": 300}],
        session={"turn_detection": "none", "input_format": "g711_ulaw"},
    )
    bench.hear("session.updated", session={}).until(5_000)
    assert bench.words[1:] == ["input_audio_buffer.commit", "response.create"]
    appends = bench.events("input_audio_buffer.append")
    audio = b"".join(base64.b64decode(event["audio"]) for event in appends)
    assert G711_ULAW.duration_ms(len(audio)) == speech_ms("Hello.")
    assert bench.types[-2:] == ["input_audio_buffer.commit", "response.create"]


def test_reply_means_received_and_played() -> None:
    bench = Bench([{"text": "Hi"}, {"wait": "reply"}])
    bench.hear("session.created", session={}).until(100).respond("r", *[AUDIO_500_MS] * 3)
    assert bench.until(1_599).hung_up is None
    assert bench.until(1_601).hung_up is not None
    turn = bench.conduct.conclude(bench.now).turns[0]
    assert (turn.first_audio_ms, turn.received_ms, turn.heard_ms) == (100, 1500, 1500)


def test_what_came_while_a_reply_played_has_come() -> None:
    bench = Bench([{"text": "Hi"}, {"wait": "reply"}, {"wait": "rate_limits.updated"}])
    bench.hear("session.created", session={}).until(100).respond("r", AUDIO_500_MS)
    bench.hear("rate_limits.updated", rate_limits=[])
    assert bench.until(599).hung_up is None
    assert bench.until(601).hung_up == HangUp(1000)


@pytest.mark.parametrize(
    ("truncate", "claims"), [("heard", [800]), ("wrong", [3000]), ("none", [])]
)
def test_a_barge_in_speaks_over_the_reply_and_truncates_it(
    truncate: str, claims: list[int]
) -> None:
    bench = Bench([
        {"text": "Tell me."},
        {"say": "Stop.", "interrupt_after_ms": 600, "truncate": truncate},
        {"wait": "reply"},
    ])  # fmt: skip
    bench.hear("session.created", session={}).until(1_000).respond("r", *[AUDIO_500_MS] * 6)
    bench.until(1_599)
    assert all(
        level_db(PCM16.decode(base64.b64decode(event["audio"]))) < -60
        for event in bench.events("input_audio_buffer.append")
    )
    bench.until(1_800).hear("input_audio_buffer.speech_started", audio_start_ms=500)
    truncates = bench.events("conversation.item.truncate")
    assert [event["audio_end_ms"] for event in truncates] == claims
    assert [event["item_id"] for event in truncates] == ["item_r"] * len(claims)
    assert "response.cancel" not in bench.types  # the server does that
    bench.until(4_000).respond("r2")
    assert bench.hung_up is not None
    first, second = bench.conduct.conclude(bench.now).turns
    assert (first.interrupted, second.interrupted) == (True, False)
    assert (first.received_ms, first.heard_ms) == (3000, 800)


def test_a_response_that_the_barge_in_cancelled_is_not_its_reply() -> None:
    bench = Bench([
        {"text": "Tell me."},
        {"say": "Stop.", "interrupt_after_ms": 0},
        {"wait": "reply"},
    ])  # fmt: skip
    bench.hear("session.created", session={}).hear("response.created", response={"id": "r"})
    bench.hear("response.output_audio.delta", response_id="r", item_id="i", delta=AUDIO_500_MS)
    bench.until(100).hear("input_audio_buffer.speech_started")
    cancelled: dict[str, Any] = {
        "status": "cancelled",
        "status_details": {"reason": "turn_detected"},
    }
    bench.hear("response.done", response={"id": "r", **cancelled}).until(2_000)
    assert bench.hung_up is None
    bench.respond("false start", **cancelled)  # speech went on
    assert bench.hung_up is None
    assert bench.respond("r2").hung_up is not None


def test_without_turn_detection_the_caller_cancels_what_it_interrupts() -> None:
    bench = Bench(
        [{"text": "Tell me."}, {"say": "Stop.", "interrupt_after_ms": 200}],
        session={"turn_detection": "none"},
    )
    bench.hear("session.updated", session={}).hear("response.created", response={"id": "r"})
    bench.hear("response.audio.delta", response_id="r", item_id="i", delta=AUDIO_500_MS)
    bench.until(300)
    cut = ["response.cancel", "conversation.item.truncate"]
    assert bench.words[-2:] == cut
    assert bench.events(cut[1])[0]["audio_end_ms"] == 200


def test_cancel_stops_the_player_too() -> None:
    bench = Bench([
        {"text": "Tell me."},
        {"wait": "response.output_audio.delta"},
        {"wait": 123.7},
        {"cancel": True},
        {"wait": "response.done"},
        {"hang_up": True, "code": 4000, "reason": "bored"},
    ])  # fmt: skip
    bench.hear("session.created", session={}).hear("response.created", response={"id": "r"})
    bench.hear("response.audio.delta", response_id="r", item_id="i", delta=AUDIO_500_MS)
    bench.until(200)
    assert bench.words[-2:] == ["response.cancel", "conversation.item.truncate"]
    assert bench.events("conversation.item.truncate")[0]["audio_end_ms"] == 123
    details = {"status": "cancelled", "status_details": {"reason": "client_cancelled"}}
    bench.hear("response.done", response={"id": "r", **details})
    assert bench.hung_up == HangUp(4000, "bored")


def test_function_calls_are_answered_after_their_delay_and_the_model_goes_on() -> None:
    tools = [{"name": "slow", "output": {"n": 1}, "delay_ms": 300}, {"name": "quick"}]
    bench = Bench([{"text": "Go"}, {"wait": "reply"}], tool=tools)
    bench.hear("session.updated", session={}).until(100)
    calls = [
        {"type": "function_call", "call_id": f"c{n}", "name": name}
        for n, name in enumerate(["slow", "quick", "unknown"])
    ]
    bench.hear("response.created", response={"id": "r"})
    bench.hear("response.output_item.done", response_id="r", item=calls[0])
    bench.hear("response.output_item.done", response_id="r", item=calls[1])
    # The third is only in the response: a server need not send it twice.
    bench.hear("response.done", response={"id": "r", "status": "completed", "output": calls})
    assert bench.types.count("response.create") == 1
    bench.until(399)
    assert bench.types.count("response.create") == 1
    bench.until(400)
    assert bench.types.count("response.create") == 2
    outputs = [
        (event["item"]["call_id"], event["item"]["output"])
        for event in bench.events("conversation.item.create")[1:]
    ]
    assert outputs == [
        ("c1", "ok"), ("c2", '{"error": "no function unknown"}'), ("c0", '{"n":1}'),
    ]  # fmt: skip
    assert bench.hung_up is None
    assert bench.respond("r2").hung_up is not None
    assert bench.conduct.conclude(bench.now).turns[0].tools == ["slow", "quick", "unknown"]


def test_a_wait_is_met_by_an_event_that_came_before_it_but_only_once() -> None:
    bench = Bench([
        {"text": "Hi"}, {"wait": 500}, {"wait": "rate_limits.updated"},
        {"text": "again"}, {"wait": "rate_limits.updated"},
    ])  # fmt: skip
    bench.hear("session.created", session={}).hear("rate_limits.updated").until(600)
    assert bench.words.count("response.create") == 2
    assert bench.hung_up is None
    assert bench.hear("rate_limits.updated").hung_up is not None


def test_event_names_of_either_dialect_may_be_waited_for() -> None:
    bench = Bench([{"text": "Hi"}, {"wait": "conversation.item.created"}], dialect="ga")
    bench.hear("session.created", session={}).hear("conversation.item.added")
    assert bench.hung_up is not None


def test_patience_ends_with_a_sentence_and_each_event_renews_it() -> None:
    bench = Bench([{"text": "Hi"}, {"wait": "reply"}], patience_ms=1_000, speed=2)
    bench.hear("session.created", session={}).until(1_900)
    bench.hear("error", error={"message": "Busy."}).until(3_800)
    with pytest.raises(UpstreamError, match=r"sent no reply within 1 s.*its last error was: Busy"):
        bench.until(3_901)


def test_any_event_can_be_sent() -> None:
    bench = Bench([{"send": {"type": "response.create", "response": {"x": 1}}}, {"clear": True}])
    bench.hear("session.created", session={})
    assert bench.sent[0][1] == {"type": "response.create", "response": {"x": 1}}
    assert bench.types[1] == "input_audio_buffer.clear"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from([
                    "session.created", "session.updated", "response.created", "response.done",
                    "error", "response.audio.delta", "response.output_item.done",
                    "response.audio_transcript.done", "input_audio_buffer.committed",
                ])
                | JUNK
            },
            optional=dict.fromkeys(
                ("session", "response", "error", "delta", "item", "item_id",
                 "response_id", "content_index", "transcript"),
                JUNK,
            ),
        ),
        max_size=8,
    )
)  # fmt: skip
@settings(max_examples=50)
def test_no_event_upsets_the_caller(events: list[dict[str, Any]]) -> None:
    bench = Bench([{"wait": 50}])
    for event in events:
        if not bench.conduct.finished:
            bench.conduct.receive(event, bench.now)
    bench.conduct.conclude(bench.now)


def test_what_was_heard_counts_pauses_in_delivery() -> None:
    player = Playback()
    player.add("a", 0, 300, now=0)
    assert player.heard_ms("a", 200) == 200
    player.add("a", 0, 300, now=500)  # it ran dry from 300 to 500
    assert player.heard_ms("a", 400) == 300
    assert player.heard_ms("a", 600) == 400
    cut = player.flush(600)
    assert cut is not None
    assert (cut.item_id, cut.heard_ms, cut.received_ms) == ("a", 400, 600)
    player.add("a", 0, 300, now=650)  # was on its way when the caller interrupted
    assert not player.playing(660)
    assert player.heard_ms("a", 9_999) == 400
    assert player.received_ms("a") == 900
    assert player.flush(700) is None


def test_a_cut_names_the_item_that_sounds_and_silences_those_after_it() -> None:
    player = Playback()
    for item in "abc":
        player.add(item, 0, 100, now=0)
    cut = player.flush(150)
    assert cut is not None
    assert (cut.item_id, cut.heard_ms) == ("b", 50)
    assert [player.heard_ms(item, 1_000) for item in "abc"] == [100, 50, 0]


@given(st.lists(st.floats(0, 500), min_size=1, max_size=30), st.sampled_from([10, 20, 33, 100]))
def test_being_late_once_delays_nothing_afterwards(naps: list[float], chunk_ms: int) -> None:
    mic = Microphone(PCM16, chunk_ms, idle=None, open_=True)
    mic.start(7)
    now = 7.0
    taken = 0
    for nap in naps:
        now += nap
        while mic.take(now) is not None:
            taken += 1
    assert taken == (now - 7) // chunk_ms + 1 or now == 7
    due = mic.due()
    assert due is not None
    assert due == pytest.approx(7 + taken * chunk_ms)


def test_idle_noise_goes_on_without_a_seam_in_long_chunks() -> None:
    mic = Microphone(G711_ULAW, 5_000, idle=-50, open_=True)
    mic.start(0)
    chunk = mic.take(0)
    assert chunk is not None
    assert G711_ULAW.duration_ms(len(chunk)) == 5_000
    assert level_db(np.asarray(G711_ULAW.decode(chunk))) == pytest.approx(-50, abs=1)
