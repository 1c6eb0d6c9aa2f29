"""PostgreSQL is the fault: killed, stopped, frozen, full, locked, read-only, cut off."""

import threading
from contextlib import contextmanager, suppress

import psycopg2
import pytest

from tests.faults.servers import ask, session, through
from tests.faults.truth import assert_whole
from tests.support import wait_until

# Two heartbeats without an answer and the broker takes the connection for dead.
HEARTBEAT_SECONDS = 2

SESSIONS = (
    "select pid from pg_stat_activity"
    " where datname = current_database() and application_name like 'jexevents %'"
)


def test_killed(scene, sizes, rng):
    scene.begin()
    for _ in range(sizes.times):
        scene.progress.wait_more(rng.randint(1, 900))
        with scene.away("database"):
            scene.postgres.kill()
            scene.publish_on()
            scene.postgres.start()
            scene.progress.wait_more(300)
    assert_whole(scene)


def test_one_session_killed(scene, sizes, rng):
    """PostgreSQL ends all its sessions then, and recovers by itself."""
    scene.begin()
    for _ in range(sizes.times):
        scene.progress.wait_more(rng.randint(1, 900))
        with scene.away("database"):
            scene.postgres.kill_session(ask(scene.database, SESSIONS)[0][0])
            scene.progress.wait_more(300)
    assert_whole(scene)


def test_stopped_for_long(scene, sizes):
    scene.begin()
    pause = threading.Event()
    with scene.away("database"):
        scene.postgres.stop()
        scene.wait_logged("store_away")
        pause.wait(sizes.outage_seconds)
        assert scene.seen(503), "nobody was told that the database is away"
        scene.postgres.start()
        scene.progress.wait_more(300)
    assert_whole(scene)


def test_sessions_terminated_one_by_one(scene, sizes, rng):
    scene.begin()
    with scene.away("database"):
        for _ in range(sizes.terminations):
            scene.progress.wait_more(rng.randint(1, 300))
            pid = rng.choice(ask(scene.database, SESSIONS))
            ask(scene.database, "select pg_terminate_backend(%s)", *pid)
        scene.progress.wait_more(300)
    assert_whole(scene)


FAILING = """
create schema faults;
create sequence faults.failed;
create function faults.fail() returns trigger language plpgsql as $$
begin
    if random() < tg_argv[0]::float then
        perform nextval('faults.failed');
        {how};
    end if;
    return null;
end $$;
"""
FAILING_STATEMENT = """
create trigger fail after insert or update on jex.{table}
    for each statement execute function faults.fail(0.01)
"""
# Rows are counted here: of the COMMITs it is about one in a hundred too.
FAILING_COMMIT = """
create constraint trigger fail_late after insert on jex.events deferrable initially deferred
    for each row execute function faults.fail(0.0002)
"""
TABLES = ("jobs", "condor_jobs", "events", "event_positions", "invocations")


@contextmanager
def failing(scene, how):
    """Have PostgreSQL fail now and then, at statements that write and at COMMIT."""
    ask(scene.database, FAILING.format(how=how))
    for table in TABLES:
        ask(scene.database, FAILING_STATEMENT.format(table=table))
    if "raise" in how:
        # No time limit of the server's holds for a COMMIT.
        ask(scene.database, FAILING_COMMIT)
    yield
    ask(scene.database, "drop schema faults cascade")


def failures(scene):
    return ask(scene.database, "select last_value, is_called from faults.failed")[0]


@pytest.mark.parametrize(
    "how",
    [
        "raise exception 'could not extend file' using errcode = '53100'",
        "raise exception 'could not serialize access' using errcode = '40001'",
        "raise exception 'deadlock detected' using errcode = '40P01'",
        "perform pg_sleep(30)",
    ],
    ids=["disk_full", "serialisation_failure", "deadlock", "statement_timeout"],
)
def test_one_statement_in_a_hundred_fails(scene, sizes, how):
    """The last of these is a real timeout: the server ends the statement with 57014."""
    scene.begin(BatchSize=50, DBStatementTimeoutSeconds=0.3)
    with failing(scene, how):
        wait_until(
            lambda: failures(scene)[0] >= sizes.failures,
            240,
            f"failures; so far {failures(scene)}",
        )
    assert_whole(scene)


def test_real_deadlocks(scene, sizes):
    """Somebody locks the same jobs crosswise, and it is always the daemon that has to yield."""
    name = psycopg2.extensions.parse_dsn(scene.database)["dbname"]
    ask(scene.database, f"alter database {name} set deadlock_timeout = '300ms'")
    scene.begin()
    wait_until(
        lambda: lock_crosswise(scene) and deadlocks(scene) >= sizes.times, 60, "real deadlocks"
    )
    assert_whole(scene)


def deadlocks(scene):
    query = "select deadlocks from pg_stat_database where datname = current_database()"
    return ask(scene.database, query)[0][0]


def lock_crosswise(scene):
    """Lock a late key, wait until the daemon waits for it, then lock an early one."""
    keys = [key for (key,) in ask(scene.database, "select key from jex.jobs where not closed")]
    if len(keys) < 2:
        return True
    early, late = min(keys), max(keys)
    lock = "select 1 from jex.jobs where key = %s for update"
    with session(scene.database) as cursor, suppress(psycopg2.Error):
        cursor.execute("set deadlock_timeout = '20s'; set statement_timeout = '5s'")
        cursor.execute(lock, (late,))
        waiting = "select 1 from pg_locks where not granted"
        with suppress(pytest.fail.Exception):
            wait_until(lambda: ask(scene.database, waiting), 0.5, "the daemon")
        cursor.execute(lock, (early,))
    return True


def test_read_only(scene, sizes):
    scene.begin()
    for _ in range(sizes.times):
        scene.progress.wait_more(300)
        with scene.away("database"):
            scene.postgres.set_read_only(True)
            scene.wait_logged("store_away")
            scene.publish_on()
            scene.postgres.set_read_only(False)
            scene.progress.wait_more(300)
    assert_whole(scene)


@pytest.mark.parametrize("mode", ["exclusive", "access exclusive"])
def test_lock_held_for_three_heartbeats(scene, mode):
    scene.begin(HeartbeatSeconds=HEARTBEAT_SECONDS)
    before = scene.rabbit.connections(scene.vhost)
    with scene.away("database"):
        with session(scene.database) as cursor:
            cursor.execute(f"lock table jex.jobs, jex.events in {mode} mode")
            threading.Event().wait(3 * HEARTBEAT_SECONDS)
        scene.progress.wait_more(300)
    assert_connection_survived(scene, before)
    assert_whole(scene)


def test_frozen(scene):
    """It says nothing any more, not even that it is gone; and then it goes on."""
    scene.begin(HeartbeatSeconds=HEARTBEAT_SECONDS)
    before = scene.rabbit.connections(scene.vhost)
    with scene.away("database"):
        scene.postgres.freeze()
        threading.Event().wait(4 * HEARTBEAT_SECONDS)
        scene.postgres.thaw()
        scene.progress.wait_more(300)
    assert_connection_survived(scene, before)
    assert_whole(scene)


def assert_connection_survived(scene, before):
    assert scene.count_logged("broker_away") == 0, scene.describe()
    assert len(before) == 1
    assert scene.rabbit.connections(scene.vhost) == before


def test_answer_to_commit_lost(scene, sizes):
    proxy = scene.keep(scene.postgres.proxy())
    scene.begin(database_uri=through(proxy, scene.database))
    with scene.away("database"):
        for count in range(1, 3 * sizes.times + 1):
            scene.progress.wait_more(100)
            proxy.lose_commits(1)
            wait_until(lambda count=count: proxy.lost == count, 30, f"lost answer {count}")
        scene.progress.wait_more(300)
    assert_whole(scene)
