"""The one way in which a reader of values says no."""

from __future__ import annotations


class Misfit(ValueError):
    """A value is not what its option takes; the text says what would be, never what came."""
