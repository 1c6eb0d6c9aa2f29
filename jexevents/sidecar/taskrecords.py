"""Tasks, results and details as the JSON of their surface (seed stevedore); pure.

Times are seconds since 1970, durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jexevents.tasks.status import (
    STATUSES,
    counts_of,
    detail_key,
    is_over,
    seconds_between,
    status_of,
)

Row = Mapping[str, Any]


def task_path(task_id: int) -> str:
    """Give the path of a task."""
    return f"/task/{task_id}/"


def result_path(result_id: int) -> str:
    """Give the path of a result."""
    return f"/result/{result_id}/"


def epoch(at: datetime | None) -> float | None:
    """Give a time as seconds since 1970."""
    return None if at is None else round(at.timestamp(), 6)


def task(row: Row) -> dict[str, Any]:
    """Give a task (schema task)."""
    return {
        "task_id": row["id"],
        "id": row["id"],
        "name": row["name"],
        "repository": row["repository"],
        "pull": row["pull"],
        "status": row["status"],
        "image": row["image"],
        "image_id": row["image_id"],
        "only_local": row["only_local"],
        "size": row["size_bytes"],
        "error": row["error"],
        "progress": row["progress"],
        "worker": row["node"],
        "by": row["credential"],
        "registered_at": epoch(row["registered_at"]),
        "changed_at": epoch(row["changed_at"]),
    }


def result(row: Row, public_url: str) -> dict[str, Any]:
    """Give a result with the sums over its details (schema result)."""
    over = is_over(row)
    start, end = row["started_at"], row["finished_at"] if over else None
    return {
        "result_id": row["id"],
        "id": row["id"],
        "task_id": row["task_id"],
        "task": row["task"],
        "status": status_of(row),
        "times": row["times"],
        "counts": counts_of(row),
        "command": row["parameters"].get("command"),
        "parameters": row["parameters"],
        "image": row["image"],
        "repeats": row["repeats"],
        "by": row["credential"],
        "submitted_at": epoch(row["submitted_at"]),
        "start": epoch(start),
        "end": epoch(end),
        "duration": seconds_between(start, end),
        "details": f"{public_url}{result_path(row['id'])}detail/",
    }


def detail(row: Row, public_url: str) -> dict[str, Any]:
    """Give a single run of a result, as lists show it."""
    result_id, number = row["result_id"], row["number"]
    start, end = row["started_at"], row["finished_at"]
    own = f"{public_url}{result_path(result_id)}detail/{number}"
    return {
        "result_id": result_id,
        "detail_id": number,
        "id": number,
        "task_id": row["task_id"],
        "task": row["task"],
        "uuid": row["job_id"],
        "key": detail_key(result_id, number),
        "status": STATUSES[row["state"]],
        "state": row["state"],
        "worker": row["node"],
        "image": row["image"],
        "exit_code": row["exit_code"],
        "exit_signal": row["exit_signal"],
        "reason": row["reason"],
        "attempt": row["attempt"],
        "submitted_at": epoch(row["submitted_at"]),
        "start": epoch(start),
        "end": epoch(end),
        "duration": seconds_between(start, end),
        "stdout": f"{own}/stdout",
        "stderr": f"{own}/stderr",
        "output": f"{own}/output",
    }


def whole_detail(row: Row, attempts: Sequence[Row], public_url: str) -> dict[str, Any]:
    """Give a single run with its attempts, and what it waits for (schema result_detail)."""
    shown = detail(row, public_url)
    shown["due_at"] = epoch(row["due_at"])
    shown["waits_for"] = _waits_for(row)
    shown["attempts"] = [_attempt(one) for one in attempts]
    return shown


def _waits_for(row: Row) -> dict[str, Any] | None:
    """Say what a run waits for that nobody has; None for one that somebody has, or is over."""
    if row["refused_at"] is not None:
        what, why = "image", row["refusal"]
    elif row["due_at"] is None:
        return None
    elif row["is_early"]:
        what, why = "time", None
    else:
        what, why = "node", None if row["has_worker"] else _no_worker(row["labels"])
    return {"what": what, "since": epoch(row["refused_at"]), "reason": why}


def _no_worker(labels: Sequence[str]) -> str:
    having = f" and has the labels {', '.join(labels)}" if labels else ""
    return f"No worker that lives runs containers{having}."


def _attempt(row: Row) -> dict[str, Any]:
    return {
        "attempt": row["attempt"],
        "worker": row["node"],
        "begun_at": epoch(row["begun_at"]),
        "settled_at": epoch(row["settled_at"]),
        "stdout_bytes": row["stdout_bytes"],
        "stderr_bytes": row["stderr_bytes"],
        "missing_bytes": row["missing_bytes"],
        "removed_at": epoch(row["removed_at"]),
    }
