"""For each alert what makes it fire, and what is near it and must not, as promtool reads series.

A series has a value a minute: ``0x9`` is ten times 0, ``0+5x9`` grows by five. The clock begins at
0, so a time stamp of 0 is as old as the clock shows.
"""

from __future__ import annotations

from typing import NamedTuple


class Scenario(NamedTuple):
    """The series of both; after ``minutes`` it is looked."""

    fires: dict[str, str]
    quiet: dict[str, str]
    minutes: int = 10


def jex(name: str, labels: str = "") -> str:
    """Give the name of a series of ours."""
    return f'jexevents_{name}{{instance="a"{labels and ", " + labels}}}'


def _flag(name: str, fires: int, quiet: int, labels: str = "", minutes: int = 10) -> Scenario:
    series = jex(name, labels)
    return Scenario({series: f"{fires}x60"}, {series: f"{quiet}x60"}, minutes)


def _counter(name: str, labels: str = "", step: int = 1, minutes: int = 30) -> Scenario:
    """One that grows fires; one that stands still, whatever it had come to, does not."""
    series = jex(name, labels)
    return Scenario({series: f"0+{step}x60"}, {series: "500x60"}, minutes)


SCENARIOS = {
    "JexeventsDown": Scenario(
        {'up{job="jexevents-worker", instance="a"}': "1 0x20"},
        {'up{job="jexevents", instance="a"}': "1x20", 'up{job="other", instance="b"}': "0x20"},
    ),
    "JexeventsDatabaseAway": _flag("database_up", 0, 1),
    "JexeventsNotConsuming": _flag("consumer_connected", 0, 1),
    "JexeventsReconnecting": _counter("consumer_reconnects_total"),
    "JexeventsStuck": Scenario(
        {
            jex("queue_messages"): "0x20",
            jex("in_hand_messages"): "3x20",
            jex("last_batch_timestamp_seconds"): "60x20",
        },
        # An idle daemon: the last batch is as old, and nothing waits.
        {
            jex("queue_messages"): "0x20",
            jex("in_hand_messages"): "0x20",
            jex("last_batch_timestamp_seconds"): "60x20",
        },
    ),
    "JexeventsFallingBehind": Scenario(
        {jex("queue_messages"): "20000+100x60"}, {jex("queue_messages"): "20000-100x60"}, 40
    ),
    "JexeventsQueueUnknown": Scenario(
        {jex("queue_seen_timestamp_seconds"): "0x20"},
        {jex("queue_seen_timestamp_seconds"): "0+60x20"},
    ),
    "JexeventsRejects": _counter("rejects_total", 'reason="schema"'),
    "JexeventsBatchFailed": _counter("batch_failures_total", 'kind="failed"'),
    "JexeventsTooSlow": _counter("batch_failures_total", 'kind="too_slow"'),
    "JexeventsCutOff": _counter("pool_cut_off_total", 'pool="main"'),
    "JexeventsPoolTooSmall": Scenario(
        {jex("pool_waits_total", 'pool="http"'): "0+120x60"},
        {jex("pool_waits_total", 'pool="http"'): "0+12x60"},
        40,
    ),
    "JexeventsErrors": _counter("http_requests_total", 'status="5xx"'),
    "JexeventsUnauthorized": Scenario(
        {jex("http_unauthorized_total"): "0+120x60"},
        {jex("http_unauthorized_total"): "0+12x60"},
        40,
    ),
    "JexeventsRepositoryFault": _flag("repository_fault", 1, 0, minutes=20),
    "JexeventsNothingScheduled": Scenario(
        {jex("schedule_looked_timestamp_seconds"): "60x20"},
        # 0 is one that runs executions and looks at no schedules.
        {jex("schedule_looked_timestamp_seconds"): "0x20"},
    ),
    "JexeventsDueMissed": _counter("due_times_total", 'outcome="missed"'),
    "JexeventsExecutionsWait": Scenario(
        {jex("executions_waiting"): "4x30", jex("executions_held"): "0x30"},
        {jex("executions_waiting"): "4x30", jex("executions_held"): "1x30"},
        20,
    ),
    "JexeventsExecutionsLate": Scenario(
        {
            jex("execution_wait_seconds_bucket", 'le="300"'): "0x60",
            jex("execution_wait_seconds_bucket", 'le="1800"'): "0+9x60",
            jex("execution_wait_seconds_bucket", 'le="+Inf"'): "0+9x60",
        },
        {
            jex("execution_wait_seconds_bucket", 'le="300"'): "0+19x60",
            jex("execution_wait_seconds_bucket", 'le="1800"'): "0+20x60",
            jex("execution_wait_seconds_bucket", 'le="+Inf"'): "0+20x60",
        },
        40,
    ),
    "JexeventsExecutionsLost": _counter("execution_ends_total", 'end="lost"'),
    "JexeventsWorkerAway": _flag("workers", 1, 0, 'state="away"'),
    "JexeventsNoWorkers": Scenario(
        {jex("workers_slots"): "0x20", jex("executions_waiting"): "1x20"},
        {jex("workers_slots"): "0x20", jex("executions_waiting"): "0x20"},
    ),
    "JexeventsEngineAway": _flag("engine_up", 0, 1),
    "JexeventsTasksFailed": _flag("tasks", 2, 0, 'status="ERROR"'),
    "JexeventsNotCounted": Scenario(
        {jex("ledger_counted_timestamp_seconds"): "0x20", jex("database_up"): "1x20"},
        # While the database is away there is an alert that says so.
        {jex("ledger_counted_timestamp_seconds"): "0x20", jex("database_up"): "0x20"},
    ),
    "JexeventsHookDead": _counter("hook_tries_total", 'hook="h", outcome="dead"'),
    "JexeventsHookWaits": _flag("hook_pending", 1001, 1000, 'hook="h"', minutes=20),
    "JexeventsHookDisabled": Scenario(
        {jex("hook_disabled", 'hook="h"'): "1x20"}, {jex("hook_disabled", 'hook="h"'): "1x2 _x20"}
    ),
    "JexeventsUploadsRefused": Scenario(
        {jex("uploads_total", 'outcome="refused"'): "0+1x90"},
        {jex("uploads_total", 'outcome="taken"'): "0+9x90"},
        60,
    ),
    "JexeventsLogGap": _counter("monitor_gaps_total"),
    "JexeventsMonitorBehind": Scenario(
        {jex("monitor_behind_bytes"): "2000000+1000x60"},
        {jex("monitor_behind_bytes"): "2000000-1000x60"},
        40,
    ),
    "JexeventsMonitorProblem": _flag("monitor_problems", 1, 0),
}
