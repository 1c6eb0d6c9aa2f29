"""The ways into the ledger that need no surface."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from jexevents.config import Config
from jexevents.eventfiles import EventFiles
from jexevents.ingest import Ingest
from jexevents.metrics import Metrics
from jexevents.observers import NOBODY, IngestObserver, Several
from jexevents.retry import Retry
from jexevents.smrtlink import UnknownTypes
from jexevents.store.database import Database
from jexevents.store.ledger import Ledger, Wake, nobody_waits
from jexevents.store.reading import Reading
from jexevents.store.reject_list import RejectList
from jexevents.store.uploads import UploadStore
from jexevents.uploads.folder import UploadFolder
from jexevents.uploads.prune import UploadPrune
from jexevents.wiring.reading import doors, event_types
from jexevents.wiring.webhooks import hooks


def ledger(config: Config, database: Database, wake: Wake = nobody_waits) -> Ledger:
    """Give the ledger; ``wake`` is called when it has written for the hooks."""
    all_hooks = hooks(config)
    return Ledger(
        database,
        reject_max_bytes=config.reject_max_bytes,
        interest=all_hooks if all_hooks.enabled() else None,
        wake=wake,
    )


def ingest(
    config: Config,
    database: Database,
    observer: IngestObserver = NOBODY,
    wake: Wake = nobody_waits,
) -> Ingest:
    """Give the way into the ledger; for ``wake`` see ``ledger``."""
    own = ledger(config, database, wake)
    return Ingest(own, Reading(database), doors(config), observer)


def event_files(config: Config) -> EventFiles | None:
    """Give what writes events of SMRT Link to files, None where that is not asked for."""
    folder = config.smrt_link_event_dir
    return EventFiles(Path(folder)) if folder else None


def observer(config: Config, metrics: Metrics, files: EventFiles | None = None) -> IngestObserver:
    """Give who hears of what was stored: the metrics, and who writes events to files."""
    others = [] if files is None else [files]
    return Several(metrics, UnknownTypes(event_types(config).knows, metrics), *others)


def retry(config: Config, database: Database, wake: Wake = nobody_waits) -> Retry:
    """Give what tries rejects again, by the way that they came."""
    return Retry(RejectList(database), ledger(config, database, wake), doors(config))


def upload_folder(config: Config) -> UploadFolder:
    """Give the folder that uploaded files are kept in."""
    return UploadFolder(Path(config.upload_dir))


def upload_prune(config: Config, database: Database, before: datetime) -> UploadPrune:
    """Give what removes old uploads of this node."""
    return UploadPrune(UploadStore(database), upload_folder(config), config.node_name, before)
