"""Rows of the ledger as the JSON of the surfaces; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from jexevents.lifecycle import command
from jexevents.lifecycle.pipeline import status_of
from jexevents.model import Kind
from jexevents.rfc3339 import format_at, plain

Row = Mapping[str, Any]

_REJECT = (
    "id",
    "received_at",
    "last_at",
    "times",
    "tried_at",
    "origin",
    "source",
    "credential",
    "reason",
    "reasons",
    "properties",
    "body",
    "size",
    "sha256",
    "cut",
)


def condor_record(row: Row) -> dict[str, Any]:
    """Give a condor job in the field names of the JEX interface (schema job_record)."""
    return {
        "UUID": row["id"],
        "InvocationID": row["invocation_id"] or row["id"],
        "CondorID": row["key"].rpartition("#")[2],
        "Source": row["source"],
        "Status": row["state"],
        "Submitter": row["submitter"],
        "AppID": row["app_id"],
        "BatchID": row["batch_id"],
        "CommandLine": row["command_line"],
        "EnvVariables": row["env_variables"],
        "DateSubmitted": _sent(row, "submitted"),
        "DateStarted": _sent(row, "started"),
        "DateCompleted": _sent(row, "finished"),
        "ExitCode": row["exit_code"],
        "FailureCount": row["failure_count"] or 0,
        "FailureThreshold": row["failure_threshold"],
        "Reason": row["reason"],
        "Held": row["held"],
    }


def ledger_job(row: Row, details: Row | None = None) -> dict[str, Any]:
    """Give a job of any kind as the ledger's own surface shows it (schema ledger_job)."""
    job = {name: plain(value) for name, value in row.items()}
    if details is not None:
        known = {name: plain(value) for name, value in details.items() if name not in row}
        if row["kind"] == Kind.COMMAND.value:
            known["status"] = command.status_of(row["state"], row["closed"], known["status"])
        job[row["kind"]] = known
    return job


def ledger_event(row: Row) -> dict[str, Any]:
    """Give an event as the ledger's own surface shows it (schema ledger_event).

    ``raw`` is text; bytes that are no UTF-8 come as U+FFFD there.
    """
    return {
        "seq": row["seq"],
        "name": row["name"],
        "job_id": row["job_id"],
        "source": row["source"],
        "occurred_at": plain(row["occurred_at"]),
        "occurred_offset": row["occurred_offset"],
        "occurred_alt": plain(row["occurred_alt"]),
        "received_at": plain(row["received_at"]),
        "checksum": bytes(row["checksum"]).hex(),
        "log": row["log"],
        "offset": row["offset"],
        "data": row["data"],
        "raw": bytes(row["raw"]).decode("utf-8", "replace"),
    }


def ledger_reject(row: Row) -> dict[str, Any]:
    """Give a reject as the ledger's own surface shows it (schema ledger_reject)."""
    reject = {name: plain(row[name]) for name in _REJECT}
    reject["body"] = bytes(row["body"]).decode("utf-8", "replace")
    reject["sha256"] = bytes(row["sha256"]).hex()
    return reject


def pipeline_job(row: Row) -> dict[str, Any]:
    """Give a PipelineJob as its surface shows it (schema pipelinejob), without its history."""
    job = {
        "uuid": row["key"],
        "id": row["id"],
        "pipeline_uuid": row["pipeline_uuid"],
        "archive_path": row["archive_path"],
        "data": row["data"],
        "state": row["state"],
        "phase": row["phase"],
        "last_event": row["last_event"],
        "reason": row["reason"],
        "created": plain(row["submitted_at"]),
        "started": plain(row["started_at"]),
        "finished": plain(row["finished_at"]),
        "updated": plain(row["updated_at"]),
        "sealed": row["sealed"],
        "hidden": row["hidden_at"] is not None,
    }
    given = {name: row[name] for name in _IF_GIVEN if row[name] is not None}
    return job | given


_IF_GIVEN = ("archive_system", "session", "agent", "task")


def pipeline_step(told: Any) -> dict[str, Any]:
    """Give a step of a PipelineJob's history (schema pipelinejob_history).

    An implied step has the time of the event that implies it, and no event of its own.
    """
    step, row = told.step, told.row
    digest = bytearray(bytes(row["checksum"])[:16])
    # An id made of a hash (RFC 9562, version 8), the same whenever it is asked for.
    digest[6], digest[8] = digest[6] & 0x0F | 0x80, digest[8] & 0x3F | 0x80
    return {
        "uuid": None if step.implied else str(UUID(bytes=bytes(digest))),
        "name": step.name,
        "date": plain(row["occurred_at"]),
        "data": {} if step.implied else row["data"],
        "before": step.before,
        "state": step.after,
        "moved": step.moved,
        "implied": step.implied,
        "source": row["source"],
        "status": status_of(row["name"]),
        "received": plain(row["received_at"]),
    }


def _sent(row: Row, what: str) -> str | None:
    at = row[f"{what}_at"]
    return None if at is None else format_at(at, row[f"{what}_offset"] or "Z")
