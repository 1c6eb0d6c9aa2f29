"""``make run`` for the documents' examples: its folder, its process, and a shell beside it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.docs.console import Reader, Shell
from tests.support import ROOT, free_port, wait_until

# What make run prints, in its folder.
OUTPUT = "tryout.out"
_READY_SECONDS, _STOP_SECONDS = 60.0, 30.0
_JEXEVENTS = f'#!/bin/sh\nexec {sys.executable} -m jexevents "$@"\n'


def furnish(folder: Path) -> None:
    """Make of an empty folder what a checkout looks like to somebody who follows the README."""
    shutil.copytree(ROOT / "etc", folder / "etc")
    (folder / ".venv").symlink_to(sys.prefix)
    programs = folder / "programs"
    programs.mkdir()
    (programs / "jexevents").write_text(_JEXEVENTS)
    (programs / "jexevents").chmod(0o755)


def environment_in(folder: Path) -> dict[str, str]:
    """Give an environment in which ``jexevents`` is this one and no variable configures it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JEXEVENTS_")}
    path = os.pathsep.join([str(folder / "programs"), os.environ.get("PATH", os.defpath)])
    # Who works with git has told it who he is.
    who = {f"GIT_{role}_{what}": f"{role.lower()}@example.org"
           for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}  # fmt: skip
    return kept | who | {"PATH": path, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}


@contextmanager
def reader(
    folder: Path,
    database: str,
    vhost: str,
    replacements: Mapping[str, str] | None = None,
    **more: str,
) -> Iterator[Reader]:
    """Have somebody in front of two terminals in a folder: make run in one, a shell in the other.

    ``more`` are variables for make run.
    """
    furnish(folder)
    here = f"localhost:{free_port()}"
    variables = {
        "JEXEVENTS_AMQPURI": vhost,
        "JEXEVENTS_DBURI": database,
        "JEXEVENTS_HTTPLISTENPORT": here,
    }
    with running(folder, variables | more):
        shell = Shell(folder, environment_in(folder))
        yield Reader(shell, {"localhost:8080": here, **(replacements or {})})
        shell.close()


@contextmanager
def running(folder: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """Run what ``make run`` runs; give what it printed, and end it by Ctrl-C."""
    output = folder / OUTPUT
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "jexevents.tryout"],
            cwd=folder,
            env=environment_in(folder) | dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _told_all(process, output), _READY_SECONDS, "make run")
        yield output.read_text("utf-8")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_STOP_SECONDS)


def _told_all(process: subprocess.Popen[bytes], output: Path) -> bool:
    text = output.read_text("utf-8")
    assert process.poll() is None, f"make run ended with {process.returncode}:\n{text}"
    return "Ctrl-C stops" in text
