"""What the bodies of text events say, by number; old dialects, and lines nobody knows."""

from __future__ import annotations

import json

import pytest

from jexevents.sources.condor.events import EVENT_TYPES, event_type
from jexevents.sources.condor.parse import parse
from tests.unit.condor_cases import CASES, NO_BYTES, NO_TOTALS, TABLE, USAGE, USAGE_AD, ad, text


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
