"""RabbitMQ is the fault: stopped, killed, cut off, closing, blocking, and without its queue."""

import pytest

from tests.faults.truth import assert_whole
from tests.support import wait_until


def test_stopped_and_started(scene, sizes, rng):
    scene.begin()
    for _ in range(sizes.times):
        scene.wait_more(rng.randint(1, 900))
        scene.rabbit.stop()
        scene.wait_logged("broker_away")
        scene.rabbit.start()
        scene.wait_more(300)
    assert scene.producer.sessions > 1
    assert_whole(scene)


def test_killed(scene, sizes, rng):
    scene.begin()
    for _ in range(sizes.times):
        scene.wait_more(rng.randint(1, 900))
        scene.rabbit.kill()
        scene.wait_logged("broker_away")
        scene.rabbit.start()
        scene.wait_more(300)
    assert scene.producer.sessions > 1
    assert_whole(scene)


@pytest.mark.parametrize("frame", ["delivery", "acknowledgement"])
def test_cut_in_the_middle_of_a_batch(scene, sizes, frame):
    """Behind some of its deliveries, or when it is stored and the acknowledgement is under way."""
    proxy = scene.keep(scene.rabbit.proxy())
    scene.begin(amqp_uri=scene.rabbit.uri(scene.vhost, proxy.port))
    for times in range(1, 2 * sizes.times + 1):
        scene.wait_more(100)
        proxy.cut_at = frame
        scene.wait_logged("broker_away", times)
    scene.wait_more(300)
    assert proxy.cut_at is None
    assert_whole(scene)


def test_channel_closed_by_the_broker(scene, sizes):
    proxy = scene.keep(scene.rabbit.proxy())
    scene.begin(amqp_uri=scene.rabbit.uri(scene.vhost, proxy.port))
    broken = 0
    for times in range(1, 2 * sizes.times + 1):
        scene.wait_more(100)
        # Else it is only the other channel that breaks.
        scene.wait_logged("consuming", times)
        # That of the consumer, and that by which others are heard of.
        broken += wait_until(proxy.break_channels, 10, "a channel to break")
        scene.wait_logged("broker_away", times)
    scene.wait_more(300)
    assert proxy.closed_with == [406] * broken
    assert_whole(scene)


def test_memory_alarm(scene):
    scene.begin()
    scene.rabbit.raise_alarm()
    try:
        scene.more_room(10_000)
        wait_until(scene.producer.blocked.is_set, 20, "the producer to be blocked")
        confirmed = len(scene.producer.confirmed)
        scene.wait_stored(confirmed)
        assert len(scene.producer.confirmed) < confirmed + 1000, "nobody was blocked"
    finally:
        scene.rabbit.clear_alarm()
    scene.wait_more(300)
    assert scene.count_logged("broker_away") == 0
    assert_whole(scene)


def test_queue_deleted(scene, sizes):
    """What stood in it is gone by the operator's hand, who then publishes just that again.

    Whatever the ledger had, and whatever was confirmed once the queue was there again, is not
    published again: it must be there without.
    """
    scene.begin()
    for times in range(1, sizes.times + 1):
        scene.wait_more(300)
        scene.delete_queue()
        scene.wait_logged("broker_away", times)
        scene.wait_more(300)
    assert_whole(scene)


def test_consumer_cancelled_by_the_broker(scene, sizes):
    scene.begin()
    for times in range(1, sizes.times + 1):
        scene.wait_more(300)
        scene.rabbit.cancel_consumers(scene.vhost)
        scene.wait_logged("broker_away", times)
        scene.wait_more(300)
    assert_whole(scene)


def test_queue_crashed(scene, sizes):
    """The broker makes it anew, with all that is on disk, and most times nobody else notices."""
    scene.begin()
    for _ in range(sizes.times):
        scene.wait_more(300)
        scene.rabbit.crash_queue(scene.vhost)
        scene.wait_more(300)
    assert_whole(scene)
