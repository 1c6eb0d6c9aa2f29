"""The names of jobs: they stand in URLs beside ids of jobs and of executions."""

from __future__ import annotations

import re

from jexevents.definitions.kinds import Misfit
from jexevents.validation import is_uuid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}")
_EXECUTION = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

EXPECTED = "a name of letters, digits, - and . (at most 100), which is no number and no UUID"


def job_name(text: str) -> str:
    """Give the name of a job that is written so, or of a file with this stem: ``_`` becomes ``-``.

    Raises Misfit.
    """
    name = text.replace("_", "-")
    if not _NAME.fullmatch(name) or _EXECUTION.fullmatch(name) or is_uuid(name):
        raise Misfit(EXPECTED)
    return name
