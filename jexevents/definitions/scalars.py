"""Single values of a definition: each reader takes a JSON value, and raises Misfit for a wrong one.

Numbers may be texts, as people write them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from jexevents.definitions import kinds
from jexevents.definitions.definition import RETRIED
from jexevents.definitions.kinds import Misfit
from jexevents.hookwords import JOB, MAILTO, are_addresses

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,9})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_SIZE = re.compile(r"([0-9]{1,15})\s*(?:([KMG])(?:i?B)?)?")
_UNITS = {None: 1, "K": 2**10, "M": 2**20, "G": 2**30}


def number(least: float, most: float) -> Callable[[Any], float]:
    """Give a reader of numbers between two bounds, which may be texts. It raises Misfit."""
    expected = f"a number from {least:.15g} to {most:.15g}"

    def read(value: Any) -> float:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Misfit(expected)
        if not least <= value <= most:
            raise Misfit(expected)
        return float(value)

    return read


def whole(least: int, most: int) -> Callable[[Any], int]:
    """Give a reader of whole numbers between two bounds, which may be texts. It raises Misfit."""
    expected = f"a whole number from {least} to {most}"

    def read(value: Any) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not least <= value <= most:
            raise Misfit(expected)
        return value

    return read


def one_of(words: Iterable[str]) -> Callable[[Any], str]:
    """Give a reader of one of these words. It raises Misfit."""

    def read(value: Any) -> str:
        if value not in words:
            raise Misfit("one of " + ", ".join(words))
        return value

    return read


def ends(value: Any) -> tuple[str, ...]:
    """Read the ends that retries are for: one, or a list of them. Raises Misfit."""
    names = [value] if isinstance(value, str) else value
    return tuple(dict.fromkeys(one_of(RETRIED)(name) for name in names))


def size(value: Any) -> int:
    """Read a number of bytes, with or without a unit. Raises Misfit."""
    found = _SIZE.fullmatch(str(value))
    if not found or (isinstance(value, float) and not value.is_integer()):
        raise Misfit("a number of bytes, or one like 64K, 10M or 1G")
    return int(found[1]) * _UNITS[found[2]]


def path(value: str) -> str:
    """Read a path that does not lead upwards. Raises Misfit."""
    if "\0" in value or ".." in PurePosixPath(value).parts:
        raise Misfit("an absolute path, or one below the top of the repository, without ..")
    return value


def env_value(value: Any) -> str:
    """Read the value of a variable of the environment. Raises Misfit."""
    text = str(int(value)) if isinstance(value, (int, float)) else value
    return kinds.KINDS["str"].read(text)


def normal(url: str) -> str:
    """Write a reference to a job as the names of jobs are written."""
    return JOB + url[len(JOB) :].replace("_", "-") if url.startswith(JOB) else url


def url(value: str) -> str:
    """Read the URL of a hook. Raises Misfit."""
    expected = "a URL: http, https, mailto, or job: and the name of a job"
    if any(char.isspace() or not char.isprintable() for char in value):
        raise Misfit(expected)
    scheme, _, rest = value.partition(":")
    try:
        host = urlsplit(value).hostname if scheme in ("http", "https") else None
        if host:
            urlsplit(value).port  # noqa: B018 - raises for one that is none
    except ValueError as exc:
        raise Misfit(expected) from exc
    is_mail = value.startswith(MAILTO) and are_addresses(rest)
    if host or is_mail or (value.startswith(JOB) and rest):
        return value
    raise Misfit(expected)
