"""supervisord.conf as it stands, under the real supervisord."""

import os
import signal

import pytest

from tests.acceptance.supervisor import BIN, Supervisor
from tests.acceptance.support import message, publish, rows, submission
from tests.support import assert_nothing_runs, wait_until


@pytest.fixture
def supervise(tmp_path):
    """Start supervisord over a daemon with these options."""
    if not (BIN / "supervisord").exists():
        pytest.skip("supervisor is not installed")
    started = []

    def start(**options):
        started.append(Supervisor(tmp_path, options))
        return started[-1]

    yield start
    for supervisor in started:
        supervisor.stop()
    assert_nothing_runs(tmp_path)


def test_killed_daemon_is_started_again(supervise, servers):
    supervisor = supervise(**servers)
    first = supervisor.wait_consuming(1)
    os.kill(first, signal.SIGKILL)
    second = supervisor.wait_consuming(2)
    assert second != first
    publish(servers["AMQPURI"], [message(submission(1))])
    wait_until(lambda: rows(servers["DBURI"], "select key from jex.jobs") == [("1",)], 20, "row")
    assert "jexevents: started" in supervisor.control("restart", "jexevents")
    assert supervisor.wait_consuming(3) not in (first, second)
    assert supervisor.log().count('"exit_code": 0') == 1
    assert "jexevents: stopped" in supervisor.control("stop", "jexevents")
    supervisor.wait_status("STOPPED")
    assert supervisor.log().count('"exit_code": 0') == 2


def test_wrong_configuration_is_not_started_again(supervise):
    supervisor = supervise(QueName="jobs")
    supervisor.wait_status("EXITED")
    assert supervisor.log().count("QueueName") == 1
