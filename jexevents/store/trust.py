"""Whether a batch is likely to be new, so that nobody need look before it is stored."""

from __future__ import annotations

FIRST_BATCHES = 32
MOST_BATCHES = 8192


class Trust:
    """Learns from how batches end; safe to share between threads, which may blur it a little.

    Almost always what comes is new, and to look whether it is costs a twentieth of an event.
    Where the unique index says that it was not, the batch is tried again with a look, and so
    are the next ones: twice as many as last time, for where two producers send everything, it
    stays so, and each refusal is an error in PostgreSQL's log.
    """

    def __init__(self) -> None:
        self._left = 0
        self._span = FIRST_BATCHES

    @property
    def looks(self) -> bool:
        """Whether the next batch is looked for before it is stored."""
        return self._left > 0

    def kept(self) -> None:
        """Note a batch that went in at the first try."""
        if self._left > 0:
            self._left -= 1
        else:
            self._span = FIRST_BATCHES

    def broken(self) -> None:
        """Note a batch that had to be tried again."""
        self._left = self._span
        self._span = min(2 * self._span, MOST_BATCHES)
