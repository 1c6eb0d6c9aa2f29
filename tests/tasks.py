"""Container tasks of a test's own ledger, whose runs are driven through their lives by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import psycopg2

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.executions.queue import Claimed, Offer, Queue, Report
from jexevents.model import Kind
from jexevents.processes import boot
from jexevents.sidecar.app import build_app
from jexevents.sidecar.auth import Gate
from jexevents.sidecar.ledger import LedgerSurface
from jexevents.sidecar.tokens import Tokens
from jexevents.store.database import Database
from jexevents.store.ledger import Ledger
from jexevents.store.reading import Reading
from jexevents.tasks.imports import Imports
from jexevents.wiring.jobs import JobParts, Links
from tests.integration.web import CREDENTIALS, Answer, bearer, call

IMAGE = "tool@sha256:" + "0" * 64
OFFER = Offer((Kind.CONTAINER,))
FORM = "application/x-www-form-urlencoded"


class TaskPlace:
    """The product's parts for tasks over one database, put together as the daemon does."""

    def __init__(self, uri: str, **options: Any) -> None:
        self.uri = uri
        self.config = from_mapping({"PublicURL": "https://jex.example.org", **options})
        self.database = Database(uri)
        self.links = Links()
        surfaces = wiring.Surfaces(self.config, self.database, links=self.links)
        self.parts = JobParts(self.config, self.database, self.links)
        self.imports: Imports = self.parts.imports()
        self.results = self.parts.cancels().results
        routes = [
            *surfaces.tasks().routes(),
            *surfaces.results().routes(),
            *LedgerSurface(Reading(self.database)).routes(),
        ]
        gate = Gate(Tokens(lambda: CREDENTIALS))
        self.app = build_app(routes, gate, check_answers=True)

    def close(self) -> None:
        self.database.close()

    # --- over HTTP

    def call(
        self, method: str, path: str, document: Any = None, token: str = "", **more: str
    ) -> Answer:
        where, _, query = path.partition("?")
        body = b""
        if isinstance(document, bytes):
            body = document
        elif document is not None:
            body = json.dumps(document).encode()
        role = "run" if method != "GET" else "read"
        credential = bearer(token or role)
        return call(self.app, method, where, body, query=query, **credential, **more)

    def form(self, path: str, fields: list[tuple[str, str]]) -> Answer:
        return self.call("POST", path, urlencode(fields).encode(), CONTENT_TYPE=FORM)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status == 200, answer.body
        return answer.json()

    def post(self, path: str, document: Any = None, status: int = 202, **more: str) -> Any:
        answer = self.call("POST", path, document, **more)
        assert answer.status == status, answer.body
        return answer.json()

    # --- tasks

    def registered(self, repository: str = "tool", **more: Any) -> int:
        """Register a task, which is not imported yet."""
        return self.post("/task/", {"repository": repository, **more})["task_id"]

    def ready(self, repository: str = "tool", only_local: bool = False, **more: Any) -> int:
        """Register a task, and have its image imported."""
        task_id = self.registered(repository, **more)
        taken = self.imports.take("one")
        assert taken is not None
        assert taken.task_id == task_id
        assert self.imports.ready(
            task_id, "one", image=IMAGE, image_id="sha256:" + "1" * 64, only_local=only_local,
            size_bytes=5,
        )  # fmt: skip
        return task_id

    def run(self, task_id: int, **parameters: Any) -> int:
        """Run a task; gives the result's id."""
        return self.post(f"/task/{task_id}/", parameters)["result_id"]

    def result(self, result_id: int) -> dict[str, Any]:
        return self.get(f"/result/{result_id}/")

    def detail(self, result_id: int, number: int) -> dict[str, Any]:
        return self.get(f"/result/{result_id}/detail/{number}/")

    # --- runs

    def queue(self, node: str = "one") -> Queue:
        return Queue(Ledger(self.database), self.database, node)

    def begin(self, count: int = 1, node: str = "one", offer: Offer = OFFER) -> list[Claimed]:
        """Have a node begin the next runs, those that are not cancelled in this moment, and tell of
        their start."""
        queue = self.queue(node)
        begun = [one for one in queue.claim(count, offer) if queue.begin(one, boot())]
        if begun:
            queue.report(
                [Report(one.job_id, one.named, one.attempt, [event(1, "start")]) for one in begun]
            )
        return begun

    def end(self, *begun: Claimed, code: int = 0, reason: str = "exit", node: str = "one") -> None:
        """Tell of the end of runs."""
        self.queue(node).report([ended(one, code, reason) for one in begun])

    # --- nodes

    def node(self, name: str, engine: bool = True, seconds_ago: float = 0, **more: Any) -> None:
        """Have a node be seen so long ago."""
        engine_text = json.dumps({"name": "dockerd"}) if engine else None
        self.sql(
            "insert into nodes (name, role, version, pid, kinds, engine, draining, seen_at) values"
            " (%s, 'worker', '0', 1, '{container}', %s, %s, now() - %s * interval '1 s')"
            " on conflict (name, role) do update set seen_at = excluded.seen_at,"
            " engine = excluded.engine, draining = excluded.draining",
            name, engine_text, more.get("draining", False), seconds_ago,
        )  # fmt: skip

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Give the rows of a statement, or nothing."""
        with closing(psycopg2.connect(self.uri)) as connection, connection:
            cursor = connection.cursor()
            cursor.execute("set search_path to jex")
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


def event(number: int, name: str) -> dict[str, Any]:
    """Give an event as those tell it who run things."""
    return {"seq": number, "time": 1_790_000_000_000_000 + number * 1_000_000, "name": name,
            "cause": "", "auto": True, "by": "supervisor"}  # fmt: skip


def ended(claimed: Claimed, code: int = 0, reason: str = "exit") -> Report:
    """Give the report of the end of a run that has begun."""
    end: Mapping[str, Any] = {
        "phase": "ended", "reason": reason, "exit_code": code,
        "output": {"stdout": 3, "stderr": 0, "dropped": 0, "lost": {}},
    }  # fmt: skip
    name = "complete" if code == 0 and reason == "exit" else "fail"
    return Report(claimed.job_id, claimed.named, claimed.attempt, [event(2, name)], end=end)
