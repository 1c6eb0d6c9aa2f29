"""Nonces: what stands for a token in the URL of a message, good for a number of uses."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.store import audit
from jexevents.store.database import Connection, Database
from jexevents.store.queries import QUERIES
from jexevents.store.tokens import hashed

# Enough to be beyond guessing, and it has to fit into a URL that others keep in a column.
_SECRET_BYTES = 18


@dataclass(frozen=True, slots=True)
class NewNonce:
    """A nonce just made. ``secret`` is shown this once and kept nowhere."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a nonce: which one, and for which PipelineJob alone it is good (its UUID)."""

    nonce_id: str
    job: str | None


def make(
    connection: Connection,
    *,
    note: str = "",
    job_id: str | None = None,
    max_uses: int | None = None,
    expires_at: datetime | None = None,
) -> NewNonce:
    """Make a nonce in a transaction that is under way."""
    new = NewNonce(secrets.token_hex(4), secrets.token_urlsafe(_SECRET_BYTES))
    QUERIES.nonces.insert_nonce(
        connection,
        id=new.id,
        sha256=hashed(new.secret),
        note=note,
        job_id=job_id,
        max_uses=max_uses,
        expires_at=expires_at,
    )
    return new


class Nonces:
    """The nonces of one ledger. Every method raises StoreUnavailable while it is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(
        self,
        *,
        note: str = "",
        max_uses: int | None = None,
        expires_at: datetime | None = None,
        credential: str = audit.COMMAND_LINE,
    ) -> NewNonce:
        """Make a nonce for every job; None for uses and expiry means without end.

        ``credential`` names who has it made, for the audit.
        """

        def work(connection: Connection) -> NewNonce:
            new = make(connection, note=note, max_uses=max_uses, expires_at=expires_at)
            detail = {"id": new.id, "note": note, "max_uses": max_uses}
            audit.note(connection, "nonce.make", detail, credential)
            return new

        return self._database.run(work)

    def use(self, secret: str) -> Use | None:
        """Count a use, and say what it is good for; None for a nonce that is not good any more."""
        with self._database.transaction() as connection:
            row = QUERIES.nonces.use_nonce(connection, sha256=hashed(secret))
            return None if row is None else Use(*row)

    def revoke(self, nonce_id: str, credential: str = audit.COMMAND_LINE) -> bool:
        """End a nonce; False where there is none of that id that is still in force."""
        with self._database.transaction() as connection:
            ended = QUERIES.nonces.revoke_nonce(connection, id=nonce_id) > 0
            if ended:
                audit.note(connection, "nonce.revoke", {"id": nonce_id}, credential)
            return ended

    def find(
        self, *, limit: int | None = None, before: str | None = None
    ) -> list[Mapping[str, Any]]:
        """A page of nonces, the newest first, made before the one with the id ``before``; or all.

        Each is: id, note, job, uses, max_uses, created_at, expires_at, revoked_at.
        """
        with self._database.look() as connection:
            return QUERIES.nonces.nonces.mappings(connection, limit=limit, before=before)
