"""Makes of the configuration what the other packages take; they know no configuration.

A part is loaded when something of it is first needed: commands need few of them, and start faster.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PARTS = {
    "engines": ("has_engine",),
    "jobs": (
        "Links",
        "Running",
        "can_run",
        "owned",
        "repository",
        "ringing",
        "run_job",
        "running",
        "runs_any",
        "source",
    ),
    "outside": (
        "access",
        "intake",
        "signers",
        "topology",
    ),
    "reading": (
        "doors",
        "event_types",
        "recognise",
        "schemas",
    ),
    "storage": (
        "attending",
        "back",
        "database",
        "front",
        "ledger_database",
        "runs_folder",
        "side",
        "unmade",
    ),
    "surfaces": ("Surfaces",),
    "webhooks": (
        "hook_of_definition",
        "hook_senders",
        "hook_ways",
        "hooks",
        "shown_hooks",
    ),
    "workers": (
        "WorkerChoice",
        "node_note",
        "worker_config",
    ),
    "writing": (
        "event_files",
        "ingest",
        "ledger",
        "log_store",
        "observer",
        "open_log_store",
        "retry",
        "upload_folder",
        "upload_prune",
    ),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}

__all__ = list(_PART_OF)


def __getattr__(name: str) -> Any:
    """Give what a part has (PEP 562)."""
    if name not in _PART_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PART_OF[name]}"), name)
