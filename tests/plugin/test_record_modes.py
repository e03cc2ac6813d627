"""Recording: what each mode does with a tape that is there, and with one that is not."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.plugin.project import Project, shown, tape_id

pytest_plugins = ["pytester"]

GREETING = """
@pytest.mark.rtproxy("greeting")
def test_greets(rtproxy):
    assert talk(rtproxy, "Hello")[-1] == "response.done"
"""
TWO_CALLS = """
@pytest.mark.rtproxy("calls")
def test_calls_twice(rtproxy):
    talk(rtproxy, "One")
    talk(rtproxy, "Two")
"""
DEAD = "--rtproxy-upstream=http://127.0.0.1:1"
"""An upstream at which nobody listens."""


def test_none_is_the_default_and_tells_how_to_record(project: Project) -> None:
    project.write(GREETING)
    result = project.run()
    result.assert_outcomes(errors=1)
    assert "There is no tape for this test: recordings/test_call/greeting.rtape" in shown(result)
    assert "pytest test_call.py::test_greets --rtproxy-record=once" in shown(result)
    assert "from https://api.openai.com (--rtproxy-upstream=URL names another)" in shown(result)
    assert "Traceback" not in shown(result)
    assert not project.recordings.exists()


def test_the_command_that_is_told_records_the_tape(project: Project) -> None:
    folder = project.pytester.mkdir("sub dir")
    project.write(GREETING, "sub dir/test_call")
    project.pytester.makeini(
        (project.root / "pytest.ini").read_text() + f"\nrtproxy_upstream = {project.upstream}"
    )
    (project.root / "pytest.ini").unlink()
    told = shown(project.run())
    found = re.search(r"pytest '(sub dir/test_call.py::test_greets)' (--rtproxy-record=once)", told)
    assert found, told
    assert f"from {project.upstream} with" in told
    project.run(*found.groups()).assert_outcomes(passed=1)
    assert (folder / "recordings/test_call/greeting.rtape").is_file()


def test_once_records_what_is_missing_and_replays_what_is_there(project: Project) -> None:
    project.write(GREETING)
    result = project.record("once")
    result.assert_outcomes(passed=1)
    assert "recorded recordings/test_call/greeting.rtape" in shown(result)
    first = project.tapes()
    assert list(first) == ["test_call/greeting.rtape"]
    project.run("--rtproxy-record=once", DEAD).assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)
    assert project.tapes() == first
    assert not project.leftovers()


def test_once_does_not_take_a_damaged_tape_for_a_missing_one(project: Project) -> None:
    project.write(GREETING)
    project.record("once").assert_outcomes(passed=1)
    tape = project.recordings / "test_call/greeting.rtape"
    data = bytearray(tape.read_bytes())
    data[len(data) // 2] ^= 0xFF
    tape.write_bytes(data)
    result = project.record("once")
    result.assert_outcomes(errors=1)
    assert "greeting.rtape is" in shown(result)
    assert "salvage=True" in shown(result)
    assert tape.read_bytes() == data


def test_all_replaces_the_tape_when_the_test_has_passed(project: Project) -> None:
    project.write(GREETING)
    project.record("all").assert_outcomes(passed=1)
    old = project.tapes()
    project.record("all").assert_outcomes(passed=1)
    assert list(project.tapes()) == list(old)
    assert project.tapes() != old
    assert not project.leftovers()


def test_a_test_that_fails_keeps_its_old_tape_and_shows_the_new_one(project: Project) -> None:
    project.write(GREETING)
    project.record("once").assert_outcomes(passed=1)
    old = project.tapes()
    project.write(GREETING + "    assert 'tea' == 'coffee'\n")
    result = project.record("all")
    result.assert_outcomes(failed=1)
    assert project.tapes() == old
    assert not project.leftovers()
    found = re.search(r"what it recorded is in (\S+)\.", shown(result))
    assert found
    (new,) = Path(found[1]).glob("*.rtape")
    assert tape_id(new) not in old.values()


def test_a_first_recording_that_fails_leaves_nothing_among_the_recordings(
    project: Project,
) -> None:
    project.write(GREETING + "    assert 'tea' == 'coffee'\n")
    project.record("once").assert_outcomes(failed=1)
    assert not project.recordings.exists()


@pytest.mark.parametrize("ending", ["pytest.skip('no tea')", "pytest.xfail('no tea')"])
def test_what_is_skipped_is_not_kept(project: Project, ending: str) -> None:
    project.write(GREETING + f"    {ending}\n")
    result = project.record("once")
    assert result.parseoutcomes().keys() & {"skipped", "xfailed"}
    assert not project.recordings.exists()


def test_several_connections_make_a_folder_in_their_order(project: Project) -> None:
    project.write(TWO_CALLS)
    project.record("once").assert_outcomes(passed=1)
    assert list(project.tapes()) == ["test_call/calls/01.rtape", "test_call/calls/02.rtape"]
    assert b"One" in (project.recordings / "test_call/calls/01.rtape").read_bytes()
    project.run().assert_outcomes(passed=1)


def test_requests_over_http_are_recorded_and_replayed_too(project: Project) -> None:
    project.write(
        """
        from urllib.request import Request, urlopen

        @pytest.mark.rtproxy("browser")
        def test_makes_a_secret(rtproxy):
            body = json.dumps({"session": {"type": "realtime"}}).encode()
            headers = {"Content-Type": "application/json"}
            url = rtproxy.base_url + "/realtime/client_secrets"
            with urlopen(Request(url, body, headers)) as answer:
                assert json.load(answer)["value"]
            with urlopen(rtproxy.base_url + "/models") as answer:
                assert json.load(answer)["data"]
            talk(rtproxy, "Hello")
        """
    )
    project.record("once").assert_outcomes(passed=1)
    assert len(project.tapes()) == 3
    project.run().assert_outcomes(passed=1)


def test_the_number_of_connections_may_change(project: Project) -> None:
    project.write(TWO_CALLS)
    project.record("once").assert_outcomes(passed=1)
    project.write(TWO_CALLS.replace('    talk(rtproxy, "Two")\n', ""))
    project.record("all").assert_outcomes(passed=1)
    assert list(project.tapes()) == ["test_call/calls.rtape"]
    project.write(TWO_CALLS)
    project.record("all").assert_outcomes(passed=1)
    assert list(project.tapes()) == ["test_call/calls/01.rtape", "test_call/calls/02.rtape"]
    assert not project.leftovers()


def test_new_episodes_replays_what_is_there_and_adds_what_is_not(project: Project) -> None:
    project.write(TWO_CALLS.replace('    talk(rtproxy, "Two")\n', ""))
    project.record("new_episodes").assert_outcomes(passed=1)
    first = project.tapes()
    assert list(first) == ["test_call/calls.rtape"]
    project.write(TWO_CALLS)
    result = project.record("new_episodes")
    result.assert_outcomes(passed=1)
    assert "recorded recordings/test_call/calls/ (2 tapes)" in shown(result)
    both = project.tapes()
    assert list(both) == ["test_call/calls/01.rtape", "test_call/calls/02.rtape"]
    assert both["test_call/calls/01.rtape"] == first["test_call/calls.rtape"]
    project.run("--rtproxy-record=new_episodes", DEAD).assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)
    assert project.tapes() == both
    assert not project.leftovers()


def test_new_episodes_changes_nothing_if_what_is_there_differs(project: Project) -> None:
    project.write(TWO_CALLS.replace('    talk(rtproxy, "Two")\n', ""))
    project.record("once").assert_outcomes(passed=1)
    old = project.tapes()
    project.write(TWO_CALLS.replace('"One"', '"Other"'))
    result = project.record("new_episodes")
    result.assert_outcomes(failed=1)
    assert 'expected "One", received "Other"' in shown(result)
    assert project.tapes() == old


TWO_TESTS = """
@pytest.mark.rtproxy
def test_a(rtproxy):
    talk(rtproxy, "A")

@pytest.mark.rtproxy
def test_b(rtproxy):
    talk(rtproxy, "B")
"""


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "xdist"])
def test_rewrite_replaces_the_tapes_of_a_run_together(project: Project, workers: list[str]) -> None:
    project.write(TWO_TESTS)
    project.record("rewrite").assert_outcomes(passed=2)
    old = project.tapes()
    assert list(old) == ["test_call/test_a.rtape", "test_call/test_b.rtape"]
    project.write(TWO_TESTS + "    assert False\n")
    result = project.record("rewrite", *workers)
    result.assert_outcomes(passed=1, failed=1)
    told = "all tapes stay as they were, because test_call.py::test_b did not pass"
    assert told in shown(result)
    assert project.tapes() == old
    project.write(TWO_TESTS)
    result = project.record("rewrite", *workers)
    result.assert_outcomes(passed=2)
    assert "recorded recordings/test_call/test_b.rtape" in shown(result)
    new = project.tapes()
    assert list(new) == list(old)
    assert not set(new.values()) & set(old.values())
    assert not project.leftovers()


@pytest.mark.parametrize("mode", ["all", "rewrite"])
def test_a_run_that_is_killed_keeps_the_old_tape(project: Project, mode: str) -> None:
    project.write(GREETING)
    project.record("once").assert_outcomes(passed=1)
    old = project.tapes()
    project.write(GREETING + "    import time; time.sleep(60)\n")
    options = [f"--rtproxy-record={mode}", f"--rtproxy-upstream={project.upstream}"]
    running = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options], cwd=project.root, stdout=subprocess.DEVNULL
    )
    with running:
        deadline = time.monotonic() + 30
        while not list(project.recordings.glob("*/.rtproxy-*/*.rtape")):
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
    left = project.leftovers()
    assert [path.name[:9] for path in left] == [".rtproxy-"]
    tape = project.recordings / "test_call/greeting.rtape"
    assert {"test_call/greeting.rtape": tape_id(tape)} == old
    project.write(GREETING)
    project.run().assert_outcomes(passed=1)
    project.record("all").assert_outcomes(passed=1)
    assert not project.leftovers()


def test_an_upstream_that_cannot_be_reached_is_named(project: Project) -> None:
    project.write(GREETING)
    result = project.run("--rtproxy-record=once", DEAD)
    result.assert_outcomes(failed=1)
    assert "http://127.0.0.1:1 could not be reached" in shown(result)
    assert "The test then ended with InvalidStatus" in shown(result)
    assert "site-packages" not in shown(result)
    assert not project.recordings.exists()


def test_an_upstream_that_is_none_is_an_error(project: Project) -> None:
    project.write(GREETING)
    result = project.run("--rtproxy-record=once", "--rtproxy-upstream=nonsense")
    result.assert_outcomes(errors=1)
    assert "'nonsense' is no URL of a server; give --rtproxy-upstream" in shown(result)
    assert "Traceback" not in shown(result)
    assert not project.recordings.exists()


def test_a_test_that_does_not_connect_records_nothing(project: Project) -> None:
    project.write("@pytest.mark.rtproxy\ndef test_idle(rtproxy): pass\n")
    result = project.record("once")
    result.assert_outcomes(failed=1)
    assert "The test made no connection, so that there is nothing to record." in shown(result)


def test_the_marker_may_name_the_upstream(project: Project) -> None:
    project.write(GREETING.replace('"greeting"', f'"greeting", upstream="{project.upstream}"'))
    project.run("--rtproxy-record=once", DEAD).assert_outcomes(passed=1)


def test_environment_and_ini_file_choose_mode_and_upstream(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(GREETING)
    monkeypatch.setenv("RTPROXY_RECORD", "once")
    monkeypatch.setenv("RTPROXY_UPSTREAM", project.upstream)
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "rtproxy: records (once)" in shown(result)
    monkeypatch.delenv("RTPROXY_RECORD")
    old = project.tapes()
    project.run("-o", "rtproxy_record=all").assert_outcomes(passed=1)
    assert project.tapes() != old


@pytest.mark.parametrize(
    ("environment", "args"),
    [("sometimes", []), ("", ["-o", "rtproxy_record=sometimes"])],
    ids=["environment", "ini file"],
)
def test_a_mode_that_is_none_is_a_usage_error(
    project: Project, monkeypatch: pytest.MonkeyPatch, environment: str, args: list[str]
) -> None:
    monkeypatch.setenv("RTPROXY_RECORD", environment)
    result = project.run(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*'sometimes'; it may be none, once, new_episodes, all, rewrite.*"]
    )


def test_in_ci_only_what_is_typed_records(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(GREETING)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("RTPROXY_RECORD", "once")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--rtproxy-record=once")
    result = project.run(f"--rtproxy-upstream={project.upstream}")
    result.assert_outcomes(errors=1)
    assert "rtproxy: replays only, because CI is set" in shown(result)
    project.record("once").assert_outcomes(passed=1)
    monkeypatch.setenv("CI", "false")
    os.environ.pop("PYTEST_ADDOPTS")
    old = project.tapes()
    project.run("-o", "rtproxy_record=all", f"--rtproxy-upstream={project.upstream}")
    assert list(project.tapes()) == list(old)


def test_what_a_fixture_recorded_that_failed_is_kept_and_nothing_is_not_said_to_be(
    project: Project,
) -> None:
    project.write(
        """
        @pytest.fixture
        def connects(rtproxy):
            talk(rtproxy, "Hello")
            raise OSError("no microphone")

        @pytest.fixture
        def breaks(rtproxy):
            raise OSError("no microphone")

        @pytest.mark.rtproxy
        def test_one(connects): pass

        @pytest.mark.rtproxy
        def test_two(breaks): pass
        """
    )
    result = project.record("once")
    result.assert_outcomes(errors=2)
    (where,) = re.findall(r"what it recorded is in (\S+)\.", shown(result))
    assert len(list(Path(where).glob("*.rtape"))) == 1
    assert project.tapes() == {}


def test_what_a_test_with_a_failed_subtest_recorded_is_no_tape_of_it(project: Project) -> None:
    project.write(
        """
        @pytest.mark.rtproxy
        def test_greets(rtproxy, subtests):
            talk(rtproxy, "Hello")
            for number in range(3):
                with subtests.test(number=number):
                    assert number == 1
        """
    )
    result = project.record("once")
    (where,) = re.findall(r"what it recorded is in (\S+)\.", shown(result))
    assert len(list(Path(where).glob("*.rtape"))) == 1
    assert project.tapes() == {}


@pytest.mark.parametrize("mode", ["once", "rewrite"])
def test_of_a_test_that_is_run_again_the_last_run_counts(project: Project, mode: str) -> None:
    project.pytester.makeconftest(
        """
        import pytest
        from _pytest.runner import runtestprotocol

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            runtestprotocol(item, nextitem=nextitem, log=False)  # and then pytest runs it
        """
    )
    project.write(
        """
        runs = []

        @pytest.mark.rtproxy
        def test_greets(rtproxy):
            talk(rtproxy, "Hello")
            runs.append(1)
            assert len(runs) == 2
        """
    )
    result = project.record(mode)
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    assert list(project.tapes()) == ["test_call/test_greets.rtape"]
