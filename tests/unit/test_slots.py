"""Slots: who asks the database waits for others that do, and not for ever."""

from __future__ import annotations

import threading

import pytest

from jexevents.sidecar.problems import Problem
from jexevents.sidecar.slots import Slots

WAIT_SECONDS = 10


def test_who_comes_when_nothing_moves_is_told_so() -> None:
    now = 100.0
    slots = Slots(1, patience_seconds=1, clock=lambda: now)
    with slots.taken():
        now += 1.5
        with pytest.raises(Problem) as refused, slots.taken():
            pass
    assert refused.value.status == 503
    with slots.taken():
        pass


def test_who_waits_comes_in_when_another_ends() -> None:
    slots = Slots(1, patience_seconds=WAIT_SECONDS)
    inside = threading.Event()

    def follow() -> None:
        with slots.taken():
            inside.set()

    thread = threading.Thread(target=follow)
    with slots.taken():
        thread.start()
        assert not inside.is_set()
    thread.join(WAIT_SECONDS)
    assert inside.is_set()


def test_a_slot_is_given_back_after_a_failure() -> None:
    slots = Slots(1, patience_seconds=0.1)
    with pytest.raises(KeyError), slots.taken():
        raise KeyError
    with slots.taken():
        pass


def test_a_slot_is_lent_while_its_request_waits() -> None:
    slots = Slots(1, patience_seconds=0.05)
    with slots.taken() as aside:
        with aside(), slots.taken():
            pass
        with pytest.raises(Problem), slots.taken():
            pass
    with slots.taken():
        pass


def test_a_slot_that_cannot_be_had_again_is_not_given_back_twice() -> None:
    slots = Slots(1, patience_seconds=0.05)
    other = slots.taken()
    with pytest.raises(Problem), slots.taken() as aside, aside():
        other.__enter__()
    with pytest.raises(Problem), slots.taken():
        pass
    other.__exit__(None, None, None)
    with slots.taken():
        pass
