"""What comes for a sealed job changes nothing and is no fault."""

from __future__ import annotations

from datetime import timezone

from jexevents.model import Arrival, Outcome
from jexevents.sources.condor.message import read
from jexevents.store.ledger import Ledger
from tests.integration.web import JOB
from tests.ledger import NOON, TestLedger, executing, held, message, submitted, terminated

STORY = [message(submitted()), message(executing(second=5)), message(terminated(second=20))]
SEAL = "update jobs set sealed_seq = (select max(seq) from events)"


def sealed_job(ledger: TestLedger) -> int:
    """Make job 222 with a story, and mark its last event as the sealed one; give its number."""
    ledger.send(*STORY)
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(SEAL)
    return ledger.story("222")[-1]["seq"]


def test_late_events_are_duplicates(ledger: TestLedger) -> None:
    sealed_job(ledger)
    before = ledger.job("222"), ledger.jobs(key="222")
    late = [
        message(held(second=30), Log="log", Offset=7),
        message(submitted(), Log="log", Offset=0),
        message(submitted(job="223.000.000")),
    ]
    assert ledger.send(*late) == [Outcome.DUPLICATE, Outcome.DUPLICATE, Outcome.ACCEPTED]
    assert (ledger.job("222"), ledger.jobs(key="222")) == before
    assert len(ledger.story("222")) == 3
    assert ledger.count("event_positions") == 0


def test_an_insertion_is_answered_as_a_repetition(ledger: TestLedger) -> None:
    sealed_job(ledger)
    for fields in ({}, {"HTTP_IDEMPOTENCY_KEY": "k"}, {"HTTP_IDEMPOTENCY_KEY": "k"}):
        answer = ledger.post("/jobs", JOB, **fields)
        assert (answer.status, answer.json()["Result"]) == (200, "unchanged"), answer.body
        assert answer.json()["Status"] == "Completed"
    assert len(ledger.story("222")) == 3


def test_the_answer_names_the_sealed_event(ledger: TestLedger) -> None:
    seq = sealed_job(ledger)
    event = read(Arrival(message(held()), NOON, "amqp:test"), timezone.utc)
    (applied,) = Ledger(ledger.database).apply([event])
    assert (applied.seq, applied.job_is_sealed, applied.job_is_new) == (seq, True, False)
