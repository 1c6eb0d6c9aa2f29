"""A ledger in a test's own database, and the messages that fill it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from typing import Any

from jexevents import wiring
from jexevents.config import from_mapping
from jexevents.ingest import Ingest
from jexevents.model import Arrival, Outcome, Role
from jexevents.sidecar import schemas
from jexevents.sidecar.app import App, build_app
from jexevents.sidecar.auth import Gate
from jexevents.sidecar.jex import Jex
from jexevents.sidecar.ledger import LedgerSurface
from jexevents.sidecar.ledgerstream import LedgerStream, Newest
from jexevents.sidecar.nonces import NonceSurface
from jexevents.sidecar.rejects import RejectSurface
from jexevents.sidecar.throttle import Throttle
from jexevents.sidecar.tokens import Tokens
from jexevents.store.database import Database
from jexevents.store.event_watch import EventWatch
from jexevents.store.nonces import Nonces
from jexevents.store.outbox import Outbox
from jexevents.store.reading import Reading
from jexevents.store.sessions import Sessions
from jexevents.store.tokens import Tokens as StoredTokens
from jexevents.validation import SCHEMAS
from tests.integration.web import Answer, call

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


@dataclass(frozen=True)
class TestLedger:
    """The parts of the product over one database, put together as the daemon does."""

    __test__ = False

    database: Database
    ingest: Ingest
    reading: Reading
    app: App
    tokens: StoredTokens
    outbox: Outbox

    def send(self, *bodies: bytes, at: datetime = NOON, source: str = "") -> list[Outcome]:
        """Hand over messages as one batch."""
        return self.ingest.handle([Arrival(body, at, "amqp:test", source) for body in bodies])

    def token(self, *roles: Role, **more: Any) -> str:
        """Make a token."""
        return self.tokens.make("test", roles, **more).secret

    def get(self, path: str, query: str = "", **fields: str) -> Any:
        """GET a path, which must be answered 200, and give its JSON."""
        answer = call(self.app, "GET", path, query=query, **fields)
        assert answer.status == 200, answer.body
        return answer.json()

    def post(self, path: str, document: Any, **fields: str) -> Answer:
        """POST a document, or bytes as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return call(self.app, "POST", path, body, **fields)

    def jobs(self, **filters: str) -> list[Mapping[str, Any]]:
        """The jobs of the ledger, the newest first."""
        return self.reading.jobs(limit=1000, **filters)

    def job(self, key: str) -> Mapping[str, Any]:
        """The whole of the one condor job with this key."""
        (row,) = self.jobs(key=key)
        return self.reading.condor_job(row["id"])

    def story(self, key: str) -> list[Mapping[str, Any]]:
        """The events of the job with this key, the first stored first."""
        (row,) = self.jobs(key=key)
        return list(reversed(self.reading.events(row["id"], limit=1000)))

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with self.database.transaction() as connection, connection.cursor() as cursor:
            cursor.execute(f"select count(*) from {table}")
            return cursor.fetchone()[0]


def now() -> datetime:
    return datetime.now(timezone.utc)


@contextmanager
def open_ledger(uri: str, zone: tzinfo = timezone.utc, **options: Any) -> Iterator[TestLedger]:
    """Put a ledger together over a database that has the schema; ``options`` configure it."""
    database = Database(uri)
    reading = Reading(database)
    given = {"LogTimeZone": str(zone), "PublicURL": "https://jex.example.org"}
    config = from_mapping(given | options)
    ingest, throttle = wiring.ingest(config, database), Throttle()
    surfaces = wiring.Surfaces(config, database)
    routes = [
        *Jex(ingest, reading, "", now).routes(),
        *surfaces.jobs().routes(),
        *LedgerSurface(reading).routes(),
        *RejectSurface(surfaces.reject_work()).routes(),
        *surfaces.pipelines(throttle).routes(),
        *surfaces.cloud_events().routes(),
        *surfaces.smrtlink().routes(),
        *NonceSurface(Nonces(database), now).routes(),
        *surfaces.dashboard(throttle, dict).routes(),
        *LedgerStream(Newest(EventWatch(database), look_seconds=0.02)).routes(),
        *schemas.routes(SCHEMAS),
    ]
    stored = StoredTokens(database)
    tokens = Tokens(stored.in_force, cache_seconds=0, ask_again_seconds=0)
    gate = Gate(
        tokens,
        use_nonce=Nonces(database).use,
        throttle=throttle,
        find_session=Sessions(database).find,
    )
    app = build_app(routes, gate, check_answers=True)
    try:
        yield TestLedger(database, ingest, reading, app, stored, Outbox(database))
    finally:
        database.close()


def message(event: str, **members: Any) -> bytes:
    """Give the message of a log monitor."""
    return json.dumps({"Event": event, "Hash": "0" * 64, **members}).encode()


def text(number: int, rest: str, job: str = "222.000.000", second: float = 0) -> str:
    """Give an event's text, so many seconds after 2026-03-01 12:00."""
    minute, second = divmod(second, 60)
    clock = f"{12 + int(minute) // 60:02}:{int(minute) % 60:02}:{int(second):02}"
    return f"{number:03} ({job}) 2026-03-01 {clock} {rest}\n...\n"


def submitted(**where: Any) -> str:
    return text(0, "Job submitted from host: <10.0.0.1:9618?addrs=10.0.0.1-9618>", **where)


def executing(**where: Any) -> str:
    return text(1, "Job executing on host: <10.0.0.2:9618?addrs=10.0.0.2-9618>", **where)


def terminated(value: int = 0, **where: Any) -> str:
    how = f"Job terminated.\n\t(1) Normal termination (return value {value})"
    return text(5, how, **where)


def held(reason: str = "disk full", **where: Any) -> str:
    return text(12, f"Job was held.\n\t{reason}\n\tCode 21 Subcode 7", **where)


def released(**where: Any) -> str:
    return text(13, "Job was released.\n\tvia condor_release (by user ann)", **where)


def aborted(**where: Any) -> str:
    return text(9, "Job was aborted.\n\tvia condor_rm (by user ann)", **where)


def named(invocation: str, **where: Any) -> str:
    ad = f'IpcUuid = "{invocation}"\nOwner = "ann"\nTriggerEventTypeNumber = 0'
    return text(28, f"Job ad information event triggered.\n{ad}", **where)
