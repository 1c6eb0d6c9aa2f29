"""What is reported is what is shown, and what callers make up brings no series of its own."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest

from jexevents.metrics import Metrics
from jexevents.model import Arrival, Event, Kind, Outcome, Reason, Reject
from jexevents.observers import LedgerUse

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(clock=NOW.timestamp)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"jexevents_{name}", labels)


def event(at: datetime) -> Event:
    return Event(Kind.CONDOR, None, "", "EXECUTE", at, NOW, {}, b"", bytes(32))


def reject(reason: Reason) -> Reject:
    return Reject(Arrival(b"", NOW, "amqp:q"), (), reason)


def test_outcomes_are_counted_by_door_and_rejects_by_reason(metrics: Metrics) -> None:
    schema, empty = reject(Reason.SCHEMA), reject(Reason.EMPTY)
    read = [event(NOW), schema, event(NOW), empty, empty]
    accepted, rejected = Outcome.ACCEPTED, Outcome.REJECTED
    outcomes = [accepted, rejected, Outcome.DUPLICATE, rejected, rejected]
    metrics.stored("amqp:jexevents", read, outcomes)
    metrics.stored("http:jex", [event(NOW)], [accepted])
    for outcome, number in (("accepted", 1), ("duplicate", 1), ("rejected", 3)):
        assert value(metrics, "events_total", door="amqp", outcome=outcome) == number
    assert value(metrics, "events_total", door="http", outcome="accepted") == 1
    assert value(metrics, "rejects_total", reason="schema") == 1
    assert value(metrics, "rejects_total", reason="empty") == 2


def test_every_outcome_and_failure_is_there_before_it_happens(metrics: Metrics) -> None:
    for door in ("amqp", "http"):
        for outcome in Outcome:
            assert value(metrics, "events_total", door=door, outcome=outcome.value) == 0
    for reason in Reason:
        assert value(metrics, "rejects_total", reason=reason.value) == 0
    for kind in ("away", "too_slow", "refused", "failed"):
        assert value(metrics, "batch_failures_total", kind=kind) == 0
    assert math.isnan(value(metrics, "lag_seconds"))


def test_the_lag_is_that_of_the_newest_event_of_the_last_batch(metrics: Metrics) -> None:
    old, new = NOW - timedelta(hours=2), NOW - timedelta(minutes=5)
    metrics.stored("amqp:q", [event(old), event(new), event(old)], [Outcome.ACCEPTED] * 3)
    assert value(metrics, "lag_seconds") == pytest.approx(300)
    # An insertion is as old as its request; that says nothing of the queue.
    metrics.stored("http:jex", [event(NOW)], [Outcome.ACCEPTED])
    assert value(metrics, "lag_seconds") == pytest.approx(300)
    metrics.stored("amqp:q", [event(old)], [Outcome.DUPLICATE])
    assert value(metrics, "lag_seconds") == pytest.approx(7200)


def test_a_clock_that_was_set_back_makes_no_negative_wait(metrics: Metrics) -> None:
    metrics.batch_kept(3, 0.01, -3600.0)
    assert value(metrics, "batch_wait_seconds_sum") == 0
    assert value(metrics, "batch_messages_sum") == 3
    assert value(metrics, "last_batch_timestamp_seconds") == NOW.timestamp()


def test_words_of_callers_make_no_series(metrics: Metrics) -> None:
    for number in range(50):
        metrics.answered(f"METHOD{number}", "", 405, 0.001)
    assert value(metrics, "http_requests_total", method="other", route="other", status="4xx") == 50
    (family,) = metrics.requests.collect()
    assert len(family.samples) == 1


def test_formats(metrics: Metrics) -> None:
    body, kind = metrics.exposition("")
    assert kind.startswith("text/plain")
    assert b"jexevents_events_total{" in body
    assert b"_created" not in body
    body, kind = metrics.exposition("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_tries_of_webhooks_are_counted_by_what_they_were(metrics: Metrics) -> None:
    waiting: dict[str, int] = {}
    metrics.watch_hooks(lambda: waiting)
    for state in ("pending", "pending", "delivered", "dead"):
        metrics.sent("portal", state, 0.3)
    for outcome, number in (("failed", 2), ("delivered", 1), ("dead", 1)):
        assert value(metrics, "hook_tries_total", hook="portal", outcome=outcome) == number
    assert value(metrics, "hook_seconds_bucket", hook="portal", le="0.25") == 0
    assert value(metrics, "hook_seconds_bucket", hook="portal", le="0.5") == 4
    assert value(metrics, "hook_pending", hook="portal") is None
    waiting["portal"] = 7
    assert value(metrics, "hook_pending", hook="portal") == 7


def test_executions_are_measured_by_kind(metrics: Metrics) -> None:
    for kind in ("command", "container"):
        assert value(metrics, "execution_wait_seconds_count", kind=kind) == 0
    metrics.begun("command", 0.2)
    metrics.begun("command", 400)
    # A due time of a clock that is ahead of the node's.
    metrics.begun("container", -1.0)
    metrics.ran("container", 90.0)
    assert value(metrics, "execution_wait_seconds_bucket", kind="command", le="0.25") == 1
    assert value(metrics, "execution_wait_seconds_sum", kind="command") == pytest.approx(400.2)
    assert value(metrics, "execution_wait_seconds_sum", kind="container") == 0
    assert value(metrics, "execution_seconds_bucket", kind="container", le="60.0") == 0
    assert value(metrics, "execution_seconds_bucket", kind="container", le="300.0") == 1


def test_due_times_and_uploads_are_counted_by_what_became_of_them(metrics: Metrics) -> None:
    assert value(metrics, "due_times_total", outcome="missed") == 0
    metrics.decided({"ran": 2, "missed": 40})
    metrics.decided({"ran": 1})
    assert value(metrics, "due_times_total", outcome="ran") == 3
    assert value(metrics, "due_times_total", outcome="missed") == 40
    for outcome, size in (("taken", 100), ("taken", 23), ("again", 100), ("refused", 5)):
        metrics.uploaded(outcome, size)
    assert value(metrics, "uploads_total", outcome="taken") == 2
    assert value(metrics, "uploads_total", outcome="again") == 1
    assert value(metrics, "uploads_total", outcome="refused") == 1
    assert value(metrics, "upload_bytes_total") == 123


def test_counts_of_the_ledger_are_there_as_long_as_they_are_known(metrics: Metrics) -> None:
    known: list[LedgerUse | None] = [None]
    metrics.watch_ledger(lambda: known[0])
    assert value(metrics, "ledger_counted_timestamp_seconds") == 0
    assert value(metrics, "workers_slots") is None
    known[0] = LedgerUse(7.0, {"working": 2, "away": 0}, 8, {"READY": 3}, 5, ["portal"])
    assert value(metrics, "ledger_counted_timestamp_seconds") == 7
    assert value(metrics, "workers", state="working") == 2
    assert value(metrics, "workers", state="away") == 0
    assert value(metrics, "workers_slots") == 8
    assert value(metrics, "tasks", status="READY") == 3
    assert value(metrics, "schedules") == 5
    assert value(metrics, "hook_disabled", hook="portal") == 1
    assert value(metrics, "hook_disabled", hook="other") is None


def test_a_worker_shows_nothing_that_it_never_does(metrics: Metrics) -> None:
    metrics.leave_out_consumer()
    body = metrics.exposition("")[0].decode()
    for name in ("queue_messages", "batch_messages", "uploads", "due_times", "lag_seconds"):
        assert f"jexevents_{name}" not in body, name
    assert "jexevents_execution_seconds" in body
