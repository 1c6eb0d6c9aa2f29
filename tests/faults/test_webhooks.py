"""Webhooks: the receiver fails in every way, daemons are killed meanwhile, and all arrives.

What must be true at the end, however it went: every event reached the receiver, each as one
message whose id stayed the same over all tries; of each job in order, each message only after the
one before was accepted; and never was one message sent twice at the same time.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.faults.receiver import CLOSE, CUT, ERROR, FINE, HANG, Receiver
from tests.faults.scene import Scene
from tests.faults.servers import ask
from tests.faults.truth import assert_whole
from tests.support import wait_until

TIMEOUT_SECONDS = 1.0
# A claim that a killed daemon left behind runs out, and then there is the backlog.
ARRIVE_SECONDS = 240


@pytest.fixture
def receiver(rng: random.Random) -> Iterator[Receiver]:
    made = Receiver(rng)
    yield made
    made.stop()


def begin(scene: Scene, receiver: Receiver, **more: object) -> None:
    """Start daemons with a hook that takes all, and hold the producer once it has begun."""
    hook = {"Name": "all", "URL": receiver.url, "TimeoutSeconds": TIMEOUT_SECONDS}
    scene.begin(Hooks=[hook], HookRetryMaxSeconds=0.3, **more)
    produce(scene, 0)
    # Not so many more: most of what there is may have arrived already.
    wait_messages(scene, receiver, 100, 60)


def produce(scene: Scene, count: int) -> None:
    """Have so many messages more published, and wait until they are stored."""
    producer = scene.producer
    goal = len(producer.confirmed) + count
    producer.room = lambda: goal - len(producer.confirmed)
    wait_until(lambda: len(producer.confirmed) >= goal, 60, f"{goal} confirmed messages")
    scene.wait_stored(goal)


def wait_arrived(scene: Scene, receiver: Receiver, more: int) -> None:
    """Wait until so many more messages were accepted."""
    goal = len(receiver.messages()) + more
    wait_messages(scene, receiver, goal, 60)


def wait_messages(scene: Scene, receiver: Receiver, goal: int, timeout: float) -> None:
    try:
        wait_until(lambda: len(receiver.messages()) >= goal, timeout, f"message {goal}")
    except pytest.fail.Exception as late:
        counts = ask(scene.database, "select state, count(*) from jex.hook_deliveries group by 1")
        seen = {met: receiver.count(met) for met in (FINE, ERROR, HANG, CLOSE, CUT)}
        pytest.fail(f"{late}; seen {seen}, {counts}\n{scene.describe()}")


def assert_delivered(scene: Scene, receiver: Receiver) -> None:
    """Assert, once all has arrived, what must be true however it went."""
    scene.producer.finish()
    scene.wait_stored(len(scene.producer.confirmed))
    events = len(scene.producer.confirmed)
    wait_messages(scene, receiver, events, ARRIVE_SECONDS)
    wait_until(lambda: not waiting(scene), ARRIVE_SECONDS, "all to be noted as delivered")
    assert_whole(scene)
    assert_one_message_an_event(scene, receiver, events)
    assert_never_twice_at_once(receiver)
    assert_in_order(scene, receiver)


def waiting(scene: Scene) -> int:
    return ask(scene.database, "select count(*) from jex.hook_deliveries where state = 'pending'")[
        0
    ][0]


def assert_one_message_an_event(scene: Scene, receiver: Receiver, events: int) -> None:
    ids = defaultdict(set)
    for one in receiver.requests:
        ids[one.seq].add(one.message)
    several = {seq: found for seq, found in ids.items() if len(found) > 1}
    assert not several, f"{len(several)} events came as several messages: {list(several)[:3]}"
    assert len(receiver.messages()) == len(ids) == events
    stored = ask(
        scene.database,
        "select count(*), count(distinct seq), count(*) filter (where state = 'delivered')"
        " from jex.hook_deliveries",
    )
    assert stored == [(events, events, events)]


def assert_never_twice_at_once(receiver: Receiver) -> None:
    by_message = defaultdict(list)
    for one in receiver.requests:
        by_message[one.message].append((one.begin, one.end))
    for message, times in by_message.items():
        times.sort()
        for (_, end), (following, _) in pairwise(times):
            assert following >= end, f"{message} was sent at {following}, and before, until {end}"


def assert_in_order(scene: Scene, receiver: Receiver) -> None:
    """Assert that each message began after the one before it, of the same job, was accepted."""
    rows = ask(
        scene.database,
        "select replace(message_id::text, '-', ''), job_id::text from jex.hook_deliveries"
        " where job_id is not null order by id",
    )
    begun: dict[str, float] = {}
    accepted: dict[str, float] = {}
    for one in receiver.requests:
        message = one.message.removeprefix("msg_")
        begun[message] = min(one.begin, begun.get(message, one.begin))
        if one.met == FINE:
            accepted[message] = min(one.end, accepted.get(message, one.end))
    last: dict[str, float] = {}
    for message, job in rows:
        assert begun[message] >= last.get(job, 0), f"a message of {job} overtook another"
        last[job] = accepted[message]


def test_receiver_down_for_a_while(scene, sizes, receiver):
    begin(scene, receiver)
    for _ in range(sizes.times):
        with receiver.down():
            produce(scene, 150)
        wait_arrived(scene, receiver, 100)
    assert_delivered(scene, receiver)


@pytest.mark.parametrize("mood", [ERROR, CLOSE, CUT])
def test_receiver_fails_at_random(scene, sizes, receiver, mood):
    begin(scene, receiver)
    with receiver.moody(**{mood: 0.3}):
        produce(scene, 100 * sizes.times)
        wait_until(lambda: receiver.count(mood) >= 10 * sizes.times, 60, f"{mood} at times")
    assert_delivered(scene, receiver)


def test_receiver_hangs(scene, sizes, receiver):
    """Each of its requests is given up in time, and the others go on meanwhile."""
    begin(scene, receiver)
    with receiver.moody(hang=0.2):
        # Of so many, five times as many hang as are waited for: chance does not fail the test.
        produce(scene, 100 * sizes.times)
        wait_until(lambda: receiver.count(HANG) >= 4 * sizes.times, 120, "it to hang at times")
    assert_delivered(scene, receiver)
    held = [one.end - one.begin for one in receiver.requests if one.met == HANG]
    assert max(held) < TIMEOUT_SECONDS + 2


def test_daemon_killed_while_the_receiver_fails(scene, sizes, receiver, rng):
    begin(scene, receiver, supervised=True)
    (daemon,) = scene.daemons
    with receiver.moody(error=0.1, close=0.05, hang=0.01):
        for _ in range(sizes.kills):
            produce(scene, rng.randint(20, 120))
            with scene.away("daemon"):
                daemon.kill()
                daemon.wait_answering()
    assert_delivered(scene, receiver)


def test_two_daemons_killed_in_turns(scene, sizes, receiver, rng):
    """They share the work, and what one has in hand when it is killed, the other sends."""
    begin(scene, receiver, supervised=True, count=2)
    with receiver.moody(error=0.1, hang=0.01):
        for turn in range(sizes.kills):
            produce(scene, rng.randint(20, 120))
            daemon = scene.daemons[turn % 2]
            with scene.away("daemon"):
                if turn == sizes.kills // 2:
                    with receiver.down():
                        daemon.kill()
                        daemon.wait_answering()
                else:
                    daemon.kill()
                    daemon.wait_answering()
    assert_delivered(scene, receiver)
