"""One event in each of its forms and dialects, and everything that is none.

The bodies are made from the format strings of HTCondor's event library, old and new; the
expectations are what its reader (25.14.1) gives, except where a test says otherwise.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jexevents.errors import Malformed
from jexevents.sources.condor.event import CondorEvent
from jexevents.sources.condor.events import EVENT_TYPES, event_type
from jexevents.sources.condor.parse import parse
from jexevents.sources.condor.text import parse_text
from jexevents.sources.condor.times import Stamp

ZERO = "Usr 0 00:00:00, Sys 0 00:00:00"
NO_BYTES = {"SentBytes": 0.0, "ReceivedBytes": 0.0}
NO_TOTALS = {**NO_BYTES, "TotalSentBytes": 0.0, "TotalReceivedBytes": 0.0}
USAGE = f"\t\t{ZERO}  -  Run Remote Usage\n\t\t{ZERO}  -  Run Local Usage\n"
USAGE_AD = {"RunRemoteUsage": ZERO, "RunLocalUsage": ZERO}


def text(number: int, body: str, header: str = "(012.003.000) 2026-03-04 05:06:07") -> bytes:
    return f"{number:03d} {header} {body}\n...\n".encode()


def ad(number: int, body: str) -> dict:
    return parse(text(number, body)).ad


def as_json(number: int, **attributes) -> bytes:
    head = {"EventTypeNumber": number, "EventTime": "2026-03-04T05:06:07"}
    return json.dumps({**head, **attributes}, indent=2).encode()


# The header.


def test_what_a_header_says():
    event = parse(text(0, "Job submitted from host: <10.0.0.1:9618>"))
    stamp = Stamp(2026, 3, 4, 5, 6, 7, 0, None)
    expected = {"SubmitHost": "<10.0.0.1:9618>"}
    assert event == CondorEvent(0, "SUBMIT", "SubmitEvent", 12, 3, 0, stamp, expected, "text")


@pytest.mark.parametrize(
    ("header", "stamp"),
    [
        ("10/20 16:59:24", (None, 10, 20, 16, 59, 24, 0, None)),
        ("10/20 16:59:24.123Z", (None, 10, 20, 16, 59, 24, 123000, "Z")),
        ("2026-10-20 16:59:24.123456", (2026, 10, 20, 16, 59, 24, 123456, None)),
        ("2026-10-20 16:59:24.12345678", (2026, 10, 20, 16, 59, 24, 123456, None)),
        ("2026-10-20T16:59:24", (2026, 10, 20, 16, 59, 24, 0, None)),
        ("2026-10-20T16:59:24-04:00", (2026, 10, 20, 16, 59, 24, 0, "-04:00")),
        ("2026-10-20 16:59:24+0530", (2026, 10, 20, 16, 59, 24, 0, "+0530")),
        ("02/29 00:00:00", (None, 2, 29, 0, 0, 0, 0, None)),
        ("2016-12-31 23:59:60Z", (2016, 12, 31, 23, 59, 60, 0, "Z")),
    ],
)
def test_dates_and_times(header, stamp):
    assert parse(text(11, "Job was unsuspended.", f"(1.0.0) {header}")).stamp == stamp


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ("(1.0.0)", (1, 0, 0)),
        ("(-01.-01.-01)", (-1, -1, -1)),
        ("(019.-01.000)", (19, -1, 0)),
        ("(012.-1000.000)", (12, -1000, 0)),
        ("(2147483647.100000.000)", (2147483647, 100000, 0)),
    ],
)
def test_ids(ids, expected):
    event = parse(text(8, "x", f"{ids} 10/20 16:59:24"))
    assert (event.cluster, event.proc, event.subproc) == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "header"),
        (b"...\n", "header"),
        (b"\n000 (1.0.0) 10/20 16:59:24 x\n...\n", "header"),
        (b"00 (1.0.0) 10/20 16:59:24 x\n...\n", "header"),
        (b"0000 (1.0.0) 10/20 16:59:24 x\n...\n", "header"),
        (b"000 (1.0) 10/20 16:59:24 x\n...\n", "header"),
        (b"000 (1.0.0) 10/20 x\n...\n", "header"),
        (b"000 (1.0.0) 10-20 16:59:24 x\n...\n", "header"),
        (b"000 (1.0.0) 10/20 16:59:24x\n...\n", "header"),
        ("000 (\u0661.0.0) 10/20 16:59:24 x\n...\n".encode(), "header"),
        (b"000 (99999999999.0.0) 10/20 16:59:24 x\n...\n", "header"),
        (b"000 (9999999999.0.0) 10/20 16:59:24 x\n...\n", "32 bits"),
        (b"000 (1.0.0) 13/45 16:59:24 x\n...\n", "possible date"),
        (b"000 (1.0.0) 2025-02-29 16:59:24 x\n...\n", "possible date"),
        (b"000 (1.0.0) 10/20 25:00:00 x\n...\n", "possible date"),
        (b"000 (1.0.0) 10/20 16:59:24 x", "is cut"),
        (b"000 (1.0.0) 10/20 16:59:24 x\n..", "is cut"),
        (b"000 (1.0.0) 10/20 16:59:24 ...\n", "is cut"),
        (b"000 (1.0.0) 10/20 16:59:24 x\n ...\n", "is cut"),
        (b"000 (1.0.0) 10/20 16:59:24 x\n...\nmore\n", "nothing after"),
        (text(0, "x") + text(1, "y"), "one event and its end"),
        (text(0, "x") + b"junk\n" + text(1, "y"), "one event and its end"),
    ],
)
def test_what_is_no_text_event(raw, message):
    with pytest.raises(Malformed, match=message):
        parse(raw)


def test_line_ends():
    body = "Job was held.\n\tdisk full\n\tCode 1 Subcode 99"
    whole = parse(text(12, body))
    assert whole.ad == {"HoldReason": "disk full", "HoldReasonCode": 1, "HoldReasonSubCode": 99}
    windows = text(12, body).replace(b"\n", b"\r\n")
    for raw in (text(12, body)[:-1], windows, windows[:-1], windows[:-2], windows + b"\r\n\n"):
        assert parse(raw) == whole


def test_bytes_that_cannot_be_stored_are_replaced():
    raw = b"008 (1.0.0) 10/20 16:59:24 caf\xe9 \x00 caf\xc3\xa9\n\xff\n...\n"
    assert parse(raw).ad == {"Info": "caf\ufffd \ufffd café", "UnreadLines": ["\ufffd"]}


def test_unusual_line_separators_do_not_cut_lines():
    assert ad(8, "a\u2028b\x0bc\x85d\re")["Info"] == "a\u2028b\x0bc\x85d\re"


def test_a_message_of_dots():
    assert ad(8, "...")["Info"] == "..."


# The bodies, by number.

CASES = [
    (0, "Job submitted from host: ", {}),
    (
        0,
        "Job submitted from host: <a>\n    log\n    user",
        {"LogNotes": "log", "UserNotes": "user"},
    ),
    (
        0,
        "Job submitted from host: <a>\n    DAG Node: A B",
        {"LogNotes": "DAG Node: A B", "StructuredNotes": {"DAGNodeName": "A B"}},
    ),
    (
        0,
        '    [ DAGNodeName = "x"; N = 1 ]\n    user\n    WARNING: slow',
        {
            "EventHead": '    [ DAGNodeName = "x"; N = 1 ]',
            "LogNotes": "user",
            "Warnings": "WARNING: slow",
        },
    ),
    (
        0,
        'Job submitted from host: <a>\n    [ DAGNodeName = "x"; N = 1 ]\n    user\n'
        "    WARNING: Committed job submission into the queue with the following warning(s): w",
        {
            "LogNotes": '[ DAGNodeName = "x"; N = 1 ]',
            "StructuredNotes": {"DAGNodeName": "x", "N": 1},
            "UserNotes": "user",
            "Warnings": "WARNING: Committed job submission into the queue with the following "
            "warning(s): w",
        },
    ),
    (1, "Job executing on host: <b>", {"ExecuteHost": "<b>"}),
    (
        1,
        'Job executing on host: <b>\n\tSlotName: "slot1@x"\n\tCpus = 1\n\tDir = "C:\\x"\n\tjunk',
        {
            "ExecuteHost": "<b>",
            "SlotName": "slot1@x",
            "ExecuteProps": {"Cpus": 1, "Dir": "C:\\x"},
            "UnreadLines": ["\tjunk"],
        },
    ),
    (1, "Job executing on host: MPI_job", {"ExecuteHost": "MPI_job"}),
    (2, "(0) Job file not executable.", {"ExecuteErrorType": 0}),
    (2, "(1) Job not properly linked for Condor.", {"ExecuteErrorType": 1}),
    (2, "(-1) [Bad error number.]", {}),
    (
        3,
        f"Job was checkpointed.\n{USAGE}\t5  -  Run Bytes Sent By Job For Checkpoint",
        {**USAGE_AD, "SentBytes": 5.0},
    ),
    (3, f"Job was checkpointed.\n{USAGE[:-1]}", {**USAGE_AD, "SentBytes": 0.0}),
    (
        6,
        "Image size of job updated: 7\n\t8  -  MemoryUsage of job (MB)\n"
        "\t9  -  ResidentSetSize of job (KB)\n\t10  -  ProportionalSetSize of job (KB)",
        {"Size": 7, "MemoryUsage": 8, "ResidentSetSize": 9, "ProportionalSetSize": 10},
    ),
    (6, "Image size of job updated: -1", {"ResidentSetSize": 0}),
    (7, "Shadow exception!", {"Message": "", **NO_BYTES}),
    (
        7,
        "Shadow exception!\n\tError: x  \n\t5  -  Run Bytes Sent By Job\n"
        "\t6  -  Run Bytes Received By Job",
        {"Message": "Error: x", "SentBytes": 5.0, "ReceivedBytes": 6.0},
    ),
    (8, "", {}),
    (8, "Global JobLog: ctime=1 id=2  ", {"Info": "Global JobLog: ctime=1 id=2  "}),
    (9, "Job was aborted by the user.", {}),
    (9, "Job was aborted.\n\tvia condor_rm (by user a)", {"Reason": "via condor_rm (by user a)"}),
    (10, "Job was suspended.\n\tNumber of processes actually suspended: 4", {"NumberOfPIDs": 4}),
    (11, "Job was unsuspended.", {}),
    (12, "Job was held.", {"HoldReasonCode": 0, "HoldReasonSubCode": 0}),
    (
        12,
        "Job was held.\n\tReason unspecified\n\tCode 0 Subcode 0",
        {"HoldReasonCode": 0, "HoldReasonSubCode": 0},
    ),
    (
        12,
        "Job was held.\n        a\n        Code 26 Subcode -1",
        {"HoldReason": "a", "HoldReasonCode": 26, "HoldReasonSubCode": -1},
    ),
    (13, "Job was released.", {}),
    (13, "Job was released.\n\tby a", {"Reason": "by a"}),
    (14, "Node 3 executing on host: <c>", {"Node": 3, "ExecuteHost": "<c>"}),
    (14, "Node 0 executing on host: \n\tSlotName: s", {"Node": 0, "SlotName": "s"}),
    (
        16,
        "POST Script terminated.\n\t(1) Normal termination (return value 4)\n    DAG Node: B",
        {"TerminatedNormally": True, "ReturnValue": 4, "DAGNodeName": "B"},
    ),
    (
        16,
        "POST Script terminated.\n\t(0) Abnormal termination (signal 9)",
        {"TerminatedNormally": False, "TerminatedBySignal": 9},
    ),
    (
        21,
        "Warning from starter on h a:\n\tl1\n\n\t l2  \n\tCode 1 Subcode 2",
        {
            "CriticalError": 0,
            "Daemon": "starter",
            "ErrorMsg": "l1\n\n l2  ",
            "ExecuteHost": "h a",
            "HoldReasonCode": 1,
            "HoldReasonSubCode": 2,
        },
    ),
    (21, "Error from starter on h:", {"Daemon": "starter", "ExecuteHost": "h"}),
    (
        22,
        "Job disconnected, attempting to reconnect\n    reason\n    Trying to reconnect to n <a> x",
        {
            "DisconnectReason": "reason",
            "EventDescription": "Job disconnected, attempting to reconnect",
            "StartdAddr": "<a> x",
            "StartdName": "n",
        },
    ),
    (
        23,
        "Job reconnected to n\n    startd address: <1:2>\n    starter address: <3:4>",
        {
            "EventDescription": "Job reconnected",
            "StartdAddr": "<1:2>",
            "StartdName": "n",
            "StarterAddr": "<3:4>",
        },
    ),
    (
        24,
        "Job reconnection failed\n    Job lease expired\n"
        "    Can not reconnect to n, rescheduling job",
        {
            "EventDescription": "Job reconnect impossible: rescheduling job",
            "Reason": "Job lease expired",
            "StartdName": "n",
        },
    ),
    (25, "Grid Resource Back Up\n    GridResource: gt5 a: b", {"GridResource": "gt5 a: b"}),
    (26, "Detected Down Grid Resource\n    GridResource: UNKNOWN", {"GridResource": "UNKNOWN"}),
    (
        27,
        "Job submitted to grid resource\n    GridResource: batch a\n    GridJobId: batch b c",
        {"GridResource": "batch a", "GridJobId": "batch b c"},
    ),
    (
        28,
        'Job ad information event triggered.\nCluster = 12\nMyType = "X"\nA = 1\na = 2\nB = x()\n'
        "bad line",
        {"A": 2, "B": "x()", "UnreadLines": ["bad line"]},
    ),
    (29, "The job's remote status is unknown", {}),
    (30, "The job's remote status is known again", {}),
    (
        31,
        "Job is performing stage-in of input files",
        {"EventHead": "Job is performing stage-in of input files"},
    ),
    (
        33,
        "Changing job attribute A from 1 to 2",
        {"Attribute": "A", "PriorValue": "1", "Value": "2"},
    ),
    (33, 'Setting job attribute A to "x y"', {"Attribute": "A", "Value": '"x y"'}),
    (
        34,
        "PRE script return value is PRE_SKIP value\n    DAG Node: C",
        {"SkipEventLogNotes": "DAG Node: C"},
    ),
    (
        35,
        "Cluster submitted from host: <a>\n    DAG Node: C",
        {
            "SubmitHost": "<a>",
            "LogNotes": "DAG Node: C",
            "StructuredNotes": {"DAGNodeName": "C"},
        },
    ),
    (36, "Cluster removed", {"NextProcId": 0, "NextRow": 0, "Completion": 0}),
    (
        36,
        "Cluster removed\n\tMaterialized 3 jobs from 5 items.\tError -7\n\tn",
        {"NextProcId": 3, "NextRow": 5, "Completion": -7, "Notes": "n"},
    ),
    (
        36,
        "Cluster removed\n\tMaterialized 3 jobs from 5 items.\tPaused",
        {"NextProcId": 3, "NextRow": 5, "Completion": 2},
    ),
    (
        36,
        "Cluster removed\n\tMaterialized 3 jobs from 5 items.\tComplete",
        {"NextProcId": 3, "NextRow": 5, "Completion": 1},
    ),
    (37, "Job Materialization Paused", {"PauseCode": 0, "HoldCode": 0}),
    (
        37,
        "Job Materialization Paused\n\twhy not\n\tPauseCode 3\n\tHoldCode 4",
        {"Reason": "why not", "PauseCode": 3, "HoldCode": 4},
    ),
    (38, "Job Materialization Resumed\n\twhy", {"Reason": "why"}),
    (39, "", {"EventHead": ""}),
    (40, "Entered queue to transfer output files", {"Type": 4}),
    (
        40,
        "Started transferring input files\n\tSeconds spent in queue: 3\n"
        "\tTransferring to host: <h>",
        {"Type": 2, "QueueingDelay": 3, "Host": "<h>"},
    ),
    (
        41,
        "\n\tBytes reserved: 5\n\tReservation Expiration: 17\n\tReservation UUID: u-u\n\tTag: t g",
        {"ReservedSpace": 5, "ExpirationTime": 17, "UUID": "u-u", "Tag": "t g"},
    ),
    (42, "Reservation UUID: u-u", {"UUID": "u-u"}),
    (
        43,
        "\n\tBytes: 12\n\tChecksum Value: ab\n\tChecksum Type: SHA256\n\tUUID: u",
        {"Size": 12, "Checksum": "ab", "ChecksumType": "SHA256", "UUID": "u"},
    ),
    (
        45,
        "Bytes: 12\n\tChecksum Value: ab\n\tChecksum Type: SHA256\n\tTag: u",
        {"Size": 12, "Checksum": "ab", "ChecksumType": "SHA256", "Tag": "u"},
    ),
    (46, "Dataflow job was skipped.\n\toutputs newer", {"Reason": "outputs newer"}),
    (
        47,
        "Common files event: TransferStarted\n\tStarted transferring common files",
        {"Type": "TransferStarted"},
    ),
    (48, " head \nX = 5\n Y = [ a = 1 ] ", {"EventHead": " head ", "X": 5, "Y": {"a": 1}}),
]


@pytest.mark.parametrize(("number", "body", "expected"), CASES)
def test_bodies(number, body, expected):
    if number == 0 and body.startswith("Job submitted from host: <a>"):
        expected = {"SubmitHost": "<a>", **expected}
    assert ad(number, body) == expected


def test_a_job_that_was_evicted_and_queued_again():
    body = (
        "Job was evicted. Code 6 Subcode 2\n\t(0) Job terminated and was requeued\n"
        f"{USAGE}\t1  -  Run Bytes Sent By Job\n\t2  -  Run Bytes Received By Job\n"
        "\t(0) Abnormal termination (signal 9)\n\t(1) Corefile in: /a b/core\n\twhy: x\n"
        "\tPartitionable Resources :    Usage  Request Allocated \n"
        "\t   Cpus                 :     0.50        1         1 \n"
    )
    assert ad(4, body) == {
        **USAGE_AD,
        "Checkpointed": False,
        "TerminatedAndRequeued": True,
        "TerminatedNormally": False,
        "TerminatedBySignal": 9,
        "CoreFile": "/a b/core",
        "SentBytes": 1.0,
        "ReceivedBytes": 2.0,
        "Reason": "why: x",
        "ReasonCode": 6,
        "ReasonSubCode": 2,
        "Cpus": 1,
        "CpusUsage": 0.5,
        "RequestCpus": 1,
    }


def test_an_old_eviction_has_no_bytes():
    assert ad(4, f"Job was evicted.\n\t(1) Job was checkpointed.\n{USAGE}") == {
        **USAGE_AD,
        **NO_BYTES,
        "Checkpointed": True,
        "TerminatedAndRequeued": False,
        "TerminatedNormally": False,
    }


TABLE = (
    "\tPartitionable Resources :    Usage  Request Allocated Assigned\n"
    "\t   Cpus                 :     0.25        1         1 \n"
    "\t   Disk (KB)            :       15     1024      2048 \n"
    '\t   GPUs                 :                           0 "CUDA0, CUDA1"\n'
    "\t   Gpus (Average)       :     0.50        1         1 \n"
    "\t   GpusMemory (MB)      :      100                    \n"
    "\t   Foo                  :      1e3              { 1 } \n"
    "\t   TimeExecute (s)      :       13                    \n"
)


def test_the_table_of_resources():
    assert ad(5, f"Job terminated.\n\t(1) Normal termination (return value 0)\n{TABLE}") == {
        **NO_TOTALS,
        "TerminatedNormally": True,
        "ReturnValue": 0,
        "Cpus": 1,
        "CpusUsage": 0.25,
        "RequestCpus": 1,
        "Disk": 2048,
        "DiskUsage": 15,
        "RequestDisk": 1024,
        "GPUs": 1,
        "AssignedGPUs": "CUDA0, CUDA1",
        "GpusUsage": 0.5,
        "RequestGpus": 1,
        "GpusMemoryUsage": 100,
        "Foo": [1],
        "FooUsage": 1000.0,
        "TimeExecuteUsage": 13,
    }


def test_a_table_without_allocated():
    table = "\tResources : Usage  Request\n\t   Cpus :     1        2\nend"
    read = ad(5, f"Job terminated.\n{table}")
    assert (read["CpusUsage"], read["RequestCpus"]) == (1, 2)
    assert "Cpus" not in read
    assert read["UnreadLines"] == ["end"]


def test_a_row_that_is_cut_through_a_number_is_kept_whole():
    row = "\t   Memory (MB)          :        20     6000      6016"
    read = ad(5, "Job terminated.\n\tPartitionable Resources :    Usage  Request Allocated\n" + row)
    assert read["UnreadLines"] == [row]


@pytest.mark.parametrize(
    ("line", "toe"),
    [
        (
            "of its own accord at 2026-03-04T05:06:07Z with exit-code 3.",
            {"How": "OF_ITS_OWN_ACCORD", "Who": "itself", "When": 1772600767, "HowCode": 0}
            | {"ExitBySignal": False, "ExitCode": 3},
        ),
        (
            "of its own accord at 2026-03-04T05:06:07Z with signal 9.",
            {"How": "OF_ITS_OWN_ACCORD", "Who": "itself", "When": 1772600767, "HowCode": 0}
            | {"ExitBySignal": True, "ExitSignal": 9},
        ),
        (
            "of its own accord at 2026-03-04T05:06:07Z.",
            {"How": "OF_ITS_OWN_ACCORD", "Who": "itself", "When": 1772600767, "HowCode": 0},
        ),
        (
            "by the startd at 2026-03-04T05:06:07Z (using method 1: DEACTIVATE_CLAIM).",
            {"How": "DEACTIVATE_CLAIM", "Who": "the startd", "When": 1772600767, "HowCode": 1},
        ),
    ],
)
def test_who_ended_the_job(line, toe):
    assert ad(5, f"Job terminated.\n{TABLE}\n\tJob terminated {line}")["ToE"] == toe
    assert ad(9, f"Job was aborted.\n\twhy\n\n\tJob terminated {line}")["ToE"] == toe


def test_a_ticket_with_an_impossible_time_is_unread():
    line = "\tJob terminated of its own accord at 2026-13-04T05:06:07Z."
    assert ad(9, f"Job was aborted.\n\twhy\n{line}")["UnreadLines"] == [line]


def test_usage_is_written_with_clocks_below_a_day():
    body = "Job terminated.\n\t\tUsr 0 30:00:90, Sys 2 00:00:00  -  Run Remote Usage"
    assert ad(5, body)["RunRemoteUsage"] == "Usr 1 06:01:30, Sys 2 00:00:00"


def test_bytes_are_exact():
    """HTCondor's reader rounds the bytes of 005 and 015 to 32 bits of floating point."""
    body = "Job terminated.\n\t123456789123  -  Run Bytes Sent By Job"
    assert ad(5, body)["SentBytes"] == 123456789123.0
    assert ad(15, body.replace("Job", "Node"))["SentBytes"] == 123456789123.0


def test_a_node_that_was_killed():
    body = (
        f"Node 2 terminated.\n\t(0) Abnormal termination (signal 9)\n\t(0) No core file\n{USAGE}"
        "\t1  -  Run Bytes Sent By Node\n\t2  -  Total Bytes Received By Node"
    )
    assert ad(15, body) == {
        **NO_TOTALS,
        **USAGE_AD,
        "Node": 2,
        "SentBytes": 1.0,
        "TotalReceivedBytes": 2.0,
        "TerminatedNormally": False,
        "TerminatedBySignal": 9,
        "ReturnValue": -1,
    }


def test_a_negative_return_value_is_kept():
    body = "Job terminated.\n\t(1) Normal termination (return value -1073741819)"
    assert ad(5, body)["ReturnValue"] == -1073741819


def test_an_unknown_ending_is_not_taken_for_one():
    read = ad(5, "Job terminated.\n\tNo termination")
    assert "TerminatedNormally" not in read
    assert read["UnreadLines"] == ["\tNo termination"]


def test_numbers_stay_whole():
    big = "9" * 30
    assert ad(6, f"Image size of job updated: {big}")["Size"] == int(big)
    assert ad(6, f"Image size of job updated: {'9' * 5000}")["EventHead"].endswith("9")


def test_other_words_in_the_header_are_kept():
    read = ad(7, "Image size of job updated: 1\n\t950  -  MemoryUsage of job (MB)")
    assert read["EventHead"] == "Image size of job updated: 1"
    assert read["MemoryUsage"] == 950


def test_an_old_disconnection_for_good():
    body = (
        "Job disconnected, can not reconnect\n    socket closed\n    no lease\n"
        "    Can not reconnect to n <a>, rescheduling job"
    )
    assert ad(22, body) == {
        "EventDescription": "Job disconnected, can not reconnect, rescheduling job",
        "DisconnectReason": "socket closed",
        "NoReconnectReason": "no lease",
        "StartdName": "n",
        "StartdAddr": "<a>",
    }


@pytest.mark.parametrize("number", [17, 18, 19, 20])
def test_globus(number):
    body = "head\n    RM-Contact: r\n    JM-Contact: j\n    Can-Restart-JM: 1\n    Reason: why"
    expected = {"EventHead": "head", "RMContact": "r", "JMContact": "j"}
    assert ad(number, body) == {**expected, "RestartableJM": True, "Reason": "why"}


def test_an_execute_point_has_slots_and_perhaps_a_job():
    event = parse(text(105, "head\n  Foo = 1\n  bad", "(001.002.000) 10/20 16:59:24"))
    assert (event.name, event.my_type) == ("EP_RELEASE_CLAIM", "ReleaseClaimEvent")
    assert (event.cluster, event.proc, event.subproc) == (-1, -1, -1)
    expected = {"EventHead": "head", "Foo": 1, "SlotId": 1, "DSlotId": 2, "UnreadLines": ["  bad"]}
    assert event.ad == expected
    event = parse(text(100, "\n  cluster = 4711\n  Proc = 2\n  Subproc = 0"))
    assert (event.cluster, event.proc, event.subproc) == (4711, 2, 0)


@pytest.mark.parametrize("value", ['"x"', "99999999999", "time()", "1.5"])
def test_an_execute_points_job_that_is_none_does_not_fail(value):
    event = parse(text(100, f"\n  Cluster = {value}"))
    assert event.cluster == -1
    assert event.ad["UnreadLines"]


@pytest.mark.parametrize("number", [*EVENT_TYPES, 48, 99, 113, 500, 999])
def test_no_body_makes_an_event_fail(number):
    for body in ("", "\n", "x", "x\n\n\ty\n(\n:\n[\n = 1", "x\n" + "  -  \n" * 3, "x\n\tCode 1"):
        event = parse(text(number, body))
        assert event.name == event_type(number).name
        json.dumps(event.ad, allow_nan=False)


# JSON and XML.


def test_json_and_xml_say_what_the_text_says():
    body = "Job was held.\n\tdisk full\n\tCode 1 Subcode 99"
    expected = parse(text(12, body))
    ids = {"Cluster": 12, "Proc": 3, "Subproc": 0}
    from_json = parse(
        as_json(
            12, **ids, MyType="X", HoldReason="disk full", HoldReasonCode=1, HoldReasonSubCode=99
        )
    )
    rows = {"EventTypeNumber": 12, **ids, "HoldReasonCode": 1, "HoldReasonSubCode": 99}
    xml = "".join(f'<a n="{name}"><i>{value}</i></a>\n' for name, value in rows.items())
    xml += '<a n="EventTime"><s>2026-03-04T05:06:07</s></a>\n<a n="HoldReason"><s>disk full</s></a>'
    from_xml = parse(f" <c>\n{xml}</c>\n".encode())
    for event, form in ((from_json, "json"), (from_xml, "xml")):
        assert (event.ad, event.stamp, event.form) == (expected.ad, expected.stamp, form)
        assert (event.number, event.name, event.cluster, event.proc) == (12, "JOB_HELD", 12, 3)


def test_ids_that_are_left_out_are_minus_one():
    event = parse(as_json(8, Info="Global JobLog:"))
    assert (event.cluster, event.proc, event.subproc) == (-1, -1, -1)


def test_what_json_leaves_out_is_what_the_reader_assumes():
    assert parse(as_json(5, ReturnValue=0, SentBytes=5)).ad == {
        **NO_TOTALS,
        **USAGE_AD,
        "TotalRemoteUsage": ZERO,
        "TotalLocalUsage": ZERO,
        "SentBytes": 5.0,
        "ReturnValue": 0,
        "TerminatedNormally": False,
    }
    assert parse(as_json(17, RMContact="x")).ad == {"EventHead": "", "RMContact": "x"}
    assert parse(as_json(21, CriticalError=False)).ad == {"CriticalError": 0}


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b"[]",
        b"{",
        b"{} {}",
        as_json(5)[:-1],
        as_json(-1),
        as_json(1000),
        as_json("5"),
        as_json(True),
        as_json(5.0),
        as_json(5, Cluster="1"),
        as_json(5, Proc=True),
        as_json(5, Cluster=2**31),
        as_json(5, EventTime=None),
        as_json(5, EventTime="yesterday"),
        as_json(5, EventTime="2026-02-30T00:00:00"),
        as_json(5, A=json.loads("[" * 70 + "]" * 70)),
        b'{"a":' * 100_000,
        b'{"EventTypeNumber":' + b"9" * 100_000 + b"}",
        b"<c></c>",
        b"<c>" * 100_000,
        b'<!DOCTYPE c [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><c></c>',
        b"\x00\x01\xff",
        b"   ",
    ],
)
def test_what_is_no_event(raw):
    with pytest.raises(Malformed, match="expected"):
        parse(raw)


def test_odd_json_values_can_be_stored():
    event = parse(as_json(28, A="\0", B="\ud800", C=float("nan"), D=10**1000, E=float("-inf")))
    assert event.ad == {
        "A": "\ufffd",
        "B": "\ufffd",
        "C": 'real("NaN")',
        "D": str(10**1000),
        "E": 'real("-INF")',
    }


# Whatever comes.


def check(raw: bytes) -> None:
    try:
        event = parse(raw)
    except Malformed:
        return
    stored = json.dumps(event.ad, allow_nan=False, ensure_ascii=False)
    stored.encode("utf-8")
    assert "\\u0000" not in stored
    assert event.name
    assert -(2**31) <= event.cluster < 2**31


_HEADERS = st.builds(
    "{:03d} ({}.{}.{}) {} {}".format,
    st.integers(0, 120),
    *[st.integers(-5, 99)] * 3,
    st.sampled_from(["10/20 16:59:24", "2026-10-20 16:59:24.123Z", "2026-13-20T16:59:24+02:00"]),
    st.sampled_from([body.partition("\n")[0] for _, body, _ in CASES]),
)
_LINES = st.sampled_from(
    sorted({line for _, body, _ in CASES for line in body.split("\n")[1:]} | set(TABLE.split("\n")))
) | st.text(max_size=30)


@settings(max_examples=500)
@given(st.binary())
@example(b"000 (1.0.0) 10/20 16:59:24 x\n...\n")
def test_any_bytes(raw):
    check(raw)
    for first in (b"{", b"<c>", b"000 (1.0.0) 10/20 16:59:24 "):
        check(first + raw)


@settings(max_examples=500)
@given(_HEADERS, st.lists(_LINES, max_size=12))
def test_any_text_event(header, lines):
    check("\n".join([header, *lines, "..."]).encode("utf-8", "surrogatepass"))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
_NAMES = st.sampled_from(["Cluster", "Proc", "EventTime", "SentBytes", "CriticalError"]) | st.text()


@settings(max_examples=300)
@given(st.integers(0, 120), st.dictionaries(_NAMES, _VALUES, max_size=6))
def test_any_json_event(number, attributes):
    check(as_json(number, **attributes))


@settings(max_examples=300)
@given(st.lists(st.sampled_from(
    ["<c>", "</c>", '<a n="EventTypeNumber">', "</a>", "<i>", "</i>", "5", "<s>", "</s>", "<l>",
     "</l>", '<b v="t"/>', "<un/>", "&lt;", "&#x0;", "\\303", "<!DOCTYPE", ">", "x", '"', " "]
)))  # fmt: skip
def test_any_xml(parts):
    check(("<c>" + "".join(parts)).encode())


def test_parse_text_is_what_parse_uses():
    raw = text(11, "Job was unsuspended.")
    assert parse_text(raw) == parse(raw)


def test_the_table_of_numbers():
    assert len(EVENT_TYPES) == 48 + 13
    assert event_type(5).name == "JOB_TERMINATED"
    assert event_type(13).my_type == "JobReleaseEvent"
    assert event_type(112).my_type == "EPFutureEvent"
    assert (event_type(48).name, event_type(48).my_type) == ("EVENT_048", "FutureEvent")
    assert event_type(999).name == "EVENT_999"
