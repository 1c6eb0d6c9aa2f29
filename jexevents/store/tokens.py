"""Tokens: made here, kept as their SHA-256 only, so that a copy of the database opens nothing."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents.model import Credential, Role
from jexevents.store import audit
from jexevents.store.database import Database
from jexevents.store.queries import QUERIES

_SECRET_BYTES = 32
_SHORT_BYTES = 8
_PREFIX = "jex_"


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made. ``secret`` is shown this once and kept nowhere."""

    id: str
    secret: str


def hashed(secret: str) -> bytes:
    """Give the SHA-256 (32 bytes) that a token is kept and looked up by."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _long_secret() -> str:
    return _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


class Tokens:
    """The tokens of one ledger. Every method raises StoreUnavailable while it is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(
        self,
        name: str,
        roles: Iterable[Role],
        expires_at: datetime | None = None,
        *,
        short: bool = False,
        system: str | None = None,
    ) -> NewToken:
        """Make a token with these roles; ``expires_at`` is aware, None for one without end.

        A ``short`` one has 16 hexadecimal digits, to fit where PipelineJobs have theirs. With
        ``system`` it is good for that system of SMRT Link alone.
        """
        secret = secrets.token_hex(_SHORT_BYTES) if short else _long_secret()
        new = NewToken(secrets.token_hex(4), secret)
        with self._database.transaction() as connection:
            QUERIES.tokens.insert_token(
                connection,
                id=new.id,
                name=name,
                sha256=hashed(new.secret),
                roles=[role.value for role in roles],
                expires_at=expires_at,
                system=system,
            )
            audit.note(connection, "token.make", {"id": new.id, "name": name})
        return new

    def revoke(self, token_id: str) -> bool:
        """End a token; False where there is none of that id that is still in force."""
        with self._database.transaction() as connection:
            ended = QUERIES.tokens.revoke_token(connection, id=token_id) > 0
            if ended:
                audit.note(connection, "token.revoke", {"id": token_id})
            return ended

    def in_force(self) -> list[Credential]:
        """The tokens that are not revoked, those that have expired included."""
        with self._database.transaction() as connection:
            return [
                Credential(
                    token_id, name, bytes(sha256), frozenset(map(Role, roles)), expires_at, system
                )
                for (
                    token_id,
                    name,
                    sha256,
                    roles,
                    expires_at,
                    system,
                ) in QUERIES.tokens.tokens_in_force(connection)
            ]

    def all(self) -> list[Mapping[str, Any]]:
        """Every token ever made: id, name, roles, system, created_at, expires_at, revoked_at."""
        with self._database.look() as connection:
            return QUERIES.tokens.all_tokens.mappings(connection)
