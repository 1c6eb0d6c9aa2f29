"""A worker that runs containers, over a ledger and an engine, in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jexevents.executions import events
from jexevents.executions.bell import Bell
from jexevents.executions.events import Named
from jexevents.executions.orders import Order, Orders
from jexevents.executions.queue import Queue
from jexevents.executions.run import ContainerRun
from jexevents.runner.containers.executor import ContainerExecutor, ContainerSettings
from jexevents.runner.containers.health import EngineHealth
from jexevents.runner.containers.images import NodeImages
from jexevents.runner.folder import RunFolder
from jexevents.runner.output import RunOutput
from jexevents.runner.worker import Worker
from jexevents.store.database import Database
from jexevents.store.executions import Executions, Row
from jexevents.store.ledger import Ledger
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES
from tests.engine import TestEngine
from tests.support import wait_until

CLOSED = ("COMPLETE", "FAILED", "TIMED-OUT", "CANCELLED", "KILLED", "LOST")


class ContainerPlace:
    """A ledger, an engine, and a folder for outputs; ``worker`` is a life of the node ``one``."""

    def __init__(self, uri: str, engine: TestEngine, folder: Path, image: str) -> None:
        self.database = Database(uri)
        self.engine = engine
        self.folder = folder
        self.image = image
        self.executions = Executions(self.database)
        self.queue = Queue(Ledger(self.database), self.database, "one")
        self.bell = Bell()
        self.orders = Orders(self.database, self.queue, "one", self.bell)
        self._number = 0

    def worker(self, *, slots: int = 4, **settings: Any) -> Worker:
        """Make a worker; it is to be started, and stopped."""
        images = NodeImages(self.engine.images, idle_seconds=30, whole_seconds=120)
        health = EngineHealth(self.engine.client)
        own = {"max_output_bytes": None, "grace_seconds": 1.0, "secrets": lambda names: {}}
        executor = ContainerExecutor(
            self.queue,
            self.engine.containers,
            images,
            health,
            ContainerSettings(
                runs=self.folder, node="one", ledger=self.queue.ledger_id, **{**own, **settings}
            ),
        )
        health.look()
        return Worker(
            self.queue,
            self.orders,
            [executor],
            slots=slots,
            lost_after_seconds=3600,
            told=self.bell.ring,
            look_seconds=0.5,
        )

    @contextmanager
    def working(self, **settings: Any) -> Iterator[Worker]:
        """Have a worker work."""
        worker = self.worker(**settings)
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()
            assert worker.join(20)

    def ask(self, *command: str, **run: Any) -> str:
        """Ask for a run of a command; gives the id of its job."""
        self._number += 1
        named = Named(1_700_000_000_000_000 + self._number, "task", f"1/{self._number}")
        what = ContainerRun(
            **{"image": self.image, "repository": "r", "command": list(command) or None, **run}
        )
        told = {"result": 1, "detail": self._number, "image": self.image, "by": "ann"}
        event = events.requested(named, events.now(), told)
        made: list[str] = []

        def enqueue(connection: Any, applied: Any) -> None:
            made.append(applied[0].job_id)
            QUERIES.execution_queue.enqueue_containers(
                connection,
                task="task",
                priority=0,
                run=json.dumps(what.as_json()),
                labels=array(what.labels),
                job_ids=array(made),
                executions=array([named.execution]),
                details=array([named.detail]),
            )

        Ledger(self.database).apply([event], also=enqueue)
        return made[0]

    def row(self, job_id: str) -> Row:
        """Give what is known of it."""
        return self.executions.of_job(job_id)

    def ended(self, job_id: str, seconds: float = 60) -> Row:
        """Wait for its end."""
        wait_until(lambda: self.row(job_id)["closed"], seconds, f"the end of {job_id}")
        return self.row(job_id)

    def running(self, job_id: str) -> Row:
        """Wait for its start."""
        wait_until(lambda: self.row(job_id)["state"] == "RUNNING", 60, f"the start of {job_id}")
        return self.row(job_id)

    def order(self, job_id: str, event: str, cause: str = "") -> dict[str, Any]:
        """Order something of what runs, and wait for the answer."""
        row = self.row(job_id)
        order = Order(f"{job_id[:-12]}{abs(hash((event, cause))) % 10**12:012}", job_id,
                      row["attempt"], event, cause)  # fmt: skip
        self.orders.order(Named(row["execution"], "task", row["detail"]), order, "one")
        return dict(self.orders.wait(order, 20))

    def output(self, job_id: str, which: str = "output", attempt: int = 1) -> bytes:
        """Give what it wrote."""
        folder = RunFolder.of(self.folder, job_id, attempt)
        return b"".join(chunk.data for chunk in RunOutput(folder.path).read(which))

    def story(self, job_id: str) -> list[str]:
        """Give the names of its events."""
        return [one["name"] for one in self.executions.story(job_id)]

    def containers(self) -> list[Any]:
        """Give the containers of this ledger that are there."""
        return self.engine.containers.of_label({"jexevents.ledger": self.queue.ledger_id()})

    def gone(self) -> None:
        """Wait till no container is left."""
        # As long as an engine may take to answer, which is long on a machine that is busy.
        wait_until(lambda: not self.containers(), 150, "the containers to be removed")
