"""The pytest plugin: a test talks to a tape, and fails when it does anything else.

    @pytest.mark.rtproxy("greeting")
    async def test_greets(rtproxy):
        client = AsyncOpenAI(base_url=rtproxy.base_url, api_key="test")

Nothing but what pytest itself needs is imported until the fixture is used. See docs/pytest.md.
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rtproxy.pytest_plugin.mode import (
    MODES,
    RECORD_OPTION,
    UPSTREAM_OPTION,
    choose_mode,
    choose_upstream,
    in_ci,
)

if TYPE_CHECKING:
    from rtproxy.pytest_plugin.handle import Rtproxy
    from rtproxy.pytest_plugin.ledger import Ledger
    from rtproxy.pytest_plugin.trial import FaultWarning, MismatchWarning, Plan, Trial

__all__ = ["FaultWarning", "MismatchWarning", "Rtproxy"]

MARKER = (
    "rtproxy(name=None, *, match='strict', speed='max', stall=10, ignore=(), matchers=(), "
    "trailing=('rate_limits.updated',), loop=False, faults=(), seed=0, salvage=False, "
    "upstream=None, redact=()): the test talks to the tape called name, or after itself."
)
ROOT = "{rootdir}"
WORKER = "rtproxy"
"""Key under which controller and workers of pytest-xdist tell each other things."""

PASSED_ON = (
    KeyboardInterrupt, pytest.skip.Exception, pytest.xfail.Exception, pytest.exit.Exception,
)  # fmt: skip
"""What ends a test, but is no failure of it."""

_trial = pytest.StashKey["Trial"]()
_ledger = pytest.StashKey["Ledger"]()
_run = pytest.StashKey[str]()
_folders = pytest.StashKey[pytest.TempPathFactory]()
_aside = pytest.StashKey[Path]()
_told = pytest.StashKey[list[str]]()


def __getattr__(name: str) -> Any:
    """`Rtproxy`, the fixture's type, for annotations; the warnings, for filters."""
    if name in ("FaultWarning", "MismatchWarning"):
        from rtproxy.pytest_plugin import trial

        return getattr(trial, name)
    if name == "Rtproxy":
        from rtproxy.pytest_plugin.handle import Rtproxy

        return Rtproxy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rtproxy", "tapes of Realtime sessions")
    group.addoption(
        RECORD_OPTION,
        choices=MODES,
        default=None,
        dest="rtproxy_record",
        help="Whether tests marked with rtproxy are replayed or recorded. Default: none.",
    )
    group.addoption(
        UPSTREAM_OPTION,
        metavar="URL",
        default=None,
        dest="rtproxy_upstream",
        help="The server to record from. Default: https://api.openai.com.",
    )
    parser.addini("rtproxy_record", "Default for --rtproxy-record.", default="")
    parser.addini("rtproxy_upstream", "Default for --rtproxy-upstream.", default="")
    parser.addini(
        "rtproxy_recordings",
        "Folder for tapes, beside each test module; one that is absolute or begins with "
        "{rootdir} is for all of them.",
        default="recordings",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    told = getattr(config, "workerinput", {}).get(WORKER)
    if told is not None:
        # The controller has chosen: what was typed is known to it alone.
        config.option.rtproxy_record, config.stash[_run] = told
    else:
        config.option.rtproxy_record = choose_mode(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    mode = config.option.rtproxy_record
    if mode != "none":
        return f"rtproxy: records ({mode})"
    wanted = os.environ.get("RTPROXY_RECORD") or config.getini("rtproxy_record") or "none"
    if wanted != "none" and in_ci(os.environ):
        return f"rtproxy: replays only, because CI is set; {RECORD_OPTION}={wanted} records"
    return None


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test that is marked gets the fixture, even if it does not ask for it."""
    if not isinstance(item, pytest.Function) or "rtproxy" in item.fixturenames:
        return
    if item.get_closest_marker("rtproxy") is not None:
        item.fixturenames.insert(0, "rtproxy")


@pytest.fixture
def rtproxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Rtproxy]":
    """The server that the test talks to: its tapes, or the upstream while they are recorded.

    `url`, `base_url`, `ws_url` say where it is; RTPROXY_URL and OPENAI_BASE_URL as well.
    """
    from rtproxy.errors import RtproxyError
    from rtproxy.pytest_plugin.trial import FaultWarning, Trial
    from rtproxy.pytest_plugin.verdict import for_pytest

    item, record = request.node, ledger_of(request.config)
    record.begin(item.nodeid)
    try:
        trial = Trial(plan(item))
    except RtproxyError as error:
        record.failed.append(item.nodeid)
        raise pytest.fail.Exception(for_pytest(str(error)), pytrace=False) from None
    item.stash[_trial], item.stash[_folders] = trial, tmp_path_factory
    with pytest.MonkeyPatch.context() as surroundings:
        for name, value in environment(trial).items():
            surroundings.setenv(name, value)
        yield trial.handle
    del item.stash[_trial]
    wrong = trial.end(record, item.stash.get(_aside, None))
    if wrong:
        pytest.fail(wrong, pytrace=False)
    warn_of_mismatches(item, trial)
    for sentence in trial.unmet_faults():
        item.warn(FaultWarning(sentence))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """A fixture has connected and was refused something: that is what the error is about."""
    __tracebackhide__ = True
    try:
        return (yield)
    except PASSED_ON:
        raise
    except BaseException as error:
        if _trial in item.stash:
            explain(item, item.stash[_trial], error, "setup")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """When the test function is done: fail the test if it did not follow its tapes."""
    __tracebackhide__ = True
    try:
        result = yield
    except PASSED_ON:
        raise
    except BaseException as error:
        if _trial in item.stash:
            explain(item, item.stash[_trial], error, "call")
        raise
    if _trial in item.stash:
        judge(item, item.stash[_trial])
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What was recorded is kept if the test has passed, in the end and in everybody's eyes."""
    seen = call.excinfo
    report = yield
    if call.when == "call" and _trial in item.stash:
        trial = item.stash[_trial]
        if trial.outcome != "failed":  # each subtest is reported, and the test after them
            trial.outcome = report.outcome
        if report.failed and call.excinfo and not (call.excinfo is seen and trial.told):
            # Of a unittest.TestCase or a subtest, which pytest does not raise but brings in here.
            instead, notes = explanation(item, trial, call.excinfo.value, "call")
            report.sections += [("Captured rtproxy call", note) for note in notes]
            report.longrepr = instead or report.longrepr
    return report


def judge(item: pytest.Item, trial: "Trial") -> None:
    """Fail a test that has passed, if its session was another than that on tape."""
    wrong = trial.judge()
    warn_of_mismatches(item, trial)
    if wrong:
        raise pytest.fail.Exception(wrong, pytrace=False)


def warn_of_mismatches(item: pytest.Item, trial: "Trial") -> None:
    """Tell of what lenient matching has passed over, each once."""
    from rtproxy.pytest_plugin.trial import MismatchWarning

    for sentence in trial.warnings():
        item.warn(MismatchWarning(sentence))


def explain(item: pytest.Item, trial: "Trial", error: BaseException, when: str) -> None:
    """Let a test fail with the mismatch behind its failure; else say what the tapes tell."""
    instead, notes = explanation(item, trial, error, when)
    for note in notes:
        item.add_report_section(when, "rtproxy", note)
    if instead:
        failure = pytest.fail.Exception(instead, pytrace=False)
        raise failure.with_traceback(error.__traceback__) from None  # a debugger opens there


def explanation(
    item: pytest.Item, trial: "Trial", error: BaseException, when: str
) -> tuple[str, list[str]]:
    """The mismatch behind a failure, if there is one, and what else there is to say."""
    instead, more = trial.explain(error)
    notes = [more] if more and when == "call" else []  # no test plays its tapes before it begins
    if trial.new_tapes:
        if _aside not in item.stash:
            item.stash[_aside] = item.stash[_folders].mktemp("rtproxy", numbered=True)
        lost = f"The test did not pass: what it recorded is in {item.stash[_aside]}."
        notes.insert(0, lost)
    return instead, notes


def plan(item: pytest.Function) -> "Plan":
    """What the markers of a test and the options of the run come to. Raises ReplayError."""
    from rtproxy.pytest_plugin.marker import read_marks, tape_name
    from rtproxy.pytest_plugin.tapeset import TapeSet, this_run
    from rtproxy.pytest_plugin.trial import Plan

    config = item.config
    marker = read_marks(item.iter_markers("rtproxy"))
    inside = "::".join(item.nodeid.split("::")[1:])
    where = os.path.relpath(item.path, config.invocation_params.dir)
    return Plan(
        nodeid=item.nodeid,
        command=f"{where}::{inside}",
        marker=marker,
        # "../test_other/greeting" must not fail for want of a folder that it goes through.
        tapes=TapeSet(Path(os.path.normpath(folder_of(item) / tape_name(item, marker)))),
        mode=config.option.rtproxy_record,
        upstream=choose_upstream(config),
        run=config.stash.setdefault(_run, this_run()),
        width=max(60, min(config.get_terminal_writer().fullwidth, 100)),
    )


def folder_of(item: pytest.Function) -> Path:
    """Where the tapes of a test's module are."""
    setting: str = item.config.getini("rtproxy_recordings") or "recordings"
    folder = Path(setting.replace(ROOT, str(item.config.rootpath)))
    if not folder.is_absolute():
        return item.path.parent / folder / item.path.stem
    module = item.path.with_suffix("")
    if module.is_relative_to(item.config.rootpath):
        return folder / module.relative_to(item.config.rootpath)
    return folder / module.name


def environment(trial: "Trial") -> dict[str, str]:
    """What is set while the test runs, as `rtproxy record -- COMMAND` and `replay` set it."""
    from rtproxy.cli.environment import DUMMY_KEY, pointed_at

    env = pointed_at(trial.handle.url, os.environ)
    if not trial.handle.recording:
        env.setdefault("OPENAI_API_KEY", DUMMY_KEY)
    return {name: value for name, value in env.items() if os.environ.get(name) != value}


def ledger_of(config: pytest.Config) -> "Ledger":
    from rtproxy.pytest_plugin.ledger import Ledger

    return config.stash.setdefault(_ledger, Ledger())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist, in the controller: a worker is about to start."""
    from rtproxy.pytest_plugin.tapeset import this_run

    config = node.config
    node.workerinput[WORKER] = (
        config.option.rtproxy_record,
        config.stash.setdefault(_run, this_run()),
    )


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """pytest-xdist, in the controller: a worker has ended, and says what it has recorded."""
    from rtproxy.pytest_plugin.ledger import Ledger

    told = getattr(node, "workeroutput", {}).get(WORKER)
    if told is not None:
        ledger_of(node.config).add(Ledger.from_json(told))
    elif error:
        ledger_of(node.config).crashed = True


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A worker hands over what it has recorded; the controller puts in place what has waited."""
    config = session.config
    kept = config.stash.get(_ledger, None)
    if kept is None:
        return
    if hasattr(config, "workeroutput"):
        config.workeroutput[WORKER] = kept.to_json()
    else:
        config.stash[_told] = kept.settle(interrupted=exitstatus not in (0, 1))
        if kept.failed and exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if lines := config.stash.get(_told, []):
        terminalreporter.section("rtproxy")
        for line in lines:
            terminalreporter.line(line)
