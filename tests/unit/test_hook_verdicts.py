"""What is done after a try, by its answer."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest

from jexevents.hooks.transport import Answer
from jexevents.hooks.verdicts import Patience, Verdict, asked_to_wait, judge
from jexevents.store.outbox import DEAD, DELIVERED, PENDING
from tests.unit.deliveries import NOON

DAY = 86400.0


def verdict(
    status: int | None,
    attempts: int = 1,
    tried: float = 0.0,
    draw: float = 1.0,
    try_seconds: float = DAY,
    **headers: str,
) -> Verdict:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = Answer(status, 0.1, "" if status else "No answer in 20 s.", fields)
    return judge(answer, attempts, tried, NOON, Patience(try_seconds), lambda: draw)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_delivery(status: int) -> None:
    assert verdict(status) == Verdict(DELIVERED)


@pytest.mark.parametrize("status", [None, 301, 302, 307, 400, 401, 404, 409, 429, 500, 502, 503])
def test_all_else_is_tried_again(status: int | None) -> None:
    found = verdict(status)
    assert found.state == PENDING
    assert found.retry_in_seconds > 0
    assert (str(status) if status else "No answer") in found.error


def test_410_is_the_end_at_once() -> None:
    assert verdict(410).state == DEAD


def test_waits_grow_up_to_an_hour_with_full_jitter() -> None:
    bounds = [verdict(500, attempts=n).retry_in_seconds for n in range(1, 12)]
    assert bounds == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert verdict(500, draw=0.5).retry_in_seconds == 5
    assert verdict(500, attempts=10**9).retry_in_seconds == 3600


def test_a_wait_ends_with_the_span_and_then_it_is_dead() -> None:
    assert verdict(500, attempts=9, tried=DAY - 60).retry_in_seconds == 60
    last = verdict(500, attempts=40, tried=DAY)
    assert (last.state, last.retry_in_seconds) == (DEAD, 0)
    assert "500" in last.error
    assert "86400 s" in last.error
    assert verdict(200, tried=2 * DAY).state == DELIVERED


@pytest.mark.parametrize("name", ["Retry_After", "retry_after"])
def test_retry_after_is_honoured_within_the_span(name: str) -> None:
    assert verdict(503, draw=0, **{name: "120"}).retry_in_seconds == 120
    date = format_datetime(NOON + timedelta(seconds=300), usegmt=True)
    assert verdict(429, draw=0, **{name: date}).retry_in_seconds == 300
    assert verdict(503, tried=DAY - 60, **{name: "999999999"}).retry_in_seconds == 60


def test_who_asks_for_a_time_is_not_asked_by_all_at_once_then() -> None:
    waits = [verdict(503, draw=draw, retry_after="120").retry_in_seconds for draw in (0, 0.5, 1)]
    assert waits == pytest.approx([120, 126, 132])


@pytest.mark.parametrize("text", ["0", "1", format_datetime(NOON - timedelta(days=1), usegmt=True)])
def test_nobody_is_asked_sooner_than_without_a_word_of_his(text: str) -> None:
    assert verdict(503, retry_after=text).retry_in_seconds == 10
    assert verdict(503, attempts=4, retry_after=text).retry_in_seconds == 80


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-5",
        "1.5",
        "9" * 40,
        "Mon, 99 Foo 2026",
        "\u0661",
        "Mon, 1 Jan 99999999999 00:00:00 GMT",
        "Mon, 1 Jan 2026 00:00:00 +99999999999999999999",
        "Mon, 1 Jan 2026 99999999999999:00:00 GMT",
    ],
)
def test_what_is_no_time_asks_for_nothing(text: str) -> None:
    assert asked_to_wait(Answer(503, 0.1, headers={"Retry-After": text}), NOON) is None


def test_a_date_that_is_past_asks_for_none() -> None:
    past = format_datetime(NOON - timedelta(days=1), usegmt=True)
    assert asked_to_wait(Answer(503, 0.1, headers={"Retry-After": past}), NOON) == 0
