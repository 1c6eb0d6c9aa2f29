"""What one who looks after a container has seen of its engine's absences, and what of the
container's end is to be doubted for that."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from jexevents.engine.states import State

# What is said of an end that nobody saw: by containerd, which has lost it, and by a dockerd that
# was killed when it had taken the end from containerd and not yet written it down.
_LOST_BY_CONTAINERD, _LOST_BY_DOCKERD = 255, 0
# How far the engine's clock may be behind ours.
_CLOCKS = timedelta(seconds=1)


class Absence:
    """For one thread, which tells it what the engine answers.

    ``was`` is whether the engine was away at all.
    """

    def __init__(self) -> None:
        self.was = False
        self._last: datetime | None = None

    def missed(self) -> None:
        """Say that the engine does not answer now."""
        self.was = True
        self._last = datetime.now(timezone.utc)

    def over(self) -> None:
        """Say that the engine answers and that the container has not ended: it will see that."""
        self._last = None

    def hides_end(self, state: State) -> bool:
        """Whether the engine may not know how this container, which has ended, did so.

        A dockerd that has lost an end for 0 takes the moment for it in which it begins anew, so an
        end that is older than the last time when nobody answered is a true one.
        """
        if state.exit_code == _LOST_BY_CONTAINERD:
            return self.was
        if state.exit_code != _LOST_BY_DOCKERD or self._last is None:
            return False
        return state.finished_at is None or state.finished_at > self._last - _CLOCKS
