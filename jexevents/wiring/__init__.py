"""Makes of the configuration what the other packages take; they know no configuration."""

from jexevents.wiring.containers import has_engine
from jexevents.wiring.jobs import (
    Links,
    Running,
    can_run,
    owned,
    repository,
    ringing,
    run_job,
    running,
    runs_any,
    source,
)
from jexevents.wiring.outside import access, intake, signers, topology
from jexevents.wiring.reading import doors, event_types, recognise, schemas
from jexevents.wiring.storage import (
    attending,
    back,
    database,
    front,
    ledger_database,
    runs_folder,
    side,
    unmade,
)
from jexevents.wiring.surfaces import Surfaces
from jexevents.wiring.webhooks import (
    hook_of_definition,
    hook_senders,
    hook_ways,
    hooks,
    shown_hooks,
)
from jexevents.wiring.workers import WorkerChoice, node_note, worker_config
from jexevents.wiring.writing import (
    event_files,
    ingest,
    ledger,
    observer,
    retry,
    upload_folder,
    upload_prune,
)

__all__ = [
    "Links",
    "Running",
    "Surfaces",
    "WorkerChoice",
    "access",
    "attending",
    "back",
    "can_run",
    "database",
    "doors",
    "event_files",
    "event_types",
    "front",
    "has_engine",
    "hook_of_definition",
    "hook_senders",
    "hook_ways",
    "hooks",
    "ingest",
    "intake",
    "ledger",
    "ledger_database",
    "node_note",
    "observer",
    "owned",
    "recognise",
    "repository",
    "retry",
    "ringing",
    "run_job",
    "running",
    "runs_any",
    "runs_folder",
    "schemas",
    "shown_hooks",
    "side",
    "signers",
    "source",
    "topology",
    "unmade",
    "upload_folder",
    "upload_prune",
    "worker_config",
]
