"""The classic text form: a header line, the lines of its body, a line ``...``.

005 (036.000.000) 2026-11-22 04:13:04 Job terminated.
    (1) Normal termination (return value 0)
...
"""

from __future__ import annotations

import re
from collections.abc import Callable

from jexevents.faults import shown
from jexevents.model import Reason
from jexevents.sources.condor import bodies_files as files
from jexevents.sources.condor import bodies_queue as queue
from jexevents.sources.condor import bodies_run as run
from jexevents.sources.condor.defaults import TEXT_DEFAULTS
from jexevents.sources.condor.event import ABSENT, CondorEvent, is_id
from jexevents.sources.condor.events import event_type, is_of_execute_point
from jexevents.sources.condor.lines import Ad
from jexevents.sources.condor.times import CLOCK, make_stamp
from jexevents.sources.condor.unreadable import unreadable

TERMINATOR = "..."

_HEADER = re.compile(
    r"(\d{3}) \((-?\d{1,10})\.(-?\d{1,10})\.(-?\d{1,10})\) "
    r"(?:(\d{4})-(\d\d)-(\d\d)[T ]|(\d\d)/(\d\d) )" + CLOCK + r"(?: (.*))?",
    re.ASCII | re.DOTALL,
)
_ANOTHER_HEADER = re.compile(r"\d{3} \(-?\d+\.-?\d+\.-?\d+\) ", re.ASCII)

_BODIES: dict[int, Callable[[str, list[str], Ad], None]] = {
    0: run.read_submit,
    1: run.read_execute,
    2: run.read_executable_error,
    3: run.read_checkpointed,
    4: run.read_evicted,
    5: run.read_terminated,
    6: run.read_image_size,
    7: run.read_shadow_exception,
    8: queue.read_generic,
    9: queue.read_aborted,
    10: queue.read_suspended,
    11: queue.read_unsuspended,
    12: queue.read_held,
    13: queue.read_released,
    14: run.read_node_execute,
    15: run.read_node_terminated,
    16: run.read_post_script,
    17: files.read_globus,
    18: files.read_globus,
    19: files.read_globus,
    20: files.read_globus,
    21: queue.read_remote_error,
    22: queue.read_disconnected,
    23: queue.read_reconnected,
    24: queue.read_reconnect_failed,
    25: queue.read_grid_up,
    26: queue.read_grid_down,
    27: queue.read_grid_submit,
    28: queue.read_ad_information,
    29: queue.read_status_unknown,
    30: queue.read_status_known,
    33: queue.read_attribute_update,
    34: queue.read_preskip,
    35: run.read_submit,
    36: queue.read_cluster_removed,
    37: queue.read_factory_paused,
    38: queue.read_factory_resumed,
    40: files.read_file_transfer,
    41: files.read_reserve_space,
    42: files.read_release_space,
    43: files.read_file_complete,
    44: files.read_file_used,
    45: files.read_file_removed,
    46: queue.read_dataflow_skipped,
    47: files.read_common_files,
}


def parse_text(text: bytes) -> CondorEvent:
    """Read one event in the text form, with its line ``...``, whose newline may be missing.

    Lines end in LF or CRLF. Bytes that are not UTF-8 become U+FFFD, so does NUL. A line of
    the body that is not understood is kept in ``ad["UnreadLines"]``; what a header line says
    beside the words that its number has, in ``ad["EventHead"]``.

    Raises Malformed if the first line is no header, its date or time cannot be, the
    terminator is missing, or a second event follows.
    """
    lines = _lines(text)
    match = _HEADER.fullmatch(lines[0])
    if match is None:
        raise unreadable("a header 'NNN (C.P.S) DATE TIME text' in the first line", shown(lines[0]))
    number, *ids = map(int, match.group(1, 2, 3, 4))
    if not all(map(is_id, ids)):
        raise unreadable("ids of 32 bits", shown(lines[0][4:50]))
    stamp = make_stamp(match[5], match[6] or match[8], match[7] or match[9], *match.group(*_CLOCK))
    _check_end(lines)
    ad = dict(TEXT_DEFAULTS.get(number, ()))
    known = event_type(number)
    if is_of_execute_point(number):
        ids = _read_execute_point(match[15] or "", lines[1:-1], ids, ad)
    else:
        _BODIES.get(number, files.read_future)(match[15] or "", lines[1:-1], ad)
    return CondorEvent(number, known.name, known.my_type, *ids, stamp, ad, "text")


_CLOCK = (10, 11, 12, 13, 14)


def _lines(text: bytes) -> list[str]:
    """Decode and cut into lines without their ends; the terminator is the last of them."""
    decoded = text.decode("utf-8", "replace")
    if "\0" in decoded:
        decoded = decoded.replace("\0", "\ufffd")
    if "\r" in decoded:
        decoded = decoded.replace("\r\n", "\n").removesuffix("\r")
    lines = decoded.split("\n")
    while len(lines) > 1 and not lines[-1]:
        lines.pop()
    return lines


def _check_end(lines: list[str]) -> None:
    """Hold that the text is one event and all of it. Raises Malformed."""
    if TERMINATOR not in lines:
        expected = "a last line '...': the event is cut"
        raise unreadable(expected, shown(lines[-1]), Reason.TRUNCATED_EVENT)
    first = lines.index(TERMINATOR)
    if first == len(lines) - 1:
        return
    if any(_ANOTHER_HEADER.match(line) for line in lines[first + 1 :]):
        raise unreadable("one event and its end", "another header", Reason.SEVERAL_EVENTS)
    raise unreadable("nothing after the line '...'", shown(lines[first + 1]))


def _read_execute_point(head: str, lines: list[str], ids: list[int], ad: Ad) -> list[int]:
    """Read an event of an execute point's log; its header names slots and no job.

    Some of these events name a job in their attributes.
    """
    files.read_execute_point(head, lines, ad)
    for name, value in zip(("SlotId", "DSlotId"), ids[:2], strict=True):
        if value > 0:
            ad.setdefault(name, value)
    return take_ids(ad)


def take_ids(ad: Ad) -> list[int]:
    """Take cluster, proc and subproc out of an ad, -1 for one that is not there.

    Raises Malformed for one that is no integer of 32 bits.
    """
    return [_take_id(ad, name) for name in ("Cluster", "Proc", "Subproc")]


def _take_id(ad: Ad, name: str) -> int:
    """Take one id out of an ad."""
    value = ad.pop(name, ABSENT)
    if not is_id(value):
        raise unreadable(f"{name} to be an integer of 32 bits", shown(value))
    return value
