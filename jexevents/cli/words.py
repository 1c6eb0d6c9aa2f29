"""How the commands word what they say."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Give ``1 token``, ``2 tokens``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
