"""Signals: TERM and INT end gracefully within 10 s, a second one at once, HUP rereads tokens."""

import signal
from contextlib import closing, contextmanager

import psycopg2
import pytest

from tests.acceptance.support import (
    STOP_SECONDS,
    make_token,
    message,
    publish,
    rows,
    run,
    submission,
)
from tests.support import wait_until


@contextmanager
def blocked(daemon, servers):
    """Hold a lock on the table of jobs, with a batch in hand that waits for it."""
    uri = servers["DBURI"]
    with closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
        cursor.execute("lock table jex.jobs in exclusive mode")
        publish(servers["AMQPURI"], [message(submission(1))])
        wait_until(lambda: waits_for_lock(uri), 10, f"the batch at the lock:\n{daemon.text}")
        yield


def waits_for_lock(uri):
    return rows(
        uri,
        "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
        " and datname = current_database()",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_gracefully(number, start, servers):
    daemon = start(**servers).wait_ready()
    daemon.send(number)
    assert daemon.wait(STOP_SECONDS) == 0
    assert daemon.logged("stopped")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_while_it_starts(number, start, servers):
    daemon = start(**servers)
    daemon.wait_logged("starting")
    daemon.send(number)
    assert daemon.wait(STOP_SECONDS) == 0


def test_finishes_the_batch_in_hand(start, servers):
    daemon = start(**servers).wait_ready()
    with blocked(daemon, servers):
        daemon.send(signal.SIGTERM)
        daemon.wait_logged("ending")
    assert daemon.wait(STOP_SECONDS) == 0
    assert rows(servers["DBURI"], "select key from jex.jobs") == [("1",)]
    assert not start(**servers).wait_ready().logged("batch_stored")


def test_batch_that_cannot_be_stored_goes_back_in_time(start, servers):
    daemon = start(**servers).wait_ready()
    with blocked(daemon, servers):
        assert daemon.stop() == 0
    assert rows(servers["DBURI"], "select key from jex.jobs") == []
    start(**servers).wait_ready().wait_job("1")


def test_second_signal_ends_at_once(start, servers):
    daemon = start(**servers).wait_ready()
    with blocked(daemon, servers):
        daemon.send(signal.SIGTERM)
        daemon.wait_logged("ending")
        daemon.send(signal.SIGTERM)
        assert daemon.wait(2) == 128 + signal.SIGTERM


def test_hang_up_makes_tokens_effective_at_once(start, servers):
    daemon = start(**servers, TokenCacheSeconds=3600).wait_ready()
    assert daemon.get("/ledger/jobs").status == 200
    token_id, token = make_token(daemon.config, "read")
    daemon.send(signal.SIGHUP)
    wait_until(lambda: daemon.get("/ledger/jobs").status == 401, 2, "the new token")
    assert daemon.get("/ledger/jobs", token).status == 200
    assert run("token", "revoke", "--config", daemon.config, token_id).code == 0
    assert daemon.get("/ledger/jobs", token).status == 200
    daemon.send(signal.SIGHUP)
    wait_until(lambda: daemon.get("/ledger/jobs", token).status == 401, 2, "the revocation")
    assert daemon.stop() == 0
