"""Jobs, their executions and events as the JSON of the surface (seed overseer); pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jexevents.definitions.definition import Definition
from jexevents.definitions.repository import Standing
from jexevents.hookwords import JOB
from jexevents.lifecycle import command
from jexevents.lifecycle.executionid import microseconds, number, shortest
from jexevents.redaction import redact_uri, shown_url
from jexevents.rfc3339 import plain

Row = Mapping[str, Any]

_ASKED = ("trigger", "values", "command", "script", "arguments", "schedule")


def path_of(name: str, execution: int) -> str:
    """Give the path of an execution."""
    return f"/jobs/{name}/{shortest(execution)}"


def job_row(definition: Definition, state: Row | None, last: Row | None) -> dict[str, Any]:
    """Give a job as the list of jobs shows it (schema jobs)."""
    return {
        "name": definition.name,
        "description": definition.description,
        "file": definition.file,
        "active": state is None or state["active"],
        "schedules": len(definition.schedules),
        "last": None if last is None else _last(last),
    }


def job(definition: Definition, commit: str, state: Row | None, public_url: str) -> dict[str, Any]:
    """Give a job with all that its definition says (schema job)."""
    return {
        "name": definition.name,
        "file": definition.file,
        "line": definition.line,
        "commit": commit,
        "active": state is None or state["active"],
        "active_changed_at": None if state is None else plain(state["changed_at"]),
        "definition": shown_definition(definition),
        "metadata": f"{public_url}/jobs/{definition.name}",
    }


def shown_definition(definition: Definition) -> dict[str, Any]:
    """Give what stands in the file; of the URLs of hooks what may be a secret is left out."""
    document = dict(definition.document)
    if definition.hooks:
        document["hooks"] = {
            status: [_shown_hook(url) for url in urls] for status, urls in definition.hooks.items()
        }
    return document


def _shown_hook(url: str) -> str:
    """Give what may be shown of a hook's URL: of one on the web the host, for its path can be what
    lets somebody in."""
    return url if url.startswith(JOB) else shown_url(url)


def execution_row(row: Row, public_url: str) -> dict[str, Any]:
    """Give an execution as lists show it."""
    name, own = row["definition"], row["execution"]
    return {
        "id": number(own),
        "job": name,
        "uuid": row["job_id"],
        "state": row["state"],
        "phase": row["phase"],
        "status": command.status_of(row["state"], row["closed"], row["status"]),
        "commit": row["commit"],
        "attempt": row["attempt"],
        "node": row["node"],
        "by": row["submitter"],
        "requested_at": plain(row["submitted_at"]),
        "started_at": plain(row["started_at"]),
        "finished_at": plain(row["finished_at"]),
        "exit_code": row["exit_code"],
        "exit_signal": row["exit_signal"],
        "reason": row["reason"],
        "metadata": f"{public_url}{path_of(name, own)}",
    }


def execution(
    row: Row, attempts: Sequence[Row], story: Sequence[Row], public_url: str
) -> dict[str, Any]:
    """Give an execution with all that is known of it (schema execution)."""
    asked = _asked_with(story)
    shown = execution_row(row, public_url)
    shown |= {name: asked[name] for name in _ASKED if name in asked}
    if "repeats" in asked:
        shown["repeats"] = number(microseconds(asked["repeats"]) or 0)
    shown["due_at"] = plain(row["due_at"])
    shown["waits_for"] = waits_for(row)
    shown["attempts"] = [_attempt(one) for one in attempts]
    shown["events"] = [event(one) for one in story]
    return shown


def waits_for(row: Row) -> dict[str, Any] | None:
    """Say what an execution waits for that nobody has; None for one that somebody has, or is over.

    ``commit``: no node has its commit; ``time``: it is not due; ``execution``: the end of another
    one of its job; ``node``: one that begins it.
    """
    if row["refused_at"] is not None:
        what = "commit"
    elif row["due_at"] is None:
        return None
    elif row["is_early"]:
        what = "time"
    else:
        what = "node" if row["behind"] is None else "execution"
    return {
        "what": what,
        "since": plain(row["refused_at"]),
        "execution": number(row["behind"]) if what == "execution" else None,
        "reason": row["refusal"] if what in ("commit", "node") else None,
    }


def _asked_with(story: Sequence[Row]) -> Row:
    """Give what an execution was asked for with; nothing once its events were pruned."""
    for one in story:
        if one["name"] == command.REQUESTED and one["data"].get("auto") is True:
            return one["data"]
    return {}


def event(row: Row) -> dict[str, Any]:
    """Give an event of an execution."""
    data = row["data"]
    rest = {
        name: value for name, value in data.items() if name not in ("auto", "attempt", "sequence")
    }
    return {
        "seq": row["seq"],
        "event": row["name"],
        "at": plain(row["occurred_at"]),
        "received_at": plain(row["received_at"]),
        "auto": data.get("auto") is True,
        "attempt": data.get("attempt", 1),
        "sequence": data.get("sequence", 0),
        "cause": data.get("cause"),
        "data": rest,
    }


def named_event(row: Row, name: str, own: int, public_url: str) -> dict[str, Any]:
    """Give the last event of a name, and how many there were (schema execution_event)."""
    shown = event(row)
    return {
        **shown,
        "count": row["found"],
        "job": name,
        "execution": number(own),
        "metadata": f"{public_url}{path_of(name, own)}/{shown['event']}",
    }


def repository(standing: Standing, source: Mapping[str, str], of_all: Row | None) -> dict[str, Any]:
    """Give how the repository of definitions stands (schema job_repository)."""
    force, fault = standing.in_force, standing.fault
    problems = getattr(fault, "problems", ())
    return {
        "url": redact_uri(source["url"]),
        "branch": source["branch"],
        "folder": source["folder"],
        "commit": None if force is None else force.id,
        "since": plain(standing.since),
        "jobs": 0 if force is None else len(force.definitions),
        "fetched": standing.fetched,
        "fetched_at": plain(standing.fetched_at),
        "tried_at": plain(standing.tried_at),
        "forced": standing.forced,
        "fault": None if fault is None else str(fault),
        "problems": [one.as_json() for one in problems],
        "commit_of_all": None if of_all is None else of_all["commit"],
        "commit_of_all_since": None if of_all is None else plain(of_all["commit_since"]),
    }


def _last(row: Row) -> dict[str, Any]:
    return {
        "id": number(row["execution"]),
        "state": row["state"],
        "phase": row["phase"],
        "started_at": plain(row["started_at"]),
        "finished_at": plain(row["finished_at"]),
    }


def _attempt(row: Row) -> dict[str, Any]:
    return {
        "attempt": row["attempt"],
        "node": row["node"],
        "begun_at": plain(row["begun_at"]),
        "settled_at": plain(row["settled_at"]),
        "stdout_bytes": row["stdout_bytes"],
        "stderr_bytes": row["stderr_bytes"],
        "missing_bytes": row["missing_bytes"],
        "removed_at": plain(row["removed_at"]),
    }
