"""Sessions of the dashboard: begun with a token, kept as their SHA-256, ended with the token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from jexevents.model import Role
from jexevents.store.database import Connection, Database
from jexevents.store.queries import QUERIES
from jexevents.store.tokens import hashed

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in: id, name and roles of the token that the session began with.

    ``system`` is the only system of SMRT Link that the token is good for, None for all.
    """

    id: str
    name: str
    roles: frozenset[Role]
    system: str | None = None


class Sessions:
    """The sessions of one ledger. Every method raises StoreUnavailable while it is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def whose(self, token: str) -> SignedIn | None:
        """Give whose token this is, None where it is none that is in force."""
        with self._database.look() as connection:
            row = QUERIES.sessions.token_to_sign_in(connection, sha256=hashed(token))
        return None if row is None else _signed_in(*row)

    def begin(self, who: SignedIn, seconds: float) -> str:
        """Begin a session of so many seconds at most; give its secret, which is kept nowhere.

        Those that have ended are removed: nobody asks for them any more.
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)

        def work(connection: Connection) -> None:
            QUERIES.sessions.drop_ended_sessions(connection)
            QUERIES.sessions.insert_session(
                connection, sha256=hashed(secret), token_id=who.id, seconds=seconds
            )

        self._database.run(work)
        return secret

    def find(self, secret: str) -> SignedIn | None:
        """Give who is signed in with this session; None where it or its token has ended."""
        with self._database.look() as connection:
            row = QUERIES.sessions.find_session(connection, sha256=hashed(secret))
        return None if row is None else _signed_in(*row)

    def end(self, secret: str) -> None:
        """End a session; one that has ended already is no fault."""
        with self._database.transaction() as connection:
            QUERIES.sessions.end_session(connection, sha256=hashed(secret))


def _signed_in(token_id: str, name: str, roles: list[str], system: str | None = None) -> SignedIn:
    return SignedIn(token_id, name, frozenset(map(Role, roles)), system)
