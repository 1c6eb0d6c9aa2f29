"""What becomes of the rest of a tree after its first process has ended.

That process was the job. What it left behind may end by itself for a moment (`tee` behind a pipe,
say), then gets TERM, and KILL after the grace: a job that is over runs nothing.
"""

from __future__ import annotations

from jexevents.runner.supervisor import tree as trees

LINGER_SECONDS = 1.0
_AGAIN_SECONDS = 0.5
_KILLS = 20


class Closing:
    """``due`` is when ``tick`` has something to do. ``over`` says that the tree is gone, or cannot
    be killed by anybody; ``left`` counts who had to be told to end."""

    def __init__(self, tree: trees.Tree, grace_seconds: float, now: float) -> None:
        self._tree, self._grace = tree, grace_seconds
        self._step = self._terminate
        self._kills = 0
        self.due: float | None = now + LINGER_SECONDS
        self.left = 0
        self.over = False

    def was_told(self, kill_at: float | None, now: float) -> None:
        """The tree has been told to end already; it has its grace, or none, till ``kill_at``."""
        self._step = self._kill
        self.due = now + self._grace if kill_at is None else min(kill_at, now + self._grace)

    def kill(self, now: float) -> None:
        """Kill the rest now."""
        self._kill(now)

    def tree_is_gone(self) -> None:
        """No process is left."""
        self.over, self.due = True, None

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.due is not None and self.due <= now:
            self._step(now)

    def _terminate(self, now: float) -> None:
        self.left = max(self.left, self._tree.signal(trees.TERMINATE))
        self._step, self.due = self._kill, now + self._grace

    def _kill(self, now: float) -> None:
        self.left = max(self.left, self._tree.signal(trees.KILL))
        self._kills += 1
        self._step, self.due = self._kill, now + _AGAIN_SECONDS
        if self._kills > _KILLS:
            # Only the kernel holds them: a server's disk that does not answer.
            self.over, self.due = True, None
