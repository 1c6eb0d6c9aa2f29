"""Fills a database with the events of years: copies of jobs that the daemon stored itself.

Each copy has ids of its own (UUIDv7, later for each copy), keys and checksums of its own; all
else is as the daemon wrote it. So the rows have the sizes, and the indexes the order, that
they have after years.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from bench.database import ask
from bench.servers import Say

# How far apart the clusters of two copies are; more than a template has jobs.
CLUSTERS_APART = 100_000
_DAYS = 400
_SAY_EVERY = 10

# The ids of a copy: 48 bits of milliseconds, then random ones, as RFC 9562 has them.
_NAMES = """
create temp table renamed as
select id as old, (
    lpad(to_hex(stamp), 12, '0') || '7' || substr(md5(random()::text), 1, 3)
    || '8' || substr(md5(random()::text), 1, 15)
)::uuid as new
from (
    select id, (extract(epoch from now() - interval '1 day' * {days}) * 1000)::bigint
        + row_number() over (order by id) as stamp
    from template_jobs
) stamped
"""
_COPY = """
insert into {table} ({columns})
select {values} from template_{table} t join renamed on renamed.old = t.{id}
order by {order}
"""
# What differs from the template, by table.
_OWN: Mapping[str, Mapping[str, str]] = {
    "jobs": {"id": "renamed.new", "key": "(t.key::bigint + {shift})::text"},
    "condor_jobs": {"job_id": "renamed.new", "cluster": "t.cluster + {shift}"},
    "events": {"job_id": "renamed.new", "checksum": "sha256(t.checksum || int4send({copy}))"},
}
_ORDER = {"jobs": "renamed.new", "condor_jobs": "renamed.new", "events": "t.seq"}


def multiply(connection: Connection, copies: int, say: Say) -> None:
    """Add so many copies of all that the database holds; all of its jobs must be condor's."""
    # Copies point at jobs that exist: there is nothing to check, and nothing to lose.
    ask(connection, "set session_replication_role = replica")
    ask(connection, "set synchronous_commit = off")
    for table in _OWN:
        ask(connection, f"create temp table template_{table} as table {table}")
        ask(connection, f"analyze template_{table}")
    for copy in range(1, copies + 1):
        _add(connection, copy, copies)
        if copy % _SAY_EVERY == 0:
            say(f"  {copy} of {copies} copies")
    ask(connection, "vacuum (analyze)")
    ask(connection, "checkpoint")


def _add(connection: Connection, copy: int, copies: int) -> None:
    ask(connection, _NAMES.format(days=_DAYS * (copies - copy + 1) / copies))
    for table, own in _OWN.items():
        columns = {name: own.get(name, f't."{name}"') for name in _columns(connection, table)}
        values = ", ".join(columns.values()).format(copy=copy, shift=copy * CLUSTERS_APART)
        names = ", ".join(f'"{name}"' for name in columns)
        key = "id" if table == "jobs" else "job_id"
        statement = _COPY.format(
            table=table, columns=names, values=values, id=key, order=_ORDER[table]
        )
        ask(connection, statement)
    ask(connection, "drop table renamed")


def _columns(connection: Connection, table: str) -> list[str]:
    """Give the columns that have to be written; a version may have others than the next."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select column_name from information_schema.columns"
            " where table_schema = current_schema and table_name = %s"
            " and is_identity = 'NO' and is_generated = 'NEVER' order by ordinal_position",
            (table,),
        )
        return [name for (name,) in cursor]
