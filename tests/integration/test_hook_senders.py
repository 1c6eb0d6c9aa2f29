"""From an event in the ledger to its receiver: in order, once at a time, again where it failed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from jexevents import wiring
from jexevents.hooks.service import HookSenders
from jexevents.store.outbox import DEAD, DELIVERED, PENDING
from tests.integration.hook_place import (
    SECRET,
    SOON,
    Place,
    assert_in_order,
    at,
    events_of,
    gate,
    send,
)
from tests.ledger import NOON, executing, held, named, released, submitted, terminated
from tests.receiver import Received, Receiver, Reply, hang_up, receiving
from tests.support import free_port, wait_until
from tests.unit.service_stress import stress

INVOCATION = "5d2a0f04-9f1e-4a86-8b9f-5d6c0e0f7a11"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def place(database: str, receiver: Receiver) -> Iterator[Place]:
    made = Place(database, [{"Name": "mine", "URL": receiver.url, "Secret": SECRET}])
    yield made
    made.end()


def test_an_event_is_sent_at_once_and_signed(place: Place, receiver: Receiver) -> None:
    senders = place.start()
    send(place.ingest(senders.wake), submitted())
    (came,) = receiver.wait_for(1)
    assert Webhook(SECRET).verify(came.body, came.headers)["type"] == "jexevents.condor.SUBMIT"
    assert came.headers["Content-Type"] == "application/cloudevents+json"
    place.wait_for_states([DELIVERED])
    (row,) = place.outbox.find("mine", limit=10)
    assert (row["status"], row["attempts"], row["answer"], row["error"]) == (200, 1, "ok", None)
    assert came.id == f"msg_{row['message_id'].replace('-', '')}"
    assert place.heard.sent_to == [("mine", DELIVERED)]


def test_what_a_receiver_says_of_our_secrets_is_kept_nowhere(
    database: str, receiver: Receiver
) -> None:
    headers = {"Authorization": "Bearer hidden-token", "X-Api-Key": "hidden-key"}
    hook = {"Name": "mine", "URL": f"{receiver.url}/hidden-path?sig=hidden-sig"}
    place = Place(database, [{**hook, "Secret": SECRET, "Headers": headers}])
    receiver.answer = lambda received: Reply(
        500, body="\n".join([received.path, *map(": ".join, received.headers.items())]).encode()
    )
    senders = place.start()
    send(place.ingest(senders.wake), submitted())
    (came,) = receiver.wait_for(1)[:1]
    wait_until(lambda: place.outbox.find("mine", limit=1)[0]["answer"], SOON, "the answer")
    answer = place.outbox.find("mine", limit=1)[0]["answer"]
    assert f"webhook-id: {came.id}" in answer
    assert "hidden" not in answer
    assert "v1," not in answer
    place.end()


def test_what_another_process_wrote_is_sent_without_a_word(
    place: Place, receiver: Receiver
) -> None:
    place.start()
    send(place.ingest(), submitted())
    receiver.wait_for(1)


def test_what_waited_before_the_start_is_sent(place: Place, receiver: Receiver) -> None:
    send(place.ingest(), *events_of(3, 4))
    place.start()
    assert len({one.id for one in receiver.wait_for(12)}) == 12


def test_it_is_tried_again_with_the_same_id_till_it_is_taken(
    place: Place, receiver: Receiver
) -> None:
    replies = iter([Reply(500, body=b"no"), Reply(503), Reply(by=hang_up), Reply(302)])
    receiver.answer = lambda _received: next(replies, Reply())
    senders = place.start()
    send(place.ingest(senders.wake), submitted())
    came = receiver.wait_for(5)
    place.wait_for_states([DELIVERED])
    assert len(receiver.received) == 5
    assert len({one.id for one in came}) == 1
    assert len({one.body for one in came}) == 1
    (row,) = place.outbox.find("mine", limit=10)
    # A connection that was kept and is closed without an answer is no attempt.
    assert row["attempts"] in (4, 5)
    assert row["status"] == 200
    tried = [("mine", PENDING)] * (row["attempts"] - 1)
    assert place.heard.sent_to == [*tried, ("mine", DELIVERED)]


def test_a_receiver_that_is_away_gets_all_when_it_is_back(database: str) -> None:
    port = free_port()
    place = Place(database, [{"Name": "mine", "URL": f"http://127.0.0.1:{port}"}])
    senders = place.start()
    send(place.ingest(senders.wake), *events_of(2, 3))
    wait_until(lambda: len(place.heard.sent_to) > 10, SOON, "some tries")
    assert set(place.states()) == {PENDING}
    with receiving(port=port) as receiver:
        came = receiver.wait_for(6)
        place.wait_for_states([DELIVERED] * 6)
        assert_in_order(came)
    place.end()


def test_order_is_kept_by_several_daemons_whatever_fails(place: Place, receiver: Receiver) -> None:
    lock, failed = threading.Lock(), set()

    def answer(received: Received) -> Reply:
        """Fail each third one, once."""
        with lock:
            is_new = received.id not in failed
            failed.add(received.id)
        return Reply(500) if is_new and int(received.id[-4:], 16) % 3 == 0 else Reply()

    receiver.answer = answer
    daemons = [place.start() for _ in range(3)]
    ingest = place.ingest(daemons[0].wake)
    for number in range(10):
        send(ingest, *[executing(job=f"{job}.000.000", second=number) for job in range(1, 7)])
    place.wait_for_states([DELIVERED] * 60)
    assert len({one.id for one in receiver.received}) == 60
    assert_in_order(receiver.received)


def test_while_one_is_tried_none_of_its_job_is_and_others_are(
    place: Place, receiver: Receiver
) -> None:
    with gate(receiver) as opened:
        place.start()
        place.start()
        ingest = place.ingest()
        send(ingest, submitted(), executing(second=1))
        send(ingest, submitted(job="7.000.000"), executing(job="7.000.000", second=1))
        receiver.wait_for(2)
        jobs = [at(one)[0] for one in receiver.received]
        assert sorted(jobs) == ["222", "7"]
        opened.set()
        receiver.wait_for(4)
    place.wait_for_states([DELIVERED] * 4)
    assert len(receiver.received) == 4


def warmed_up(place: Place, receiver: Receiver) -> HookSenders:
    """Start one sender that has learned how fast the receiver is, and claims several at once."""
    place.options["HookThreads"] = 1
    senders = place.start()
    send(place.ingest(senders.wake), *events_of(20, 1))
    place.wait_for_states([DELIVERED] * 20)
    receiver.received.clear()
    return senders


def test_a_failure_holds_up_those_behind_it_in_the_same_claim(
    place: Place, receiver: Receiver
) -> None:
    senders = warmed_up(place, receiver)
    receiver.answer = lambda _received: Reply(500 if len(receiver.received) < 3 else 200)
    send(place.ingest(senders.wake), submitted(), executing(second=1), terminated(second=2))
    place.wait_for_states([DELIVERED] * 23)
    assert [one.json()["type"].rpartition(".")[2] for one in receiver.received] == [
        "SUBMIT", "SUBMIT", "SUBMIT", "EXECUTE", "JOB_TERMINATED",
    ]  # fmt: skip


def test_one_call_brings_as_many_threads_as_there_is_work_for(
    place: Place, receiver: Receiver
) -> None:
    """With nobody who looks by himself."""
    config = place.config
    ways = wiring.hook_ways(config)
    senders = HookSenders(place.outbox, wiring.hooks(config), ways, threads=4, poll_seconds=600)
    place.senders.append(senders)
    senders.start()
    wait_until(lambda: senders.looks, SOON, "the only look")
    with gate(receiver) as opened:
        send(place.ingest(senders.wake), *events_of(6, 1))
        receiver.wait_for(4)
        assert receiver.under_way == 4
        opened.set()
        receiver.wait_for(6)
    place.wait_for_states([DELIVERED] * 6)


def test_a_dead_endpoint_delays_no_other_hook(database: str, receiver: Receiver) -> None:
    with receiving() as dead, gate(dead):
        place = Place(
            database,
            [{"Name": "dead", "URL": dead.url}, {"Name": "mine", "URL": receiver.url}],
        )
        senders = place.start()
        ingest = place.ingest(senders.wake)
        send(ingest, *events_of(20, 1))
        receiver.wait_for(20)
        dead.wait_for(4)
        place.wait_for_states([DELIVERED] * 20)
        assert place.states("dead") == [PENDING] * 20
        assert dead.most_under_way == 4
    place.end()


def test_it_is_given_up_when_its_time_is_over_and_kept(database: str, receiver: Receiver) -> None:
    receiver.answer = lambda _received: Reply(500, body=b"broken")
    place = Place(database, [{"Name": "mine", "URL": receiver.url, "TryForSeconds": 1}])
    senders = place.start()
    send(place.ingest(senders.wake), submitted(), executing(second=1))
    place.wait_for_states([DEAD] * 2)
    second, first = place.outbox.find("mine", limit=10)
    assert (first["status"], first["answer"]) == (500, "broken")
    assert "tried for 1 s" in first["error"]
    assert first["attempts"] > 1
    assert second["attempts"] > 1
    tried = [one.id for one in receiver.received]
    assert tried == sorted(tried, key=tried.index)
    place.end()


def test_410_disables_the_hook_and_what_waits_is_dead(place: Place, receiver: Receiver) -> None:
    receiver.answer = lambda _received: Reply(410)
    send(place.ingest(), *events_of(1, 5))
    senders = place.start()
    place.wait_for_states([DEAD] * 5)
    assert len(receiver.received) == 1
    assert place.outbox.is_disabled("mine")
    # What comes later is given up, too, and nothing is sent.
    send(place.ingest(senders.wake), executing(job="9.000.000"))
    place.wait_for_states([DEAD] * 6)
    assert len(receiver.received) == 1
    receiver.answer = lambda _received: Reply()
    assert place.outbox.enable("mine")
    assert place.outbox.redeliver_dead("mine") == 6
    place.wait_for_states([DELIVERED] * 6)
    assert len({one.id for one in receiver.received[1:]}) == 6


def test_what_is_sent_again_and_not_taken_holds_up_nothing_new(
    place: Place, receiver: Receiver
) -> None:
    senders = place.start()
    ingest = place.ingest(senders.wake)
    send(ingest, executing(second=1))
    place.wait_for_states([DELIVERED])
    (first,) = receiver.received
    receiver.answer = lambda received: Reply(400 if received.id == first.id else 200)
    assert place.outbox.redeliver("mine", place.outbox.find("mine", limit=1)[0]["id"])
    senders.wake()
    receiver.wait_for(3)
    send(ingest, executing(second=2), terminated(second=3))
    place.wait_for_states([PENDING, DELIVERED, DELIVERED])


def test_events_of_two_jobs_are_two_cloudevents(place: Place, receiver: Receiver) -> None:
    """Though each has the checksum that a client's first insertion has."""
    senders = place.start()
    ingest = place.ingest(senders.wake)
    for condor_id in ("1.0", "2.0"):
        job = {"CondorID": condor_id, "Submitter": "ann", "DateSubmitted": "2026-01-01T00:00:00Z"}
        raw = json.dumps(job).encode()
        ingest.insert_job(job, received_at=NOON, raw=raw, source="s", idempotency_key="1")
    came = [one.json() for one in receiver.wait_for(2)]
    assert len({(one["source"], one["id"]) for one in came}) == 2


def test_a_retry_after_that_is_beyond_all_time_ends_nobody(
    place: Place, receiver: Receiver
) -> None:
    answers = iter([Reply(503, {"Retry-After": "Mon, 1 Jan 99999999999 00:00:00 GMT"})])
    receiver.answer = lambda _received: next(answers, Reply())
    senders = place.start()
    send(place.ingest(senders.wake), submitted())
    place.wait_for_states([DELIVERED])
    assert senders.alive


def test_retry_after_is_waited_for(place: Place, receiver: Receiver) -> None:
    receiver.answer = lambda _received: Reply(503, {"Retry-After": "2"})
    senders = place.start()
    send(place.ingest(senders.wake), submitted())
    receiver.wait_for(1)
    receiver.answer = lambda _received: Reply()
    first, second = receiver.wait_for(2)
    assert 2 <= second.began - first.began < 10


def test_what_a_killed_daemon_had_claimed_is_sent_when_its_claim_ends(
    place: Place, receiver: Receiver
) -> None:
    send(place.ingest(), submitted(), executing(second=1))
    assert len(place.outbox.claim("mine", "killed", 10, lease_seconds=3)) == 2
    place.start()
    came = receiver.wait_for(2)
    place.wait_for_states([DELIVERED] * 2)
    assert_in_order(came)


def test_a_stop_gives_back_what_was_not_tried(place: Place, receiver: Receiver) -> None:
    senders = warmed_up(place, receiver)
    with gate(receiver) as opened:
        send(place.ingest(senders.wake), *events_of(1, 6)[1:])
        receiver.wait_for(1)
        claimed = [row["is_being_sent"] for row in place.outbox.find("mine", limit=5)]
        assert claimed == [True] * 5
        senders.stop()
        opened.set()
        assert senders.join(SOON)
    assert len(receiver.received) == 1
    rows = place.outbox.find("mine", limit=5)
    assert [row["state"] for row in rows] == [PENDING] * 4 + [DELIVERED]
    assert [row["is_being_sent"] for row in rows] == [False] * 5
    place.start()
    place.wait_for_states([DELIVERED] * 25)


def test_a_stop_waits_not_for_a_receiver_that_hangs(place: Place, receiver: Receiver) -> None:
    with gate(receiver):
        senders = place.start()
        send(place.ingest(senders.wake), submitted())
        receiver.wait_for(1)
        senders.stop()
        assert senders.join(10)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/jex", f"/jex/stop/{INVOCATION}"),
        ("/jex/?key=a%2Fb", f"/jex/stop/{INVOCATION}?key=a%2Fb"),
        ("?key=1", f"/stop/{INVOCATION}?key=1"),
    ],
)
def test_a_held_job_is_stopped_by_its_invocation(
    database: str, receiver: Receiver, url: str, path: str
) -> None:
    place = Place(database, [], {"JEXURL": f"{receiver.url}{url}"})
    senders = place.start()
    ingest = place.ingest(senders.wake)
    send(ingest, submitted(), named(INVOCATION, second=1), held(second=2), released(second=3))
    (came,) = receiver.wait_for(1)
    assert (came.method, came.path) == ("DELETE", path)
    assert came.body == b""
    place.wait_for_states([DELIVERED], "jex-url")
    place.end()


def test_each_change_of_state_goes_to_the_event_url(database: str, receiver: Receiver) -> None:
    place = Place(database, [], {"EventURL": receiver.url})
    senders = place.start()
    ingest = place.ingest(senders.wake)
    send(ingest, submitted(), named(INVOCATION, second=1), executing(second=2), executing(second=3))
    send(ingest, terminated(second=4))
    came = [one.json()["state"] for one in receiver.wait_for(3)]
    assert [state["status"] for state in came] == ["Submitted", "Running", "Completed"]
    assert came[2] == {
        "status": "Completed", "uuid": INVOCATION, "completion_date": "1772366404000",
    }  # fmt: skip
    place.end()


def test_nothing_is_sent_to_a_forbidden_address(database: str, receiver: Receiver) -> None:
    options = {"HookForbiddenNetworks": ["127.0.0.0/8"]}
    hooks = [{"Name": "mine", "URL": receiver.url, "TryForSeconds": 1}]
    place = Place(database, hooks, options)
    senders = place.start()
    send(place.ingest(senders.wake), submitted())
    place.wait_for_states([DEAD])
    (row,) = place.outbox.find("mine", limit=10)
    assert "HookForbiddenNetworks" in row["error"]
    assert receiver.connections == 0
    place.end()


def test_a_disabled_hook_has_no_senders(database: str, receiver: Receiver) -> None:
    hook = {"Name": "mine", "URL": receiver.url}
    send(Place(database, [hook]).ingest(), submitted())
    place = Place(database, [{**hook, "Disabled": True}])
    senders = place.start()
    send(place.ingest(senders.wake), executing(second=1))
    assert place.states() == [PENDING]
    place.end()
    assert receiver.received == []


def test_senders_are_a_service(place: Place) -> None:
    pool = place.database()
    stress(lambda: wiring.hook_senders(place.config, pool), rounds=10)
