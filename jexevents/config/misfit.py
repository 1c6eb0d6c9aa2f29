"""The one way in which a reader of values says no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Misfit(ValueError):
    """A value is not what its option takes; the text says what would be, never what came."""


class Wrong(NamedTuple):
    """One thing that is wrong within a value; ``got`` says what came, never a secret."""

    pointer: str
    expected: str
    got: str
    remedy: str = ""


class Misfits(Misfit):
    """A value is of the right form, but not all that stands in it is."""

    def __init__(self, wrongs: Sequence[Wrong]) -> None:
        super().__init__("; ".join(f"{wrong.pointer}: {wrong.expected}" for wrong in wrongs))
        self.wrongs = tuple(wrongs)
