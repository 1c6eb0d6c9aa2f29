"""Bring a database to the schema that this version works with; say what it has now.

Migrations are the numbered plain-SQL files in ``migrations/``. All that are missing run in
one transaction together with the rows that say they ran, under an advisory lock that ends
with it, so neither a kill -9 nor two at once can leave a migration half done or done twice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2.extensions
from psycopg2 import errors as pg
from psycopg2 import sql

from jexevents.errors import SchemaVersionError
from jexevents.store.database import Database
from jexevents.store.queries import FOLDER

_LOCK = "jexevents migrate"

_TABLE = """
create table if not exists schema_migrations (
    version    integer primary key,
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null default now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file: what it is called and what it does."""

    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The hash by which a file is known that was changed after it ran."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def bundled() -> list[Migration]:
    """Give the migrations of this version, in their order."""
    files = sorted((FOLDER / "migrations").glob("*.sql"))
    return [
        Migration(int(re.match(r"\d+", file.stem)[0]), file.stem, file.read_text("utf-8"))
        for file in files
    ]


def migrate(database: Database, say: Callable[[str], None] = lambda line: None) -> int:
    """Apply what is missing; give how many migrations that were.

    Raises SchemaVersionError where the database is newer than this version, StoreUnavailable
    where it does not answer.
    """
    with database.transaction() as connection, connection.cursor() as cursor:
        # A migration over millions of rows takes longer than a statement of the daemon may, and
        # so does the wait for another process that migrates.
        cursor.execute("set local statement_timeout to 0")
        cursor.execute("set local lock_timeout to 0")
        cursor.execute("set local idle_in_transaction_session_timeout to 0")
        cursor.execute("select pg_advisory_xact_lock(hashtext(%s))", (_LOCK,))
        _make_schema(cursor, database.schema)
        missing = _missing(_applied(cursor))
        for migration in missing:
            say(f"applying {migration.name}")
            _apply(cursor, migration)
        return len(missing)


def check(database: Database) -> None:
    """Raise SchemaVersionError unless the schema is exactly the one of this version."""
    with database.transaction() as connection, connection.cursor() as cursor:
        try:
            applied = _applied(cursor)
        except (pg.UndefinedTable, pg.InvalidSchemaName):
            connection.rollback()
            applied = {}
    missing = _missing(applied)
    if missing:
        raise SchemaVersionError(
            f"The schema {database.schema!r} lacks {', '.join(m.name for m in missing)}.",
            remedy="Run: jexevents migrate --config PATH",
        )


def _make_schema(cursor: psycopg2.extensions.cursor, schema: str) -> None:
    cursor.execute("select 1 from pg_namespace where nspname = %s", (schema,))
    # "if not exists" asks for the right to create even where the schema is there already.
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
    cursor.execute(_TABLE)


def _applied(cursor: psycopg2.extensions.cursor) -> dict[int, str]:
    cursor.execute("select version, sha256 from schema_migrations")
    return dict(cursor.fetchall())


def _missing(applied: dict[int, str]) -> list[Migration]:
    known = {migration.version: migration for migration in bundled()}
    newer = sorted(set(applied) - set(known))
    if newer:
        raise SchemaVersionError(
            f"The database has migrations {newer} that this version does not know.",
            remedy="Install the version of jexevents that made them, or a newer one.",
        )
    changed = [m.name for v, m in known.items() if applied.get(v, m.sha256) != m.sha256]
    if changed:
        raise SchemaVersionError(
            f"{', '.join(changed)} ran here with another text than this version has.",
            remedy="Install the version of jexevents that made this database.",
        )
    return [known[version] for version in sorted(known) if version not in applied]


def _apply(cursor: psycopg2.extensions.cursor, migration: Migration) -> None:
    cursor.execute(migration.text)
    cursor.execute(
        "insert into schema_migrations (version, name, sha256) values (%s, %s, %s)",
        (migration.version, migration.name, migration.sha256),
    )
