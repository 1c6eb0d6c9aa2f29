"""Signals: TERM and INT end gracefully within 10 s, a second one at once, HUP rereads tokens."""

import signal
import threading
import time
from contextlib import closing, contextmanager

import psycopg2
import pytest

from tests.acceptance.support import STOP_SECONDS, make_token, message, publish, rows, run, submission
from tests.support import wait_until


@contextmanager
def locked_jobs(uri):
    """Hold a lock on the table of jobs, so that no batch can be stored."""
    with closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
        cursor.execute("lock table jex.jobs in exclusive mode")
        yield


@pytest.fixture
def blocked(start, servers):
    """A daemon with a batch in hand that waits for a lock of the test's."""
    daemon = start(**servers).wait_ready()
    with locked_jobs(servers["DBURI"]):
        publish(servers["AMQPURI"], [message(submission(1))])
        wait_until(lambda: waits_for_lock(servers["DBURI"]), 10, "the batch at the lock")
        yield daemon


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
    with locked_jobs(servers["DBURI"]):
        publish(servers["AMQPURI"], [message(submission(1))])
        wait_until(lambda: waits_for_lock(servers["DBURI"]), 10, "the batch at the lock")
        daemon.send(signal.SIGTERM)
        daemon.wait_logged("ending")
    assert daemon.wait(STOP_SECONDS) == 0
    assert rows(servers["DBURI"], "select key from jex.jobs") == [("1",)]
    assert not start(**servers).wait_ready().logged("batch_stored")


def test_batch_that_cannot_be_stored_goes_back(blocked, start, servers):
    blocked.send(signal.SIGTERM)
    assert blocked.wait(STOP_SECONDS) == 0
    assert rows(servers["DBURI"], "select key from jex.jobs") == []


def test_what_went_back_is_stored_by_the_next(start, servers):
    daemon = start(**servers).wait_ready()
    with locked_jobs(servers["DBURI"]):
        publish(servers["AMQPURI"], [message(submission(1))])
        wait_until(lambda: waits_for_lock(servers["DBURI"]), 10, "the batch at the lock")
        assert daemon.stop() == 0
    start(**servers).wait_ready().wait_job("1")


def test_second_signal_ends_at_once(blocked):
    blocked.send(signal.SIGTERM)
    blocked.wait_logged("ending")
    began = time.monotonic()
    blocked.send(signal.SIGTERM)
    assert blocked.wait(STOP_SECONDS) != 0
    assert time.monotonic() - began < 2


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
