"""/metrics of a daemon that runs: its values move with what it does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from tests.acceptance.jobs import Jobs
from tests.acceptance.support import Daemon, message, publish, run, submission
from tests.support import wait_until

JOB = {
    "Submitter": "wregglej",
    "AppID": "c7f05682-23c8-4182-b9a2-e09650a5f49b",
    "CommandLine": "/bin/true",
    "CondorID": "222",
}
# When the events of ``submission`` happened.
HAPPENED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)


def events(daemon: Daemon, door: str) -> list[float | None]:
    outcomes = ("accepted", "duplicate", "rejected")
    return [daemon.metric("events_total", door=door, outcome=each) for each in outcomes]


def requests(daemon: Daemon, method: str, route: str, status: str) -> float | None:
    return daemon.metric("http_requests_total", method=method, route=route, status=status)


def test_messages_are_counted_by_what_became_of_them(
    start: Callable[..., Daemon], servers: dict[str, str]
) -> None:
    daemon = start(**servers, LogTimeZone="UTC").wait_ready()
    assert events(daemon, "amqp") == [0, 0, 0]
    assert str(daemon.metric("lag_seconds")) == "nan"
    good = [message(submission(number)) for number in range(1, 6)]
    bad = [b"{", b"{}", b'{"Event": 1}']
    publish(servers["AMQPURI"], [*good, *good[:2], *bad])
    wait_until(lambda: events(daemon, "amqp") == [5, 2, 3], 20, f"5, 2, 3; {daemon.text}")
    # The last batch is measured a moment after it is counted.
    daemon.wait_metric(10, "batch_messages_sum")
    assert daemon.metric("rejects_total", reason="not-json") == 1
    assert daemon.metric("rejects_total", reason="schema") == 2
    batches = daemon.metric("batch_messages_count")
    assert 1 <= batches <= 10
    assert daemon.metric("batch_store_seconds_count") == batches
    assert daemon.metric("batch_wait_seconds_count") == batches
    assert daemon.metric("batch_wait_seconds_sum") >= daemon.metric("batch_store_seconds_sum") > 0
    now = datetime.now(timezone.utc)
    assert abs(now.timestamp() - daemon.metric("last_batch_timestamp_seconds")) < 60
    assert abs((now - HAPPENED).total_seconds() - daemon.metric("lag_seconds")) < 60
    assert daemon.metric("consumer_connected") == 1
    daemon.wait_metric(0, "in_hand_messages")
    assert daemon.metric("in_hand_bytes") == 0
    daemon.wait_metric(1, "queue_consumers")
    assert daemon.metric("queue_messages") == 0
    assert daemon.stop() == 0


def test_requests_are_counted_by_route_and_answer(
    start: Callable[..., Daemon], servers: dict[str, str]
) -> None:
    daemon = start(**servers).wait_ready()
    assert [daemon.ask("POST", "/jobs", JOB).status for _ in range(2)] == [201, 200]
    assert daemon.ask("POST", "/jobs", {}).status == 422
    assert daemon.get("/jobs/c7f05682-23c8-4182-b9a2-e09650a5f49b").status == 404
    assert daemon.get("/nowhere/c7f05682-23c8-4182-b9a2-e09650a5f49b").status == 404
    assert daemon.ask("BREW", "/jobs").status == 405
    assert events(daemon, "http") == [1, 1, 0]
    assert requests(daemon, "POST", "/jobs", "2xx") == 2
    assert requests(daemon, "POST", "/jobs", "4xx") == 1
    assert requests(daemon, "GET", "/jobs/<job>", "4xx") == 1
    assert requests(daemon, "GET", "other", "4xx") == 1
    assert requests(daemon, "other", "other", "4xx") == 1
    assert daemon.metric("http_request_seconds_count", method="POST", route="/jobs") == 3
    assert daemon.metric("pool_size", pool="http") == 8
    idle = daemon.metric("pool_connections", pool="http", state="idle")
    assert 1 <= idle <= 8
    assert daemon.metric("pool_connections", pool="http", state="lent") == 0
    assert daemon.metric("database_up") == 1


def test_with_a_token_in_the_database_a_token_is_needed(
    start: Callable[..., Daemon], servers: dict[str, str]
) -> None:
    daemon = start(**servers).wait_ready()
    tokens = {}
    for role in ("read", "write"):
        made = run("token", "make", "--role", role, "--config", str(daemon.config))
        assert made.code == 0, made.err
        tokens[role] = made.out.strip()
    daemon.send(1)  # HUP: the tokens are read anew at the next request
    wait_until(lambda: daemon.get("/metrics").status == 401, 20, "the token to be asked for")
    assert daemon.get("/metrics", tokens["write"]).status == 403
    answer = daemon.get("/metrics", tokens["read"])
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert daemon.metric("http_unauthorized_total", tokens["read"]) >= 1
    accept = "application/openmetrics-text; version=1.0.0"
    fields = {"Authorization": f"Bearer {tokens['read']}", "Accept": accept}
    answer = daemon.ask("GET", "/metrics", **fields)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")


def test_executions_and_due_times_are_measured(jobs: Callable[..., Jobs]) -> None:
    place = jobs(
        {
            "fine.yml": "command: 'true'\n",
            "often.yml": "command: 'true'\nschedule: {frequency: 1}\n",
        }
    )
    daemon = place.daemon
    place.wait_over(place.run("fine"))

    def metric(name: str, **labels: str) -> float:
        return daemon.metric(name, token=place.token, **labels) or 0

    wait_until(lambda: metric("due_times_total", outcome="ran") >= 2, 30, "two due times")
    wait_until(lambda: metric("execution_seconds_count", kind="command") >= 3, 30, "three ends")
    assert metric("execution_wait_seconds_count", kind="command") >= 3
    assert metric("execution_ends_total", end="complete") >= 3
    assert 0 < metric("execution_seconds_sum", kind="command") < 60
    # Counted every 10 seconds, so what was there at the daemon's start may be all that is known.
    wait_until(lambda: metric("schedules") == 1, 30, "the schedule to be counted")
    assert metric("workers", state="working") == 1
    assert metric("workers_slots") == 2
    assert metric("tasks", status="ERROR") == 0
