"""The words of PipelineJobs' messages, and what names a job and an event."""

from __future__ import annotations

import hashlib
import json

from jexevents.model import JobKey, Kind

EVENT, AGAVE_CALLBACK = "pipelinejob_manager_event", "agave_job_callback"
TAPIS_NOTIFICATION = "tapis_job_notification"
FORMATS = (EVENT, AGAVE_CALLBACK, TAPIS_NOTIFICATION)
PARAMETERS = ("uuid", "event", "status", "token")
# In the properties of an arrival by HTTP: what stood in the URL, a request's own key, and the
# caller's credential where it has the role admin.
QUERY, IDEMPOTENCY_KEY, OF_ADMIN = "query", "idempotency_key", "of_admin"
SOURCE = "pipelinejobs"
PIPELINE_DOOR = "http:pipelinejobs"


def job_key(job_uuid: str) -> JobKey:
    """Give the key of a PipelineJob."""
    return JobKey(Kind.PIPELINE, job_uuid.lower())


def identity(*parts: str) -> bytes:
    """Give the identity (32 bytes) of an event that these parts name."""
    return hashlib.sha256(json.dumps([SOURCE, *parts]).encode()).digest()
