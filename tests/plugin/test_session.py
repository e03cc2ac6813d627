"""`rtproxy.session`: what a test has exchanged, while it is replayed and while it is recorded."""

from tests.plugin.project import Project, shown

pytest_plugins = ["pytester"]

ANSWERED = """
@pytest.mark.rtproxy("greeting"{options})
def test_greets(rtproxy):
    with pytest.raises(RuntimeError, match="none yet"):
        rtproxy.session
    with open_session(rtproxy) as ws:
        say(ws, "Hello")
        first = rtproxy.session
        assert [turn.user for turn in first.turns] == ["Hello"]
        say(ws, "{second}")
    session = rtproxy.session
    assert [turn.user for turn in session.turns] == ["Hello", "{second}"]
    said = [turn.assistant for turn in session.turns]
    assert said == ["Good day. How can I help?", "You said: Thanks"]
    assert session.model == "gpt-realtime"
    assert session.findings == []
    assert session.measure(session.turns[0])["queue_ms"] > 0
    assert len(first.turns) == 1
"""


def answered(second: str = "Thanks", options: str = "") -> str:
    return ANSWERED.format(second=second, options=f", {options}" if options else "")


def test_it_is_what_was_said_in_a_replay_and_in_a_recording(project: Project) -> None:
    project.write(answered())
    for mode in ("once", "none", "all"):
        project.record(mode).assert_outcomes(passed=1)


def test_what_the_tape_was_told_to_ignore_is_what_was_said(project: Project) -> None:
    project.write(answered())
    project.record("once").assert_outcomes(passed=1)
    project.write(answered("Thank you", "ignore=['item.content']"))
    project.run().assert_outcomes(passed=1)


def test_of_several_sessions_each_is_there(project: Project) -> None:
    source = """
    @pytest.mark.rtproxy("calls")
    def test_calls(rtproxy):
        for text in {texts}:
            talk(rtproxy, text)
        assert [session.turns[0].user for session in rtproxy.sessions] == {texts}
        with pytest.raises(RuntimeError, match="2 sessions; see rtproxy.sessions"):
            rtproxy.session
    """
    project.write(source.format(texts=["Hello", "Thanks"]))
    project.record("once").assert_outcomes(passed=1)
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "2 sessions" not in shown(result)


def test_with_new_episodes_what_is_replayed_comes_first(project: Project) -> None:
    source = """
    @pytest.mark.rtproxy("calls")
    def test_calls(rtproxy):
        for text in {texts}:
            talk(rtproxy, text)
        assert [session.turns[0].user for session in rtproxy.sessions] == {texts}
    """
    project.write(source.format(texts=["Hello"]))
    project.record("once").assert_outcomes(passed=1)
    project.write(source.format(texts=["Hello", "Thanks"]))
    project.record("new_episodes").assert_outcomes(passed=1)
