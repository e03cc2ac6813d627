"""What CI services read of a difference: GitHub's annotations, JUnit XML, the JSON document."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from rtproxy.diff.annotations import annotations, set_annotations
from rtproxy.diff.compare import compare_records
from rtproxy.diff.difference import Diff, Difference, WordRun
from rtproxy.diff.distribution import SetDiff
from rtproxy.diff.junit import junit
from tests.captures import CAPTURES
from tests.diff import sample
from tests.diff.test_report import from_calls, hostile
from tests.realtime.test_captured_sessions import records as captured

WHEN = "2026-11-21T03:32:10"
SCHEMAS = Path(__file__).parent.parent.parent / "docs" / "schemas"


# GitHub. How its runner reads a line: actions/runner, ActionCommand.TryParseV2.


def parse(line: str) -> tuple[str, dict[str, str], str]:
    """(command, properties, message) of a workflow command, as the runner takes it apart."""
    assert line.startswith("::")
    head, _, message = line[2:].partition("::")
    command, _, rest = head.partition(" ")
    properties = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.strip().partition("=")
        assert equals, pair
        properties[key] = unescape(value, property=True)
    return command, properties, unescape(message)


def unescape(text: str, property: bool = False) -> str:
    if property:
        text = text.replace("%3A", ":").replace("%2C", ",")
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def test_a_turn_is_an_annotation_at_the_tape() -> None:
    found = [parse(line) for line in annotations(sample.diff())]
    assert [command for command, _, _ in found] == ["error"] * 6
    assert all(properties["file"] == sample.diff().b for _, properties, _ in found)
    assert [properties["title"] for _, properties, _ in found] == [
        "rtproxy diff: budget",
        "rtproxy diff: session",
        "rtproxy diff: turn 1",
        "rtproxy diff: turn 2",
        "rtproxy diff: turn 3 only in b",
        "rtproxy diff: turn 3 → 4",
    ]
    lines = found[2][2].split("\n")
    assert lines[0] == 'tools[0].arguments.order (tools, a #143 · b #150): "latest" → "12"'
    assert lines[1] == 'tools[1] (tools, b #161): + send_mail({"to":"me@example.com"}) → sent'
    assert "6 % of words differ" in lines[2]
    assert lines[-1] == "compared with recordings/yesterday.rtape"


def test_what_is_equal_is_a_notice() -> None:
    (line,) = annotations(sample.equal())
    command, properties, message = parse(line)
    assert (command, message) == ("notice", "equal (structure, tools, text · 2 turns)")
    assert properties["file"] == sample.diff().b


def test_a_budget_says_what_was_allowed() -> None:
    message = parse(next(annotations(sample.diff())))[2]
    assert message.startswith("v2v.p50 827 ms → 1,115 ms is over budget v2v.p50=+200ms: at most")


def test_a_set_has_the_annotations_of_its_pairs() -> None:
    found = [parse(line) for line in set_annotations(sample.many())]
    messages = [message for _, _, message in found]
    assert "gone is only in a." in messages
    assert "fresh is only in b." in messages
    assert sum(properties.get("file") == "new/call-3.rtape" for _, properties, _ in found) == 6


def test_there_are_no_more_lines_than_can_be_read() -> None:
    many = tuple(
        Difference("text", 1, 1, f"turns[0].x{n}", "changed", n, n + 1) for n in range(100)
    )
    (line,) = annotations(sample.equal(differences=many))
    lines = parse(line)[2].split("\n")
    assert len(lines) == 22
    assert lines[-2] == "… and 80 more"


def test_nothing_from_a_tape_is_a_command() -> None:
    for line in annotations(hostile()):
        assert re.fullmatch(r"::error (file=[^:,]*,)?title=[^:,]*::[^\r\n]*", line), line
        assert parse(line)[0] == "error"
        assert not set(line) & set("\x1b\x07\u202e\x00")
    # Of which a runner makes what was there: its % is not taken for an escape.
    assert any("%0A::error::x" in parse(line)[2] for line in annotations(hostile()))


# JUnit. The rules of the schemas of Ant (windyroad/JUnit-Schema) and of Jenkins (xunit-plugin),
# where both allow it: element → its attributes and their form, its children in their order.

TOKEN = r"\S+( \S+)*"
NUMBER = r"\d+(\.\d{1,3})?"
RULES: dict[str, tuple[dict[str, str], str]] = {
    "testsuites": ({}, "(testsuite )*"),
    "testsuite": (
        {
            "id": r"\d+",
            "name": TOKEN,
            "package": TOKEN,
            "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
            "hostname": TOKEN,
            "tests": r"\d+",
            "failures": r"\d+",
            "errors": r"\d+",
            "time": NUMBER,
        },
        "properties (testcase )*system-out system-err ",
    ),
    "properties": ({}, "(property )*"),
    "property": ({"name": TOKEN, "value": r"[^\n]*"}, ""),
    "testcase": ({"name": TOKEN, "classname": TOKEN, "time": NUMBER}, "(failure )?"),
    "failure": ({"message": r"[^\n]*", "type": TOKEN}, ""),
    "system-out": ({}, ""),
    "system-err": ({}, ""),
}


def check(document: bytes) -> ET.Element:
    """Parse strictly, and hold every element against the rules."""
    parser = expat.ParserCreate()
    parser.Parse(document, True)
    root = ET.fromstring(document)
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = RULES[element.tag]
        assert set(element.attrib) == set(attributes), element.tag
        for key, form in attributes.items():
            assert re.fullmatch(form, element.attrib[key]), (element.tag, key, element.attrib[key])
        inside = "".join(f"{child.tag} " for child in element)
        assert re.fullmatch(children, inside), (element.tag, inside)
    for suite in root:
        cases = suite.findall("testcase")
        assert suite.attrib["tests"] == str(len(cases))
        assert suite.attrib["failures"] == str(len(suite.findall("testcase/failure")))
        names = [case.attrib["name"] for case in cases]
        assert len(set(names)) == len(names), names
    return root


def cases(root: ET.Element) -> Iterator[tuple[str, str, str | None]]:
    """(suite, test case, what failed) of each."""
    for case in root.iterfind("testsuite/testcase"):
        failure = case.find("failure")
        yield (
            case.attrib["classname"],
            case.attrib["name"],
            None if failure is None else failure.text,
        )


def test_each_turn_and_each_budget_is_a_test_case() -> None:
    found = list(cases(check(junit(sample.diff(), WHEN))))
    assert [(name, failed is None) for _, name, failed in found] == [
        ("session", False),
        ("turn 1 “Hi, where is my order?”", False),
        ("turn 2 “Stop, that is fine.”", False),
        ("turn 3 only in b “Do you deliver to the moon?”", False),
        ("turn 3 → 4 “Thanks, bye.”", False),
        ("budget v2v.p50=+200ms", False),
        ("budget v2v.max=+20%", True),
        ("budget tool.max=+50ms", True),
    ]
    turn = found[1][2]
    assert turn is not None
    assert turn.count("\n") == 3
    assert 'tools[0].arguments.order (tools, a #143 · b #150): "latest" → "12"' in turn


def test_equal_sessions_pass() -> None:
    assert [failed for _, _, failed in cases(check(junit(sample.equal(), WHEN)))] == [None] * 3


def test_each_pair_of_a_set_is_a_suite() -> None:
    root = check(junit(sample.many(), WHEN))
    names = ["all sessions", *(f"call-{n}" for n in range(1, 6)), "gone", "fresh"]
    assert [suite.attrib["name"] for suite in root] == names
    assert [suite.attrib["id"] for suite in root] == [str(n) for n in range(8)]
    failed = {suite for suite, _, failure in cases(root) if failure is not None}
    assert failed == {"all sessions", "call-3", "gone", "fresh"}


def test_what_xml_cannot_hold_is_an_escape() -> None:
    words = (WordRun("changed", "\x00\x0b\ud800\ufffe]]>", "&<>\"'\U000fffff"),)
    difference = Difference("text", 1, 1, "turns[0].\x01", "changed", "", "", words=words, wer=1.0)
    root = check(junit(sample.equal(differences=(difference,)), WHEN))
    (text,) = [failed for _, _, failed in cases(root) if failed]
    assert "\\x00\\x0b\\ud800\\ufffe]]> → &<>\"'" in text


def test_hostile_names_stay_names() -> None:
    diff = hostile()
    root = check(junit(SetDiff("text", (), ("a\x1b\n  b",), ("",)), WHEN))
    assert [suite.attrib["name"] for suite in root] == ["a\\x1b\\n b", "-"]
    assert "<script>" in ET.tostring(check(junit(diff, WHEN)), "unicode", method="text")


# JSON.


def validator(name: str) -> Draft202012Validator:
    schemas = {path.name: json.loads(path.read_text("utf-8")) for path in SCHEMAS.glob("diff-*")}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    resources = [(schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()]
    return Draft202012Validator(schemas[name], registry=Registry().with_resources(resources))


@pytest.mark.parametrize(
    "diff", [sample.diff(), sample.equal(), hostile(), from_calls()], ids=["a", "b", "c", "d"]
)
def test_the_document_is_as_its_schema_says(diff: Diff) -> None:
    document = json.loads(json.dumps(diff.to_json()))
    validator("diff-1.schema.json").validate(document)
    assert document["schema"] == "rtproxy.diff/1"
    assert document["equal"] is diff.equal


def test_the_document_of_a_set_is_as_its_schema_says() -> None:
    document = json.loads(json.dumps(sample.many().to_json()))
    validator("diff-set-1.schema.json").validate(document)
    assert [session["name"] for session in document["sessions"]][2] == "call-3"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"level": "words"}, "level"),
        ({"differences": [{"level": "text"}]}, "differences"),
        ({"schema": "rtproxy.diff/2"}, "schema"),
        ({"metrics": [{"key": "v2v.p50", "a": "fast"}]}, "metrics"),
    ],
)
def test_the_schema_can_refuse(change: dict[str, Any], path: str) -> None:
    document = json.loads(json.dumps(sample.diff().to_json())) | change
    errors = list(validator("diff-1.schema.json").iter_errors(document))
    assert errors
    assert {error.path[0] for error in errors} == {path}


def test_the_schemas_name_every_key() -> None:
    """What is in the document but not in the schema would be missed by its readers."""
    schema = json.loads((SCHEMAS / "diff-1.schema.json").read_text("utf-8"))
    document = sample.diff().to_json()
    assert set(document) == set(schema["properties"]) == set(schema["required"])
    for key, name in (
        ("turns", "turn"), ("differences", "difference"), ("metrics", "metric"),
        ("budgets", "budget"),
    ):  # fmt: skip
        assert set(document[key][0]) == set(schema["$defs"][name]["properties"]), key


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="there are no captures beside it")
def test_real_sessions_have_sound_reports() -> None:
    paths = sorted(CAPTURES.glob("*.jsonl"))
    for a in paths:
        for b in paths:
            diff = compare_records(captured(a), captured(b), names=(a.name, b.name))
            validator("diff-1.schema.json").validate(json.loads(json.dumps(diff.to_json())))
            check(junit(diff, WHEN))
            for line in annotations(diff):
                parse(line)
