"""Starts supervisors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from jexevents.errors import NotStarted, SupervisorAway
from jexevents.runner.spec import Spec
from jexevents.runner.supervisor import main as program
from jexevents.runner.supervisor.layout import BEGUN, REFUSED, STATE, TAKEN


def launch(folder: Path, spec: Spec, timeout: float) -> bool:
    """Start the supervisor of ``folder``; True when its job has begun or is known not to be able
    to, False where another has, or had, the folder.

    Raises NotStarted where the job has not run and will not, and SupervisorAway where nothing is
    known after ``timeout`` seconds: it may begin yet.
    """
    command = [sys.executable, "-I", "-S", program.__file__, str(folder)]
    try:
        done = subprocess.run(
            command,
            input=spec.packed(),
            env={},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise SupervisorAway(
            f"The supervisor of {folder.name} was started and has said nothing for {timeout:g} s.",
            remedy="Look again later: the folder says what became of it.",
        ) from exc
    except OSError as exc:
        raise NotStarted(f"No supervisor can be started: {exc.strerror}.") from exc
    if done.returncode in (BEGUN, TAKEN):
        return done.returncode == BEGUN
    if done.returncode != REFUSED and (folder / STATE).exists():
        return True  # killed since: its folder says so
    said = done.stdout.decode("utf-8", "replace").strip() or "it was killed, or failed"
    raise NotStarted(
        f"The supervisor of {folder.name} did not begin: {said}.",
        remedy="See to the disk and the memory of this machine.",
    )
