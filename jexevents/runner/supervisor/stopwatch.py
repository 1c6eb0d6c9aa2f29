"""Measures how long a job ran, without the time that it was stopped."""

from __future__ import annotations


class Stopwatch:
    """Times are seconds of one monotonic clock, handed in."""

    def __init__(self, now: float) -> None:
        self._run = 0.0
        self._since: float | None = now

    def stop(self, now: float) -> None:
        """Let it stand still; twice is once."""
        self._run, self._since = self.seconds(now), None

    def go_on(self, now: float) -> None:
        """Let it run on; twice is once."""
        if self._since is None:
            self._since = now

    def seconds(self, now: float) -> float:
        """Give how long it has run."""
        return self._run + (0.0 if self._since is None else now - self._since)

    def due(self, seconds: float | None) -> float | None:
        """Give when it will have run for so long; None if it stands still, or for no limit."""
        if seconds is None or self._since is None:
            return None
        return self._since + seconds - self._run
