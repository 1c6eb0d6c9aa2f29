"""What is counted and measured of one process, for /metrics; docs/metrics.md tells each of them.

Whoever works reports in the words of ``observers``; what can be asked for at any time (the pools,
the queue, what is in hand) is asked for when somebody looks.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence

from jexevents.collectors import Jobs, LedgerCounts, Pools, Waiting
from jexevents.instruments import Instruments
from jexevents.model import Event, Outcome, Reason, Reject
from jexevents.observers import AWAY, FAILED, REFUSED, TOO_SLOW, JobsUse, LedgerUse

DOORS = ("amqp", "http")
ENDS = ("complete", "fail", "killed", "time-out", "lost", "cancelled")
# What became of due times, of uploads; and the kinds of executions.
DUE_OUTCOMES = ("ran", "late", "missed", "still-running", "paused", "skipped-hour")
UPLOADED = ("taken", "again", "refused")
RUN_KINDS = ("command", "container")

_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_STORE_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_WAIT_SECONDS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.3, 0.5, 1, 3, 10, 60, 600)
_HOOK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)
_QUEUE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)
_RUN_SECONDS = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
# What a try was, by the state that the delivery has after it.
_TRIED = {"delivered": "delivered", "pending": "failed", "dead": "dead"}


class Metrics(Instruments):
    """The instruments of a process that works with the ledger.

    An observer of the ingest, of the consumer, of the sidecar, of the webhooks, of uploads and of
    what is run.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._events()
        self._batches()
        self._consumer()
        self.pools = Pools()
        self.registry.register(self.pools)
        self._hooks()
        self._executions()
        self._uploads()
        self.database_up = self._gauge("database_up", "Whether PostgreSQL answers and may be used.")

    # --- what is reported

    def stored(
        self, origin: str, read: Sequence[Event | Reject], outcomes: Sequence[Outcome]
    ) -> None:
        """Count what a transaction stored, and tell how old the newest of it is."""
        door = origin.partition(":")[0]
        for outcome in Outcome:
            if number := outcomes.count(outcome):
                self.events.labels(door, outcome.value).inc(number)
        for reason, number in Tally(one.reason for one in read if isinstance(one, Reject)).items():
            self.rejects.labels(reason.value).inc(number)
        times = [one.occurred_at for one in read if isinstance(one, Event)]
        if times and door == "amqp":
            self.lag.set(self._clock() - max(times).timestamp())

    def unknown_type(self) -> None:
        """Count an event of SMRT Link whose type has no schema."""
        self.unknown_types.inc()

    def batch_kept(self, messages: int, store_seconds: float, wait_seconds: float) -> None:
        """Measure a batch of the consumer that is stored."""
        self.batch_messages.observe(messages)
        self.batch_store.observe(store_seconds)
        self.batch_wait.observe(max(0.0, wait_seconds))
        self.last_batch.set(self._clock())

    def batch_failed(self, kind: str) -> None:
        """Count a batch that was not stored as it was."""
        self.batch_failures.labels(kind).inc()

    def reconnected(self) -> None:
        """Count a connection after the first."""
        self.reconnects.inc()

    def sent(self, hook: str, state: str, seconds: float) -> None:
        """Count and measure a try of a webhook's delivery."""
        self.hook_tries.labels(hook, _TRIED[state]).inc()
        self.hook_seconds.labels(hook).observe(seconds)

    def attempt_ended(self, end: str) -> None:
        """Count an attempt of an execution that is over; ``end`` is one of ``ENDS``."""
        self.execution_ends.labels(end).inc()

    def begun(self, kind: str, waited_seconds: float) -> None:
        """Measure how long an attempt that begins here had to wait."""
        self.execution_wait.labels(kind).observe(max(0.0, waited_seconds))

    def ran(self, kind: str, seconds: float) -> None:
        """Measure how long an attempt went on that this process told the end of."""
        self.execution_seconds.labels(kind).observe(max(0.0, seconds))

    def decided(self, outcomes: Mapping[str, int]) -> None:
        """Count due times by what became of them; each outcome is one of ``DUE_OUTCOMES``."""
        for outcome, number in outcomes.items():
            self.due_times.labels(outcome).inc(number)

    def uploaded(self, outcome: str, size: int) -> None:
        """Count an upload; ``outcome`` is one of ``UPLOADED``."""
        self.uploads.labels(outcome).inc()
        if outcome == UPLOADED[0]:
            self.upload_bytes.inc(size)

    def leave_out_consumer(self) -> None:
        """Show nothing of queue, batches and uploads: this process takes none, and decides nothing
        about schedules."""
        for one in (
            self.uploads, self.upload_bytes, self.due_times,
            self.lag, self.batch_messages, self.batch_store, self.batch_wait, self.batch_failures,
            self.last_batch, self.connected, self.reconnects, self.in_hand_messages,
            self.in_hand_bytes, self.queue_messages, self.queue_consumers, self.queue_seen,
        ):  # fmt: skip
            self.registry.unregister(one)

    def watch_jobs(self, ask: Callable[[], JobsUse]) -> None:
        """Show how it stands with the jobs that are run, asked when somebody looks."""
        self.registry.register(Jobs(ask))

    def watch_hooks(self, ask: Callable[[], Mapping[str, int]]) -> None:
        """Show how many deliveries of each hook wait, asked when somebody looks."""
        self.registry.register(Waiting(ask))

    def watch_ledger(self, ask: Callable[[], LedgerUse | None]) -> None:
        """Show what the ledger holds, as it was counted last; nothing where that is long ago."""
        self.registry.register(LedgerCounts(ask))

    # --- the instruments

    def _events(self) -> None:
        self.events = self._counter(
            "events", "Messages and insertions by what became of them.", "door", "outcome"
        )
        for outcome in Outcome:
            for door in DOORS:
                self.events.labels(door, outcome.value)
        self.rejects = self._counter("rejects", "Messages that were rejected.", "reason")
        for reason in Reason:
            self.rejects.labels(reason.value)
        self.unknown_types = self._counter(
            "smrtlink_unknown_types", "Stored events of SMRT Link whose type has no schema."
        )
        self.lag = self._gauge(
            "lag_seconds", "How old the newest event of the last batch was when it was stored."
        )
        self.lag.set(float("nan"))

    def _batches(self) -> None:
        self.batch_messages = self._histogram(
            "batch_messages", "Messages in a batch that was stored.", _SIZES
        )
        self.batch_store = self._histogram(
            "batch_store_seconds", "Time to read and store a batch.", _STORE_SECONDS
        )
        self.batch_wait = self._histogram(
            "batch_wait_seconds",
            "Time from the arrival of a batch's first message to its commit.",
            _WAIT_SECONDS,
        )
        self.batch_failures = self._counter(
            "batch_failures", "Batches that were not stored as they were.", "kind"
        )
        for kind in (AWAY, TOO_SLOW, REFUSED, FAILED):
            self.batch_failures.labels(kind)
        self.last_batch = self._gauge(
            "last_batch_timestamp_seconds", "When the last batch was stored; 0 before the first."
        )

    def _consumer(self) -> None:
        self.connected = self._gauge("consumer_connected", "Whether the queue is consumed.")
        self.reconnects = self._counter("consumer_reconnects", "Connections after the first.")
        self.in_hand_messages = self._gauge(
            "in_hand_messages", "Messages that were taken and not acknowledged yet."
        )
        self.in_hand_bytes = self._gauge(
            "in_hand_bytes", "The bytes of their bodies, and 16 times those of their properties."
        )
        self.queue_messages = self._gauge(
            "queue_messages", "Messages that wait in the queue; NaN while that is unknown."
        )
        self.queue_consumers = self._gauge(
            "queue_consumers", "Consumers of the queue; NaN while that is unknown."
        )
        self.queue_seen = self._gauge(
            "queue_seen_timestamp_seconds", "When the queue was last seen; 0 before that."
        )

    def _hooks(self) -> None:
        self.hook_tries = self._counter(
            "hook_tries", "Tries of webhooks' deliveries by what became of them.", "hook", "outcome"
        )
        self.hook_seconds = self._histogram(
            "hook_seconds", "Time of a try, to the end of its answer.", _HOOK_SECONDS, "hook"
        )

    def _executions(self) -> None:
        self.execution_ends = self._counter(
            "execution_ends", "Attempts of executions that are over, by how they ended.", "end"
        )
        for end in ENDS:
            self.execution_ends.labels(end)
        self.execution_wait = self._histogram(
            "execution_wait_seconds",
            "Time from when an attempt was due to its begin.",
            _QUEUE_SECONDS,
            "kind",
        )
        self.execution_seconds = self._histogram(
            "execution_seconds",
            "Time from the begin of an attempt to its end.",
            _RUN_SECONDS,
            "kind",
        )
        for kind in RUN_KINDS:
            self.execution_wait.labels(kind)
            self.execution_seconds.labels(kind)
        self.due_times = self._counter(
            "due_times", "Due times of schedules by what became of them.", "outcome"
        )
        for outcome in DUE_OUTCOMES:
            self.due_times.labels(outcome)

    def _uploads(self) -> None:
        self.uploads = self._counter("uploads", "Uploaded files by what became of them.", "outcome")
        for outcome in UPLOADED:
            self.uploads.labels(outcome)
        self.upload_bytes = self._counter("upload_bytes", "The bytes of those that were taken.")
