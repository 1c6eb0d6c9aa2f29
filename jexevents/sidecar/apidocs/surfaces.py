"""Under which heading a route stands. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from jexevents.sidecar.routes import Route


@dataclass(frozen=True, slots=True)
class Heading:
    """One surface: what it is called, and what it is for."""

    title: str
    summary: str


JEX = Heading("The JEX interface", "Jobs of HTCondor: inserted, and asked about.")
LEDGER = Heading("The ledger", "Jobs of every kind, their events, and what was rejected.")
JOBS = Heading("Jobs", "Jobs that are defined in the repository, run from here.")
PIPELINES = Heading("PipelineJobs", "A state machine for each job, driven by events.")
SMRTLINK = Heading("SMRT Link", "System events and files of SMRT Link systems.")
EVENTS = Heading("CloudEvents", "Events of any sender, in the format CloudEvents.")
TASKS = Heading("Container tasks", "Images that are registered and run, and what became of that.")
WORKERS = Heading("Workers", "The processes that run executions.")
HOOKS = Heading("Webhooks", "What is sent to others, and how that stands.")
NONCES = Heading("Nonces", "What stands for a token in a URL.")
NODES = Heading("Other nodes", "How the processes of one ledger get each other's files.")
SELF = Heading("The interface itself", "Schemas, this document, and how the process is.")
DASHBOARD = Heading(
    "Pages", "The dashboard: pages for people, what they load, what their forms send."
)

# By the first segment of the path.
_HEADINGS = {
    "invocations": JEX,
    "last-events": JEX,
    "ledger": LEDGER,
    "jobs": JOBS,
    "pipelinejobs": PIPELINES,
    "actors": PIPELINES,
    "api": SMRTLINK,
    "status": SMRTLINK,
    "events": EVENTS,
    "task": TASKS,
    "result": TASKS,
    "workers": WORKERS,
    "hooks": HOOKS,
    "nonces": NONCES,
    "nodes": NODES,
    "schemas": SELF,
    "metrics": SELF,
    "healthz": SELF,
    "readyz": SELF,
    "openapi.json": SELF,
    "docs": SELF,
}
# The seeds share this path: jobs are inserted by the one, and listed by the other.
_SHARED = {("POST", "/jobs"): JEX}


def heading_of(route: Route) -> Heading:
    """Give the heading of a route; what has none of its own is a page."""
    first = route.path.split("/")[1]
    return _SHARED.get((route.method, route.path)) or _HEADINGS.get(first, DASHBOARD)
