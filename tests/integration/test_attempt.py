"""What a node makes of the folder of an attempt when it looks at it anew."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from jexevents.executions.events import Named
from jexevents.runner.attempt import CommandAttempt
from jexevents.runner.folder import Held, RunFolder
from tests.runs import Runs
from tests.support import wait_until


def as_if_killed_before_its_last_state(run: RunFolder) -> None:
    """Put back the state that a supervisor had when it was about to write the last one."""
    wait_until(lambda: not run._is_locked(), 10, "its supervisor to be gone")
    state = run.state()
    state.update(phase="running", supervisor={"pid": 1, "started": 0})
    for name in ("exit_code", "signal", "reason", "cause", "ended"):
        state.pop(name, None)
    (run.path / "state.json").write_text(json.dumps(state))


@pytest.mark.parametrize(
    ("command", "name", "ended_with"), [("exit 0", "complete", None), ("exit 3", "fail", "fail")]
)
def test_a_supervisor_lost_between_its_last_event_and_its_last_state(
    runs: Runs, command: str, name: str, ended_with: str | None
) -> None:
    run, _ = runs.run(command)
    as_if_killed_before_its_last_state(run)
    attempt = CommandAttempt(str(uuid4()), Named(1, "a"), 1, run, None)
    assert attempt.look().held is Held.LOST
    report = attempt.report()
    assert [event["name"] for event in report.events] == ["start", name]
    assert (report.lost, report.ended_with) == (None, ended_with)
    (*_, end) = report.told("n", 0)
    assert end.name == name
    assert end.data.get("exit_code") == (0 if name == "complete" else None)


def test_what_was_reported_before_is_not_told_again(runs: Runs) -> None:
    run, _ = runs.run("exit 0")
    attempt = CommandAttempt(str(uuid4()), Named(1, "a"), 1, run, None, sequence=1)
    attempt.look()
    assert [event["seq"] for event in attempt.report().events] == [2]
