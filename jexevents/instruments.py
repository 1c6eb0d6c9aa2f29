"""The registry that /metrics shows, and what every process counts: its requests over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import choose_encoder

from jexevents import __version__

PREFIX = "jexevents"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER = "other"

_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Instruments:
    """The registry of one process, with what is in it whatever the process does.

    An observer of the sidecar.
    """

    def __init__(self) -> None:
        # A second series for each one, which says when it began: nobody asks for that.
        prometheus_client.disable_created_metrics()
        self.registry = CollectorRegistry()
        self._requests()
        self.build = Info(f"{PREFIX}_build", "This version.", registry=self.registry)
        self.build.info({"version": __version__})
        prometheus_client.ProcessCollector(registry=self.registry)
        prometheus_client.PlatformCollector(registry=self.registry)
        prometheus_client.GCCollector(registry=self.registry)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Write all of it in the format that an Accept header asks for; give that type too."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count and measure an answer over HTTP."""
        # What no route took must not bring a series with it for each word that somebody sends.
        method = method if method in METHODS else OTHER
        route = route or OTHER
        self.requests.labels(method, route, f"{status // 100}xx").inc()
        self.request_seconds.labels(method, route).observe(seconds)
        if status == 401:
            self.unauthorized.inc()

    def _requests(self) -> None:
        self.requests = self._counter(
            "http_requests", "Requests by their answers.", "method", "route", "status"
        )
        self.request_seconds = self._histogram(
            "http_request_seconds", "Time to an answer.", _REQUEST_SECONDS, "method", "route"
        )
        self.unauthorized = self._counter(
            "http_unauthorized", "Requests whose credentials were missing or wrong."
        )

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", told, labels, registry=self.registry)

    def _gauge(self, name: str, told: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", told, registry=self.registry)

    def _histogram(self, name: str, told: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", told, labels, registry=self.registry, buckets=buckets)
