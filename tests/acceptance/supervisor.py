"""The real supervisord with the supervisord.conf of this repository."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.acceptance.support import environment, write_config
from tests.support import ROOT, wait_until

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
        self.config = write_config(folder, options)
        path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self._environment = environment(PATH=path, JEXEVENTS_CONFIG=str(self.config))
        # The path of its socket has room for a hundred characters, and tests have long names.
        self._short = Path(tempfile.mkdtemp(prefix="jexsup-"), "here")
        self._short.symlink_to(folder)
        self._process = self._popen("supervisord", "--nodaemon")

    def _popen(self, program, *arguments):
        return subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                BIN / program,
                "-c",
                self._short / "supervisord.conf",
                *arguments,
            ],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def control(self, *arguments):
        return self._popen("supervisorctl", *arguments).communicate(timeout=60)[0]

    def wait_status(self, word, program="jexevents"):
        """Wait until a program is in this state; give its pid, None where it has none."""
        words = wait_until(
            lambda: word in (said := self.control("status", program).split()) and said, 30, word
        )
        return int(words[words.index("pid") + 1].rstrip(",")) if "pid" in words else None

    def log(self, program="jexevents"):
        """Give what a program has said so far."""
        path = self.folder / "var" / f"{program}.log"
        return path.read_text() if path.exists() else ""

    def wait_consuming(self, times):
        """Wait until a daemon has come to consume for the so-manieth time; give its pid."""
        wait_until(lambda: self.log().count('"consuming"') == times, 30, f"start {times}")
        return self.wait_status("RUNNING")

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.communicate(timeout=40)
        finally:
            shutil.rmtree(self._short.parent, ignore_errors=True)
