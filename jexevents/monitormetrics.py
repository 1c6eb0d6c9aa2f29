"""What is counted and measured of a log monitor, for /metrics; docs/metrics.md tells each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jexevents.instruments import PREFIX, Instruments
from jexevents.observers import LogsUse, PublisherUse


class MonitorMetrics(Instruments):
    """The instruments of a process that follows logs and publishes what is in them.

    An observer of the monitor and of the sidecar.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self.events = self._counter("monitor_events", "Events that were read in the logs.")
        self.garbage = self._counter("monitor_garbage", "Pieces of the logs that are no event.")
        self.gaps = self._counter("monitor_gaps", "Parts of the logs that were lost.")
        self.published = self._counter(
            "monitor_published", "Events and other pieces of the logs that RabbitMQ took over."
        )
        self.published_bytes = self._counter("monitor_published_bytes", "Their bytes in the logs.")
        self.noted = self._gauge(
            "monitor_position_timestamp_seconds", "When the position was written; 0 before that."
        )
        self.not_noted = self._counter(
            "monitor_position_failures", "Tries to write the position that failed."
        )

    def watch(self, publisher: Callable[[], PublisherUse], logs: Callable[[], LogsUse]) -> None:
        """Show how it stands with both, asked when somebody looks."""
        self.registry.register(_Publisher(publisher))
        self.registry.register(_Logs(logs))

    def events_read(self, events: int, garbage: int) -> None:
        """Count what was read."""
        self.events.inc(events)
        self.garbage.inc(garbage)

    def events_published(self, events: int, bytes_of_logs: int) -> None:
        """Count what the broker took over."""
        self.published.inc(events)
        self.published_bytes.inc(bytes_of_logs)

    def gap_found(self) -> None:
        """Count a part of a log that was lost."""
        self.gaps.inc()

    def positions_noted(self, noted: bool) -> None:
        """Note that the position was written, or count that it could not be."""
        if noted:
            self.noted.set(self._clock())
        else:
            self.not_noted.inc()


class _Publisher(Collector):
    def __init__(self, ask: Callable[[], PublisherUse]) -> None:
        self._ask = ask

    def collect(self) -> Iterable[Metric]:
        """Give how it stands, as a registry wants it."""
        use = self._ask()
        return [
            _gauge("publisher_connected", "Whether messages can go to RabbitMQ.", use.connected),
            _counter("publisher_reconnects", "Connections after the first.", use.reconnects),
            _counter("publisher_confirmed", "Messages that RabbitMQ took over.", use.confirmed),
            _counter("publisher_refused", "Messages that it did not take, or that no queue got, "
                     "each time.", use.refused),
            _gauge("publisher_under_way", "Messages that are not confirmed.", use.under_way),
            _gauge("publisher_under_way_bytes", "The bytes of these.", use.bytes_under_way),
        ]  # fmt: skip


class _Logs(Collector):
    def __init__(self, ask: Callable[[], LogsUse]) -> None:
        self._ask = ask

    def collect(self) -> Iterable[Metric]:
        """Give how it stands, as a registry wants it."""
        use = self._ask()
        return [
            _gauge("monitor_logs", "Logs that are followed.", use.followed),
            _gauge("monitor_problems", "Logs that cannot be read, and a position that cannot be "
                   "written.", use.problems),
            _gauge("monitor_behind_bytes", "Bytes of the logs that are not confirmed.", use.behind),
        ]  # fmt: skip


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", told, value=float(value))


def _counter(name: str, told: str, value: float) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", told, value=float(value))
