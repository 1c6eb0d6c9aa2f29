"""How the commands word what they say."""

from __future__ import annotations


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Give ``1 token``, ``2 tokens``; ``nouns`` is what more of them are called, if not that."""
    return f"{number} {noun}" if number == 1 else f"{number} {nouns or noun + 's'}"


class Note(str):
    """A line of what is not as it should be, though all runs with it."""
