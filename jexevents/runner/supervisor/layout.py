"""What stands in the folder of an execution, and in which form (docs/supervisor.md).

The supervisor writes it, ``jexevents.runner`` reads it.
"""

from __future__ import annotations

from struct import Struct

LOCK = "lock"
SPEC = "spec.json"
STATE = "state.json"
SPARE = "state.spare"
EVENTS = "events.jsonl"
CONTROL = "control"
DOOR = "door"
LOG = "supervisor.log"

# What the command that starts a supervisor ends with.
BEGUN, TAKEN, REFUSED = 0, 3, 4

STDOUT, STDERR = 1, 2
STREAMS = {STDOUT: "stdout", STDERR: "stderr"}

# An index is one header and then records. The header: magic, number of the segment, and where in
# stdout and stderr, counted in bytes of the job, the segment begins.
MAGIC = b"JXI1"
HEADER = Struct("<4sIQQQ")
# A record: microseconds since the epoch, and in one word the kind (8 bits) and the bytes (56 bits).
RECORD = Struct("<QQ")
KIND_SHIFT = 56
LENGTH_MASK = (1 << KIND_SHIFT) - 1
# Added to the stream's number: these bytes came but could not be kept.
LOST = 0x80

LINE_BYTES = 64 * 1024
NAME_CHARACTERS = 100
CAUSE_CHARACTERS = 4000
EVENTS_OF_A_JOB = 10_000
# As jexevents.lifecycle.command has them: parts of URLs, and events of the ledger's own.
REFUSED_NAMES = ("stdout", "stderr", "output", "schedule", "inserted", "sealed")


def file_names(segment: int) -> tuple[str, str, str]:
    """Give the names of a segment's files: stdout, stderr, index. Segment 0 is the beginning."""
    if segment == 0:
        return "stdout", "stderr", "output.index"
    return tuple(f"tail-{segment:06}.{part}" for part in ("stdout", "stderr", "index"))
