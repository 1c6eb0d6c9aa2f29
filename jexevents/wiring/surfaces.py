"""The surfaces over HTTP, all of which come to the ledger by ways that are alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from jexevents.archives.listing import Limits
from jexevents.cloudevents import CloudEvents
from jexevents.config import Config
from jexevents.ingest import Ingest
from jexevents.observers import NOBODY, IngestObserver, UploadObserver
from jexevents.peers import Peers
from jexevents.pipelines import Pipelines
from jexevents.processes import machine
from jexevents.runner.outputs import RunOutputs
from jexevents.sidecar.cloudevents import CloudEventSurface
from jexevents.sidecar.dashboard.definitions import DefinitionPages
from jexevents.sidecar.dashboard.job import JobPage
from jexevents.sidecar.dashboard.jobs import JobPages
from jexevents.sidecar.dashboard.overview import Overview
from jexevents.sidecar.dashboard.rejects import RejectPages
from jexevents.sidecar.dashboard.results import ResultPages
from jexevents.sidecar.dashboard.schedules import SchedulePages
from jexevents.sidecar.dashboard.signing import Signing
from jexevents.sidecar.dashboard.site import Site
from jexevents.sidecar.dashboard.surface import Dashboard
from jexevents.sidecar.dashboard.tasks import TaskPages
from jexevents.sidecar.dashboard.uploads import UploadPages
from jexevents.sidecar.dashboard.webhooks import WebhookPages
from jexevents.sidecar.dashboard.workers import WorkerPages
from jexevents.sidecar.health import Readiness
from jexevents.sidecar.hooks import HookSurface
from jexevents.sidecar.jex import Jex
from jexevents.sidecar.jobs import JobSurface
from jexevents.sidecar.ledger import LedgerSurface
from jexevents.sidecar.ledgerstream import LedgerStream, Newest
from jexevents.sidecar.nonces import NonceSurface
from jexevents.sidecar.outputs import OutputSurface
from jexevents.sidecar.pipelinejobs import PipelineSurface
from jexevents.sidecar.rejects import RejectSurface, RejectWork
from jexevents.sidecar.results import ResultSurface
from jexevents.sidecar.routes import Route
from jexevents.sidecar.schedules import ScheduleSurface
from jexevents.sidecar.smrtlink import SmrtLinkSurface
from jexevents.sidecar.tasks import TaskSurface
from jexevents.sidecar.throttle import Throttle
from jexevents.sidecar.uploads import UploadSurface
from jexevents.sidecar.workers import WorkerSurface
from jexevents.smrtlink import SmrtLink
from jexevents.store.database import Database
from jexevents.store.event_watch import MISSING_SECONDS, EventWatch
from jexevents.store.execution_outputs import ExecutionOutputs
from jexevents.store.job_search import JobSearch
from jexevents.store.ledger import Wake, nobody_waits
from jexevents.store.nonces import Nonces
from jexevents.store.outbox import Outbox
from jexevents.store.overview import OverviewStore
from jexevents.store.pipeline_jobs import PipelineJobs
from jexevents.store.reading import Reading
from jexevents.store.reject_list import RejectList
from jexevents.store.results import Results
from jexevents.store.sessions import Sessions
from jexevents.store.smrtlink_events import SmrtLinkEvents
from jexevents.store.tasks import TaskList
from jexevents.store.uploads import UploadStore
from jexevents.store.workers import Workers
from jexevents.uploads.bundles import Uploads
from jexevents.uploads.folder import UploadFolder
from jexevents.wiring.jobs import JobParts, Links
from jexevents.wiring.reading import event_types
from jexevents.wiring.storage import runs_folder
from jexevents.wiring.webhooks import hooks, shown_hooks
from jexevents.wiring.writing import ingest, ledger, retry, upload_folder


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class Surfaces:
    """Makes each surface over one pool.

    ``observer`` hears of what they store, ``wake`` is called when something is to be sent to hooks,
    ``links`` are those with what runs jobs here, ``ended`` hears how attempts of executions
    end, ``of_uploads`` what becomes of uploaded files.
    """

    config: Config
    database: Database
    observer: IngestObserver = NOBODY
    wake: Wake = nobody_waits
    now: Callable[[], datetime] = _now
    links: Links = field(default_factory=Links)
    ended: Callable[[str], None] = lambda _end: None
    of_uploads: UploadObserver = NOBODY

    def routes(self, throttle: Throttle, folder: UploadFolder) -> list[Route]:
        """Give the tables of all of them."""
        return [
            *self.jex().routes(),
            # Before those of executions, whose ids stand at the same place of a path.
            *self.schedules().routes(),
            *self.outputs(runs_folder(self.config)).routes(),
            *self.jobs().routes(),
            *LedgerSurface(Reading(self.database)).routes(),
            *LedgerStream(Newest(self.event_watch())).routes(),
            *RejectSurface(self.reject_work()).routes(),
            *self.pipelines(throttle).routes(),
            *self.smrtlink().routes(),
            *self.uploads(folder).routes(),
            *self.cloud_events().routes(),
            *NonceSurface(Nonces(self.database), self.now).routes(),
            *self.hooks().routes(),
            *self.tasks().routes(),
            *self.results().routes(),
            *WorkerSurface(Workers(self.database)).routes(),
        ]

    def jex(self) -> Jex:
        """Give the JEX interface."""
        reading, source = Reading(self.database), self.config.source_name
        return Jex(self._ingest(), reading, source, self.now)

    def jobs(self) -> JobSurface:
        """Give the surface of jobs that are run from here."""
        links = self.links
        parts = JobParts(self.config, self.database, links, self.wake, self.ended)
        return JobSurface(
            self.jex(),
            parts.requests(),
            parts.control(),
            parts.executions(),
            links.fetching,
            links.bell,
            self.config.public_url or "",
        )

    def tasks(self) -> TaskSurface:
        """Give the surface of container tasks."""
        parts = JobParts(self.config, self.database, self.links, self.wake, self.ended)
        return TaskSurface(
            TaskList(self.database),
            parts.registry(),
            parts.runs(),
            Results(self.database),
            self.links.bell,
            self.config.public_url or "",
        )

    def results(self) -> ResultSurface:
        """Give the surface of what became of container tasks."""
        parts = JobParts(self.config, self.database, self.links, self.wake, self.ended)
        return ResultSurface(
            Results(self.database),
            parts.runs(),
            parts.cancels(),
            self.links.bell,
            self.config.public_url or "",
        )

    def schedules(self) -> ScheduleSurface:
        """Give the surface of the times at which jobs are due."""
        parts = JobParts(self.config, self.database, self.links, self.wake)
        return ScheduleSurface(
            self.database, parts.requests().definition, self.config.public_url or ""
        )

    def pipelines(self, throttle: Throttle) -> PipelineSurface:
        """Give the surface of PipelineJobs."""
        jobs = PipelineJobs(self.database, ledger(self.config, self.database, self.wake))
        return PipelineSurface(
            Pipelines(self._ingest(), jobs),
            throttle,
            actor=self.config.pipeline_actor,
            public_url=self.config.public_url or "",
            max_body_bytes=self.config.pipeline_max_body_bytes,
            now=self.now,
        )

    def smrtlink(self) -> SmrtLinkSurface:
        """Give the surface of SMRT Link's events."""
        events = SmrtLink(self._ingest(), SmrtLinkEvents(self.database))
        return SmrtLinkSurface(events, self.config.node_name, self.now)

    def uploads(self, folder: UploadFolder | None = None) -> UploadSurface:
        """Give the surface of SMRT Link's files, which are kept in ``folder``."""
        config = self.config
        uploads = Uploads(
            ledger(config, self.database, self.wake),
            UploadStore(self.database),
            folder or upload_folder(config),
            event_types(config),
            limits=Limits(config.upload_max_unpacked_bytes, config.upload_max_members),
            node=config.node_name,
            observer=self.observer,
            of_uploads=self.of_uploads,
        )
        return UploadSurface(uploads, Peers(config.node_secret), config.upload_max_bytes, self.now)

    def outputs(self, runs: Path) -> OutputSurface:
        """Give the surface of what executions wrote; those of this node are in ``runs``."""
        return OutputSurface(
            ExecutionOutputs(self.database, machine()),
            RunOutputs(runs),
            Peers(self.config.node_secret),
            self.config.node_name,
        )

    def cloud_events(self) -> CloudEventSurface:
        """Give the surface that takes CloudEvents."""
        events = CloudEvents(self._ingest())
        return CloudEventSurface(events, self.config.cloud_events_max_body_bytes, self.now)

    def hooks(self) -> HookSurface:
        """Give the surface of webhooks."""
        eventless = {hook.name for hook in hooks(self.config) if not hook.needs_event}
        return HookSurface(Outbox(self.database), shown_hooks(self.config), self.wake, eventless)

    def event_watch(self) -> EventWatch:
        """Give what notices events as they are stored."""
        # A transaction that takes half as long again as a statement may is cut off.
        longest = 2 * self.config.db_statement_timeout_seconds
        return EventWatch(self.database, missing_seconds=max(longest, MISSING_SECONDS))

    def reject_work(self) -> RejectWork:
        """Give what tries rejects again, or drops them."""
        retrying = retry(self.config, self.database, self.wake)
        return RejectWork(RejectList(self.database), retrying)

    def dashboard(self, throttle: Throttle, readiness: Readiness) -> Dashboard:
        """Give the pages for people; ``readiness`` is what /readyz tells."""
        site, database = Site(), self.database
        search = JobSearch(database)
        parts = JobParts(self.config, database, self.links, self.wake, self.ended)
        return Dashboard(
            site,
            [
                Overview(
                    site,
                    OverviewStore(database),
                    search,
                    Workers(database),
                    Outbox(database),
                    shown_hooks(self.config),
                    readiness,
                ),
                JobPages(site, search),
                DefinitionPages(
                    site, parts.requests(), parts.executions(), database, self.links.fetching
                ),
                SchedulePages(site, database),
                TaskPages(
                    site,
                    TaskList(database),
                    parts.registry(),
                    parts.runs(),
                    Results(database),
                ),
                ResultPages(site, Results(database), parts.runs(), parts.cancels()),
                WorkerPages(site, Workers(database)),
                WebhookPages(site, self.hooks()),
                RejectPages(site, Reading(database), self.reject_work()),
                UploadPages(site, UploadStore(database)),
                JobPage(
                    site, Reading(database), parts.executions(), parts.control(), parts.requests()
                ),
                Signing(
                    site,
                    Sessions(self.database),
                    throttle,
                    self.config.session_seconds,
                    self.config.public_url or "",
                ),
            ],
        )

    def _ingest(self) -> Ingest:
        return ingest(self.config, self.database, self.observer, self.wake)
