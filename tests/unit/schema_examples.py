"""A good example of each schema about PipelineJobs, SMRT Link, jobs and tasks, nonces, schemas."""

from __future__ import annotations

UUID = "1073f4ff-c2b9-5190-bd9a-e6a406d9796a"
TOKEN = "0dc73dc3ff39b49a"
NOON = "2026-01-02T12:00:00Z"
_JOB = {
    "uuid": UUID, "id": UUID, "pipeline_uuid": UUID, "archive_path": "/a", "archive_system": "s",
    "data": {"a": 1}, "session": "s", "agent": "a", "task": "t", "state": "CREATED",
    "phase": "QUEUED", "last_event": "create", "reason": None, "created": NOON, "started": None,
    "finished": None, "updated": NOON, "sealed": False, "hidden": False,
}  # fmt: skip
_STEP = {
    "uuid": UUID, "name": "run", "date": NOON, "data": {}, "before": "CREATED", "state": "RUNNING",
    "moved": True, "implied": False, "source": "agave", "status": "RUNNING", "received": NOON,
}  # fmt: skip
_NONCE = {
    "id": "a", "note": "n", "job": None, "uses": 0, "max_uses": 3, "created_at": NOON,
    "expires_at": None, "revoked_at": None,
}  # fmt: skip

_EVENT = {
    "smrtLinkId": UUID, "smrtlinkId": UUID, "uuid": UUID, "createdAt": NOON, "dnsName": None,
    "eventTypeId": "eula_signed", "eventTypeVersion": 1, "message": {"user": "ann"},
}  # fmt: skip
_FREE = (
    "sl_chemistry_activate_bundle", "sl_inst_upgrade_notification", "sl_job_metrics",
    "sl_smrt_server_startup", "sl_test_event", "sl_ts_import_bundle",
)  # fmt: skip

_MANIFEST = {
    "id": UUID, "bundleTypeId": "sl_ts_test_bundle", "bundleTypeVersion": 1, "createdAt": NOON,
    "smrtLinkSystemId": UUID, "user": "ann", "dnsName": None, "smrtLinkSystemVersion": "5.0",
    "comment": "c", "files": ["a/b"],
}  # fmt: skip
_KEPT = {**_MANIFEST, "uploadedBundlePath": f"2026/01/02/{UUID}-a.tgz"}
_FILE = {
    "id": UUID, "smrtLinkSystemId": UUID, "bundleTypeId": "t", "bundleTypeVersion": 1,
    "filename": "a.tgz", "field": "file", "size": 1, "sha256": "00", "uploadedBundlePath": "p",
    "node": "n", "credential": "c", "receivedAt": NOON, "content": "/c", "manifest": "/m",
}  # fmt: skip

SMRTLINK_EXAMPLES = {
    "smrtlink_manifest": _MANIFEST,
    "smrtlink_file": _FILE,
    "smrtlink_files": [_FILE],
    "smrtlink/sl_ts_bundle_failed_install.1": _KEPT,
    "smrtlink/sl_ts_bundle_system_status.1": _KEPT,
    "smrtlink/sl_ts_bundle_job_metrics_history.1": {**_KEPT, "jobsJson": "jobs.json"},
    "smrtlink/sl_ts_bundle_job.1": {**_KEPT, "jobTypeId": "pbsmrtpipe", "jobId": 1},
    "smrtlink/sl_ts_test_bundle.1": _KEPT,
    "smrtlink_event": _EVENT,
    "smrtlink_stored_event": _EVENT,
    "smrtlink_stored_events": [_EVENT],
    "smrtlink_status": {
        "id": "smrt-eve", "uuid": UUID, "version": "0.1.0", "user": "u", "uptime": 1, "message": "m"
    },
    "smrtlink/smrtlink_job_change_state.1": {
        "jobId": 1234, "jobTypeId": "pbsmrtpipe", "state": "SUCCCESSFUL",
    },
    "smrtlink/eula_signed.1": {
        "user": "ann", "acceptedAt": NOON, "smrtlinkVersion": "5.0", "osVersion": None,
        "enableInstallMetrics": True, "enableJobMetrics": False,
    },
    **{f"smrtlink/{name}.1": {"anything": 1} for name in _FREE},
}  # fmt: skip

_HOOK = {
    "name": "portal", "configured": True, "disabled": False, "refused_by_receiver_at": None,
    "reason": None, "pending": 1, "delivered": 2, "dead": 0, "oldest_pending_at": NOON,
    "options": {"URL": "https://example.org/", "Secret": "***"},
}  # fmt: skip
_DELIVERY = {
    "id": 1, "hook": "portal", "message_id": "msg_00ff", "state": "dead", "seq": 7,
    "kind": "condor", "source": "", "name": "EXECUTE", "occurred_at": NOON, "job_id": UUID,
    "job": {"state": "Running"}, "created_at": NOON, "attempts": 3, "tried_first_at": NOON,
    "tried_at": NOON, "due_at": NOON, "is_being_sent": False, "finished_at": NOON, "status": 500,
    "error": "The receiver answered 500.", "answer": "broken", "seconds": 0.5,
}  # fmt: skip

_DUE = {
    "id": 7, "place": 0, "at": NOON, "after": None, "by_clock": "2026-01-02 12:00:00 UTC",
    "outcome": "ran", "reason": "Began on time.", "execution": 1489895624.840211,
    "metadata": "http://localhost/jobs/a/1489895624.840211", "decided_at": NOON,
}  # fmt: skip
_SPAN = {
    **_DUE, "after": NOON, "by_clock": None, "outcome": "missed", "execution": None,
    "metadata": None,
}  # fmt: skip

SCHEDULE_EXAMPLES = {
    "job_schedule": {
        "job": "a",
        "active": True,
        "schedules": [
            {
                "place": 0, "members": {"frequency": 3600}, "first_seen": NOON, "since": NOON,
                "gone_at": None, "fault": None,
                "upcoming": [{"at": NOON, "by_clock": "2026-01-02 12:00:00 UTC", "runs": True}],
            },
        ],
        "items": [_DUE, _SPAN],
        "next": "/jobs/a/schedule?before=7",
    },
}  # fmt: skip

HOOK_EXAMPLES = {
    "hooks": {"items": [_HOOK], "next": None},
    "hook_deliveries": {"items": [_DELIVERY], "next": "/hooks/portal/deliveries?before=1"},
}

PIPELINE_EXAMPLES = {
    "pipelinejob_manager_event": {"uuid": UUID, "name": "run", "data": {"a": 1}, "token": TOKEN},
    "pipelinejob_creation": {
        "pipeline_uuid": UUID, "archive_path": "/a", "data": {"a": 1}, "session": "s",
        "archive_system": None, "agent": "a", "task": "t",
    },
    "pipelinejob_deletion": {"uuid": UUID, "action": "delete", "force": True, "token": TOKEN},
    "agave_job_callback": {
        "id": "1-007", "name": "n", "owner": "o", "appId": "a", "executionSystem": "e",
        "archivePath": "/a", "archiveSystem": "s", "status": "FINISHED", "created": NOON,
        "lastUpdated": NOON, "submitTime": None, "startTime": NOON, "endTime": NOON,
        "inputs": {"a": [1]}, "parameters": {}, "_links": {},
    },
    "tapis_job_notification": {
        "event": {
            "type": "jobs.JOB_NEW_STATUS.FINISHED", "source": "s", "subject": "j", "data": "{}",
            "seriesId": "s", "seriesSeqCount": 3, "timestamp": NOON, "uuid": UUID,
        },
        "eventUuid": UUID, "seriesId": None, "seriesSeqCount": None, "timestamp": None,
        "tenant": "t", "created": NOON,
    },
    "pipelinejob": {**_JOB, "history": [_STEP], "history_next": None},
    "pipelinejobs": {"items": [_JOB], "next": None},
    "pipelinejob_history": {"uuid": UUID, "items": [_STEP], "next": None},
    "pipelinejob_created": {
        **_JOB, "result": "created", "token": TOKEN, "callback": "http://localhost/actors"
    },
    "pipelinejob_message": {**_JOB, "result": "accepted", "event": "run"},
    "nonce_order": {"uses": 3, "ttl_seconds": 60, "note": "n"},
    "nonce_made": {"id": "a", "nonce": "n", "note": "", "max_uses": None, "expires_at": NOON},
    "nonces": {"items": [_NONCE], "next": None},
    "cloudevent": {
        "specversion": "1.0", "id": "1", "source": "/a", "type": "t", "time": NOON, "subject": "s",
        "datacontenttype": "text/plain", "dataschema": "urn:s", "data": "x", "data_base64": None,
        "extension": 5, "other": True,
    },
    "cloudevents_taken": {
        "result": "accepted", "id": "1", "source": "/a", "type": "t",
        "items": [{"result": "duplicate", "id": "1", "source": "/a", "type": "t"}],
    },
    "schemas": {
        "items": [
            {"name": "n", "file": "n.json", "title": "t", "description": "d", "href": "/schemas/n"}
        ],
        "next": None,
    },
}  # fmt: skip

DEFINITION_EXAMPLES = {
    "job_definition": {
        "name": "example-job", "description": "d", "command": "c {{ a }}", "script": None,
        "vars": [
            {
                "name": "a", "type": "enum", "option": "yes", "values": ["x", 1, True],
                "default": "x", "required": False, "description": None,
            }
        ],
        "schedule": [
            {
                "time": None, "frequency": 3600, "priority": "0", "timezone": "UTC",
                "misfire": "skip", "window": 60, "dst": {"skipped": "run", "repeated": "once"},
            }
        ],
        "timeout": "60", "hooks": {"complete": ["job:b"], "fail": "https://example.org/"},
        "env": {"A": "b", "N": 1}, "secrets": ["TOKEN"], "user": "nobody",
        "concurrency": "queue", "priority": 1, "workdir": "/srv", "max_output": "10M",
        "retries": {"count": 1, "backoff": 1, "factor": 2.5, "max_backoff": "9", "on": ["fail"]},
    },
}  # fmt: skip

_EXECUTION = {
    "id": 1489895624.840211, "job": "example-job", "uuid": UUID, "state": "QUEUED",
    "phase": "QUEUED", "status": "requested", "commit": "ab", "attempt": 1, "node": None,
    "by": "ann", "requested_at": NOON, "started_at": None, "finished_at": None, "exit_code": None,
    "exit_signal": None, "reason": None, "metadata": "/jobs/example-job/1489895624.840211",
}  # fmt: skip
_EXECUTION_EVENT = {
    "seq": 1, "event": "half-way", "at": NOON, "received_at": NOON, "auto": False, "attempt": 1,
    "sequence": 2, "cause": None, "data": {},
}  # fmt: skip
_ATTEMPT = {
    "attempt": 1, "node": "n", "begun_at": NOON, "settled_at": None, "stdout_bytes": None,
    "stderr_bytes": None, "missing_bytes": None, "removed_at": None,
}  # fmt: skip
_LAST = {
    "id": 1.5, "state": "COMPLETE", "phase": "COMPLETE", "started_at": NOON, "finished_at": NOON,
}  # fmt: skip
_LISTED = {
    "name": "a", "description": "", "file": "a.yml", "active": True, "schedules": 0, "last": _LAST,
}  # fmt: skip

EXECUTION_EXAMPLES = {
    "jobs": [_LISTED, {**_LISTED, "last": None}],
    "job": {
        "name": "a", "file": "a.yml", "line": 1, "commit": "ab", "active": True,
        "active_changed_at": None, "definition": {}, "metadata": "/jobs/a",
        "executions": [_EXECUTION], "next": None,
    },
    "execution": {
        **_EXECUTION, "trigger": "request", "values": {}, "command": "true", "due_at": None,
        "waits_for": {"what": "commit", "since": NOON, "execution": None, "reason": "it is gone"},
        "attempts": [_ATTEMPT], "events": [_EXECUTION_EVENT],
    },
    "execution_event": {
        **_EXECUTION_EVENT, "count": 1, "job": "a", "execution": 1.5, "metadata": "/jobs/a/1.5/b",
    },
    "execution_event_order": {"event": "stop", "cause": "lunch"},
    "job_repository": {
        "url": "u", "branch": "", "folder": "", "commit": None, "since": None, "jobs": 0,
        "fetched": None, "fetched_at": None, "tried_at": NOON, "forced": False, "fault": "f",
        "problems": [
            {"file": "a.yml", "line": 1, "job": None, "pointer": "", "expected": "e", "got": "g"}
        ],
        "commit_of_all": None, "commit_of_all_since": None,
    },
}  # fmt: skip

_TASK = {
    "task_id": 7, "id": 7, "name": "tool", "repository": "tool:1", "pull": "missing",
    "status": "READY", "image": "tool@sha256:00", "image_id": "sha256:00", "only_local": False,
    "size": 1, "error": None, "progress": {"layers": {}}, "worker": "one", "by": "ann",
    "registered_at": 1795675400.1, "changed_at": 1795675400,
}  # fmt: skip
_RESULT = {
    "result_id": 12, "id": 12, "task_id": 7, "task": "tool", "status": "RUNNING", "times": 2,
    "counts": {
        "QUEUED": 1, "RUNNING": 1, "COMPLETE": 0, "ERROR": 0, "CANCELLED": 0, "KILLED": 0,
    },
    "command": ["echo", "hi"], "parameters": {"command": ["echo", "hi"]}, "image": "i",
    "repeats": None, "by": "ann", "submitted_at": 1795675400, "start": 1795675400.5, "end": None,
    "duration": None, "details": "/result/12/detail/",
}  # fmt: skip
_DETAIL = {
    "result_id": 12, "detail_id": 1, "id": 1, "task_id": 7, "task": "tool", "uuid": UUID,
    "key": "12/1", "status": "ERROR", "state": "FAILED", "worker": "one", "image": "i",
    "exit_code": 1, "exit_signal": None, "reason": "r", "attempt": 1, "submitted_at": 1795675400,
    "start": 1795675400.5, "end": 1795675401, "duration": 0.5, "stdout": "/o", "stderr": "/e",
    "output": "/b",
}  # fmt: skip
_TASK_ATTEMPT = {
    "attempt": 1, "worker": "one", "begun_at": 1795675400, "settled_at": None,
    "stdout_bytes": None, "stderr_bytes": None, "missing_bytes": None, "removed_at": None,
}  # fmt: skip

TASK_EXAMPLES = {
    "task_registration": {
        "repository": "tool:1", "name": "tool", "pull": "always", "status": "READY",
    },
    "task_operation": {
        "operation": "RUN", "task_id": "7", "times": 3, "command": "echo hi",
        "entrypoint": ["/bin/sh", "-c"], "environment": {"A": "b", "N": 1, "Y": True},
        "secrets": ["TOKEN"], "workdir": "/srv", "memory": "512m", "cpus": 0.5, "user": "1000:1000",
        "mounts": [{"source": "/srv/data", "target": "/data", "read_only": True}],
        "network": "none", "timeout": 60, "priority": 1, "labels": ["gpu"], "max_output": "10M",
        "retries": {"count": 1, "backoff": 1, "factor": 2.5, "max_backoff": "9", "on": ["fail"]},
    },
    "result_operation": {
        "operation": "REPEAT", "result_id": 12, "only": "failed", "cause": None,
    },
    "detail_operation": {
        "operation": "SIGNAL", "result_id": 12, "detail_id": 1, "event": "stop", "cause": "lunch",
    },
    "task": _TASK,
    "tasks": [_TASK],
    "result": _RESULT,
    "results": [_RESULT],
    "result_detail": {**_DETAIL, "due_at": None, "waits_for": None, "attempts": [_TASK_ATTEMPT]},
    "result_details": [_DETAIL],
}  # fmt: skip

_WORKER = {
    "name": "one-worker", "role": "worker", "version": "0.1.0", "url": "http://127.0.0.1:8090",
    "slots": 4, "running": 1, "labels": ["gpu"], "kinds": ["container"],
    "engine": {"name": "host", "product": "Docker", "version": "20.10", "api_version": "1.41"},
    "draining": False, "started_at": NOON, "seen_at": NOON, "ended_at": None,
    "alive": True, "held": 2,
    "executions": [
        {
            "kind": "container", "uuid": UUID, "attempt": 1, "begun": True, "since": NOON,
            "task": "tool", "result_id": 12, "detail_id": 1,
        },
        {
            "kind": "command", "uuid": UUID, "attempt": 1, "begun": False, "since": None,
            "job": "nightly", "id": "1",
        },
    ],
}  # fmt: skip

WORKER_EXAMPLES = {
    "worker": _WORKER,
    "workers": {"items": [_WORKER], "next": None},
    "worker_operation": {"operation": "DRAIN"},
    "reject_operation": {"operation": "RETRY", "ids": [7, 8]},
    "reject_outcome": {
        "operation": "RETRY",
        "missing": [8],
        "stored": 1,
        "known": 0,
        "refused": 0,
        "cut": 0,
        "unknown_door": 0,
        "gone": 0,
        "dropped": 0,
    },
}
