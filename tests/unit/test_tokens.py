"""The cache of tokens: when it asks the database, and what it says while it cannot."""

from __future__ import annotations

import threading
from hashlib import sha256

import pytest

from jexevents.errors import StoreUnavailable, Unavailable
from jexevents.model import Credential, Role
from jexevents.sidecar.tokens import BURST, Tokens
from tests.support import Clock


class Database:
    """Holds tokens, counts how often it is asked, and can be away."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.asked = 0
        self.away = False

    def load(self) -> list[Credential]:
        self.asked += 1
        if self.away:
            raise StoreUnavailable
        return [
            Credential(name, name, sha256(name.encode()).digest(), frozenset({Role.READ}))
            for name in self.names
        ]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tokens(database: Database, clock: Clock) -> Tokens:
    return Tokens(database.load, cache_seconds=30, ask_again_seconds=1, clock=clock)


def test_a_known_token_is_found_without_asking_again(clock):
    database = Database("a", "b")
    cache = tokens(database, clock)
    assert [cache.find("a").id, cache.find("b").id, cache.find("a").id] == ["a", "b", "a"]
    assert database.asked == 1


def test_the_set_is_asked_for_again_when_it_is_old(clock):
    database = Database("a")
    cache = tokens(database, clock)
    cache.find("a")
    database.names.clear()
    clock.now += 29
    assert cache.find("a")
    clock.now += 1
    assert cache.find("a") is None


def test_a_new_token_works_at_once(clock):
    database = Database("a")
    cache = tokens(database, clock)
    cache.find("a")
    clock.now += 1
    database.names.append("new")
    assert cache.find("new").id == "new"
    assert database.asked == 2


def test_tokens_work_the_moment_they_are_made(clock):
    database = Database("a")
    cache = tokens(database, clock)
    for name in "bcd":
        database.names.append(name)
        assert cache.find(name).id == name
        clock.now += 0.01


def test_guessing_asks_the_database_once_a_second_and_a_few_times_at_once(clock):
    database = Database("a")
    cache = tokens(database, clock)
    for _ in range(1000):
        assert cache.find("guess") is None
        clock.now += 0.01
    assert database.asked <= 10 + BURST


def test_reread_asks_at_the_next_request_even_when_just_asked(clock):
    database = Database("a")
    cache = tokens(database, clock)
    cache.find("a")
    database.names[:] = ["b"]
    cache.reread()
    assert cache.find("b").id == "b"
    assert database.asked == 2
    assert cache.find("a") is None


def test_while_the_database_is_away_the_last_set_stands_for_what_it_knows(clock):
    database = Database("a")
    cache = tokens(database, clock)
    cache.find("a")
    database.away = True
    clock.now += 100
    assert cache.find("a").id == "a"
    assert cache.any_exist()
    with pytest.raises(Unavailable):
        cache.find("unknown")
    database.away = False
    clock.now += 1
    assert cache.find("unknown") is None


def test_an_unknown_token_is_503_also_when_the_database_was_not_asked_just_now(clock):
    database = Database("a")
    cache = tokens(database, clock)
    cache.find("a")
    database.away = True
    clock.now += 100
    for _ in range(3):
        with pytest.raises(Unavailable):
            cache.find("unknown")
    assert database.asked == 2


def test_without_ever_an_answer_nothing_is_known_and_asking_is_bounded(clock):
    database = Database("a")
    database.away = True
    cache = tokens(database, clock)
    for _ in range(100):
        with pytest.raises(Unavailable):
            cache.find("a")
        with pytest.raises(Unavailable):
            cache.any_exist()
    assert database.asked == 1
    database.away = False
    clock.now += 1
    assert cache.find("a").id == "a"


def test_a_database_slow_to_fail_is_asked_as_seldom_again(clock):
    database = Database("a")
    cache = tokens(database, clock)
    cache.find("a")

    def slow():
        clock.now += 10
        database.asked += 1
        raise StoreUnavailable

    cache._load = slow
    clock.now += 30
    assert cache.find("a")
    clock.now += 9
    assert cache.find("a")
    assert database.asked == 2


def test_no_token_and_any_exist(clock):
    assert not tokens(Database(), clock).any_exist()
    assert tokens(Database("a"), clock).any_exist()


def test_text_that_is_no_utf8_is_no_token(clock):
    assert tokens(Database("a"), clock).find("\ud800") is None


class TellingLock:
    """A lock that tells when somebody has to wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.awaited = threading.Event()

    def acquire(self, timeout: float) -> bool:
        if self._lock.acquire(blocking=False):
            return True
        if timeout:
            self.awaited.set()
        return bool(timeout) and self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        self._lock.release()


class SlowDatabase(Database):
    """Answers only when told to."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.entered, self.proceed = threading.Event(), threading.Event()

    def load(self) -> list[Credential]:
        self.entered.set()
        assert self.proceed.wait(10)
        return super().load()


def in_threads(number: int, call) -> list[threading.Thread]:
    threads = [threading.Thread(target=call) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads


def test_while_one_thread_asks_the_others_go_on_with_what_they_have(clock):
    database = SlowDatabase("a")
    cache = tokens(database, clock)
    cache._lock = TellingLock()
    database.proceed.set()
    cache.find("a")
    database.entered.clear()
    database.proceed.clear()
    clock.now += 31
    (asker,) = in_threads(1, lambda: cache.find("a"))
    assert database.entered.wait(10)
    assert cache.find("a").id == "a"
    assert not cache._lock.awaited.is_set()
    database.proceed.set()
    asker.join(10)
    assert database.asked == 2


def test_threads_that_wait_for_the_first_set_do_not_ask_again(clock):
    database, found = SlowDatabase("a"), []
    cache = tokens(database, clock)
    cache._lock = TellingLock()
    first = in_threads(1, lambda: found.append(cache.find("a").id))
    assert database.entered.wait(10)
    others = in_threads(4, lambda: found.append(cache.find("a").id))
    assert cache._lock.awaited.wait(10)
    database.proceed.set()
    for thread in first + others:
        thread.join(10)
    assert found == ["a"] * 5
    assert database.asked == 1
