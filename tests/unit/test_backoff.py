from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.backoff import Backoff, delays

positive = st.floats(0.001, 3600)


def test_the_bounds_double_up_to_the_cap():
    waits = islice(delays(cap_seconds=5, base_seconds=1, draw=lambda: 1.0), 6)
    assert list(waits) == [1, 2, 4, 5, 5, 5]


def test_jitter_is_full():
    waits = islice(delays(cap_seconds=5, base_seconds=1, draw=iter([0.0, 0.5, 0.25]).__next__), 3)
    assert list(waits) == [0, 1, 1]


@given(positive, positive, st.randoms(use_true_random=False))
def test_no_wait_is_longer_than_the_cap(cap, base, random):
    waits = list(islice(delays(cap, base, random.random), 40))
    assert all(0 <= wait <= cap for wait in waits)


@given(positive, positive)
def test_without_luck_waits_never_shrink(cap, base):
    waits = list(islice(delays(cap, base, lambda: 1.0), 100))
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(cap)


def test_it_never_overflows():
    assert next(islice(delays(30, draw=lambda: 1.0), 5000, None)) == 30


def test_reset_begins_again():
    backoff = Backoff(cap_seconds=30, base_seconds=1, draw=lambda: 1.0)
    assert [backoff.next(), backoff.next(), backoff.failures] == [1, 2, 2]
    backoff.reset()
    assert [backoff.failures, backoff.next()] == [0, 1]
