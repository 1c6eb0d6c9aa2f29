"""The daemon itself is the fault: killed, or stopped under load."""

from tests.acceptance.support import STOP_SECONDS
from tests.faults.truth import assert_whole


def test_killed_at_random_moments(scene, sizes, rng):
    daemon = scene.begin(supervised=True)
    for _ in range(sizes.kills):
        scene.wait_more(rng.randint(1, 900))
        with scene.away("daemon"):
            daemon.kill()
            daemon.wait_answering()
    scene.wait_more(300)
    assert_whole(scene)


def test_stopped_under_load(scene, sizes, rng):
    daemon = scene.begin()
    for _ in range(2 * sizes.times):
        scene.wait_more(rng.randint(1, 900))
        with scene.away("daemon"):
            assert daemon.stop() == 0, f"within {STOP_SECONDS} s"
            daemon.start_again()
            daemon.wait_answering()
    scene.wait_more(300)
    assert_whole(scene)
