"""What is under way to the broker: counted in order, sent again where it was not taken."""

from __future__ import annotations

import random

import pytest

from jexevents.broker.window import Window


def sent(window: Window, most: int = 1000) -> list[bytes]:
    return [entry.body for entry in window.to_send(most)]


def filled(*bodies: bytes) -> Window:
    window = Window(100, 1000)
    for body in bodies:
        window.add(body)
    return window


def test_messages_count_as_confirmed_in_their_order() -> None:
    window = filled(b"a", b"b", b"c")
    assert sent(window) == [b"a", b"b", b"c"]
    assert window.ack(2, multiple=False) == 1
    assert (window.confirmed, len(window), window.bytes) == (0, 3, 3)
    assert window.ack(1, multiple=False) == 1
    assert (window.confirmed, len(window), window.bytes) == (2, 1, 1)
    assert window.ack(3, multiple=True) == 1
    assert (window.confirmed, len(window), window.bytes) == (3, 0, 0)
    assert window.added == 3


@pytest.mark.parametrize("tag", [0, 3])
def test_one_answer_may_be_for_many(tag: int) -> None:
    window = filled(b"a", b"b", b"c", b"d")
    sent(window, 3)
    assert window.ack(2, multiple=False) == 1
    assert window.ack(tag, multiple=True) == 2
    assert (window.confirmed, window.on_the_wire) == (3, 0)


def test_an_answer_for_what_is_not_under_way_is_passed_over() -> None:
    window = filled(b"a")
    sent(window)
    assert window.ack(7, multiple=False) == 0
    assert window.ack(1, multiple=False) == 1
    assert window.ack(1, multiple=False) == 0
    assert window.confirmed == 1


def test_it_is_bounded_by_number_and_by_bytes() -> None:
    window = Window(3, 10)
    assert window.has_room(1000), "a single one may be longer than all"
    window.add(b"x" * 8)
    assert window.has_room(2)
    assert not window.has_room(3)
    window.add(b"x")
    window.add(b"")
    assert not window.has_room(0)
    sent(window)
    window.ack(1, multiple=True)
    assert window.has_room(9)


def test_no_more_are_sent_than_may_be_on_the_wire() -> None:
    window = filled(b"a", b"b", b"c")
    assert sent(window, 1) == [b"a"]
    assert sent(window, 1) == []
    window.ack(1, multiple=False)
    assert sent(window, 2) == [b"b", b"c"]


def test_what_was_refused_is_sent_again_before_all_others() -> None:
    window = filled(b"a", b"b", b"c", b"d")
    assert sent(window, 3) == [b"a", b"b", b"c"]
    window.nack(3, multiple=False)
    window.ack(2, multiple=False)
    window.nack(1, multiple=False)
    assert (window.refused, window.confirmed) == (2, 0)
    window.again()
    assert (window.refused, sent(window)) == (0, [b"a", b"c", b"d"])
    assert window.ack(0, multiple=True) == 3
    assert window.confirmed == 4


def test_what_no_queue_gets_is_refused_when_it_is_answered() -> None:
    window = filled(b"a", b"same", b"same", b"b")
    sent(window)
    window.give_back(b"same", None)
    assert window.refused == 0
    assert window.ack(3, multiple=True) == 2
    assert (window.confirmed, window.refused) == (1, 1)
    window.again()
    assert sent(window) == [b"same"]
    # This time a queue gets it.
    assert window.ack(5, multiple=True) == 2
    assert window.confirmed == 4


def test_messages_are_told_apart_by_their_ids() -> None:
    window = Window(10, 100)
    window.add(b"x", "one")
    window.add(b"x", "two")
    sent(window)
    window.give_back(b"x", "two")
    window.ack(2, multiple=True)
    window.again()
    assert [entry.message_id for entry in window.to_send(9)] == ["two"]


def test_what_was_on_the_wire_is_sent_again_over_the_next_channel() -> None:
    window = filled(b"a", b"b", b"c", b"d", b"e")
    sent(window, 4)
    window.ack(1, multiple=False)
    window.ack(3, multiple=False)
    window.nack(4, multiple=False)
    window.new_channel()
    assert sent(window) == [b"b", b"d", b"e"]
    assert window.ack(1, multiple=False) == 1, "tags begin anew"
    assert window.confirmed == 3


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_all_are_taken_and_counted_in_order(seed: int) -> None:
    rng = random.Random(seed)
    window, taken, on_channel, added = Window(20, 10_000), set(), {}, 0
    for _ in range(1500):
        what = rng.random()
        if what < 0.3 and added < 300 and window.has_room(4):
            window.add(b"%04d" % added)
            added += 1
        elif what < 0.6:
            for entry in window.to_send(rng.randint(1, 20)):
                on_channel[len(on_channel) + 1] = entry.body
        elif what < 0.9 and on_channel:
            answer(rng, window, on_channel, taken)
        elif what < 0.95:
            window.again()
        elif what < 0.97:
            window.new_channel()
            on_channel.clear()
        assert {b"%04d" % number for number in range(window.confirmed)} <= taken
    window.new_channel()
    rest = sent(window)
    assert rest == [b"%04d" % n for n in range(added) if b"%04d" % n not in taken]
    window.ack(0, multiple=True)
    assert window.confirmed == added


def answer(rng: random.Random, window: Window, on_channel: dict, taken: set) -> None:
    """Answer for one tag, or up to it, as a broker does: none twice."""
    tag, multiple = rng.choice(list(on_channel)), rng.random() < 0.3
    tags = [
        one for one in on_channel if on_channel[one] and (one <= tag if multiple else one == tag)
    ]
    if rng.random() < 0.3:
        window.nack(tag, multiple=multiple)
        returned = set(tags)
    else:
        returned = {one for one in tags if rng.random() < 0.2}
        for one in returned:
            window.give_back(on_channel[one], None)
        window.ack(tag, multiple=multiple)
    taken |= {on_channel[one] for one in tags if one not in returned}
    for one in tags:
        on_channel[one] = b""
