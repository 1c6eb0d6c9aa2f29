"""supervisord.conf as it stands, under the real supervisord."""

import os
import signal
import threading

import pytest

from tests.acceptance.supervisor import BIN, Supervisor
from tests.acceptance.support import message, publish, rows, submission
from tests.acceptance.workers import GATED, WorkerPlace
from tests.support import assert_nothing_runs, wait_until

WORKER = "jexevents-worker"
MONITOR = "jexevents-monitor"


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


def test_a_worker_that_is_stopped_finishes_what_runs(
    supervise, servers, start, engine, image, tmp_path
):
    place = WorkerPlace(servers, start, engine, image, tmp_path)
    try:
        supervisor = supervise(**place.options)
        supervisor.wait_status("STOPPED", WORKER)
        assert f"{WORKER}: started" in supervisor.control("start", WORKER)
        job = place.ask("sh", "-c", GATED)
        place.running(job)
        stopping = threading.Thread(target=supervisor.control, args=("stop", WORKER))
        stopping.start()
        wait_until(lambda: "worker_drains" in supervisor.log(WORKER), 30, "the drain")
        place.open_gates(job)
        stopping.join(60)
        supervisor.wait_status("STOPPED", WORKER)
        assert place.row(job)["state"] == "COMPLETE"
        assert place.containers() == []
        assert supervisor.log(WORKER).count('"exit_code": 0') == 1
    finally:
        place.close()


def test_a_monitor_is_started_on_demand_and_again_when_it_is_killed(supervise, servers, tmp_path):
    log = tmp_path / "EventLog"
    supervisor = supervise(**servers, EventLog=str(log), MonitorHTTPListenPort="127.0.0.1:0")
    supervisor.wait_consuming(1)
    supervisor.wait_status("STOPPED", MONITOR)
    assert f"{MONITOR}: started" in supervisor.control("start", MONITOR)
    for number in (1, 2):
        with log.open("a") as file:
            file.write(submission(number))
        wait_until(
            lambda n=number: len(rows(servers["DBURI"], "select 1 from jex.jobs")) == n, 30, "row"
        )
        if number == 1:
            os.kill(supervisor.wait_status("RUNNING", MONITOR), signal.SIGKILL)
    wait_until(lambda: supervisor.log(MONITOR).count('"starting"') == 2, 30, "another start")
    supervisor.wait_status("RUNNING", MONITOR)
    assert f"{MONITOR}: stopped" in supervisor.control("stop", MONITOR)
    assert supervisor.log(MONITOR).count('"exit_code": 0') == 1
