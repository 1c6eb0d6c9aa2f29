"""``python -m tests.faults.hurried`` is jexevents with leases and patience of some seconds.

The short form of the tests has no minutes for what in service takes a minute.
"""

from __future__ import annotations

import sys

from jexevents.executions import refusals
from jexevents.executions.writing import QueueWriter
from jexevents.runner import worker

LEASE_SECONDS = 15.0
IMAGE_SECONDS = 4.0
PROGRAM = (sys.executable, "-m", "tests.faults.hurried")


def main() -> int:
    """Run jexevents so."""
    from jexevents.cli import main as jexevents

    QueueWriter.__init__.__kwdefaults__["lease_seconds"] = LEASE_SECONDS
    refusals.IMAGE_SECONDS = IMAGE_SECONDS
    worker._LEAVE_SECONDS = 1.0
    return jexevents()


if __name__ == "__main__":
    sys.exit(main())
