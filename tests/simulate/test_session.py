"""The server's behaviour, on values: events go in at chosen times; what comes out is looked at."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtproxy.realtime.audio import G711_ALAW, G711_ULAW, PCM16, AudioFormat, resample
from rtproxy.realtime.dialect import BETA_CLIENT_EVENTS, GA_CLIENT_EVENTS
from rtproxy.simulate.library import load
from rtproxy.simulate.outlet import Close, Reset
from rtproxy.simulate.vad import HANGOVER_MS
from rtproxy.simulate.voice import silence, speech
from tests.simulate.dialogue import Dialogue, folded

TEXT = {"response": {"output_modalities": ["text"]}}
ONE_REPLY = '[[reply]]\ntext = "Hello, Marcelo! How are you?"\n'
SPEECH = speech("Hello, is anybody there?")
TURN = np.concatenate([silence(400), SPEECH, silence(700)])


def update(**session: Any) -> dict[str, Any]:
    return {"session": {"type": "realtime", **session}}


def update_input(**settings: Any) -> dict[str, Any]:
    return update(audio={"input": settings})


class TestOpening:
    def test_the_session_is_announced_at_once(self) -> None:
        ga = Dialogue()
        assert ga.types == ["session.created"]
        assert ga.at("session.created") == 0
        beta = Dialogue(dialect="beta")
        assert beta.types == ["session.created", "conversation.created"]

    def test_it_expires_in_an_hour_by_the_wall_clock(self) -> None:
        session = Dialogue(now_unix=1_000).last("session.created")["session"]
        assert session["expires_at"] == 4_600

    def test_the_model_is_the_one_asked_for(self) -> None:
        assert Dialogue(model="m").last("session.created")["session"]["model"] == "m"
        assert Dialogue('model = "s"').last("session.created")["session"]["model"] == "s"


class TestSettings:
    def test_an_update_is_merged_and_confirmed(self) -> None:
        talk = Dialogue().send("session.update", **update(instructions="Be brief."))
        talk.send("session.update", **update_input(transcription={"model": "whisper-1"})).wait()
        session = talk.last("session.updated")["session"]
        assert session["instructions"] == "Be brief."
        assert session["audio"]["input"]["transcription"] == {
            "model": "whisper-1",
            "language": None,
            "prompt": None,
        }
        assert session["audio"]["output"]["voice"] == "alloy"
        assert talk.at("session.updated") == 65

    def test_turn_detection_is_merged_within_a_type_and_reset_by_another(self) -> None:
        talk = Dialogue()
        talk.send(
            "session.update",
            **update_input(turn_detection={"type": "server_vad", "silence_duration_ms": 700}),
        )
        talk.send(
            "session.update",
            **update_input(turn_detection={"type": "server_vad", "threshold": 0.3}),
        ).wait()
        found = talk.last("session.updated")["session"]["audio"]["input"]["turn_detection"]
        assert (found["silence_duration_ms"], found["threshold"]) == (700, 0.3)
        talk.send("session.update", **update_input(turn_detection={"type": "semantic_vad"})).wait()
        found = talk.last("session.updated")["session"]["audio"]["input"]["turn_detection"]
        assert found == {
            "type": "semantic_vad",
            "eagerness": "auto",
            "create_response": True,
            "interrupt_response": True,
        }
        talk.send("session.update", **update_input(turn_detection=None)).wait()
        assert talk.last("session.updated")["session"]["audio"]["input"]["turn_detection"] is None

    @pytest.mark.parametrize(
        ("session", "code", "param"),
        [
            ({"colour": 1}, "unknown_parameter", "session.colour"),
            ({"modalities": ["text"]}, "unknown_parameter", "session.modalities"),
            ({"temperature": 1}, "unknown_parameter", "session.temperature"),
            ({"audio": {"input": {"pitch": 1}}}, "unknown_parameter", "session.audio.input.pitch"),
            ({"audio": []}, "invalid_type", "session.audio"),
            ({"instructions": 3}, "invalid_type", "session.instructions"),
            (
                {"output_modalities": ["text", "audio"]},
                "invalid_value",
                "session.output_modalities",
            ),
            ({"max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
            ({"max_output_tokens": "many"}, "invalid_type", "session.max_output_tokens"),
            (
                {"audio": {"output": {"voice": "hoarse"}}},
                "invalid_value",
                "session.audio.output.voice",
            ),
            (
                {"audio": {"output": {"speed": 9}}},
                "decimal_above_max_value",
                "session.audio.output.speed",
            ),
            (
                {"audio": {"input": {"format": "pcm16"}}},
                "invalid_type",
                "session.audio.input.format",
            ),
            (
                {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}},
                "invalid_value",
                "session.audio.input.format.rate",
            ),
            (
                {"audio": {"input": {"turn_detection": {"type": "psychic"}}}},
                "invalid_value",
                "session.audio.input.turn_detection.type",
            ),
            (
                {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
                "decimal_above_max_value",
                "session.audio.input.turn_detection.threshold",
            ),
            (
                {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 1}}}},
                "unknown_parameter",
                "session.audio.input.turn_detection.threshold",
            ),
            (
                {"tools": [{"type": "function"}]},
                "missing_required_parameter",
                "session.tools[0].name",
            ),
            ({"tool_choice": "maybe"}, "invalid_value", "session.tool_choice"),
        ],
    )
    def test_what_is_wrong_is_named_and_nothing_is_changed(
        self, session: dict[str, Any], code: str, param: str
    ) -> None:
        talk = Dialogue()
        talk.send("session.update", event_id="evt_1", **update(tracing="auto", **session))
        assert talk.types[-1] == "error"
        assert (talk.error["code"], talk.error["param"]) == (code, param)
        assert talk.error["type"] == "invalid_request_error"
        assert talk.error["event_id"] == "evt_1"
        talk.send("session.update", **update()).wait()
        before, after = talk.of("session.created", "session.updated")
        assert before["session"] == after["session"]

    def test_ga_needs_to_know_the_type_of_session(self) -> None:
        talk = Dialogue().send("session.update", session={"instructions": "x"})
        assert talk.error["code"] == "missing_required_parameter"
        assert talk.error["param"] == "session.type"
        talk.send("session.update", session={"type": "transcription"})
        assert "not allowed" in talk.error["message"]

    def test_beta_has_its_own_names_and_limits(self) -> None:
        talk = Dialogue(dialect="beta")
        talk.send(
            "session.update",
            session={
                "modalities": ["text"],
                "input_audio_format": "g711_ulaw",
                "temperature": 0.7,
                "max_response_output_tokens": 200,
                "turn_detection": None,
            },
        ).wait()
        session = talk.last("session.updated")["session"]
        assert session["modalities"] == ["text"]
        assert session["input_audio_format"] == "g711_ulaw"
        assert session["max_response_output_tokens"] == 200
        assert session["turn_detection"] is None
        talk.send("session.update", session={"temperature": 0.2})
        assert talk.error["code"] == "decimal_below_min_value"
        talk.send("session.update", session={"output_modalities": ["text"]})
        assert talk.error["param"] == "session.output_modalities"

    def test_the_voice_is_fixed_once_the_assistant_has_spoken(self) -> None:
        talk = Dialogue(ONE_REPLY)
        change = update(audio={"output": {"voice": "cedar"}})
        talk.send("session.update", **change).wait().send("response.create").wait()
        talk.send("session.update", **update(audio={"output": {"voice": "marin"}}))
        assert talk.error["code"] == "cannot_update_voice"
        talk.send("session.update", **change).wait()
        assert len(talk.of("session.updated")) == 2

    def test_a_scenario_may_refuse_a_setting(self) -> None:
        talk = Dialogue(
            '[faults]\nrefuse_config = { param = "session.audio.output.voice", code = "no" }'
        )
        talk.send("session.update", **update(audio={"output": {"voice": "cedar"}}))
        assert (talk.error["code"], talk.error["param"]) == ("no", "session.audio.output.voice")
        talk.send("session.update", **update(instructions="fine")).wait()
        session = talk.last("session.updated")["session"]
        assert session["audio"]["output"]["voice"] == "alloy"


class TestText:
    def test_the_events_of_a_text_turn_are_those_of_the_wire(self) -> None:
        talk = Dialogue(ONE_REPLY).say_text("Hi").send("response.create", **TEXT).wait()
        assert folded(talk.types) == [
            "session.created",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        deltas = [event["delta"] for event in talk.of("response.output_text.delta")]
        assert deltas == ["Hello", ",", " Marcelo", "!", " How", " are", " you", "?"]
        assert talk.last("response.output_text.done")["text"] == "".join(deltas)

    def test_delta_lengths_are_hidden_by_padding(self) -> None:
        talk = Dialogue(ONE_REPLY).send("response.create", **TEXT).wait()
        for event in talk.of("response.output_text.delta"):
            assert len(event["delta"] + event["obfuscation"]) % 16 == 0

    def test_nothing_scripted_is_an_echo(self) -> None:
        talk = Dialogue().say_text("Good morning").send("response.create", **TEXT).wait()
        assert "Good morning" in talk.last("response.output_text.done")["text"]

    def test_replies_come_in_order_and_by_what_was_said(self) -> None:
        talk = Dialogue(
            """
            [[reply]]
            text = "first"
            [[reply]]
            when = "Weather"
            text = "mild"
            [[reply]]
            text = "second"
            """
        )
        said = []
        for text in ("hello", "how is the weather?", "and now?"):
            talk.say_text(text).send("response.create", **TEXT).wait()
            said.append(talk.last("response.output_text.done")["text"])
        assert said == ["first", "mild", "second"]


class TestSpokenReply:
    def test_transcript_and_audio_are_interleaved_and_closed_as_on_the_wire(self) -> None:
        talk = Dialogue(ONE_REPLY).say_text("Hi").send("response.create").wait()
        types = talk.types[talk.types.index("response.created") :]
        assert types[:5] == [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
        ]
        assert types[-7:] == [
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        middle = folded(types[4:-7])
        assert len(middle) > 2
        assert set(middle) == {
            "response.output_audio.delta",
            "response.output_audio_transcript.delta",
        }

    def test_the_audio_is_the_voice(self) -> None:
        talk = Dialogue(ONE_REPLY).send("response.create").wait()
        audio = b"".join(
            base64.b64decode(event["delta"]) for event in talk.of("response.output_audio.delta")
        )
        assert np.array_equal(PCM16.decode(audio), speech("Hello, Marcelo! How are you?"))

    @pytest.mark.parametrize("audio", [G711_ULAW, G711_ALAW])
    def test_it_speaks_the_format_asked_for(self, audio: AudioFormat) -> None:
        talk = Dialogue('[[reply]]\ntext = "Hello."\naudio_ms = 750')
        talk.send("session.update", **update(audio={"output": {"format": audio.ga}})).wait()
        talk.send("response.create").wait()
        size = sum(
            len(base64.b64decode(event["delta"]))
            for event in talk.of("response.output_audio.delta")
        )
        assert size == 750 * 8
        response = talk.last("response.created")["response"]
        assert response["audio"]["output"]["format"] == audio.ga

    def test_deltas_are_due_when_the_scenario_says(self) -> None:
        talk = Dialogue(
            """
            [delays]
            queue = 40
            first_text = 200
            first_audio = 350
            [audio]
            chunk_ms = 100
            rate = 2
            gaps = [{ after_ms = 300, pause_ms = 500 }]
            [[reply]]
            text = "Hello."
            audio_ms = 600
            """
        )
        talk.wait(1_000).send("response.create").wait()
        assert talk.at("response.created") == 1_040
        assert talk.at("response.output_audio_transcript.delta") == 1_240
        due = [talk.at("response.output_audio.delta", n) for n in range(6)]
        assert due == [1_390, 1_440, 1_490, 2_040, 2_090, 2_140]
        assert talk.at("response.done") == 2_140
        assert talk.at("rate_limits.updated") == 2_170

    def test_rate_zero_is_all_at_once(self) -> None:
        talk = Dialogue("[audio]\nrate = 0\n" + ONE_REPLY).send("response.create").wait()
        first = talk.at("response.output_audio.delta")
        assert first == talk.at("response.output_audio.done") == 30 + 430

    def test_a_late_look_makes_nothing_later(self) -> None:
        prompt = Dialogue(ONE_REPLY).send("response.create").wait()
        late = Dialogue(ONE_REPLY).send("response.create")
        late.actions += late.session.advance(60_000)
        assert late.actions == prompt.actions

    def test_a_reply_has_its_own_delays(self) -> None:
        talk = Dialogue(ONE_REPLY + "delays = { queue = 7, first_audio = 11 }")
        talk.send("response.create").wait()
        assert talk.at("response.created") == 7
        assert talk.at("response.output_audio.delta") == 18

    def test_jitter_stays_within_bounds_and_follows_the_seed(self) -> None:
        text = "[delays]\nqueue = { ms = 100, jitter = 50 }\n"
        seen = {Dialogue(text, seed=n).send("response.create").wait().at("response.created")
                for n in range(20)}  # fmt: skip
        assert len(seen) > 15
        assert all(50 <= at <= 150 for at in seen)
        again = Dialogue(text, seed=3).send("response.create").wait().at("response.created")
        assert again in seen


class TestTurns:
    def talk(self, extra: str = "", **detection: Any) -> Dialogue:
        talk = Dialogue(extra + ONE_REPLY)
        if detection:
            detection = {"type": "server_vad", **detection}
            talk.send("session.update", **update_input(turn_detection=detection)).wait(100)
        return talk

    def test_a_spoken_turn_is_found_committed_and_answered(self) -> None:
        talk = self.talk().stream(TURN).wait()
        assert folded(talk.types)[:6] == [
            "session.created",
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
        ]
        ids = {event["item_id"] for event in talk.events if event["type"].startswith("input_")}
        item = talk.of("conversation.item.added")[0]["item"]
        assert ids == {item["id"]}
        assert item["content"] == [{"type": "input_audio", "transcript": None}]
        assert talk.last("response.done")["response"]["status"] == "completed"

    def test_positions_are_on_the_input_clock(self) -> None:
        talk = self.talk(prefix_padding_ms=100, silence_duration_ms=300).stream(TURN).wait()
        start = talk.last("input_audio_buffer.speech_started")["audio_start_ms"]
        end = talk.last("input_audio_buffer.speech_stopped")["audio_end_ms"]
        assert start == pytest.approx(400 - 100, abs=20)
        spoken_ms = SPEECH.size / 24
        assert end == pytest.approx(400 + spoken_ms + HANGOVER_MS + 300, abs=60)

    def test_delays_are_kept_to_the_millisecond(self) -> None:
        """Endpoint, queue and first audio are measurable: each gap is what the scenario says."""
        talk = self.talk("[delays]\nendpoint = 120\nqueue = 80\nfirst_audio = 500\n")
        talk.stream(TURN).wait()
        end = talk.last("input_audio_buffer.speech_stopped")["audio_end_ms"]
        stopped = talk.at("input_audio_buffer.speech_stopped")
        # The append that completes the silence comes with the end of its 20 ms chunk.
        assert end + 120 <= stopped < end + 120 + 20
        created = talk.at("response.created")
        assert created - stopped == pytest.approx(80)
        assert talk.at("response.output_audio.delta") - created == pytest.approx(500)

    def test_how_the_audio_is_cut_changes_no_position(self) -> None:
        def positions(chunk_ms: int) -> list[int]:
            talk = self.talk().stream(TURN, chunk_ms).wait()
            started = talk.last("input_audio_buffer.speech_started")
            stopped = talk.last("input_audio_buffer.speech_stopped")
            return [started["audio_start_ms"], stopped["audio_end_ms"]]

        assert positions(20) == positions(7) == positions(250)

    def test_odd_bytes_are_put_together_again(self) -> None:
        data = PCM16.encode(TURN)
        talk = self.talk()
        for at in range(0, len(data), 4_801):
            piece = base64.b64encode(data[at : at + 4_801]).decode()
            talk.send("input_audio_buffer.append", audio=piece)
        whole = self.talk().append(TURN)
        assert talk.of(
            "input_audio_buffer.speech_stopped", "input_audio_buffer.speech_started"
        ) == (whole.of("input_audio_buffer.speech_stopped", "input_audio_buffer.speech_started"))

    @pytest.mark.parametrize("audio", [G711_ULAW, G711_ALAW])
    def test_telephone_audio_is_understood(self, audio: AudioFormat) -> None:
        talk = self.talk()
        talk.send("session.update", **update_input(format=audio.ga)).wait(100)
        talk.stream(resample(TURN, 24_000, 8_000), audio=audio).wait()
        start = talk.last("input_audio_buffer.speech_started")["audio_start_ms"]
        assert start == pytest.approx(400 - 300, abs=40)
        assert talk.of("response.done")

    def test_two_turns_in_one_append_do_not_overtake_each_other(self) -> None:
        talk = self.talk("[delays]\nendpoint = 150\n", interrupt_response=False)
        talk.append(np.concatenate([TURN, TURN])).wait()
        marks = [t for t in talk.types if t.startswith("input_audio_buffer.")]
        assert (
            marks
            == [
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
            ]
            * 2
        )
        first, second = talk.of("input_audio_buffer.committed")
        assert second["previous_item_id"] == first["item_id"]

    def test_no_response_unless_wanted(self) -> None:
        talk = self.talk(create_response=False).stream(TURN).wait()
        assert talk.of("input_audio_buffer.committed")
        assert not talk.of("response.created")

    def test_semantic_turn_detection_waits_by_eagerness(self) -> None:
        ends = []
        for eagerness in ("high", "low"):
            talk = Dialogue("[vad]\nsemantic_silence_ms = 400\n")
            detection = {"type": "semantic_vad", "eagerness": eagerness}
            talk.send("session.update", **update_input(turn_detection=detection)).wait(100)
            talk.stream(np.concatenate([TURN, silence(1_000)])).wait()
            ends.append(talk.last("input_audio_buffer.speech_stopped")["audio_end_ms"])
        assert ends[1] - ends[0] == 800 - 200

    def test_speaking_interrupts_the_response(self) -> None:
        talk = self.talk("[audio]\nrate = 1\n").stream(TURN)
        talk.wait(1_000).stream(TURN).wait()
        types = talk.types
        second = [n for n, t in enumerate(types) if t == "input_audio_buffer.speech_started"][1]
        assert types[second + 1 : second + 7] == [
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
        cancelled = talk.of("response.done")[0]["response"]
        assert cancelled["status"] == "cancelled"
        assert cancelled["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        assert cancelled["output"][0]["status"] == "incomplete"

    def test_a_response_that_may_not_be_interrupted_is_in_the_way_of_the_next(self) -> None:
        talk = self.talk("[audio]\nrate = 0.5\n", interrupt_response=False)
        talk.stream(TURN).stream(TURN).wait()
        assert talk.error["code"] == "conversation_already_has_active_response"
        assert [e["response"]["status"] for e in talk.of("response.done")] == ["completed"]

    def test_a_response_that_was_only_promised_is_created_and_cancelled(self) -> None:
        talk = self.talk("[delays]\nqueue = 5000\n").stream(TURN).stream(TURN)
        assert talk.last("response.done")["response"]["status"] == "cancelled"
        assert (
            talk.last("response.done")["response"]["id"]
            == (talk.of("response.created")[0]["response"]["id"])
        )

    def test_a_false_barge_in_happens_when_scheduled(self) -> None:
        deceived = "[[vad.false_speech]]\nresponse = 1\nafter_ms = 400\nlasts_ms = 200\n"
        talk = self.talk("[audio]\nrate = 1\n" + deceived)
        talk.stream(TURN).wait()
        heard = talk.at("response.output_audio_transcript.delta")
        assert talk.at("input_audio_buffer.speech_started", 1) == pytest.approx(heard + 400)
        assert talk.at("input_audio_buffer.speech_stopped", 1) == pytest.approx(heard + 600)
        statuses = [event["response"]["status"] for event in talk.of("response.done")]
        assert statuses == ["cancelled", "completed"]


class TestIdleTimeout:
    def talk(self) -> Dialogue:
        talk = Dialogue('[[reply]]\ntext = "Well?"\naudio_ms = 1000\nrepeat = true')
        detection = {"type": "server_vad", "idle_timeout_ms": 5000}
        talk.send("session.update", **update_input(turn_detection=detection)).wait(100)
        return talk.send("response.create").wait(1_000)

    def test_the_model_speaks_again_when_nobody_does(self) -> None:
        talk = self.talk().stream(silence(6_500)).wait(1)
        done = talk.at("response.done")
        assert talk.at("input_audio_buffer.timeout_triggered") == done + 1_000 + 5_000
        event = talk.last("input_audio_buffer.timeout_triggered")
        assert event["audio_end_ms"] - event["audio_start_ms"] == pytest.approx(5_000, abs=20)
        assert talk.last("input_audio_buffer.committed")["item_id"] == event["item_id"]
        assert len(talk.of("response.created")) == 2

    def test_it_waits_for_who_speaks(self) -> None:
        talk = self.talk().stream(TURN).wait(5_000)
        assert not talk.of("input_audio_buffer.timeout_triggered")


class TestManualInput:
    def talk(self) -> Dialogue:
        talk = Dialogue(ONE_REPLY)
        return talk.send("session.update", **update_input(turn_detection=None)).wait(100)

    def test_commit_makes_an_item_and_no_response(self) -> None:
        talk = self.talk().append(SPEECH).send("input_audio_buffer.commit").wait()
        assert talk.types[-3:] == [
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
        ]
        talk.send("response.create").wait()
        assert talk.of("response.done")

    def test_committing_nothing_is_an_error(self) -> None:
        talk = self.talk().send("input_audio_buffer.commit", event_id="c1")
        assert talk.error["code"] == "input_audio_buffer_commit_empty"
        assert talk.error["event_id"] == "c1"
        talk.append(SPEECH[: 24 * 50]).send("input_audio_buffer.commit")
        assert "only has 50.00ms" in talk.error["message"]

    def test_clearing_empties_the_buffer(self) -> None:
        talk = self.talk().append(SPEECH).send("input_audio_buffer.clear")
        assert talk.types[-1] == "input_audio_buffer.cleared"
        talk.send("input_audio_buffer.commit")
        assert talk.error["code"] == "input_audio_buffer_commit_empty"

    def test_a_commit_within_speech_takes_it_and_nothing_stops(self) -> None:
        talk = Dialogue(ONE_REPLY).append(TURN[: TURN.size // 2])
        item = talk.last("input_audio_buffer.speech_started")["item_id"]
        talk.send("input_audio_buffer.commit").append(silence(1_000)).wait()
        assert talk.last("input_audio_buffer.committed")["item_id"] == item
        assert not talk.of("input_audio_buffer.speech_stopped")

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({}, "missing_required_parameter"),
            ({"audio": 3}, "invalid_type"),
            ({"audio": "no base64!"}, "invalid_value"),
        ],
    )
    def test_what_is_no_audio_is_refused(self, fields: dict[str, Any], code: str) -> None:
        talk = Dialogue().send("input_audio_buffer.append", **fields)
        assert (talk.error["code"], talk.error["param"]) == (code, "audio")

    def test_fifteen_mebibytes_at_once_are_taken_and_more_are_not(self) -> None:
        talk = self.talk()
        limit = 15 * 1024 * 1024
        talk.send("input_audio_buffer.append", audio=base64.b64encode(bytes(limit)).decode())
        assert not talk.of("error")
        talk.send("input_audio_buffer.append", audio=base64.b64encode(bytes(limit + 1)).decode())
        assert talk.error["param"] == "audio"


class TestTranscription:
    SCENARIO = '[transcription]\ntexts = ["Hello, my name is Marcelo.", "Again."]\n' + ONE_REPLY

    def talk(self, model: str, scenario: str = SCENARIO) -> Dialogue:
        talk = Dialogue(scenario)
        return talk.send("session.update", **update_input(transcription={"model": model})).wait(100)

    def test_it_comes_in_words_while_the_response_goes_on(self) -> None:
        talk = self.talk("gpt-realtime-whisper").stream(TURN).wait()
        kind = "conversation.item.input_audio_transcription"
        deltas = [event["delta"] for event in talk.of(f"{kind}.delta")]
        assert len(deltas) > 3
        done = talk.last(f"{kind}.completed")
        assert done["transcript"] == "".join(deltas) == "Hello, my name is Marcelo."
        assert done["usage"]["type"] == "duration"
        assert talk.at(f"{kind}.completed") - talk.at("input_audio_buffer.committed") == (
            pytest.approx(700)
        )
        assert talk.at("response.created") < talk.at(f"{kind}.completed")

    def test_each_turn_has_its_text_and_other_models_count_tokens(self) -> None:
        talk = self.talk("gpt-4o-transcribe").stream(TURN).wait().stream(TURN).wait()
        done = talk.of("conversation.item.input_audio_transcription.completed")
        assert [event["transcript"] for event in done] == ["Hello, my name is Marcelo.", "Again."]
        usage = done[0]["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]

    def test_it_is_off_unless_asked_for(self) -> None:
        talk = Dialogue(self.SCENARIO).stream(TURN).wait()
        assert not [t for t in talk.types if "transcription" in t]

    def test_it_may_fail(self) -> None:
        talk = self.talk("whisper-1", '[transcription.fails]\ncode = "audio_unintelligible"\n')
        talk.stream(TURN).wait()
        failed = talk.last("conversation.item.input_audio_transcription.failed")
        assert failed["error"]["code"] == "audio_unintelligible"
        assert failed["item_id"] == talk.last("input_audio_buffer.committed")["item_id"]

    def test_a_transcription_session_only_listens(self) -> None:
        talk = Dialogue(self.SCENARIO, kind="transcription")
        session = talk.last("session.created")["session"]
        assert (session["type"], session["object"]) == (
            "transcription",
            "realtime.transcription_session",
        )
        talk.send("session.update", session={"type": "transcription", "include": None})
        talk.stream(TURN).wait()
        assert talk.of("session.updated")
        assert talk.of("conversation.item.input_audio_transcription.completed")
        assert not talk.of("response.created")
        talk.send("response.create")
        assert talk.types[-1] == "error"

    def test_beta_has_events_of_its_own_for_it(self) -> None:
        talk = Dialogue(self.SCENARIO, dialect="beta", kind="transcription")
        assert talk.types == ["transcription_session.created"]
        talk.send(
            "transcription_session.update",
            session={"input_audio_transcription": {"model": "whisper-1"}},
        ).wait()
        assert talk.types[-1] == "transcription_session.updated"


class TestItems:
    def spoken(self) -> tuple[Dialogue, str]:
        talk = (
            Dialogue('[[reply]]\ntext = "Hello."\naudio_ms = 1500').send("response.create").wait()
        )
        return talk, talk.last("response.output_item.done")["item"]["id"]

    def test_the_client_may_choose_ids_and_places(self) -> None:
        talk = Dialogue()

        def create(item_id: str, previous: str | None = None) -> dict[str, Any]:
            item = {
                "id": item_id,
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": item_id}],
            }
            talk.send("conversation.item.create", item=item, previous_item_id=previous)
            return talk.events[-1]

        assert create("a")["previous_item_id"] is None
        assert create("b")["previous_item_id"] == "a"
        assert create("first", "root")["previous_item_id"] is None
        assert create("between", "a")["previous_item_id"] == "a"
        assert create("last")["previous_item_id"] == "b"
        assert create("a")["error"]["code"] == "item_create_duplicate_item_id"
        assert create("c", "nowhere")["error"]["code"] == "item_create_invalid_previous_item_id"

    @pytest.mark.parametrize(
        ("item", "param"),
        [
            (None, "item"),
            ({}, "item.type"),
            ({"type": "poem"}, "item.type"),
            ({"type": "message"}, "item.role"),
            ({"type": "message", "role": "ghost"}, "item.role"),
            ({"type": "message", "role": "user"}, "item.content"),
            (
                {"type": "message", "role": "user", "content": [{"type": "output_text"}]},
                "item.content[0].type",
            ),
            (
                {"type": "message", "role": "user", "content": [{"type": "input_text"}]},
                "item.content[0].text",
            ),
            ({"type": "function_call_output", "call_id": "c"}, "item.output"),
            ({"type": "function_call_output", "call_id": "c", "output": {}}, "item.output"),
            ({"type": "message", "id": "x" * 33, "role": "user", "content": []}, "item.id"),
        ],
    )
    def test_an_item_that_is_wrong_is_refused(self, item: Any, param: str) -> None:
        talk = Dialogue().send("conversation.item.create", item=item, event_id="e")
        assert (talk.error["param"], talk.error["event_id"]) == (param, "e")

    def test_truncation_cuts_what_was_not_heard(self) -> None:
        talk, item_id = self.spoken()
        talk.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=700)
        assert talk.last("conversation.item.truncated")["audio_end_ms"] == 700
        talk.send("conversation.item.retrieve", item_id=item_id)
        item = talk.last("conversation.item.retrieved")["item"]
        assert item["content"] == [{"type": "output_audio"}]
        talk.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=701)
        assert talk.error["message"] == "Audio content of 700ms is already shorter than 701ms"

    def test_only_what_the_model_spoke_can_be_truncated(self) -> None:
        talk = Dialogue().say_text("Hi")
        item_id = talk.events[-1]["item"]["id"]
        talk.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1)
        assert talk.error["code"] == "unsupported_content_type"

    @pytest.mark.parametrize("doing", ["truncate", "delete", "retrieve"])
    def test_an_item_that_does_not_exist_is_an_error(self, doing: str) -> None:
        talk = Dialogue().send(f"conversation.item.{doing}", item_id="gone", event_id="e")
        assert talk.error["code"] == f"item_{doing}_invalid_item_id"
        assert "'gone'" in talk.error["message"]

    def test_a_deleted_item_is_gone(self) -> None:
        talk, item_id = self.spoken()
        talk.send("conversation.item.delete", item_id=item_id)
        assert talk.last("conversation.item.deleted")["item_id"] == item_id
        talk.send("conversation.item.delete", item_id=item_id)
        assert talk.error["code"] == "item_delete_invalid_item_id"

    def test_what_the_user_said_can_be_had_back(self) -> None:
        talk = Dialogue(ONE_REPLY)
        talk.send("session.update", **update_input(turn_detection=None)).wait(100)
        talk.append(SPEECH).send("input_audio_buffer.commit")
        item_id = talk.last("input_audio_buffer.committed")["item_id"]
        talk.send("conversation.item.retrieve", item_id=item_id)
        part = talk.last("conversation.item.retrieved")["item"]["content"][0]
        assert base64.b64decode(part["audio"]) == PCM16.encode(SPEECH)


class TestResponses:
    def test_one_at_a_time(self) -> None:
        talk = Dialogue(ONE_REPLY).send("response.create").wait(100)
        talk.send("response.create", event_id="again")
        assert talk.error["code"] == "conversation_already_has_active_response"
        assert talk.error["event_id"] == "again"
        assert talk.of("response.created")[0]["response"]["id"] in talk.error["message"]

    def test_outside_of_the_conversation_any_number(self) -> None:
        talk = Dialogue()
        outside = {"conversation": "none", "output_modalities": ["text"], "metadata": {"n": "1"}}
        talk.send("response.create", **TEXT)
        talk.send("response.create", response=outside).wait()
        done = [event["response"] for event in talk.of("response.done")]
        assert [response["status"] for response in done] == ["completed"] * 2
        own = next(response for response in done if response["metadata"])
        assert own["conversation_id"] is None
        assert len(talk.of("conversation.item.added")) == 1

    def test_settings_for_one_response_only(self) -> None:
        talk = Dialogue()
        asked = {"output_modalities": ["text"], "max_output_tokens": 77, "metadata": {"a": "b"}}
        talk.send("response.create", response=asked).wait()
        talk.send("response.create").wait()
        first, second = (event["response"] for event in talk.of("response.created"))
        assert first["max_output_tokens"] == 77
        assert first["metadata"] == {"a": "b"}
        assert first["output_modalities"] == ["text"]
        assert second["output_modalities"] == ["audio"]

    @pytest.mark.parametrize(
        ("asked", "param"),
        [
            ({"voice": "alloy"}, "response.voice"),
            ({"output_modalities": ["smell"]}, "response.output_modalities"),
            ({"conversation": 1}, "response.conversation"),
            ({"input": "text"}, "response.input"),
        ],
    )
    def test_settings_that_are_wrong(self, asked: dict[str, Any], param: str) -> None:
        talk = Dialogue().send("response.create", response=asked)
        assert talk.error["param"] == param

    def test_input_of_its_own(self) -> None:
        talk = Dialogue().say_text("not this")
        message = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "but that"}],
        }
        asked = {"input": [message], "conversation": "none", "output_modalities": ["text"]}
        talk.send("response.create", response=asked).wait()
        assert "but that" in talk.last("response.output_text.done")["text"]

    def test_cancel_closes_what_is_open(self) -> None:
        talk = Dialogue("[audio]\nrate = 1\n" + ONE_REPLY).send("response.create").wait(700)
        talk.send("response.cancel").wait()
        assert folded(talk.types)[-7:] == [
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        response = talk.last("response.done")["response"]
        assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        partial = response["output"][0]["content"][0]["transcript"]
        assert partial
        assert "Hello, Marcelo! How are you?".startswith(partial)

    def test_cancelling_nothing_is_an_error(self) -> None:
        talk = Dialogue().send("response.cancel", event_id="c")
        assert (talk.error["code"], talk.error["event_id"]) == ("response_cancel_not_active", "c")
        talk.send("response.create").wait(100).send("response.cancel", response_id="resp_other")
        assert talk.error["code"] == "response_cancel_not_active"
        talk.send("response.cancel", response_id=talk.last("response.created")["response"]["id"])
        assert talk.last("response.done")["response"]["status"] == "cancelled"

    def test_a_response_may_fail_or_stop_early_or_stall(self) -> None:
        talk = Dialogue(
            """
            [[reply]]
            status = "failed"
            error = { code = "server_error", message = "Oh no.", type = "server_error" }
            [[reply]]
            text = "Cut short"
            status = "incomplete"
            [[reply]]
            status = "stalled"
            """
        )
        for _ in range(3):
            talk.send("response.create", **TEXT).wait()
        failed, incomplete = (event["response"] for event in talk.of("response.done"))
        assert (failed["status"], failed["output"]) == ("failed", [])
        assert failed["status_details"]["error"]["message"] == "Oh no."
        assert incomplete["status_details"]["reason"] == "max_output_tokens"
        assert incomplete["output"][0]["status"] == "incomplete"
        assert len(talk.of("response.created")) == 3

    def test_usage_counts_and_caches(self) -> None:
        talk = Dialogue()
        for _ in range(2):
            talk.say_text("Tell me a long story. " * 20).send("response.create").wait()
        first, second = (event["response"]["usage"] for event in talk.of("response.done"))
        for usage in (first, second):
            details = usage["input_token_details"]
            assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
            assert details["text_tokens"] + details["audio_tokens"] == usage["input_tokens"]
            assert details["cached_tokens"] <= usage["input_tokens"]
        assert first["input_token_details"]["cached_tokens"] == 0
        assert second["input_token_details"]["cached_tokens"] % 64 == 0
        assert second["input_token_details"]["cached_tokens"] > 0
        assert second["output_token_details"]["audio_tokens"] > 0

    def test_a_budget_runs_out_and_comes_back(self) -> None:
        talk = Dialogue("[rate_limit]\ntokens = 30\nreset_ms = 60000")
        for _ in range(2):
            talk.say_text("Tell me a story.").send("response.create", **TEXT).wait(1_000)
        assert [e["response"]["status"] for e in talk.of("response.done")] == [
            "completed",
            "failed",
        ]
        error = talk.last("response.done")["response"]["status_details"]["error"]
        assert error["code"] == "rate_limit_exceeded"
        assert talk.of("rate_limits.updated")[0]["rate_limits"][0]["remaining"] == 0
        talk.wait(120_000).send("response.create", **TEXT).wait()
        assert talk.last("response.done")["response"]["status"] == "completed"


class TestFunctionCalls:
    def test_a_call_its_output_and_the_answer(self) -> None:
        talk = Dialogue(load("tool")).say_text("What is the weather in London?")
        talk.send("response.create", **TEXT).wait()
        types = folded(talk.types[talk.types.index("response.created") :])
        assert types == [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        done = talk.last("response.function_call_arguments.done")
        assert (done["name"], json.loads(done["arguments"])) == ("get_weather", {"city": "London"})
        deltas = talk.of("response.function_call_arguments.delta")
        assert "".join(event["delta"] for event in deltas) == done["arguments"]
        output = {
            "type": "function_call_output",
            "call_id": done["call_id"],
            "output": "Fog, 12 degrees.",
        }
        talk.send("conversation.item.create", item=output).send("response.create", **TEXT).wait()
        assert talk.last("response.output_text.done")["text"] == (
            "It is foggy and 12 degrees in London."
        )

    def test_speech_and_several_calls_in_one_response(self) -> None:
        talk = Dialogue(
            """
            [[reply]]
            text = "One moment."
            [[reply.function_call]]
            name = "a"
            [[reply.function_call]]
            name = "b"
            arguments = "not json"
            """
        )
        talk.send("response.create").wait()
        output = talk.last("response.done")["response"]["output"]
        assert [item["type"] for item in output] == ["message", "function_call", "function_call"]
        assert output[2]["arguments"] == "not json"
        assert len({item["call_id"] for item in output[1:]}) == 2

    def test_a_forced_tool_is_called_without_a_script(self) -> None:
        parameters = {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        }
        tool = {"type": "function", "name": "forecast", "parameters": parameters}
        talk = Dialogue().say_text("Rome")
        talk.send("session.update", **update(tools=[tool], tool_choice="required")).wait(100)
        talk.send("response.create").wait()
        done = talk.last("response.function_call_arguments.done")
        assert json.loads(done["arguments"]) == {"city": "Rome"}


class TestProtocolErrors:
    @pytest.mark.parametrize(
        ("message", "code"),
        [
            ("{", "invalid_json"),
            ("[1]", "invalid_type"),
            ("[" * 100_000, "invalid_json"),
            (b"\x00\x01", "invalid_event"),
            ("{}", "missing_required_parameter"),
            ('{"type": 3}', "invalid_type"),
            ('{"type": "no.such.event"}', "invalid_value"),
            ('{"type": "session.update"}', "missing_required_parameter"),
            ('{"type": "transcription_session.update"}', "invalid_value"),
            ('{"type": "response.create", "event_id": 7}', "invalid_type"),
        ],
    )
    def test_what_is_no_event_is_an_error_and_the_session_goes_on(
        self, message: str | bytes, code: str
    ) -> None:
        talk = Dialogue()
        talk.actions += talk.session.receive(message, 1)
        assert talk.error["code"] == code
        assert talk.error["type"] == "invalid_request_error"
        talk.send("response.create").wait()
        assert talk.of("response.done")

    def test_every_error_names_the_event(self) -> None:
        talk = Dialogue()
        talk.actions += talk.session.receive('{"type": "no.such", "event_id": "mine"}', 1)
        assert talk.error["event_id"] == "mine"
        assert talk.error["param"] == "type"


FIELDS = [
    "type", "id", "role", "content", "text", "call_id", "output", "audio", "input", "format",
    "rate", "transcription", "turn_detection", "model", "voice", "tools", "tool_choice", "item",
    "session", "response", "item_id", "previous_item_id", "content_index", "audio_end_ms",
    "conversation", "metadata", "output_modalities", "modalities", "instructions", "event_id",
]  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "root", "none", "message", "user", "input_text", "item_1", "auto"])
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
CLIENT = sorted(GA_CLIENT_EVENTS | BETA_CLIENT_EVENTS | {"transcription_session.update"})


@settings(max_examples=80, deadline=None)
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(CLIENT), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4)
        ),
        max_size=6,
    ),
    dialect=st.sampled_from(["ga", "beta"]),
)
def test_no_client_event_breaks_a_session(
    events: list[tuple[str, dict[str, Any]]], dialect: str
) -> None:
    talk = Dialogue(dialect=dialect)
    for kind, fields in events:
        fields.pop("type", None)
        talk.send(kind, **fields).wait(50)
    talk.wait(5_000)
    assert len(json.dumps(talk.events)) > 0
    assert not any(isinstance(action, Close | Reset) for action in talk.actions)


class TestEndings:
    def test_expiry(self) -> None:
        talk = Dialogue("[expiry]\nafter_ms = 3600000").wait(3_600_000)
        assert talk.error["code"] == "session_expired"
        assert "60 minutes" in talk.error["message"]
        assert talk.actions[-1] == Close(3_600_000, 1001, "session_expired")
        assert talk.session.next_due() is None
        assert talk.session.receive({"type": "response.create"}, 3_600_001) == []

    def test_a_close_on_schedule(self) -> None:
        talk = Dialogue('[faults]\nclose = { ms = 50, code = 1011, reason = "oh" }').wait()
        assert talk.actions[-1] == Close(50, 1011, "oh")

    def test_a_reset_instead_of_the_nth_event(self) -> None:
        talk = Dialogue("[faults]\nreset_at_event = 4").send("response.create").wait()
        assert len(talk.events) == 3
        assert isinstance(talk.actions[-1], Reset)

    def test_a_refusal_after_the_handshake_masks_the_key(self) -> None:
        scenario = load("bad-key")
        assert scenario.refuse
        talk = Dialogue(scenario)
        actions = talk.session.refuse(scenario.refuse, "sk-proj-0123456789abcdef")
        message = actions[0].event["error"]["message"]  # type: ignore[union-attr]
        assert "sk-proj-********cdef" in message
        assert "0123456789" not in message
        assert actions[1] == Close(0, 3000, "invalid_request_error.invalid_api_key")


class TestDeterminism:
    def session(self, **options: Any) -> Dialogue:
        talk = Dialogue(load("support-call"), **options).stream(TURN).wait(3_000)
        return talk.send("response.create").wait(500).send("response.cancel").wait()

    def test_the_same_seed_and_client_give_the_same_bytes(self) -> None:
        assert json.dumps(self.session().events) == json.dumps(self.session().events)

    def test_another_seed_or_connection_gives_other_ids(self) -> None:
        ids = [
            self.session(**options).events[0]["session"]["id"]
            for options in ({}, {"seed": 1}, {"connection": 2})
        ]
        assert len(set(ids)) == 3

    def test_ids_are_unique_within_a_session(self) -> None:
        ids = [event["event_id"] for event in self.session().events]
        assert len(set(ids)) == len(ids)
