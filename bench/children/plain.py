"""What one would write first for HTTP: bottle, waitress, and one statement a request.

No tokens, no schemas, no errors, no bounds, no metrics; one table, without events.
"""

from __future__ import annotations

import json
import logging
import select
import sys
import threading
import time
import uuid
from typing import Any

import bottle
import psycopg2
from waitress.server import create_server

from bench.children.talk import serve

TABLE = (
    "create table plain_jobs (id uuid primary key, invocation uuid not null unique,"
    " cluster text not null unique, status text not null default 'Submitted',"
    " submitter text, app text, command text, submitted_at timestamptz not null default now())"
)
INSERT = (
    "insert into plain_jobs (id, invocation, cluster, submitter, app, command)"
    " values (%s, %s, %s, %s, %s, %s)"
)
SELECT = "select status from plain_jobs where invocation = %s"
_THREADS = 8

# It warns at each request that has to wait for a thread.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)


class _Store(threading.local):
    """A connection for each thread."""

    def __init__(self, database: str) -> None:
        self.connection = psycopg2.connect(database)
        self.connection.autocommit = True

    def run(self, statement: str, *values: Any) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchone() if cursor.description else None


def answer(database: str) -> dict[str, Any]:
    """Serve until told to stop; the first line written is the address."""
    store = _Store(database)
    store.run(TABLE)
    server = create_server(_app(store), host="127.0.0.1", port=0, threads=_THREADS)
    threading.Thread(target=server.run, daemon=True).start()
    print(json.dumps({"address": ["127.0.0.1", int(server.effective_port)]}), flush=True)
    select.select([sys.stdin], [], [])
    server.close()
    return {"end": time.time()}


def _app(store: _Store) -> bottle.Bottle:
    app = bottle.Bottle()

    @app.get("/last-events/<invocation>")
    def look(invocation: str) -> dict[str, Any]:
        (status,) = store.run(SELECT, invocation)
        return {"state": {"status": status, "uuid": invocation}}

    @app.post("/jobs")
    def insert() -> bottle.HTTPResponse:
        job = bottle.request.json
        row = (job["InvocationID"], job["CondorID"], job["Submitter"], job["AppID"])
        made = str(uuid.uuid4())
        store.run(INSERT, made, *row, job["CommandLine"])
        return bottle.HTTPResponse(json.dumps({"UUID": made, **job}), 201)

    return app


if __name__ == "__main__":
    serve(answer)
