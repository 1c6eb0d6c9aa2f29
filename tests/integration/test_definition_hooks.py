"""Hooks of job definitions: from an event of an execution to the URLs that its status has."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from standardwebhooks import Webhook

from jexevents import wiring
from jexevents.executions import events
from jexevents.executions.events import Named
from jexevents.hooks.errands import PATTERN
from jexevents.hooks.service import HookSenders
from jexevents.hookwords import name_of_url
from jexevents.lifecycle.executionid import shortest
from jexevents.sidecar.app import build_app
from jexevents.sidecar.auth import Gate
from jexevents.sidecar.tokens import Tokens
from jexevents.store.definition_hooks import DefinitionHooks, Wanted, depth, forget_idle, write
from jexevents.store.outbox import DEAD, DELIVERED, PENDING, Outbox
from jexevents.store.prune import Prune
from tests.integration.definition_hooks import Executions, event_of
from tests.integration.hook_place import SECRET, SOON, Place, gate
from tests.integration.web import call
from tests.receiver import Receiver, Reply, receiving
from tests.support import free_port, wait_until

PUBLIC = "https://jex.example.org"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    made = Place(database, [], {"PublicURL": PUBLIC, "JobHookSecret": SECRET})
    yield made
    made.end()


@pytest.fixture
def executions(place: Place) -> Executions:
    return Executions.of(place)


def count(place: Place, table: str) -> int:
    with place.database().look() as connection, connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {table}")
        return cursor.fetchone()[0]


def test_the_seeds_document_is_sent_signed(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    senders = place.start()
    named = executions.make("example-job")
    senders.wake(executions.tell(named, "start", {"complete": [receiver.url]}))
    senders.wake(executions.tell(named, "complete", {"complete": [receiver.url]}, 2))
    (came,) = receiver.wait_for(1)
    assert Webhook(SECRET).verify(came.body, came.headers) == {
        "job": "example-job",
        "execution": 1772366400.0,
        "status": "complete",
        "metadata": f"{PUBLIC}/jobs/example-job/1772366400.0",
    }
    assert came.headers["Content-Type"] == "application/json"
    hook = name_of_url(receiver.url)
    place.wait_for_states([DELIVERED], hook)
    wait_until(lambda: place.heard.sent_to, SOON, "it to be told")
    assert place.heard.sent_to == [(hook, DELIVERED)]
    (row,) = place.outbox.find(hook, limit=10)
    shown = row["job"]
    assert (shown["source"], shown["key"], shown["state"]) == (
        "example-job", "1772366400.0", "COMPLETE",
    )  # fmt: skip
    assert (shown["submitter"], shown["exit_code"], shown["attempt"]) == ("ann", 0, 1)


def test_each_url_of_a_status_gets_its_own(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    place.start()
    hooks = {
        "data-ready": [f"{receiver.url}/a", f"{receiver.url}/b"],
        "complete": [f"{receiver.url}/a"],
    }
    woken = executions.tell(executions.make(), ["start", "data-ready", "complete"], hooks)
    assert woken == {name_of_url(f"{receiver.url}/a"), name_of_url(f"{receiver.url}/b")}
    came = receiver.wait_for(3)
    by_path = {path: [one.json()["status"] for one in came if one.path == path]
               for path in ("/a", "/b")}  # fmt: skip
    assert by_path == {"/a": ["data-ready", "complete"], "/b": ["data-ready"]}


def test_a_delivery_shows_the_execution_as_it_was_after_its_event(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    """Though others were stored behind it in the same transaction, as those of a short job are.

    An end that another attempt follows is told by that.
    """
    names = ["start", "x", "fail"]
    named = executions.make()
    retried = events.retried(named, datetime.now(timezone.utc), 2, "Attempt 1 of 2: exit 3", 10.0)
    told = [event_of(named, name, place) for place, name in enumerate(names, 1)]
    executions.apply([*told, retried], {name: [receiver.url] for name in [*names, "retried"]})
    rows = place.outbox.find(name_of_url(receiver.url), limit=10)[::-1]
    shown = [
        (row["name"], row["job"]["state"], row["job"]["status"], row["job"]["attempt"])
        for row in rows
    ]
    assert shown == [
        ("start", "RUNNING", "start", 1), ("x", "RUNNING", "x", 1),
        ("retried", "QUEUED", "requested", 2),
    ]  # fmt: skip
    executions.tell(executions.make(), ["start", "fail", "x"], {"fail": [receiver.url]})
    ended = place.outbox.find(name_of_url(receiver.url), limit=1)[0]["job"]
    assert (ended["state"], ended["status"], ended["exit_code"]) == ("FAILED", "fail", 3)


def test_what_is_told_twice_is_sent_once(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    named = executions.make()
    hooks = {"start": [receiver.url]}
    assert executions.tell(named, "start", hooks)
    assert not executions.tell(named, "start", hooks)
    assert place.states(name_of_url(receiver.url)) == [PENDING]


def test_an_event_that_is_not_stored_leaves_no_delivery(
    place: Place, executions: Executions
) -> None:
    named = executions.make()

    def also(connection, applied) -> None:
        write(connection, [Wanted(applied[0].seq, applied[0].job_id, "http://h/")])
        raise RuntimeError()

    with pytest.raises(RuntimeError):
        executions.ledger.apply([event_of(named, "start", 1)], also=also)
    assert count(place, "hook_deliveries") == 0
    assert count(place, "hooks") == 0


def test_it_is_sent_though_nobody_says_so_and_the_definition_is_gone(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    """All that is needed stands in the database: the senders know of no definition."""
    executions.tell(executions.make(), "start", {"start": [receiver.url]})
    place.start()
    receiver.wait_for(1)


def test_it_is_tried_again_till_it_is_taken_in_order(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    replies = iter([Reply(500), Reply(503)])
    receiver.answer = lambda _received: next(replies, Reply())
    senders = place.start()
    url = [receiver.url]
    told = executions.tell(
        executions.make(), ["start", "x", "complete"], {"start": url, "x": url, "complete": url}
    )
    senders.wake(told)
    came = receiver.wait_for(5)
    place.wait_for_states([DELIVERED] * 3, *told)
    statuses = [one.json()["status"] for one in came]
    assert statuses == ["start", "start", "start", "x", "complete"]
    assert len({one.id for one in came}) == 3


def test_several_daemons_send_each_once(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    daemons = [place.start() for _ in range(3)]
    hooks = {"start": [receiver.url], "complete": [receiver.url]}
    for _ in range(20):
        told = executions.tell(executions.make(), ["start", "complete"], hooks)
        for daemon in daemons:
            daemon.wake(told)
    place.wait_for_states([DELIVERED] * 40, name_of_url(receiver.url))
    assert len(receiver.received) == 40
    for execution in {one.json()["execution"] for one in receiver.received}:
        mine = [one for one in receiver.received if one.json()["execution"] == execution]
        assert [one.json()["status"] for one in mine] == ["start", "complete"]


def test_dead_receivers_keep_nobody_waiting_for_long(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    """Three that never answer, each with more to get than there are threads."""
    with ExitStack() as stack:
        dead = [stack.enter_context(receiving()) for _ in range(3)]
        for one in dead:
            stack.enter_context(gate(one))
        senders = place.start()
        for _ in range(10):
            senders.wake(
                executions.tell(executions.make(), "start", {"start": [one.url for one in dead]})
            )
        for one in dead:
            one.wait_for(2)
        for _ in range(5):
            senders.wake(executions.tell(executions.make(), "start", {"start": [receiver.url]}))
        receiver.wait_for(5)
        assert [one.most_under_way for one in dead] == [2, 2, 2]
        assert senders.errands.threads <= 8


def test_what_hangs_is_known_for_slow(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    """More of them than there are threads: once each was slow, others have half of the threads."""
    with ExitStack() as stack:
        dead = [stack.enter_context(receiving()) for _ in range(10)]
        for one in dead:
            stack.enter_context(gate(one))
        pool = place.database()
        senders = HookSenders(
            Outbox(pool), (), wiring.hook_ways(place.config), retry_max_seconds=0.1,
            observer=place.heard, of_definitions=DefinitionHooks(pool),
            pattern=replace(PATTERN, timeout_seconds=2.5),
        )  # fmt: skip
        place.senders.append(senders)
        senders.start()
        for _ in range(3):
            senders.wake(
                executions.tell(executions.make(), "start", {"start": [one.url for one in dead]})
            )
        wait_until(lambda: all(one.received for one in dead), SOON, "a try of each")
        wait_until(
            lambda: len({name for name, _ in place.heard.sent_to}) == 10, SOON, "each to be slow"
        )
        began = time.monotonic()
        for _ in range(5):
            senders.wake(executions.tell(executions.make(), "start", {"start": [receiver.url]}))
        # A machine that is busy takes a while as well, but not as long as two that hang.
        assert receiver.wait_for(5)[-1].began - began < 5


def test_threads_begin_when_there_is_work(place: Place, executions: Executions) -> None:
    senders = place.start()
    wait_until(lambda: senders.looks, SOON, "a look")
    assert senders.errands.threads == 0


def test_410_is_for_that_url_alone(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    gone, other = f"{receiver.url}/gone", f"{receiver.url}/other"
    receiver.answer = lambda received: Reply(410 if received.path == "/gone" else 200)
    senders = place.start()
    hooks = {"start": [gone, other], "x": [gone, other]}
    named = executions.make()
    senders.wake(executions.tell(named, "start", hooks))
    place.wait_for_states([DEAD], name_of_url(gone))
    senders.wake(executions.tell(named, "x", hooks, 2))
    place.wait_for_states([DEAD, DEAD], name_of_url(gone))
    place.wait_for_states([DELIVERED, DELIVERED], name_of_url(other))
    assert [one.path for one in receiver.received].count("/gone") == 1
    receiver.answer = lambda _received: Reply()
    assert place.outbox.enable(name_of_url(gone))
    assert place.outbox.redeliver_dead(name_of_url(gone)) == 2
    place.wait_for_states([DELIVERED, DELIVERED], name_of_url(gone))


def test_forbidden_networks_hold_for_them_too(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    place.options["HookForbiddenNetworks"] = ["127.0.0.0/8"]
    senders = place.start()
    (hook,) = told = executions.tell(executions.make(), "start", {"start": [receiver.url]})
    senders.wake(told)
    wait_until(lambda: place.heard.sent_to, SOON, "a try")
    wait_until(lambda: place.outbox.find(hook, limit=1)[0]["error"], SOON, "the error")
    assert not receiver.received


def test_without_a_secret_nothing_is_signed(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    del place.options["JobHookSecret"]
    place.start()
    executions.tell(executions.make(), "start", {"start": [receiver.url]})
    (came,) = receiver.wait_for(1)
    assert "webhook-id" in came.headers
    assert "webhook-signature" not in came.headers


def test_nothing_of_a_url_but_its_host_is_shown(place: Place, executions: Executions) -> None:
    url = "https://u:hidden@example.org/hidden/path?x=hidden"
    (name,) = executions.tell(executions.make(), "start", {"start": [url]})
    pool = place.database()
    surface = wiring.Surfaces(place.config, pool).hooks()
    tokens = Tokens(list, cache_seconds=0, ask_again_seconds=0)
    app = build_app(surface.routes(), Gate(tokens), check_answers=True)
    body = call(app, "GET", "/hooks").body.decode()
    assert "hidden" not in body
    (item,) = json.loads(body)["items"]
    assert (item["name"], item["configured"], item["pending"]) == (name, False, 1)
    assert item["options"] == {"URL": "https://example.org/***", "Format": "overseer"}
    body = call(app, "GET", f"/hooks/{name}/deliveries").body.decode()
    assert "hidden" not in body
    assert json.loads(body)["items"][0]["job"]["source"] == "nightly"
    assert "hidden" not in repr(place.outbox.counts())


def test_an_answer_with_the_url_in_it_is_kept_without(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    receiver.answer = lambda received: Reply(500, body=received.path.encode())
    place.start()
    (hook,) = executions.tell(
        executions.make(), "start", {"start": [f"{receiver.url}/hidden-path?sig=hidden-sig"]}
    )
    wait_until(lambda: place.outbox.find(hook, limit=1)[0]["answer"], SOON, "the answer")
    assert "hidden" not in place.outbox.find(hook, limit=1)[0]["answer"]


# --- what is forgotten


def prune(place: Place) -> None:
    steps = Prune(place.database(), datetime.now(timezone.utc), lambda _event: None).steps()
    for _ in steps:
        pass


def test_a_url_is_forgotten_with_its_last_delivery(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    waits = f"http://127.0.0.1:{free_port()}/"
    senders = place.start()
    named = executions.make()
    senders.wake(executions.tell(named, "start", {"start": [receiver.url, waits]}))
    place.wait_for_states([DELIVERED], name_of_url(receiver.url))
    known = DefinitionHooks(place.database())
    assert known.url(name_of_url(receiver.url)) == receiver.url
    prune(place)
    assert known.url(name_of_url(receiver.url)) is None
    assert known.url(name_of_url(waits)) == waits
    assert place.states(name_of_url(waits)) == [PENDING]
    # It comes back when it is wanted again.
    senders.wake(executions.tell(named, "x", {"x": [receiver.url]}, 2))
    receiver.wait_for(2)


def test_that_a_receiver_wants_no_more_is_not_forgotten(
    place: Place, executions: Executions, receiver: Receiver
) -> None:
    receiver.answer = lambda _received: Reply(410)
    place.start()
    (hook,) = executions.tell(executions.make(), "start", {"start": [receiver.url]})
    place.wait_for_states([DEAD], hook)
    wait_until(lambda: place.outbox.is_disabled(hook), SOON, "the refusal")
    prune(place)
    assert place.outbox.is_disabled(hook)
    (shown,) = place.outbox.counts()
    assert (shown.hook, shown.pending, shown.url) == (hook, 0, receiver.url)


def test_a_url_is_kept_for_who_writes_while_it_is_forgotten(
    place: Place, executions: Executions
) -> None:
    """The row is looked for, found idle, and written for before it is removed."""
    named = executions.make()
    (hook,) = executions.tell(named, "start", {"start": ["http://h/"]})
    pool = place.database()
    with pool.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("delete from hook_deliveries")

    def also(connection, applied) -> None:
        write(connection, [Wanted(applied[0].seq, applied[0].job_id, "http://h/")])
        # In a transaction of its own, while this one goes on.
        assert forget_idle(pool) == 0

    executions.ledger.apply([event_of(named, "x", 2)], also=also)
    assert DefinitionHooks(pool).url(hook) == "http://h/"
    assert place.states(hook) == [PENDING]


def test_hooks_without_deliveries_are_not_listed(place: Place, executions: Executions) -> None:
    executions.tell(executions.make(), "start", {"start": ["http://h/"]})
    with place.database().transaction() as connection, connection.cursor() as cursor:
        cursor.execute("delete from hook_deliveries")
    assert place.outbox.counts() == []


# --- how many hooks led to an execution


def test_how_many_hooks_led_to_an_execution(place: Place, executions: Executions) -> None:
    pool = place.database()
    ids = {}
    for given in (None, 0, 3, "9", True):
        data = {} if given is None else {"depth": given}
        named = executions.make(**data)
        (row,) = executions.ledger.apply([event_of(named, "start", 1)])
        ids[repr(given)] = row.job_id
    found = {given: depth(pool, job_id) for given, job_id in ids.items()}
    assert found == {"None": 0, "0": 0, "3": 3, "'9'": 0, "True": 0}
    assert depth(pool, "01a2041e-bec3-75ad-a31c-0a427ef2f719") == 0


def test_a_word_of_the_job_does_not_shorten_the_chain(place: Place, executions: Executions) -> None:
    named = executions.make(depth=7)
    own = events.of_person(named, datetime.now(timezone.utc), 1, 5, "requested", "", "job")
    (row,) = executions.ledger.apply([own])
    assert depth(place.database(), row.job_id) == 7


def test_configured_hooks_get_the_seeds_document_of_executions(
    database: str, receiver: Receiver
) -> None:
    hook = {"Name": "mine", "URL": receiver.url, "Kinds": ["command"], "Events": ["fail"],
            "Format": "overseer"}  # fmt: skip
    place = Place(database, [hook], {"PublicURL": PUBLIC})
    senders = place.start()
    ledger = wiring.ledger(place.config, place.database(), senders.wake)
    named = Named(1_489_895_624_840_211, "example-job")
    ledger.apply([events.requested(named, datetime.now(timezone.utc), {"by": "ann"})])
    ledger.apply([event_of(named, "start", 1), event_of(named, "fail", 2)])
    (came,) = receiver.wait_for(1)
    assert came.json() == {
        "job": "example-job",
        "execution": 1489895624.840211,
        "status": "fail",
        "metadata": f"{PUBLIC}/jobs/example-job/{shortest(named.execution)}",
    }
    (row,) = place.outbox.find("mine", limit=1)
    assert (row["name"], row["job"]["attempt"], row["job"]["status"]) == ("fail", 1, "fail")
    place.end()
