"""``make run``: one command that shows what jexevents does, again and again, and leaves nothing."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest

from jexevents import processes
from tests.acceptance.support import INVOCATION, environment
from tests.support import ROOT, assert_nothing_runs, free_port, running_in, wait_until

END = "Ctrl-C stops"


def _ignore_ctrl_c():
    """What a shell does to programs that it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Run:
    """``python -m jexevents.tryout``, what ``make run`` starts, in a folder with etc/."""

    def __init__(self, folder, cache, *arguments, **more):
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jexevents.tryout", *arguments],
                cwd=folder,
                env=environment(JEXEVENTS_CACHE=str(cache), COLUMNS="200", **more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_ignore_ctrl_c,
            )

    @property
    def text(self):
        return self._output.read_text()

    def wait_up(self):
        wait_until(lambda: END in self.text or self._process.poll() is not None, 120, self.text)
        assert END in self.text, self.text
        return self

    def wait_end(self):
        assert self._process.wait(120) == 0, self.text
        return self

    def wait_said(self, words):
        wait_until(lambda: words in self.text or self._process.poll() is not None, 120, self.text)
        assert words in self.text, self.text

    def curl_lines(self):
        return re.findall(r"^ +(curl .*)$", self.text, re.MULTILINE)

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(60) == 0, self.text

    def kill(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture
def folder(tmp_path):
    """A folder with the sample configuration, whose broker surely answers nobody."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "etc", folder / "etc")
    sample = folder / "etc" / "jexevents.json"
    options = json.loads(sample.read_text())
    options["AMQPURI"] = f"amqp://guest:guest@localhost:{free_port()}/"
    sample.write_text(json.dumps(options))
    yield folder
    processes.end(running_in(folder))


def curl(line, folder):
    """Run a printed line in a shell, as one would paste it; give the JSON of its answer."""
    done = subprocess.run(
        line, shell=True, cwd=folder, capture_output=True, text=True, timeout=30, check=True
    )
    return json.loads(done.stdout)


def test_runs_again_and_again(folder, package_cache, vhost):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    first = Run(folder, package_cache, JEXEVENTS_AMQPURI=vhost).wait_up()
    token = folder / "var" / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    secret = token.read_text()
    assert secret.strip() not in first.text
    own = folder / "var" / "node-secret"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert own.read_text().strip() not in first.text
    assert "JEXEVENTS_NODESECRET=$(cat var/node-secret)" in first.text
    assert "that are defined in the git repository var/repository\n" in first.text
    last, failed, ready = (curl(line, folder) for line in first.curl_lines())
    assert last["state"]["uuid"] == INVOCATION
    assert {job["phase"] for job in failed["items"]} == {"ERROR"}
    assert ready["status"] == "ready"
    assert all(f" {job['key']} " in first.text for job in failed["items"])
    first.interrupt()
    assert_nothing_runs(folder)

    began = time.monotonic()
    # What other names give must not stand beside the port that the daemon is told.
    port = free_port()
    second = Run(folder, package_cache, SMRTFLOW_SERVER_PORT=str(port)).wait_up()
    assert f":{port}/" in second.curl_lines()[0]
    assert time.monotonic() - began < 30
    assert token.read_text() == secret
    assert "in the ledger already" in second.text
    assert curl(second.curl_lines()[0], folder) == last
    second.kill()

    third = Run(folder, package_cache, JEXEVENTS_HTTP_LISTEN_PORT=f"0.0.0.0:{port}").wait_up()
    assert f"http://127.0.0.1:{port}/" in third.curl_lines()[0]
    assert curl(third.curl_lines()[0], folder) == last
    log = (folder / "var" / "jexevents.log").read_bytes()
    fourth = Run(folder, package_cache)
    fourth.wait_said("already (process ")
    assert "Stop it first" in fourth.text
    assert (folder / "var" / "jexevents.log").read_bytes().startswith(log)
    third.interrupt()
    assert_nothing_runs(folder)
    # All that is made stands where `make clean` looks for it.
    assert sorted(os.listdir(folder)) == ["etc", "output", "var"]
    assert not (folder / "etc" / "var").exists()
    assert (folder / "var" / "uploads").is_dir()


def test_a_log_that_grows_is_seen_to_come_into_the_ledger(folder, package_cache, vhost):
    uri = {"JEXEVENTS_AMQPURI": vhost}
    first = Run(folder, package_cache, "watch-log", "--jobs", "4", **uri).wait_end()
    assert "All 14 events that were written are in the ledger." in first.text
    written = re.findall(r"^log +(\d{3}) \((\d+)\.", first.text, re.MULTILINE)
    stored = re.findall(r"^ledger +#\d+ (\w+), job (\d+) is (\w+)", first.text, re.MULTILINE)
    assert len(written) == len(stored) == 14
    numbers = {"SUBMIT": "000", "EXECUTE": "001", "IMAGE_SIZE": "006", "JOB_TERMINATED": "005"}
    assert [(numbers[name], job) for name, job, _ in stored] == written
    ends = [state for name, _, state in stored if name == "JOB_TERMINATED"]
    assert len(ends) == 4
    assert set(ends) <= {"Completed", "Failed"}
    assert "rotated" in first.text
    assert (folder / "var" / "watched" / "EventLog.1").exists()
    assert_nothing_runs(folder)

    second = Run(folder, package_cache, "watch-log", **uri)
    second.wait_said("ledger  #")
    second.interrupt()
    assert_nothing_runs(folder)


def test_says_where_to_run_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "jexevents.tryout"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    assert "etc/jexevents.json" in done.stdout
    assert os.listdir(tmp_path) == []
