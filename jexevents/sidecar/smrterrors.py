"""The members that errors have on the surface of SMRT Link, beside those of a problem."""

from __future__ import annotations

from typing import Any

from jexevents.sidecar.problems import Problem


def error_members(problem: Problem) -> dict[str, Any]:
    """Give ``httpCode``, ``message`` and ``errorType`` (facts: errors of the event server)."""
    return {"httpCode": problem.status, "message": problem.message, "errorType": problem.title}
