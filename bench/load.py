"""Messages as HTCondor's log monitors send them, in any number, the same in every run.

A job has five events: submitted, executing, image size twice, terminated. The texts are those
of real logs (tests/samples/condor) with numbers of their own; a message has some 500 bytes on
average. Jobs are interleaved: neighbouring messages belong to different jobs, and about
``open_jobs`` jobs have begun and not ended at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta

STEPS = 5
FIRST_CLUSTER = 1000
OPEN_JOBS = 1000
SUBMITTED, EXECUTING, TERMINATED = 0, 1, 4

# One job in so many ends with the return value 1.
_FAILING = 20
_BEGIN = datetime(2026, 3, 1)
_STEP_SECONDS = 47
_JOBS_A_SECOND = 10


def interleaved(jobs: int, open_jobs: int = OPEN_JOBS) -> Iterator[tuple[int, int]]:
    """Give (job, step) for every event of ``jobs`` jobs, numbered from 0, in sending order.

    Each of ``open_jobs`` places has one job after the other; a round gives one event of each
    place. The places do not begin together, so every round has all kinds of events.
    """
    places = min(jobs, open_jobs)
    for turn in range(STEPS * -(-jobs // max(places, 1)) + STEPS - 1):
        for place in range(places):
            since = turn - place % STEPS
            job = since // STEPS * places + place
            if since >= 0 and job < jobs:
                yield job, since % STEPS


def messages(
    jobs: int, first_cluster: int = FIRST_CLUSTER, open_jobs: int = OPEN_JOBS
) -> Iterator[bytes]:
    """Give the bodies of all messages of ``jobs`` jobs, in sending order."""
    for job, step in interleaved(jobs, open_jobs):
        yield message(first_cluster + job, step)


def message(cluster: int, step: int) -> bytes:
    """Give the body of one message, as the log monitors write it."""
    text = event_text(cluster, step)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({"Event": text, "Hash": digest}).encode()


def event_text(cluster: int, step: int) -> str:
    """Give the event as it stands in the log, with its line of three dots."""
    at = _BEGIN + timedelta(seconds=cluster // _JOBS_A_SECOND + step * _STEP_SECONDS)
    return _WRITERS[step](f"({cluster:03}.000.000) {at:%Y-%m-%d %H:%M:%S}", cluster)


def return_value(cluster: int) -> int:
    """Give what the job of this cluster returns."""
    return int(cluster % _FAILING == 0)


def final_state(cluster: int) -> str:
    """Give the state in which the ledger must have the job at the end."""
    return "Failed" if return_value(cluster) else "Completed"


def huge_event(cluster: int, size: int) -> bytes:
    """Give a message of some ``size`` bytes that is a good event all the same."""
    head = f"008 ({cluster:03}.000.000) {_BEGIN:%Y-%m-%d %H:%M:%S} "
    line = "a remark that a job wrote into its log, again and again and again; "
    return json.dumps({"Event": head + line * (size // len(line)) + "\n...\n"}).encode()


def huge_rubbish(number: int, size: int) -> bytes:
    """Give a message of some ``size`` bytes that is no event, another one for each number."""
    return b'{"Event": "%d ' % number + b"x" * size


def _address(host: int, name: str, socket: str) -> str:
    """Write an address as HTCondor does where a machine has both kinds of them."""
    return (
        f"<10.0.8.{host}:9618?addrs=10.0.8.{host}-9618+[2001-db8-8500-b50--d2{host}]-9618"
        f"&alias={name}.batch.cluster.example.org&noUDP&sock={socket}>"
    )


def _submitted(head: str, cluster: int) -> str:
    host = _address(10, "submit1", "schedd_369675_f7c3_3")
    return (
        f"000 {head} Job submitted from host: {host}\n"
        f"    DAG Node: align_reads_of_sample_{cluster:07}_to_reference\n...\n"
    )


def _executing(head: str, cluster: int) -> str:
    node, slot = cluster % 40 + 11, cluster % 8 + 1
    return (
        f"001 {head} Job executing on host: "
        f"{_address(node, f'node{node}', 'startd_106464_64db_3')}\n"
        f"\tSlotName: slot1_{slot}@node{node}.batch.cluster.example.org\n"
        f'\tCondorScratchDir = "/srv/scratch/condor/execute/slot1_{slot}/dir_{cluster}"\n'
        "\tCpus = 1\n\tDisk = 19623598\n\tGPUs = 0\n\tMemory = 6000\n...\n"
    )


def _image_size(kilobytes: int, head: str) -> str:
    return (
        f"006 {head} Image size of job updated: {kilobytes}\n"
        f"\t{kilobytes // 1000}  -  MemoryUsage of job (MB)\n"
        f"\t{kilobytes - 136}  -  ResidentSetSize of job (KB)\n"
        f"\t{kilobytes - 912}  -  ProportionalSetSize of job (KB)\n...\n"
    )


def _terminated(head: str, cluster: int) -> str:
    value, sent, seconds = return_value(cluster), cluster * 31 % 100_000, cluster * 7 % 60
    used = f"Usr 0 00:{cluster % 60:02}:{seconds:02}, Sys 0 00:00:{seconds:02}"
    none = "Usr 0 00:00:00, Sys 0 00:00:00"
    return (
        f"005 {head} Job terminated.\n"
        f"\t(1) Normal termination (return value {value})\n"
        f"\t\t{used}  -  Run Remote Usage\n\t\t{none}  -  Run Local Usage\n"
        f"\t\t{used}  -  Total Remote Usage\n\t\t{none}  -  Total Local Usage\n"
        f"\t{sent}  -  Run Bytes Sent By Job\n\t283  -  Run Bytes Received By Job\n"
        f"\t{sent}  -  Total Bytes Sent By Job\n\t283  -  Total Bytes Received By Job\n"
        "\tPartitionable Resources :    Usage  Request Allocated \n"
        "\t   Cpus                 :     0.12        1         1 \n"
        "\t   Disk (KB)            :       18        1  19623598 \n"
        "\t   GPUs                 :                           0 \n"
        "\t   IoHeavy              :                 0         0 \n"
        "\t   Memory (MB)          :       28        1      6000 \n"
        "\t   TimeExecute (s)      :      188                    \n"
        "\t   TimeSlotBusy (s)     :      190                    \n\n"
        f"\tJob terminated of its own accord at {head[-19:-9]}T{head[-8:]}Z "
        f"with exit-code {value}.\n...\n"
    )


_WRITERS = {
    SUBMITTED: _submitted,
    EXECUTING: _executing,
    2: lambda head, cluster: _image_size(28_308 + cluster % 1000, head),
    3: lambda head, cluster: _image_size(34_308 + cluster % 5000, head),
    TERMINATED: _terminated,
}
