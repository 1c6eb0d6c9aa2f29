"""schemathesis tries the interface of a live daemon by its OpenAPI document, and finds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.jobs import Jobs
from tests.acceptance.support import environment

FOLDER = Path(__file__).parent
SETTINGS = FOLDER / "schemathesis.toml"
# So long in CI; `make contract` lets it take five minutes.
SECONDS = int(os.environ.get("JEXEVENTS_TEST_CONTRACT_SECONDS", "90"))
FILES = {"quick.yml": "command: echo {{ word }}\nvars: [{name: word, default: hello}]\n"}


def test_nothing_is_found(jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    place = jobs(FILES)
    fill(place)
    done = subprocess.run(
        [
            sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
            "--config-file", str(SETTINGS), "--no-color", "run",
            f"http://127.0.0.1:{place.daemon.port}/openapi.json",
            "--header", f"Authorization: Bearer {place.admin}",
            "--max-time", str(SECONDS), "--continue-on-failure",
        ],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS + 240,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def fill(place: Jobs) -> None:
    """Have something to be found: a job of each kind, what it wrote, what was refused."""
    execution = place.run("quick", wait=30, word="seen")
    assert execution["state"] == "COMPLETE", execution
