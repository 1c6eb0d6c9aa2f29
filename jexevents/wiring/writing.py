"""The ways into the ledger that need no surface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from jexevents.config import Config
from jexevents.eventfiles import EventFiles
from jexevents.imports.storing import CountingLedger, LogStore
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
from jexevents.wiring.storage import ledger_database
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


def log_store(config: Config, database: Database, source: str, *, hooks_told: bool) -> LogStore:
    """Give what stores events that are read from logs.

    They are old mostly; so webhooks hear of them only where that is asked for.
    """
    own = ledger(config, database) if hooks_told else _without_hooks(config, database)
    counting = CountingLedger(own)
    way_in = Ingest(counting, Reading(database), doors(config))
    return LogStore(way_in, counting, source)


@contextmanager
def open_log_store(config: Config, source: str, hooks_told: bool) -> Iterator[LogStore]:
    """Give the same over a database of its own, which is closed at the end.

    Raises StoreUnavailable, SchemaVersionError and ConfigError.
    """
    with ledger_database(config) as database:
        yield log_store(config, database, source, hooks_told=hooks_told)


def _without_hooks(config: Config, database: Database) -> Ledger:
    return Ledger(database, reject_max_bytes=config.reject_max_bytes)


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
