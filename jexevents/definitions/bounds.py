"""What a template may use up: steps, time, and the size of every value that it makes.

All that makes something bigger goes by one of these functions (``sandbox.py`` sees to that), so
no text is longer than ``MAX_TEXT``, and no list has more than ``MAX_ITEMS`` items, with at most
``MAX_TEXTS`` characters in them, nested lists counted as a whole.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import GeneratorType
from typing import Any

from jexevents.errors import JexError

# One word of a command may have so many bytes with its closing NUL (Linux, MAX_ARG_STRLEN).
MAX_TEXT = 128 * 1024 - 1
MAX_ITEMS = 10_000
MAX_TEXTS = 4 * MAX_TEXT
MAX_STEPS = 100_000
MAX_SECONDS = 2.0

_INT64 = range(-(2**63), 2**63)


class TooMuch(JexError):
    """A template uses too much."""


class _Budget:
    def __init__(self) -> None:
        self.steps = MAX_STEPS
        self.until = time.monotonic() + MAX_SECONDS


_BUDGET: ContextVar[_Budget] = ContextVar("budget")


@contextmanager
def budget() -> Iterator[None]:
    """Give what runs within it so many steps and so much time."""
    token = _BUDGET.set(_Budget())
    try:
        yield
    finally:
        _BUDGET.reset(token)


def step() -> None:
    """Count one step. Raises TooMuch."""
    left = _BUDGET.get()
    left.steps -= 1
    if left.steps < 0:
        raise TooMuch(f"The template takes more than {MAX_STEPS} steps.")
    if left.steps % 16 == 0 and time.monotonic() > left.until:
        raise TooMuch(f"The template takes longer than {MAX_SECONDS:g} s.")


class Counted:
    """What a loop goes over, each round being a step."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = measured(items)

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            step()
            yield item

    def __len__(self) -> int:
        return len(self._items)


def measured(value: Any) -> Any:
    """Give a value if it is not too big, an iterator as a list. Raises TooMuch."""
    step()
    if isinstance(value, (GeneratorType, Iterator)):
        return _listed(value)
    if isinstance(value, (str, bytes)):
        require_text(len(value))
    elif isinstance(value, int):
        require_integer(value)
    elif isinstance(value, float):
        _require_finite(value)
    elif isinstance(value, (list, tuple, Mapping)):
        _Size().add(value)
    return value


def require_text(length: int) -> None:
    """Raise TooMuch for the length of a text that is too long."""
    if length > MAX_TEXT:
        raise TooMuch(f"The template makes a text of more than {MAX_TEXT} characters.")


def require_items(count: int) -> None:
    """Raise TooMuch for the length of a list that is too long."""
    if count > MAX_ITEMS:
        raise TooMuch(f"The template makes a list of more than {MAX_ITEMS} items.")


def require_integer(value: int) -> None:
    """Raise TooMuch for an integer of more than 64 bits."""
    if value not in _INT64:
        raise TooMuch("The template makes an integer of more than 64 bits.")


def _require_finite(value: float) -> None:
    if not math.isfinite(value):
        raise TooMuch("The template makes a number that a double cannot hold.")


def _listed(items: Iterator[Any]) -> list[Any]:
    """Make a list of what an iterator gives, but no longer than it may be."""
    found: list[Any] = []
    size = _Size()
    for item in items:
        size.add([item])
        found.append(item)
    return found


class _Size:
    """How many items and characters there are in all that was added, nested ones too."""

    def __init__(self) -> None:
        self._items = 0
        self._characters = 0

    def add(self, value: Any) -> None:
        """Count what is in a value. Raises TooMuch as soon as it is too much."""
        waiting = [value]
        while waiting:
            one = waiting.pop()
            if isinstance(one, (str, bytes)):
                self._characters += len(one)
                if self._characters > MAX_TEXTS:
                    raise TooMuch(f"The template makes a list of over {MAX_TEXTS} characters.")
            elif isinstance(one, Mapping):
                one = [*one.keys(), *one.values()]
            if isinstance(one, (list, tuple)):
                self._items += len(one)
                require_items(self._items)
                waiting.extend(one)
