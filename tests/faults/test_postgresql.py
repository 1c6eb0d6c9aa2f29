"""PostgreSQL is the fault: killed, stopped, frozen, full, locked, read-only, cut off."""

import threading

import psycopg2
import pytest

from tests.faults.breaking import (
    HOW,
    SESSIONS,
    deadlocks,
    failing,
    failures,
    lock_crosswise,
    locked,
)
from tests.faults.conftest import FULL
from tests.faults.servers import ask, through
from tests.faults.truth import assert_whole
from tests.support import wait_until

# Two heartbeats without an answer and the broker takes the connection for dead.
HEARTBEAT_SECONDS = 2
# The stronger one keeps out those who read as well.
LOCKS = ["exclusive", "access exclusive"] if FULL else ["access exclusive"]


def test_killed(scene, sizes, rng):
    scene.begin()
    for _ in range(sizes.times):
        scene.wait_more(rng.randint(1, 900))
        with scene.away("database"):
            scene.postgres.kill()
            scene.publish_on()
            scene.postgres.start()
            scene.wait_more(300)
    assert_whole(scene)


def test_one_session_killed(scene, sizes, rng):
    """PostgreSQL ends all its sessions then, and recovers by itself."""
    scene.begin()
    for _ in range(sizes.times):
        scene.wait_more(rng.randint(1, 900))
        with scene.away("database"):
            scene.postgres.kill_session(ask(scene.database, SESSIONS)[0][0])
            scene.wait_more(300)
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
        scene.wait_more(300)
    assert_whole(scene)


def test_sessions_terminated_one_by_one(scene, sizes, rng):
    scene.begin()
    with scene.away("database"):
        for _ in range(sizes.terminations):
            scene.wait_more(rng.randint(1, 300))
            pid = rng.choice(ask(scene.database, SESSIONS))
            ask(scene.database, "select pg_terminate_backend(%s)", *pid)
        scene.wait_more(300)
    assert_whole(scene)


@pytest.mark.parametrize("what", HOW)
def test_one_statement_in_a_hundred_fails(scene, sizes, what):
    scene.begin(BatchSize=50, DBStatementTimeoutSeconds=0.3)
    with failing(scene.database, what):
        wait_until(lambda: failures(scene.database) >= sizes.failures, 240, "failures")
    assert_whole(scene)


def test_real_deadlocks(scene, sizes):
    """Somebody locks the same jobs crosswise, and it is always the daemon that has to yield."""
    uri = scene.database
    name = psycopg2.extensions.parse_dsn(uri)["dbname"]
    ask(uri, f"alter database {name} set deadlock_timeout = '300ms'")
    scene.begin()
    wait_until(lambda: lock_crosswise(uri) or deadlocks(uri) >= sizes.times, 60, "deadlocks")
    assert_whole(scene)


def test_read_only(scene, sizes):
    scene.begin()
    for _ in range(sizes.times):
        scene.wait_more(300)
        with scene.away("database"):
            scene.postgres.set_read_only(True)
            scene.wait_logged("store_away")
            scene.publish_on()
            scene.postgres.set_read_only(False)
            scene.wait_more(300)
    assert_whole(scene)


@pytest.mark.parametrize("mode", LOCKS)
def test_lock_held_for_three_heartbeats(scene, mode):
    scene.begin(HeartbeatSeconds=HEARTBEAT_SECONDS)
    before = scene.rabbit.connections(scene.vhost)
    with scene.away("database"):
        with locked(scene.database, mode):
            threading.Event().wait(3 * HEARTBEAT_SECONDS)
        scene.wait_more(300)
    assert_connection_survived(scene, before)
    assert_whole(scene)


def test_frozen(scene):
    """It says nothing any more, not even that it is gone; and then it goes on.

    More ask than the sidecar has threads; none of them may wait for long.
    """
    scene.begin(askers=12, HeartbeatSeconds=HEARTBEAT_SECONDS)
    before = scene.rabbit.connections(scene.vhost)
    with scene.away("database"):
        scene.postgres.freeze()
        threading.Event().wait(5 * HEARTBEAT_SECONDS)
        scene.postgres.thaw()
        scene.wait_more(300)
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
            scene.wait_more(100)
            proxy.lose_commits(1)
            wait_until(lambda count=count: proxy.lost == count, 30, f"lost answer {count}")
        scene.wait_more(300)
    assert_whole(scene)
