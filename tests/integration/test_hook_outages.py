"""Senders while PostgreSQL is away, when a claim is lost, and when something of ours is broken."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pytest

from jexevents import logs, wiring
from jexevents.errors import Invalid, StoreTooSlow, StoreUnavailable
from jexevents.hooks import verdicts
from jexevents.hooks.carrier import Carrier
from jexevents.hooks.service import SenderDied
from jexevents.store.outbox import DELIVERED, PENDING, Delivery, Outbox, Result
from tests.integration.hook_place import SOON, Place, events_of, gate, send
from tests.ledger import executing, submitted
from tests.receiver import Receiver, Reply, receiving
from tests.support import administer, database_uri, wait_until


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def log() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("debug", stream)
    return stream


@pytest.fixture
def place(database: str, receiver: Receiver, log: io.StringIO) -> Iterator[Place]:
    made = Place(database, [{"Name": "mine", "URL": receiver.url}])
    yield made
    made.end()


class Outage:
    """Has the test's database refuse everybody, and lets them in again."""

    def __init__(self, postgres: str, uri: str) -> None:
        self._server = database_uri(postgres, "postgres")
        self._name = uri.partition("?")[0].rpartition("/")[2]

    def begin(self) -> None:
        administer(self._server, f"alter database {self._name} allow_connections false")
        administer(
            self._server,
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            f"where datname = '{self._name}'",
        )

    def end(self) -> None:
        administer(self._server, f"alter database {self._name} allow_connections true")


@pytest.fixture
def outage(postgres: str, database: str) -> Iterator[Outage]:
    made = Outage(postgres, database)
    yield made
    made.end()


def broken(*_arguments: object) -> None:
    raise ZeroDivisionError("ours")


def wait_for_line(log: io.StringIO, words: str) -> None:
    wait_until(lambda: words in log.getvalue(), SOON, words)


def test_what_became_of_a_try_is_noted_when_postgresql_is_back(
    place: Place, receiver: Receiver, outage: Outage, log: io.StringIO
) -> None:
    """And it is not sent a second time."""
    senders = place.start()
    with gate(receiver) as opened:
        send(place.ingest(senders.wake), submitted())
        receiver.wait_for(1)
        outage.begin()
        opened.set()
        wait_for_line(log, "hook_results_wait")
        outage.end()
        place.wait_for_states([DELIVERED])
    assert len(receiver.received) == 1


def test_after_an_outage_it_goes_on(
    place: Place, receiver: Receiver, outage: Outage, log: io.StringIO
) -> None:
    senders = place.start()
    send(place.ingest(senders.wake), submitted())
    receiver.wait_for(1)
    place.wait_for_states([DELIVERED])
    outage.begin()
    senders.wake()
    wait_for_line(log, "hook_waits_for_database")
    wait_for_line(log, "hooks_not_looked_at")
    outage.end()
    send(place.ingest(), executing(second=1))
    receiver.wait_for(2)
    assert senders.alive


def test_a_stop_in_an_outage_takes_no_longer(
    place: Place, receiver: Receiver, outage: Outage, log: io.StringIO
) -> None:
    senders = place.start()
    with gate(receiver) as opened:
        send(place.ingest(senders.wake), submitted())
        receiver.wait_for(1)
        outage.begin()
        opened.set()
        wait_for_line(log, "hook_results_wait")
        senders.stop()
        assert senders.join(5)
    assert "hook_sender_hangs" not in log.getvalue()


def test_a_result_of_a_lost_claim_changes_nothing(
    place: Place, receiver: Receiver, log: io.StringIO
) -> None:
    senders = place.start()
    with gate(receiver) as opened:
        send(place.ingest(senders.wake), submitted())
        receiver.wait_for(1)
        administer(place.uri, "update jex.hook_deliveries set claimed_by = 'another'")
        opened.set()
        wait_for_line(log, "hook_claim_lost")
    (row,) = place.outbox.find("mine", limit=10)
    assert (row["state"], row["attempts"], row["is_being_sent"]) == (PENDING, 0, True)
    assert place.heard.sent_to == []


def test_while_the_process_may_not_work_nothing_is_sent(
    place: Place, receiver: Receiver, log: io.StringIO
) -> None:
    allowed = False

    def require() -> None:
        if not allowed:
            raise StoreUnavailable("another has the name")

    senders = wiring.hook_senders(place.config, place.database(), place.heard, require)
    place.senders.append(senders)
    senders.start()
    send(place.ingest(senders.wake), submitted())
    wait_for_line(log, "hook_waits_for_database")
    assert receiver.received == []
    allowed = True
    receiver.wait_for(1)


def test_one_delivery_that_cannot_be_sent_for_a_fault_of_ours_holds_up_no_other(
    place: Place, receiver: Receiver, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Carrier.send

    def broken_for_one(self: Carrier, delivery: Delivery, at: object) -> object:
        if delivery.job["key"].startswith("7"):
            raise ZeroDivisionError("ours")
        return whole(self, delivery, at)

    monkeypatch.setattr(Carrier, "send", broken_for_one)
    senders = place.start()
    send(place.ingest(senders.wake), submitted(job="7.000.000"), submitted())
    receiver.wait_for(1)
    wait_for_line(log, "hook_delivery_broken")
    place.wait_for_states([DELIVERED, PENDING])
    wait_until(lambda: place.outbox.find("mine", limit=10, state=PENDING)[0]["error"], SOON, "it")
    (row,) = place.outbox.find("mine", limit=10, state=PENDING)
    assert row["error"] == "A fault of jexevents: ZeroDivisionError."
    monkeypatch.setattr(Carrier, "send", whole)
    place.wait_for_states([DELIVERED] * 2)


def test_nor_does_one_whose_answer_we_judge_wrongly(
    place: Place, receiver: Receiver, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(verdicts, "judge", broken)
        senders = place.start()
        send(place.ingest(senders.wake), submitted())
        receiver.wait_for(2)
        wait_for_line(log, "hook_delivery_broken")
    place.wait_for_states([DELIVERED])
    assert senders.alive


def test_what_cannot_be_noted_keeps_nothing_else_from_being_noted(
    place: Place, receiver: Receiver, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that PostgreSQL would refuse, and one that nobody can note at all."""
    whole = Outbox.finish

    def finish(self: Outbox, results: Sequence[Result]) -> set[int]:
        if any(one.answer == "poison" or one.delivery.job["key"] == "9" for one in results):
            raise Invalid("refused")
        return whole(self, results)

    monkeypatch.setattr(Outbox, "finish", finish)
    receiver.answer = lambda received: Reply(
        body=b"poison" if received.json()["subject"] == "7" else b"fine"
    )
    place.options["HookThreads"] = 1
    senders = place.start()
    # It learns how fast the receiver is, and takes several at once then.
    send(place.ingest(senders.wake), *events_of(20, 1)[10:])
    place.wait_for_states([DELIVERED] * 10)
    send(place.ingest(senders.wake), *events_of(10, 1))
    place.wait_for_states([DELIVERED] * 19 + [PENDING])
    found = {row["job"]["key"]: row for row in place.outbox.find("mine", limit=10)}
    assert found["7"]["error"] == "What came of it could not be noted: Invalid."
    assert (found["8"]["answer"], found["10"]["answer"]) == ("fine", "fine")
    assert (found["9"]["state"], found["9"]["is_being_sent"]) == (PENDING, True)
    assert "hook_results_broken" in log.getvalue()
    assert senders.alive


@pytest.mark.parametrize(
    ("name", "event"), [("claim", "hook_sender_broken"), ("next_due", "hooks_look_broken")]
)
def test_a_fault_of_ours_beside_a_try_ends_no_daemon(
    place: Place,
    receiver: Receiver,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    event: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, name, broken)
        senders = place.start()
        send(place.ingest(senders.wake), submitted())
        senders.wake()
        wait_for_line(log, event)
    receiver.wait_for(1)
    place.wait_for_states([DELIVERED])
    assert senders.alive


def test_what_cannot_be_counted_is_sent(
    place: Place, receiver: Receiver, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_self: Outbox) -> None:
        raise StoreTooSlow("too many")

    monkeypatch.setattr(Outbox, "pending", away)
    senders = place.start()
    wait_for_line(log, "hooks_not_counted")
    wait_until(lambda: senders.looks > 1, SOON, "two looks")
    assert "hooks_not_looked_at" not in log.getvalue()


def test_a_process_without_memory_is_started_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Outbox, "claim", full)
    senders = place.start()
    place.senders.remove(senders)
    senders.wake()
    assert senders.join(SOON)
    assert isinstance(senders.exception, SenderDied)


def test_a_sender_that_dies_takes_the_service_with_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the process ends, and is started again."""
    monkeypatch.setattr(Carrier, "__init__", broken)
    senders = place.start()
    place.senders.remove(senders)
    assert senders.join(SOON)
    assert isinstance(senders.exception, SenderDied)
    assert isinstance(senders.exception.__cause__, ZeroDivisionError)
