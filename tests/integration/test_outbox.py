"""The outbox: who may send what and when, and what becomes of it."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from jexevents.errors import Conflict
from jexevents.store import outbox
from jexevents.store.database import Connection
from jexevents.store.outbox import (
    ANSWER_BYTES,
    DEAD,
    DELIVERED,
    PENDING,
    Delivery,
    Outbox,
    Result,
)
from tests.ledger import TestLedger, message, submitted
from tests.outbox import LEASE_SECONDS, execute, job_id, later, put, rows
from tests.support import wait_until


def claim(ledger: TestLedger, limit: int = 100, by: str = "me", hook: str = "a") -> list[Delivery]:
    return ledger.outbox.claim(hook, by, limit, LEASE_SECONDS)


def ids(deliveries: list[Delivery]) -> list[int]:
    return [delivery.id for delivery in deliveries]


def finish(ledger: TestLedger, state: str, *deliveries: Delivery, retry: float = 0) -> set[int]:
    return ledger.outbox.finish([Result(one, state, retry_in_seconds=retry) for one in deliveries])


def test_a_delivery_has_all_that_a_body_is_made_of(ledger: TestLedger) -> None:
    ledger.send(message(submitted()), source="here")
    (event,) = ledger.reading.latest_events(limit=10)
    (number,) = put(ledger, "a", [7], seq=event["seq"])
    (delivery,) = claim(ledger)
    assert (delivery.id, delivery.hook, delivery.job_id) == (number, "a", job_id(7))
    assert (delivery.attempts, delivery.tried_first_at, delivery.tried_seconds) == (0, None, None)
    assert delivery.event == (
        event["seq"],
        "here",
        "condor",
        "SUBMIT",
        event["occurred_at"],
        None,
        event["received_at"],
        event["data"],
        bytes(event["checksum"]),
        False,
    )
    put(ledger, "b", [None])
    (of_no_job,) = claim(ledger, hook="b")
    assert (of_no_job.job_id, of_no_job.job, of_no_job.event) == (None, None, None)


def test_what_is_claimed_is_nobody_elses(ledger: TestLedger) -> None:
    first = put(ledger, "a", [1, 2, None])
    other = put(ledger, "b", [1])
    assert ids(claim(ledger, 2)) == first[:2]
    assert ids(claim(ledger, by="you")) == first[2:]
    assert claim(ledger, by="you") == []
    assert ids(claim(ledger, hook="b")) == other


def test_an_expired_claim_is_free_and_finishes_nothing(ledger: TestLedger) -> None:
    put(ledger, "a", [1, None])
    lost = claim(ledger)
    later(ledger, LEASE_SECONDS + 1)
    taken = claim(ledger, by="you")
    assert ids(taken) == ids(lost)
    before = rows(ledger)
    assert finish(ledger, DELIVERED, *lost) == set()
    ledger.outbox.release(lost)
    assert rows(ledger) == before
    assert finish(ledger, DELIVERED, *taken) == set(ids(taken))


def test_the_same_claimer_knows_an_old_claim_from_a_new_one(ledger: TestLedger) -> None:
    put(ledger, "a", [1])
    (lost,) = claim(ledger)
    later(ledger, LEASE_SECONDS + 1)
    (again,) = claim(ledger)
    assert finish(ledger, DEAD, lost) == set()
    assert finish(ledger, DELIVERED, again) == {again.id}
    assert finish(ledger, DEAD, again) == set()
    assert rows(ledger)[again.id]["state"] == DELIVERED


def test_one_that_nobody_took_over_can_be_finished_late(ledger: TestLedger) -> None:
    put(ledger, "a", [1])
    (delivery,) = claim(ledger)
    later(ledger, LEASE_SECONDS + 1)
    stale = replace(delivery, claimed_until=rows(ledger)[delivery.id]["claimed_until"])
    assert finish(ledger, DELIVERED, stale) == {delivery.id}


def test_what_came_of_a_try_is_kept(ledger: TestLedger) -> None:
    put(ledger, "a", [None, None, None])
    good, bad, slow = claim(ledger)
    ledger.outbox.finish(
        [
            Result(good, DELIVERED, status=204, answer="", seconds=0.25),
            Result(bad, DEAD, status=400, error="no\0\ud800", answer="é" * 2000, seconds=1),
            Result(slow, PENDING, 60, error="timed out", seconds=20),
        ]
    )
    found = rows(ledger)
    row = found[good.id]
    assert (row["state"], row["status"], row["answer"], row["seconds"]) == (
        DELIVERED,
        204,
        "",
        0.25,
    )
    assert row["finished_at"] is not None
    row = found[bad.id]
    assert (row["state"], row["error"], row["answer"]) == (
        DEAD,
        "no\ufffd?",
        "é" * (ANSWER_BYTES // 2),
    )
    row = found[slow.id]
    assert (row["state"], row["attempts"], row["finished_at"]) == (PENDING, 1, None)
    assert (row["tried_at"] - row["tried_first_at"]).total_seconds() == 20
    assert 59 < ledger.outbox.next_due("a") <= 60


def test_tries_are_counted_and_timed_from_the_first(ledger: TestLedger) -> None:
    put(ledger, "a", [1])
    for attempt in range(3):
        (delivery,) = claim(ledger)
        assert delivery.attempts == attempt
        if attempt:
            assert 100 * attempt <= delivery.tried_seconds < 100 * attempt + 50
        finish(ledger, PENDING, delivery, retry=100)
        later(ledger, 100)
        execute(
            ledger, "update hook_deliveries set tried_first_at = tried_first_at - interval '100 s'"
        )


# The order within a hook and job


def test_nothing_overtakes_what_waits_for_another_try(ledger: TestLedger) -> None:
    put(ledger, "a", [1, 1, 2, 1, None, None])
    first, second, other, third, loose, looser = claim(ledger)
    finish(ledger, PENDING, first, loose, retry=50)
    ledger.outbox.release([second, third, other, looser])
    assert ids(claim(ledger)) == [other.id, looser.id]
    later(ledger, 51)
    assert ids(claim(ledger)) == [first.id, second.id, third.id, loose.id]


def test_nothing_overtakes_what_is_being_sent(ledger: TestLedger) -> None:
    numbers = put(ledger, "a", [1] * 5)
    head = claim(ledger, 2)
    assert claim(ledger, by="you") == []
    finish(ledger, DELIVERED, head[0])
    assert claim(ledger, by="you") == []
    finish(ledger, DEAD, head[1])
    assert ids(claim(ledger, by="you")) == numbers[2:]


def test_what_comes_meanwhile_waits_too(ledger: TestLedger) -> None:
    put(ledger, "a", [1])
    (head,) = claim(ledger)
    (later_one,) = put(ledger, "a", [1])
    assert claim(ledger, by="you") == []
    finish(ledger, PENDING, head, retry=50)
    assert claim(ledger, by="you") == []
    later(ledger, 51)
    assert ids(claim(ledger, by="you")) == [head.id, later_one]


def test_one_hook_holds_up_no_other(ledger: TestLedger) -> None:
    put(ledger, "a", [1])
    (head,) = claim(ledger)
    finish(ledger, PENDING, head, retry=50)
    number = put(ledger, "b", [1])
    assert ids(claim(ledger, hook="b")) == number


def test_a_dead_receivers_thousands_are_looked_through_once(ledger: TestLedger) -> None:
    put(ledger, "a", [1] * 3000)
    (head,) = claim(ledger, 1)
    finish(ledger, PENDING, head, retry=50)
    assert claim(ledger) == []
    assert sum(row["parked"] for row in rows(ledger).values()) == 2999
    assert 49 < ledger.outbox.next_due("a") <= 50
    (other,) = put(ledger, "a", [2])
    assert ids(claim(ledger, 1)) == [other]
    later(ledger, 51)
    sent = 0
    while found := claim(ledger, 70):
        assert ids(found) == list(range(sent + 1, sent + len(found) + 1))
        finish(ledger, DELIVERED, *found)
        sent += len(found)
    assert sent == 3000
    assert ledger.outbox.pending() == {"a": 1}


@pytest.mark.parametrize("noise", [random.Random(1).randbytes(1_500_000).hex(), "x" * 3_000_000])
def test_a_claim_of_long_events_is_short(ledger: TestLedger, noise: str) -> None:
    """Even of those that PostgreSQL makes little of."""
    execute(
        ledger,
        "insert into events (checksum, source, name, occurred_at, received_at, data, raw) values"
        " (sha256('x'), '', 'x', now(), now(), jsonb_build_object('x', %s::text), '')",
        noise,
    )
    (event,) = ledger.reading.latest_events(limit=1)
    numbers = put(ledger, "a", [1, None, 1, 2, None], seq=event["seq"])
    first = claim(ledger)
    assert 0 < len(first) < 5
    assert ids(first) == numbers[: len(first)]
    finish(ledger, DELIVERED, *first)
    second = claim(ledger)
    assert ids(second) == numbers[len(first) : len(first) + len(second)]


def test_many_claim_finish_fail_and_die_at_once(ledger: TestLedger) -> None:
    """Nobody has what another has, no job's order is broken, and nothing is left behind."""
    choices = random.Random(7)
    for _ in range(20):
        put(ledger, "a", [choices.choice([None, *range(12)]) for _ in range(50)])
    sent: list[Delivery] = []

    def work(number: int) -> None:
        own, rolls = Outbox(ledger.database), random.Random(number)
        while own.pending():
            taken = own.claim("a", f"thread {number}", rolls.randint(1, 40), LEASE_SECONDS)
            kept, held_up = [], set()
            for delivery in taken:
                if delivery.job_id in held_up:
                    kept.append(delivery)
                elif rolls.random() < 0.1:
                    held_up.add(delivery.job_id) if delivery.job_id else None
                    own.finish([Result(delivery, PENDING, rolls.choice([0, 0.01]))])
                else:
                    sent.append(delivery)
                    assert own.finish([Result(delivery, DELIVERED)]) == {delivery.id}
            own.release(kept)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))
    assert sorted(ids(sent)) == list(range(1, 1001))
    by_job: dict[str, list[int]] = {}
    for delivery in sent:
        if delivery.job_id:
            by_job.setdefault(delivery.job_id, []).append(delivery.id)
    assert all(numbers == sorted(numbers) for numbers in by_job.values())


# When to ask again


def test_when_to_ask_again(ledger: TestLedger) -> None:
    box = ledger.outbox
    assert box.next_due("a") is None
    put(ledger, "a", [1, 2])
    assert box.next_due("a") == 0
    first, _ = claim(ledger)
    assert LEASE_SECONDS - 5 < box.next_due("a") <= LEASE_SECONDS
    finish(ledger, PENDING, first, retry=30)
    assert 25 < box.next_due("a") <= 30
    later(ledger, LEASE_SECONDS + 1)
    assert box.next_due("a") == 0
    box.disable("a", "gone")
    assert box.next_due("a") is None


# Hooks as a whole


def test_a_disabled_hook_keeps_what_waits_until_it_is_enabled(ledger: TestLedger) -> None:
    box = ledger.outbox
    put(ledger, "a", [1])
    assert not box.is_disabled("a")
    box.disable("a", "410 Gone")
    box.disable("a", "again")
    assert box.is_disabled("a")
    assert claim(ledger) == []
    (count,) = box.counts()
    assert (count.hook, count.pending, count.reason) == ("a", 1, "410 Gone")
    assert box.enable("a", "ann")
    assert not box.enable("a", "ann")
    assert len(claim(ledger)) == 1
    assert audits(ledger) == [("ann", "hook.enable", {"hook": "a"})]


def test_what_waits_of_a_disabled_hook_can_be_given_up(ledger: TestLedger) -> None:
    put(ledger, "a", [1, 1, None])
    (being_sent,) = claim(ledger, 1)
    put(ledger, "b", [1])
    assert ledger.outbox.give_up("a", "disabled") == 0
    ledger.outbox.disable("a", "410 Gone")
    assert ledger.outbox.give_up("a", "disabled") == 2
    found = rows(ledger)
    assert [row["state"] for row in found.values()] == [PENDING, DEAD, DEAD, PENDING]
    assert found[2]["error"] == "disabled"
    assert finish(ledger, DELIVERED, being_sent) == {being_sent.id}
    put(ledger, "a", [None] * 2500)
    assert ledger.outbox.give_up("a", "disabled") == 2500


def test_what_comes_after_a_hook_was_enabled_is_not_given_up(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far the giving up had come, by whomever it was begun."""
    put(ledger, "a", [1, 2, 3])
    ledger.outbox.disable("a", "410 Gone")
    monkeypatch.setattr(outbox, "_GIVEN_UP_AT_ONCE", 1)
    whole, new = outbox._give_up_some, []

    def some(*arguments: Any) -> int:
        if rows(ledger)[1]["state"] == DEAD and not new:
            assert ledger.outbox.enable("a")
            new.extend(put(ledger, "a", [1, 7]))
        return whole(*arguments)

    monkeypatch.setattr(outbox, "_give_up_some", some)
    assert ledger.outbox.give_up("a", "disabled") == 1
    assert [row["state"] for row in rows(ledger).values()] == [DEAD] + [PENDING] * 4
    assert ids(claim(ledger)) == [2, 3, *new]


def test_who_enables_waits_for_who_gives_up(ledger: TestLedger) -> None:
    """So that nothing is given up of an enabled hook by a statement that had begun before."""
    put(ledger, "a", [1])
    ledger.outbox.disable("a", "410 Gone")
    with ThreadPoolExecutor(1) as thread:
        with ledger.database.transaction() as connection:
            assert outbox._give_up_some(connection, "a", "disabled") == 1
            enabling = thread.submit(ledger.outbox.enable, "a")
            wait_until(lambda: waits_for_a_lock(ledger), 30, "who enables to wait")
            assert not enabling.done()
        assert enabling.result(30)


def waits_for_a_lock(ledger: TestLedger) -> bool:
    with ledger.database.look() as connection, connection.cursor() as cursor:
        cursor.execute("select exists (select from pg_locks where not granted)")
        return cursor.fetchone()[0]


def test_what_was_parked_is_sent_after_a_giving_up_that_was_cut_off(ledger: TestLedger) -> None:
    first, second, third = put(ledger, "a", [1] * 3)
    (head,) = claim(ledger, 1)
    assert claim(ledger) == []
    assert [row["parked"] for row in rows(ledger).values()] == [False, True, True]
    finish(ledger, PENDING, head)
    ledger.outbox.disable("a", "410 Gone")

    def cut_off(connection: Connection) -> None:
        outbox._give_up_some(connection, "a", "disabled")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "_GIVEN_UP_AT_ONCE", 1)
        ledger.database.run(cut_off)
    found = rows(ledger)
    assert (found[first]["state"], found[second]["parked"]) == (DEAD, False)
    assert ledger.outbox.enable("a")
    assert ledger.outbox.next_due("a") == 0
    assert ids(claim(ledger)) == [second, third]


def test_who_enables_has_the_first_ones_looked_at_whatever_was_parked(ledger: TestLedger) -> None:
    numbers = put(ledger, "a", [1, 2, 1, None])
    ledger.outbox.disable("a", "410 Gone")
    execute(ledger, "update hook_deliveries set parked = true where job_id is not null")
    assert ledger.outbox.enable("a")
    assert ids(claim(ledger)) == numbers


def test_counts_are_by_hook_and_state(ledger: TestLedger) -> None:
    put(ledger, "a", [1, 2, 3])
    put(ledger, "b", [1])
    first, second, _ = claim(ledger)
    finish(ledger, DELIVERED, first)
    finish(ledger, DEAD, second)
    ledger.outbox.disable("c", "gone")
    a, b, c = ledger.outbox.counts()
    assert (a.hook, a.pending, a.delivered, a.dead) == ("a", 1, 1, 1)
    assert (b.hook, b.pending, b.delivered, b.dead, b.disabled_at) == ("b", 1, 0, 0, None)
    assert (c.hook, c.pending, c.oldest_pending_at, c.reason) == ("c", 0, None, "gone")
    assert a.oldest_pending_at <= datetime.now(timezone.utc)
    assert ledger.outbox.pending() == {"a": 1, "b": 1}


def test_pages_of_deliveries(ledger: TestLedger) -> None:
    numbers = put(ledger, "a", [1, 2, 3, 4])
    put(ledger, "b", [1])
    finish(ledger, DELIVERED, *claim(ledger, 2))
    box = ledger.outbox
    assert [row["id"] for row in box.find("a", limit=3)] == numbers[:0:-1]
    assert [row["id"] for row in box.find("a", limit=3, before=numbers[1])] == numbers[:1]
    assert [row["id"] for row in box.find("a", limit=9, state=PENDING)] == [numbers[3], numbers[2]]
    assert box.find("c", limit=9) == []
    claim(ledger, 1)
    states = [(row["state"], row["is_being_sent"]) for row in box.find("a", limit=9)]
    assert states == [(PENDING, False), (PENDING, True), (DELIVERED, False), (DELIVERED, False)]


# Once more


@pytest.mark.parametrize("state", [DELIVERED, DEAD, PENDING])
def test_a_delivery_can_be_sent_once_more(ledger: TestLedger, state: str) -> None:
    ledger.send(message(submitted()))
    (event,) = ledger.reading.latest_events(limit=1)
    put(ledger, "a", [1], seq=event["seq"])
    (delivery,) = claim(ledger)
    finish(ledger, state, delivery, retry=1000)
    assert claim(ledger) == []
    assert ledger.outbox.redeliver("a", delivery.id, "ann")
    (again,) = claim(ledger)
    assert (again.id, again.message_id) == (delivery.id, delivery.message_id)
    assert (again.attempts, again.tried_seconds) == (0, None)
    detail = {"hook": "a", "delivery": delivery.id, "was": state}
    assert audits(ledger) == [("ann", "hook.redeliver", detail)]
    with pytest.raises(Conflict, match="being sent"):
        ledger.outbox.redeliver("a", delivery.id, "ann")


def test_what_cannot_be_sent_once_more(ledger: TestLedger) -> None:
    (number,) = put(ledger, "a", [1])
    with pytest.raises(Conflict, match="pruned"):
        ledger.outbox.redeliver("a", number)
    ledger.outbox.disable("a", "410 Gone")
    ledger.outbox.give_up("a", "disabled")
    # It would be given up again at once.
    for again in (
        lambda: ledger.outbox.redeliver("a", number),
        lambda: ledger.outbox.redeliver_dead("a"),
    ):
        with pytest.raises(Conflict, match="hooks enable a"):
            again()
    assert ledger.outbox.enable("a")
    assert ledger.outbox.redeliver_dead("a") == 0
    assert not ledger.outbox.redeliver("b", number)
    assert not ledger.outbox.redeliver("a", number + 1)
    assert [action for _, action, _ in audits(ledger)] == ["hook.enable"]


def test_without_its_event_goes_what_needs_none(ledger: TestLedger) -> None:
    one, other = put(ledger, "a", [1, 1])
    finish(ledger, DEAD, *claim(ledger))
    assert ledger.outbox.redeliver("a", one, needs_event=False)
    assert ledger.outbox.redeliver_dead("a", needs_event=False) == 1
    assert ids(claim(ledger)) == [one, other]


def test_one_that_is_sent_again_holds_up_nothing_of_its_job(ledger: TestLedger) -> None:
    ledger.send(message(submitted()))
    (event,) = ledger.reading.latest_events(limit=1)
    numbers = put(ledger, "a", [1] * 4, seq=event["seq"])
    first, second = claim(ledger, 2)
    finish(ledger, DELIVERED, first, second)
    assert ledger.outbox.redeliver("a", first.id)
    (again,) = claim(ledger, 1)
    assert (again.id, again.line, second.line) == (first.id, None, job_id(1))
    # Neither in somebody's hands nor waiting for another try.
    third, fourth = claim(ledger)
    assert [third.id, fourth.id] == numbers[2:]
    finish(ledger, PENDING, again, retry=50)
    finish(ledger, PENDING, third, retry=20)
    finish(ledger, DELIVERED, fourth)
    (new,) = put(ledger, "a", [1], seq=event["seq"])
    later(ledger, 21)
    assert ids(claim(ledger)) == [third.id, new]


def test_nor_does_its_job_hold_up_one_that_is_sent_again(ledger: TestLedger) -> None:
    ledger.send(message(submitted()))
    (event,) = ledger.reading.latest_events(limit=1)
    first, second, third = put(ledger, "a", [1] * 3, seq=event["seq"])
    claimed = claim(ledger)
    finish(ledger, DELIVERED, claimed[2])
    finish(ledger, PENDING, claimed[0], retry=50)
    ledger.outbox.release([claimed[1]])
    assert claim(ledger) == []
    assert ledger.outbox.redeliver("a", third)
    assert ids(claim(ledger)) == [third]
    # One that waits has its place still.
    assert ledger.outbox.redeliver("a", second)
    assert claim(ledger) == []
    assert ledger.outbox.redeliver("a", first)
    assert ids(claim(ledger)) == [first, second]


def test_what_has_an_identity_over_its_source_is_known(ledger: TestLedger) -> None:
    ledger.send(message(submitted()))
    system_event = {
        "smrtLinkId": job_id(1), "uuid": job_id(2), "createdAt": "2026-01-01T00:00:00Z",
        "eventTypeId": "sl_test_event", "message": {},
    }  # fmt: skip
    assert ledger.post("/api/v1/events", system_event).status == 201
    events = ledger.reading.latest_events(limit=2)
    for one in events:
        put(ledger, "a", [1], seq=one["seq"])
    found = {one.event.name: one.event.is_identified for one in claim(ledger)}
    assert found == {"SUBMIT": False, "sl_test_event": True}


def test_all_dead_ones_can_be_sent_once_more(ledger: TestLedger) -> None:
    ledger.send(message(submitted()))
    (event,) = ledger.reading.latest_events(limit=1)
    put(ledger, "a", [None] * 1200, seq=event["seq"])
    put(ledger, "a", [None] * 3)  # the events of which are gone
    put(ledger, "b", [None], seq=event["seq"])
    for hook, count in (("a", 1203), ("b", 1)):
        ledger.outbox.disable(hook, "gone")
        assert ledger.outbox.give_up(hook, "gone") == count
        assert ledger.outbox.enable(hook, "bob")
    assert ledger.outbox.redeliver_dead("a", "ann") == 1200
    assert ledger.outbox.pending() == {"a": 1200}
    detail = {"hook": "a", "was": DEAD, "deliveries": 1200}
    assert audits(ledger)[2:] == [("ann", "hook.redeliver", detail)]
    assert ledger.outbox.redeliver_dead("c", "ann") == 0


def audits(ledger: TestLedger) -> list[tuple[Any, ...]]:
    with ledger.database.look() as connection, connection.cursor() as cursor:
        cursor.execute("select credential, action, detail from audit order by id")
        return cursor.fetchall()
