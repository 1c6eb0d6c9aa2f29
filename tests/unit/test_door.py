"""A server that hangs holds up one caller at a time, and not for ever."""

from contextlib import suppress

import pytest

from jexevents.errors import StoreUnavailable
from jexevents.store.door import Door
from tests.support import Clock


@pytest.fixture
def clock():
    return Clock()


def fail(door, clock, seconds):
    """Try to pass the door, and fail after so many seconds; give whether one got in."""
    entered = []
    with suppress(StoreUnavailable), door.passed():
        entered.append(True)
        clock.now += seconds
        raise StoreUnavailable("It is gone.")
    return bool(entered)


def test_who_is_refused_fast_may_ask_again_at_once(clock):
    door = Door(clock)
    assert fail(door, clock, 0.1)
    assert fail(door, clock, 0.1)


def test_after_a_long_wait_nobody_waits_for_as_long(clock):
    door = Door(clock)
    assert fail(door, clock, 5)
    assert not fail(door, clock, 5)
    clock.now += 5
    assert fail(door, clock, 5)


def test_one_tries_for_all(clock):
    door = Door(clock)
    fail(door, clock, 5)
    clock.now += 5
    with door.passed():
        assert not fail(door, clock, 5)
    assert fail(door, clock, 0.1)


def test_one_who_fails_at_something_else_leaves_it_as_it_was(clock):
    door = Door(clock)
    fail(door, clock, 5)
    clock.now += 5
    with pytest.raises(ZeroDivisionError), door.passed():
        1 / 0  # noqa: B018
    assert fail(door, clock, 5)
