import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from rtproxy.errors import ScenarioError
from rtproxy.simulate.library import built_in, load
from rtproxy.simulate.scenario import Delay, Delays, FunctionCall, Gap, Scenario
from rtproxy.simulate.table import key_of

WHOLE = """
name = "everything"
seed = 7
dialect = "beta"

[delays]
queue = 40
first_audio = { ms = 400, jitter = 20 }

[audio]
rate = 1.5
gaps = [{ after_ms = 500, pause_ms = 300 }]

[[reply]]
when = "order"
function_call = { name = "find", arguments = { id = 3 } }

[[reply]]
text = "Hello."
delays = { queue = 5 }

[transcription]
texts = ["one", "two"]

[refuse]
status = 429
headers = { Retry-After = "2" }

[caller]
anything = ["goes", 1]
"""


def parse(text: str) -> Scenario:
    return Scenario.parse(text, "folder/test.toml")


def test_everything_is_read() -> None:
    scenario = parse(WHOLE)
    assert (scenario.name, scenario.seed, scenario.dialect) == ("everything", 7, "beta")
    assert scenario.delays.queue == Delay(40)
    assert scenario.delays.first_audio == Delay(400, 20)
    assert scenario.audio.gaps == (Gap(500, 300),)
    assert scenario.replies[0].function_call == (FunctionCall("find", {"id": 3}),)
    assert scenario.replies[1].delays.queue == Delay(5)
    assert scenario.transcription.texts == ("one", "two")
    assert scenario.refuse
    assert scenario.refuse.headers == {"Retry-After": "2"}
    assert scenario.caller == {"anything": ["goes", 1]}


def test_an_empty_file_is_the_default_named_after_the_file() -> None:
    assert parse("") == Scenario(name="test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("delay = 1", "there is no key delay; did you mean delays?"),
        ("[delays]\nquene = 1", "there is no key delays.quene; did you mean queue?"),
        ("[[reply]]\nzzz = 1", "there is no key reply[0].zzz; known are text, when"),
        ('[delays]\nqueue = "1"', "delays.queue must be a number or a table, not '1'."),
        ("[delays]\nqueue = -1", "delays.queue.ms must be at least 0, not -1."),
        ("[delays]\nqueue = nan", "delays.queue must be a number or a table, not nan."),
        ("[delays]\nqueue = { ms = -1 }", "delays.queue.ms must be at least 0, not -1."),
        ('dialect = "gamma"', 'dialect must be "ga" or "beta" or "both", not \'gamma\'.'),
        ("seed = true", "seed must be a whole number, not True."),
        ("[audio]\nchunk_ms = 0", "audio.chunk_ms must be at least 10, not 0."),
        ("[audio]\nchunk_ms = 1e9", "audio.chunk_ms must be a whole number"),
        ("reply = 3", "reply must be a table, not 3."),
        ('[[reply]]\nstatus = "lost"', "reply[0].status must be"),
        ("[[reply]]\nfunction_call = {}", "the key reply[0].function_call.name is missing."),
        ("x = ", "is not TOML"),
        ('name = "a;b"', "name must be printable ASCII without a semicolon"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse(text)
    assert str(error.value).startswith("folder/test.toml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_every_built_in_scenario_is_sound_and_says_what_it_is_about() -> None:
    scenarios = built_in()
    assert {
        "default", "support-call", "beta", "g711", "text", "tool", "barge-in", "slow-model",
        "choppy", "rate-limit", "expiry", "refused-401", "bad-key",
    } == set(scenarios)  # fmt: skip
    for name, scenario in scenarios.items():
        assert scenario.name == name
        assert scenario.about.endswith(".")
        assert load(name) == scenario


def test_a_file_is_loaded_and_a_missing_one_names_the_choices() -> None:
    with pytest.raises(ScenarioError, match=r"no scenario 'nope'.*barge-in"):
        load("nope")
    with pytest.raises(ScenarioError, match=r"no scenario 'nope\.toml'"):
        load("nope.toml")


def test_files_that_cannot_be_read_are_a_sentence(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("scenarios")
    (folder / "mine.toml").write_text("seed = 4", "utf-8")
    assert load(str(folder / "mine.toml")).seed == 4
    (folder / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="UTF-8"):
        load(str(folder / "binary.toml"))
    with pytest.raises(ScenarioError, match="Is a directory"):
        load(str(folder))


class TestDocumentation:
    TEXT = (Path(__file__).parents[2] / "docs/simulate.md").read_text("utf-8")

    def test_its_examples_are_scenarios(self) -> None:
        examples = re.findall(r"```toml\n(.*?)```", self.TEXT, re.DOTALL)
        assert len(examples) == 2
        for example in examples:
            parse(re.sub(r"^# (?=[a-z_]+ = )", "", example, flags=re.MULTILINE))

    def test_its_defaults_are_the_defaults(self) -> None:
        for name in fields(Delays):
            written = re.search(rf"^{name.name} = (\d+) ", self.TEXT, re.MULTILINE)
            assert written, name.name
            assert Delay(float(written[1])) == getattr(Delays(), name.name)

    def test_every_key_is_in_it(self) -> None:
        seen: list[type] = [Scenario]
        for kind in seen:
            for entry in fields(kind):
                assert re.search(rf"\b{key_of(entry)}\b", self.TEXT), (kind, entry.name)
            for hint in get_type_hints(kind).values():
                inner = [hint, *get_args(hint)]
                seen += [a for a in inner if is_dataclass(a) and a not in seen]  # type: ignore[misc]

    def test_every_built_in_scenario_is_in_it(self) -> None:
        assert set(re.findall(r"^\| `([a-z0-9][a-z0-9-]*)` \|", self.TEXT, re.MULTILINE)) == set(
            built_in()
        )
