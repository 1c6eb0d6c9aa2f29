"""The producer's clock steps back an hour, in the middle of the stories of some jobs."""

from datetime import timedelta

import pytest

from tests.faults.truth import assert_whole


@pytest.mark.parametrize("placed", [True, False], ids=["with_places", "without_places"])
def test_clock_steps_back(scene, placed):
    """Where the events say their place in the log, the states are the true ones all the same.

    Without, nobody could know the order: the state is then that of all events in whatever order
    they came.
    """
    scene.begin(placed=placed)
    for _ in range(2):
        scene.wait_more(300)
        scene.schedd.clock -= timedelta(hours=1)
    scene.wait_more(2300)
    assert_whole(scene, states=placed)
