"""Replaying: a test fails when it does not follow its tapes, and the failure says how."""

import os
import re

import pytest

from tests.plugin.project import Project, shown

pytest_plugins = ["pytester"]

GREETING = """
@pytest.mark.rtproxy("greeting"{options})
def test_greets(rtproxy):
    assert talk(rtproxy, {texts})[-1] == "response.done"
"""


def greeting(texts: str, options: str = "") -> str:
    return GREETING.format(texts=texts, options=f", {options}" if options else "")


@pytest.fixture
def recorded(project: Project) -> Project:
    """A project with a tape of two turns: Hello, Thanks."""
    project.write(greeting("'Hello', 'Thanks'"))
    project.record("once").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)
    return project


def test_a_mismatch_is_the_failure_and_is_all_that_is_shown(recorded: Project) -> None:
    recorded.write(greeting("'Hello', 'Goodbye'") + "    assert False\n")
    result = recorded.run()
    result.assert_outcomes(failed=1)
    text = shown(result)
    assert "Mismatch (differing): conversation.item.create differs from the tape at" in text
    assert 'item.content[0].text: expected "Thanks", received "Goodbye"' in text
    assert 'Leave the value out with ignore=["item.content[0].text"]' in text
    assert "--rtproxy-record=all" in text
    assert "FAILED test_call.py::test_greets - Failed: Mismatch (differing)" in text
    assert "site-packages" not in text
    assert "--match" not in text


def test_the_exception_that_followed_from_a_mismatch_is_named(recorded: Project) -> None:
    recorded.write(
        """
        @pytest.mark.rtproxy("greeting")
        def test_greets(rtproxy):
            with open_session(rtproxy) as ws:
                ws.send(json.dumps({"type": "input_audio_buffer.clear"}))
                while True:
                    ws.recv()
        """
    )
    text = shown(recorded.run())
    assert "received input_audio_buffer.clear" in text
    assert "The test then ended with ConnectionClosedError: received 1008" in text


def test_a_mismatch_in_a_fixture_is_the_error_too(recorded: Project) -> None:
    recorded.write(
        """
        @pytest.fixture
        def agent(rtproxy):
            with open_session(rtproxy) as ws:
                ws.send(json.dumps({"type": "input_audio_buffer.clear"}))
                while True:
                    ws.recv()
                yield ws

        @pytest.fixture
        def broken(rtproxy):
            raise OSError("no such microphone")

        @pytest.mark.rtproxy("greeting")
        def test_greets(agent): pass

        @pytest.mark.rtproxy("greeting")
        def test_listens(broken): pass
        """
    )
    result = recorded.run()
    result.assert_outcomes(errors=2)
    text = shown(result)
    assert text.count("Mismatch (unexpected): input_audio_buffer.clear came where") == 1
    assert "The test then ended with ConnectionClosedError: received 1008" in text
    assert "OSError: no such microphone" in text
    assert "was not played" not in text


def test_a_mismatch_in_a_test_case_of_unittest_is_its_failure(recorded: Project) -> None:
    recorded.write(
        """
        import os, types, unittest

        @pytest.mark.rtproxy("greeting")
        class TestGreeting(unittest.TestCase):
            def setUp(self):
                url = os.environ["RTPROXY_URL"].replace("http", "ws", 1) + "/v1/realtime"
                self.rtproxy = types.SimpleNamespace(ws_url=url)
            def test_follows(self):
                talk(self.rtproxy, "Hello", "Thanks")
            def test_says_something_else(self):
                self.assertEqual(talk(self.rtproxy, "Hullo")[-1], "response.done")
            def test_leaves(self):
                talk(self.rtproxy, "Hello")
            def test_is_wrong_by_itself(self):
                talk(self.rtproxy, "Hello", "Thanks")
                self.assertEqual("tea", "coffee")
        """
    )
    result = recorded.run()
    result.assert_outcomes(passed=1, failed=3)
    text = shown(result)
    assert 'item.content[0].text: expected "Hello", received "Hullo"' in text
    assert "The test then ended with" in text
    assert "early disconnect" in text
    assert "'tea' != 'coffee'" in text


def test_a_mismatch_in_a_subtest_is_its_failure(recorded: Project) -> None:
    recorded.write(
        """
        @pytest.mark.rtproxy("greeting")
        def test_greets(rtproxy, subtests):
            with subtests.test("first words"):
                assert talk(rtproxy, "Hullo")[-1] == "response.done"
        """
    )
    text = shown(recorded.run())
    head = text.index("test_greets [first words]")
    assert head < text.index("The test then ended with")


def test_a_test_that_gives_itself_up_as_xfail_is_no_mismatch(recorded: Project) -> None:
    recorded.write(
        """
        from contextlib import suppress
        from websockets.exceptions import WebSocketException

        @pytest.fixture
        def agent(rtproxy):
            with suppress(WebSocketException):
                talk(rtproxy, "Hullo")
            pytest.xfail("known")

        @pytest.mark.rtproxy("greeting")
        def test_one(rtproxy):
            with suppress(WebSocketException):
                talk(rtproxy, "Hullo")
            pytest.xfail("known")

        @pytest.mark.rtproxy("greeting")
        def test_two(agent): pass
        """
    )
    recorded.run().assert_outcomes(xfailed=2)


def test_a_debugger_opens_in_the_test_though_its_failure_is_a_mismatch(recorded: Project) -> None:
    recorded.pytester.makeconftest(
        """
        def pytest_exception_interact(call):
            print("goes through", [entry.name for entry in call.excinfo.traceback])
        """
    )
    recorded.write(
        """
        @pytest.mark.rtproxy("greeting")
        def test_greets(rtproxy):
            assert talk(rtproxy, "Hullo")[-1] == "response.done"
        """
    )
    text = shown(recorded.run("-s"))
    assert re.search(r"goes through \[[^]]*'test_greets'", text)
    assert "The test then ended with" in text


def test_an_unfinished_tape_fails_the_test_that_passed(recorded: Project) -> None:
    recorded.write(greeting("'Hello'"))
    result = recorded.run()
    result.assert_outcomes(failed=1)
    text = shown(result)
    assert "early disconnect" in text
    assert "waiting conversation.item.create (#" in text
    assert "response.create (#" in text


def test_a_session_that_stays_open_is_judged_when_its_fixture_has_closed_it(
    recorded: Project,
) -> None:
    source = """
    @pytest.fixture
    def session(rtproxy):
        with open_session(rtproxy) as ws:
            yield ws
            {more}

    @pytest.mark.rtproxy("greeting")
    def test_greets(session):
        say(session, "Hello")
    """
    recorded.write(source.format(more="say(ws, 'Thanks')"))
    recorded.run().assert_outcomes(passed=1)
    recorded.write(source.format(more="pass"))
    result = recorded.run()
    result.assert_outcomes(passed=1, errors=1)
    assert "waiting conversation.item.create (#" in shown(result)
    assert "site-packages" not in shown(result)


def test_a_test_that_fails_by_itself_shows_its_own_failure_and_where_the_tape_was(
    recorded: Project,
) -> None:
    recorded.write(greeting("'Hello'") + "    assert 'tea' == 'coffee'\n")
    text = shown(recorded.run())
    assert "assert 'tea' == 'coffee'" in text
    assert "Captured rtproxy call" in text
    assert "conversation.item.create (#" in text


def test_a_test_that_never_connects_is_told_where_to(recorded: Project) -> None:
    recorded.write('@pytest.mark.rtproxy("greeting")\ndef test_greets(rtproxy): pass\n')
    result = recorded.run()
    result.assert_outcomes(failed=1)
    assert "The test made no connection: greeting.rtape was not played." in shown(result)
    assert "Point its client at rtproxy.base_url (http://127.0.0.1:" in shown(result)


def test_a_tape_of_several_that_is_left_over_is_named(project: Project) -> None:
    calls = "@pytest.mark.rtproxy('calls')\ndef test_calls(rtproxy):\n    talk(rtproxy, 'One')\n"
    project.write(calls + "    talk(rtproxy, 'Two')\n")
    project.record("once").assert_outcomes(passed=1)
    project.write(calls)
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "02.rtape was not played: the test made no connection for it." in shown(result)


def test_a_connection_too_many_is_refused_and_named(recorded: Project) -> None:
    recorded.write(greeting("'Hello', 'Thanks'") + "    talk(rtproxy, 'More')\n")
    result = recorded.run()
    result.assert_outcomes(failed=1)
    assert "No tape is left for GET /v1/realtime?model=gpt-realtime" in shown(result)
    assert "with loop=True" in shown(result)


def test_what_went_wrong_first_is_told_first(recorded: Project) -> None:
    recorded.write(
        """
        from contextlib import suppress
        from websockets.exceptions import WebSocketException

        @pytest.mark.rtproxy("greeting")
        def test_tries_again(rtproxy):
            for _ in range(2):
                with suppress(WebSocketException):  # at once, or with its next message
                    talk(rtproxy, "Hullo")
        """
    )
    text = shown(recorded.run())
    assert 0 < text.index("Mismatch (differing)") < text.index("No tape is left for GET")


def test_what_fits_no_tape_is_said_with_what_to_do(recorded: Project) -> None:
    recorded.write(
        """
        from urllib.error import HTTPError
        from urllib.request import urlopen

        @pytest.mark.rtproxy("greeting")
        def test_greets(rtproxy):
            with pytest.raises(HTTPError):
                urlopen(f"{rtproxy.base_url}/realtime/client_secrets", data=b"{}")

        @pytest.mark.rtproxy("greeting")
        def test_says_other_things(rtproxy):
            with open_session(rtproxy) as ws:
                say_at_once = {"type": "conversation.item.create", "item": {"role": "x"}}
                ws.send(json.dumps(say_at_once))
                for _ in ws: pass
        """
    )
    text = shown(recorded.run())
    assert "none of the tapes is of an HTTP request. Record a tape of it (--rtproxy-record=all)." \
        in text  # fmt: skip
    assert 'with ignore=["item.type", "item.role", "item.content"], if they may differ.' in text


def test_trailing_events_may_be_left_out(project: Project) -> None:
    ending = (
        "        ws.send(json.dumps({'type': 'input_audio_buffer.clear'}))\n        ws.recv()\n"
    )
    source = """
@pytest.mark.rtproxy("greeting"{options})
def test_greets(rtproxy):
    with open_session(rtproxy) as ws:
        say(ws, "Hello")
"""
    heard = "        while json.loads(ws.recv())['type'] != 'rate_limits.updated': pass\n"
    project.write(source.format(options="") + heard + ending)
    project.record("once").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)
    project.write(source.format(options="") + heard)
    project.run().assert_outcomes(failed=1)
    allowed = "trailing=('input_audio_buffer.clear', 'input_audio_buffer.cleared')"
    project.write(source.format(options=", " + allowed) + heard)
    project.run().assert_outcomes(passed=1)


def test_lenient_matching_warns(recorded: Project) -> None:
    recorded.write(greeting("'Hello', 'Goodbye'", "match='lenient'"))
    result = recorded.run("-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    assert "MismatchWarning: greeting.rtape: conversation.item.create differs" in shown(result)
    recorded.run().assert_outcomes(failed=1)  # there, warnings are errors
    silent = recorded.run("-W", "ignore::rtproxy.pytest_plugin.MismatchWarning")
    silent.assert_outcomes(passed=1)


def test_lenient_matching_warns_of_what_a_fixture_does_and_of_a_test_that_fails(
    recorded: Project,
) -> None:
    recorded.write(
        """
        @pytest.fixture
        def agent(rtproxy):
            with open_session(rtproxy) as ws:
                yield lambda text: say(ws, text)
                say(ws, "Goodbye")

        @pytest.mark.rtproxy("greeting", match="lenient")
        def test_greets(agent):
            agent("Good day")

        @pytest.mark.rtproxy("greeting", match="lenient")
        def test_fails(rtproxy):
            talk(rtproxy, "Hello", "Goodbye")
            assert False
        """
    )
    result = recorded.run("-W", "default")
    result.assert_outcomes(passed=1, failed=1, warnings=3)
    text = shown(result)
    assert "test_call.py::test_greets test_call.py::test_greets test_call.py:12: Mismatch" in text
    assert "test_call.py::test_fails test_call.py:16: MismatchWarning: greeting.rtape:" in text


@pytest.mark.parametrize(
    "options",
    [
        "ignore=['item.content[0].text']",
        "ignore='item.content[0].text'",
        "matchers=[lambda recorded, received: True]",
        "matchers=lambda recorded, received: True",
    ],
)
def test_what_may_differ_is_said_in_the_marker(recorded: Project, options: str) -> None:
    recorded.write(greeting("'Hello', 'Goodbye'", options))
    recorded.run().assert_outcomes(passed=1)


def test_markers_of_class_and_module_hold_unless_the_test_says_otherwise(
    recorded: Project,
) -> None:
    recorded.write(
        """
        pytestmark = pytest.mark.rtproxy(match="lenient", ignore=["item.content[0].text"])

        @pytest.mark.rtproxy("greeting")
        class TestCalls:
            @pytest.mark.rtproxy(match="strict")
            def test_goodbye(self, rtproxy):
                talk(rtproxy, "Hello", "Goodbye")

            @pytest.mark.rtproxy(match="strict", ignore=())
            def test_nothing_is_ignored(self, rtproxy):
                talk(rtproxy, "Hello", "Goodbye")
        """
    )
    recorded.run().assert_outcomes(passed=1, failed=1)


def test_faults_are_played_and_do_not_count_as_unfinished(recorded: Project) -> None:
    recorded.write(
        """
        from websockets.exceptions import ConnectionClosedError

        @pytest.mark.rtproxy("greeting", faults=["close=1011@response.created"])
        def test_survives(rtproxy):
            with pytest.raises(ConnectionClosedError) as closed:
                talk(rtproxy, "Hello", "Thanks")
            assert closed.value.rcvd.code == 1011
            (outcome,) = rtproxy.outcomes
            assert outcome.cut

        @pytest.mark.rtproxy("greeting", faults=["close=1011@response.cretaed"])
        def test_nothing_happens(rtproxy):
            talk(rtproxy, "Hello", "Thanks")

        @pytest.mark.rtproxy("greeting", faults=["1:refuse=503"])
        def test_tries_again(rtproxy):
            with pytest.raises(Exception, match="503"):
                talk(rtproxy, "Hello", "Thanks")
            talk(rtproxy, "Hello", "Thanks")
        """
    )
    result = recorded.run("-W", "default")
    result.assert_outcomes(passed=3, warnings=1)
    assert "FaultWarning: The fault close=1011@response.cretaed has not happened" in shown(result)


def test_a_fault_may_happen_in_the_teardown_of_a_fixture(recorded: Project) -> None:
    recorded.write(
        """
        from websockets.exceptions import ConnectionClosedError

        @pytest.fixture
        def session(rtproxy):
            with open_session(rtproxy) as ws:
                yield ws
                with pytest.raises(ConnectionClosedError):
                    say(ws, "Thanks")

        @pytest.mark.rtproxy("greeting", faults=["close=1011@response.created#2"])
        def test_is_cut_off_late(session):
            say(session, "Hello")
        """
    )
    recorded.run().assert_outcomes(passed=1)  # there, warnings are errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("mach='strict'", "has no 'mach'; it has name, upstream, redact, match"),
        ("match='loose'", "'loose' is no way to match: choose from exact, strict, lenient."),
        ("speed='slow'", "slow"),
        ("ignore=['item..']", "item.."),
        ("faults=['hiccup']", "hiccup"),
        ("redact=['acct_(']", "redact: 'acct_(' is no regular expression: missing ), unterminated"),
        ("name='/etc/passwd'", "'/etc/passwd' is no name for a tape"),
    ],
)
def test_an_option_that_is_wrong_is_one_sentence(
    recorded: Project, options: str, message: str
) -> None:
    name = "" if "name=" in options else "'greeting', "
    recorded.write(f"@pytest.mark.rtproxy({name}{options})\ndef test_greets(rtproxy): pass\n")
    result = recorded.run()
    result.assert_outcomes(errors=1)
    assert message in shown(result)
    assert "Traceback" not in shown(result)
    assert "site-packages" not in shown(result)


def test_replay_options_are_checked_while_recording_too(recorded: Project) -> None:
    before = recorded.tapes()
    recorded.write(greeting("'Hello'", "faults=['hiccup']"))
    result = recorded.record("all")
    result.assert_outcomes(errors=1)
    assert "'hiccup' is no fault" in shown(result)
    assert recorded.tapes() == before


ASYNC = """
@pytest.mark.{kind}
@pytest.mark.rtproxy("greeting")
async def test_greets(rtproxy):
    assert (await talk_async(rtproxy, "Hello", "Thanks"))[-1] == "response.done"
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_async_tests_of_pytest_asyncio(recorded: Project, mode: str) -> None:
    recorded.write(ASYNC.format(kind="asyncio" if mode == "strict" else "rtproxy"))
    recorded.run("-o", f"asyncio_mode={mode}").assert_outcomes(passed=1)
    recorded.write(ASYNC.format(kind="asyncio").replace("Thanks", "Goodbye"))
    result = recorded.run("-o", f"asyncio_mode={mode}")
    result.assert_outcomes(failed=1)
    assert 'expected "Thanks", received "Goodbye"' in shown(result)


def test_async_tests_of_anyio(recorded: Project) -> None:
    backend = "\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    recorded.write(ASYNC.format(kind="anyio") + backend)
    (recorded.root / "pytest.ini").unlink()
    result = recorded.pytester.runpytest_subprocess("-p", "no:asyncio", "-W", "error")
    result.assert_outcomes(passed=1)


def test_async_fixtures_may_hold_the_session(recorded: Project) -> None:
    recorded.write(
        """
        import pytest_asyncio
        from talk import connect_async, said

        @pytest_asyncio.fixture
        async def session(rtproxy):
            async with connect_async(rtproxy.ws_url + "?model=gpt-realtime") as ws:
                yield ws

        @pytest.mark.asyncio
        @pytest.mark.rtproxy("greeting")
        async def test_greets(session):
            for text in ("Hello", "Thanks"):
                for event in said(text):
                    await session.send(event)
                async for message in session:
                    if json.loads(message)["type"] == "response.done":
                        break
        """
    )
    recorded.run().assert_outcomes(passed=1)


def test_a_marked_test_is_served_without_asking_for_the_fixture(recorded: Project) -> None:
    recorded.write(
        """
        import os
        from types import SimpleNamespace

        @pytest.mark.rtproxy("greeting")
        def test_greets():
            assert os.environ["OPENAI_BASE_URL"] == os.environ["RTPROXY_URL"] + "/v1"
            assert os.environ["OPENAI_API_KEY"]
            assert "127.0.0.1" in os.environ["NO_PROXY"]
            url = os.environ["OPENAI_BASE_URL"].replace("http", "ws") + "/realtime"
            talk(SimpleNamespace(ws_url=url), "Hello", "Thanks")

        def test_later():
            assert "RTPROXY_URL" not in os.environ
            assert "OPENAI_BASE_URL" not in os.environ
        """
    )
    recorded.run().assert_outcomes(passed=2)
    assert "RTPROXY_URL" not in os.environ


def test_tapes_are_called_after_their_tests(project: Project) -> None:
    project.write(
        """
        @pytest.mark.parametrize("text", ["Hello", "a/b", "a:b"])
        def test_says(rtproxy, text):
            talk(rtproxy, text)

        class TestCalls:
            @pytest.mark.rtproxy
            def test_greets(self, rtproxy):
                talk(rtproxy, "Hello")

        @pytest.mark.rtproxy("en/greeting.rtape")
        def test_named(rtproxy):
            talk(rtproxy, "Hello")
        """
    )
    project.record("once").assert_outcomes(passed=5)
    names = [name.removeprefix("test_call/") for name in project.tapes()]
    assert len(names) == 5
    assert {"TestCalls.test_greets.rtape", "en/greeting.rtape", "test_says-Hello.rtape"} < {*names}
    assert len([name for name in names if name.startswith("test_says-a-b-")]) == 2
    project.run().assert_outcomes(passed=5)


def test_a_tape_of_another_module_can_be_named(recorded: Project) -> None:
    source = greeting("'Hello', 'Thanks'").replace("greeting", "../test_call/greeting")
    recorded.write(source, "test_other")
    recorded.run("test_other.py").assert_outcomes(passed=1)
    recorded.record("all", "test_other.py").assert_outcomes(passed=1)
    assert list(recorded.tapes()) == ["test_call/greeting.rtape"]
    assert not (recorded.recordings / "test_other").exists()


@pytest.mark.parametrize(
    ("setting", "where"),
    [
        ("tapes", "unit/tapes/test_call/test_greets.rtape"),
        ("{rootdir}/tapes", "tapes/unit/test_call/test_greets.rtape"),
    ],
)
def test_the_folder_of_tapes_can_be_chosen(project: Project, setting: str, where: str) -> None:
    project.pytester.mkdir("unit")
    project.write("def test_greets(rtproxy): talk(rtproxy, 'Hello')\n", "unit/test_call")
    chosen = ("-o", f"rtproxy_recordings={setting}")
    project.record("once", *chosen).assert_outcomes(passed=1)
    assert (project.root / where).is_file()
    project.run(*chosen).assert_outcomes(passed=1)


def test_the_handle_says_what_is_played(recorded: Project) -> None:
    recorded.write(
        """
        from rtproxy.pytest_plugin import Rtproxy

        @pytest.mark.rtproxy("greeting")
        def test_greets(rtproxy: Rtproxy):
            assert isinstance(rtproxy, Rtproxy)
            assert not rtproxy.recording
            assert rtproxy.mode == "none"
            assert [path.name for path in rtproxy.tapes] == ["greeting.rtape"]
            assert rtproxy.base_url == rtproxy.url + "/v1"
            talk(rtproxy, "Hello", "Thanks")
            (outcome,) = rtproxy.outcomes
            assert not outcome.reports
        """
    )
    recorded.run().assert_outcomes(passed=1)


def test_parallel_workers_record_and_replay(project: Project) -> None:
    project.write(
        """
        @pytest.mark.parametrize("n", range(3))
        def test_own_tape(rtproxy, n):
            talk(rtproxy, f"Number {n}")

        @pytest.mark.parametrize("n", range(3))
        @pytest.mark.rtproxy("shared")
        def test_one_tape_for_all(rtproxy, n):
            talk(rtproxy, "Hello")
        """
    )
    result = project.record("once", "-n2")
    result.assert_outcomes(passed=6)
    assert "recorded recordings/test_call/test_own_tape-2.rtape" in shown(result)
    assert len(project.tapes()) == 4
    assert not project.leftovers()
    project.run("-n2").assert_outcomes(passed=6)


def test_the_plugin_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_light():
            heavy = {"aiohttp", "numpy", "click", "rich", "msgpack", "orjson"}
            assert not heavy & set(sys.modules)
            assert "rtproxy.pytest_plugin" in sys.modules
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess("--markers", "--fixtures")
    assert "@pytest.mark.rtproxy(name=None, *, match='strict'" in shown(result)
