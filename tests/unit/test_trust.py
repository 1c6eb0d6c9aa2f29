"""Trust: a batch is not looked for until one was known, and then for longer each time."""

from __future__ import annotations

from jexevents.store.trust import FIRST_BATCHES, MOST_BATCHES, Trust


def looks_until_trusting(trust: Trust) -> int:
    number = 0
    while trust.looks:
        trust.kept()
        number += 1
    return number


def test_all_is_new_at_first_and_while_it_is() -> None:
    trust = Trust()
    assert not trust.looks
    trust.kept()
    assert not trust.looks


def test_each_time_it_is_broken_it_looks_twice_as_long_up_to_a_bound() -> None:
    trust = Trust()
    spans = []
    for _ in range(12):
        trust.broken()
        spans.append(looks_until_trusting(trust))
    assert spans[:3] == [FIRST_BATCHES, 2 * FIRST_BATCHES, 4 * FIRST_BATCHES]
    assert spans[-1] == MOST_BATCHES


def test_once_it_held_it_begins_anew() -> None:
    trust = Trust()
    for _ in range(3):
        trust.broken()
    looks_until_trusting(trust)
    trust.kept()
    trust.broken()
    assert looks_until_trusting(trust) == FIRST_BATCHES
