"""Old uploads removed: first what is known of them, then the files of this node.

Killed in between, it leaves files that nothing is known of; the next run sweeps those away.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from jexevents.store.uploads import UploadStore
from jexevents.uploads.folder import UploadFolder


class UploadPrune:
    """One run over the uploads of one node; ``before`` is aware.

    Every method raises StoreUnavailable while PostgreSQL does not answer. ``stuck`` counts the
    files that could not be removed.
    """

    def __init__(
        self, store: UploadStore, folder: UploadFolder, node: str, before: datetime
    ) -> None:
        self._store = store
        self._folder = folder
        self._node = node
        self._before = before
        self.stuck = 0

    def counts(self) -> tuple[int, int]:
        """How many old uploads there are: of this node, and of others, which stay."""
        return self._store.count_old(self._node, self._before)

    def steps(self) -> Iterator[int]:
        """Remove the old ones; gives how many, a transaction a step. The audit says how many."""
        removed = 0
        for paths in self._store.drop_old(self._node, self._before):
            self.stuck += sum(not self._folder.remove(path) for path in paths)
            removed += len(paths)
            yield len(paths)
        if removed:
            self._store.note_pruned(self._node, self._before, removed)

    def sweep(self) -> int:
        """Remove what killed processes left; gives how many files."""
        swept = self._folder.sweep_incoming()
        return swept + self._folder.sweep_unclaimed(self._store.known)
