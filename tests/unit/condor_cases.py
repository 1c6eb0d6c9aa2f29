"""Bodies of events made from the format strings of HTCondor's event library, old and new.

The expectations are what its reader (25.14.1) gives; where it gives less, see
``test_condor_samples``.
"""

from __future__ import annotations

import json

from jexevents.sources.condor.parse import parse

ZERO = "Usr 0 00:00:00, Sys 0 00:00:00"
NO_BYTES = {"SentBytes": 0.0, "ReceivedBytes": 0.0}
NO_TOTALS = {**NO_BYTES, "TotalSentBytes": 0.0, "TotalReceivedBytes": 0.0}
USAGE = f"\t\t{ZERO}  -  Run Remote Usage\n\t\t{ZERO}  -  Run Local Usage\n"
USAGE_AD = {"RunRemoteUsage": ZERO, "RunLocalUsage": ZERO}


def text(number: int, body: str, header: str = "(012.003.000) 2026-03-04 05:06:07") -> bytes:
    return f"{number:03d} {header} {body}\n...\n".encode()


def ad(number: int, body: str) -> dict:
    return parse(text(number, body)).ad


def as_json(number: int, /, **attributes) -> bytes:
    head = {"EventTypeNumber": number, "EventTime": "2026-03-04T05:06:07"}
    return json.dumps({**head, **attributes}, indent=2).encode()


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


# (number, text behind the header and below it, the ad)
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
