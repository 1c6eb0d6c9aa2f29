"""supervisord.conf as it stands, under the real supervisord."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.support import environment, message, publish, rows, submission, write_config
from tests.support import ROOT, assert_nothing_runs, wait_until

BIN = Path(sys.executable).parent


class Supervisor:
    """supervisord in a folder that holds a copy of supervisord.conf, as in a checkout."""

    def __init__(self, folder, options):
        self.folder = folder
        (folder / "var").mkdir()
        (folder / "bin").mkdir()
        shutil.copy(ROOT / "supervisord.conf", folder)
        program = folder / "bin" / "jexevents"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m jexevents "$@"\n')
        program.chmod(0o755)
        config = write_config(folder, options)
        path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self._environment = environment(PATH=path, JEXEVENTS_CONFIG=str(config))
        self._process = self._popen("supervisord", "--nodaemon")

    def _popen(self, program, *arguments):
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", BIN / program, "-c", "supervisord.conf", *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def control(self, *arguments):
        return self._popen("supervisorctl", *arguments).communicate(timeout=60)[0]

    def wait_status(self, word):
        """Wait until the daemon is in this state; give its pid, None where it has none."""
        words = wait_until(
            lambda: word in (said := self.control("status").split()) and said, 30, word
        )
        return int(words[words.index("pid") + 1].rstrip(",")) if "pid" in words else None

    def log(self):
        path = self.folder / "var" / "jexevents.log"
        return path.read_text() if path.exists() else ""

    def wait_consuming(self, times):
        """Wait until a daemon has come to consume for the so-manieth time; give its pid."""
        wait_until(lambda: self.log().count('"consuming"') == times, 30, f"start {times}")
        return self.wait_status("RUNNING")

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        return self._process.communicate(timeout=40)


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
