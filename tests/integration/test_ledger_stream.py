"""Events as they are stored, to who listens: none is missed, whoever stores them in what order."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from jexevents.model import Role
from jexevents.sidecar import ledgerstream
from jexevents.sidecar.ledgerstream import Filter, Newest
from jexevents.sidecar.streams import UNWANTED, Cut
from jexevents.store import event_watch
from jexevents.store.event_watch import EventWatch
from jexevents.validation import SCHEMAS
from tests.integration.dashboard import signed_in
from tests.integration.web import assert_problem, bearer, call
from tests.ledger import TestLedger, executing, message, submitted, terminated, text

SECONDS = 20


class Listener:
    """One who listens in this process; ``is_unwanted`` is what the server says of him."""

    def __init__(self, ledger: TestLedger, query: str = "", **fields: str) -> None:
        self.is_unwanted = False
        self.seen: list[dict[str, Any]] = []
        self._rest = b""
        self._answer: list[Any] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/ledger/stream",
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "wsgi.input": io.BytesIO(),
            UNWANTED: lambda: self.is_unwanted,
            **fields,
        }
        self._body = ledger.app(environ, lambda status, headers, _=None: self._answer.append(
            (int(status[:3]), dict(headers))))  # fmt: skip
        self.status, self.headers = self._answer[0]
        self._pieces = iter(self._body)

    def read(self, count: int) -> list[dict[str, Any]]:
        """Give the next so many events."""
        until = time.monotonic() + SECONDS
        while len(self.seen) < count:
            assert time.monotonic() < until, self.seen
            self.take()
        found, self.seen = self.seen[:count], self.seen[count:]
        return found

    def take(self) -> None:
        *whole, self._rest = (self._rest + next(self._pieces)).split(b"\n\n")
        for block in whole:
            lines = dict(line.split(": ", 1) for line in block.decode().splitlines())
            if "event" in lines:
                told = json.loads(lines["data"])
                told["_event"], told["_id"] = lines["event"], lines.get("id")
                self.seen.append(told)

    def close(self) -> None:
        self._body.close()


@contextmanager
def listening(ledger: TestLedger, query: str = "", **fields: str) -> Iterator[Listener]:
    listener = Listener(ledger, query, **fields)
    assert listener.status == 200
    listener.take()
    try:
        yield listener
    finally:
        listener.close()


def words(*numbers: int, job: str = "222.000.000") -> list[bytes]:
    return [message(text(8, f"word {number}", job=job, second=number)) for number in numbers]


def test_events_are_told_as_they_are_stored(ledger: TestLedger) -> None:
    ledger.send(message(submitted()))
    with listening(ledger) as listener:
        assert listener.headers["Content-Type"] == "text/event-stream"
        ledger.send(message(executing(second=1)), message(terminated(second=2)))
        told = listener.read(2)
        assert [one["name"] for one in told] == ["EXECUTE", "JOB_TERMINATED"]
        (job,) = ledger.jobs()
        for one in told:
            name, own = one.pop("_event"), one.pop("_id")
            assert (name, int(own)) == ("event", one["seq"])
            assert SCHEMAS.check("ledger_stream_event", one) == []
            assert one["job"] == {"id": job["id"], "kind": "condor", "key": job["key"],
                                  "state": "Completed", "phase": "COMPLETE"}  # fmt: skip
        ledger.send(*words(5))
        assert listener.read(1)[0]["data"]


@pytest.mark.parametrize(
    ("query", "told"),
    [("kind=condor", 2), ("kind=pipeline", 0), ("key=2", 1), ("name=submit", 0), ("job=", 1)],
)
def test_filters(ledger: TestLedger, query: str, told: int) -> None:
    ledger.send(message(submitted(job="1.000.000")), message(submitted(job="2.000.000")))
    (job,) = ledger.jobs(key="2")
    query = f"job={job['id'].upper()}" if query == "job=" else query
    with listening(ledger, query) as some, listening(ledger) as all_:
        ledger.send(*words(1, job="1.000.000"), *words(1, job="2.000.000"))
        assert len(all_.read(2)) == 2
        some.read(told)
        some.take()
        assert some.seen == []


@pytest.mark.parametrize("query", ["kind=x", "job=x", "x=1"])
def test_filters_that_are_none(ledger: TestLedger, query: str) -> None:
    assert_problem(call(ledger.app, "GET", "/ledger/stream", query=query), 400)


def test_who_comes_again_misses_nothing(ledger: TestLedger) -> None:
    with listening(ledger) as listener:
        ledger.send(*words(*range(3)))
        last = listener.read(3)[1]["_id"]
    ledger.send(*words(*range(3, 1500)))
    with listening(ledger, HTTP_LAST_EVENT_ID=last) as again:
        seqs = [one["seq"] for one in again.read(1498)]
        assert seqs == list(range(int(last) + 1, int(last) + 1499))
        ledger.send(*words(2000))
        assert again.read(1)[0]["seq"] > seqs[-1]


@pytest.mark.parametrize("last", ["x", "-1", "1" * 19, "1.5"])
def test_an_id_that_is_none(ledger: TestLedger, last: str) -> None:
    assert_problem(call(ledger.app, "GET", "/ledger/stream", HTTP_LAST_EVENT_ID=last), 400)


def test_who_comes_again_late_is_told_what_he_missed(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgerstream, "_MOST_CAUGHT_UP", 5)
    ledger.send(*words(*range(20)))
    with listening(ledger, HTTP_LAST_EVENT_ID="2") as listener:
        lost, *rest = listener.read(6)
        assert (lost["_event"], lost["first"]) == ("lost", 3)
        assert [one["seq"] for one in rest] == list(range(lost["last"] + 1, lost["last"] + 6))


def insert(cursor: Any, number: int) -> int:
    cursor.execute(
        "insert into jex.events (job_id, checksum, source, name, occurred_at, received_at, data,"
        " raw) values (null, sha256(%s::text::bytea), '', 'word', now(), now(), '{}', 'x')"
        " returning seq",
        [str(number)],
    )
    return cursor.fetchone()[0]


def test_an_event_that_is_committed_late_is_told(ledger: TestLedger, database: str) -> None:
    """Its number is lower than one that was told already."""
    with listening(ledger) as listener, closing(psycopg2.connect(database)) as slow:
        late = insert(slow.cursor(), 1)
        with psycopg2.connect(database) as fast:
            early = insert(fast.cursor(), 2)
        (told,) = listener.read(1)
        assert told["seq"] == early > late
        # Who comes again with this id is told the other, too.
        assert int(told["_id"]) == late - 1
        slow.commit()
        assert listener.read(1)[0]["seq"] == late
        with psycopg2.connect(database) as fast:
            newest = insert(fast.cursor(), 3)
        assert int(listener.read(1)[0]["_id"]) == newest


def test_what_was_being_stored_when_the_first_one_came(ledger: TestLedger, database: str) -> None:
    with closing(psycopg2.connect(database)) as slow:
        late = insert(slow.cursor(), 1)
        with psycopg2.connect(database) as fast:
            insert(fast.cursor(), 2)
        with listening(ledger) as listener:
            slow.commit()
            assert [one["seq"] for one in listener.read(1)] == [late]


def test_numbers_that_were_rolled_back_are_not_waited_for(
    ledger: TestLedger, database: str
) -> None:
    now = [0.0]
    watch = EventWatch(ledger.database, missing_seconds=100, clock=lambda: now[0])
    watch.begin()
    with closing(psycopg2.connect(database)) as broken:
        lost = insert(broken.cursor(), 1)
        broken.rollback()
    with psycopg2.connect(database) as good:
        seq = insert(good.cursor(), 2)
    assert [row["seq"] for row in watch.look().rows] == [seq]
    assert watch.floor == lost - 1
    now[0] = 99.0
    assert watch.look().rows == []
    assert watch.floor == lost - 1
    now[0] = 101.0
    assert watch.look().rows == []
    assert watch.floor == watch.seen == seq


def test_every_event_of_many_writers_is_told_once(ledger: TestLedger, database: str) -> None:
    """Writers that commit in any order, some of which roll back."""
    watch = EventWatch(ledger.database)
    watch.begin()

    def write(writer: int) -> list[int]:
        seqs = []
        with closing(psycopg2.connect(database)) as connection:
            for turn in range(12):
                own = [insert(connection.cursor(), writer * 1000 + turn * 10 + n) for n in range(3)]
                if (writer + turn) % 4:
                    connection.commit()
                    seqs += own
                else:
                    connection.rollback()
        return seqs

    told: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, writer) for writer in range(4)]
        while not all(one.done() for one in writing):
            told += [row["seq"] for row in watch.look().rows]
    told += [row["seq"] for row in watch.look().rows]
    assert sorted(told) == sorted(seq for one in writing for seq in one.result())
    assert len(set(told)) == len(told)


def test_long_events_come_without_what_they_say(ledger: TestLedger) -> None:
    with listening(ledger) as listener:
        ledger.send(message(text(8, "x" * (event_watch.MOST_BYTES + 1))))
        assert listener.read(1)[0]["data"] is None


def test_a_flood_is_passed_over(ledger: TestLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_watch, "_MOST_BEHIND", 10)
    monkeypatch.setattr(event_watch, "PAGE_ROWS", 5)
    watch = EventWatch(ledger.database)
    watch.begin()
    ledger.send(*words(*range(30)))
    noticed = watch.look()
    assert noticed.skipped == (1, noticed.rows[0]["seq"] - 1)
    assert (len(noticed.rows), noticed.is_more) == (5, True)


def test_a_slow_reader_holds_no_memory(ledger: TestLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgerstream, "_MOST_KEPT", 10)
    newest = Newest(EventWatch(ledger.database), look_seconds=0)
    place, _ = newest.begin(None)
    ledger.send(*words(*range(25)))
    newest.wait(place, 0)
    end, told = newest.from_place(place, Filter())
    assert end == place + 25
    assert [one.text.split(b"\n")[0] for one in told] == [b"event: lost"] + [b"event: event"] * 10
    assert b'{"count": 15}' in told[0].text
    assert newest.from_place(end, Filter()) == (end, [])


def test_quiet_streams_say_that_they_are_there(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgerstream, "KEEP_ALIVE_SECONDS", 0.0)
    with listening(ledger) as listener:
        assert next(listener._pieces).startswith(b": ")


def test_who_heard_of_nothing_misses_nothing_when_he_comes_again(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another filter would have him told nothing, and so give him no id to come again with."""
    monkeypatch.setattr(ledgerstream, "KEEP_ALIVE_SECONDS", 0.0)
    query, marks = "name=EXECUTE", []
    with listening(ledger, query) as listener:
        marks.append(next(listener._pieces))
        ledger.send(message(submitted()))
        (stored,) = ledger.get("/ledger/events")["items"]
        until = time.monotonic() + SECONDS
        while f"id: {stored['seq']}\n".encode() not in marks[-1]:
            assert time.monotonic() < until, marks
            marks.append(next(listener._pieces))
        assert listener.seen == []
    assert f"id: {stored['seq']}\n".encode() not in marks[0]
    ledger.send(message(executing(second=1)))
    with listening(ledger, query, HTTP_LAST_EVENT_ID=str(stored["seq"])) as listener:
        assert listener.read(1)[0]["name"] == "EXECUTE"


def test_an_outage_of_the_database_is_sat_out(ledger: TestLedger) -> None:
    with listening(ledger) as listener:
        dsn, ledger.database._dsn = ledger.database._dsn, "postgresql://127.0.0.1:1/none"
        ledger.database._drop_idle()
        for _ in range(3):
            listener.take()
        ledger.database._dsn = dsn
        ledger.send(*words(1))
        assert len(listener.read(1)) == 1


def test_it_ends_when_nobody_wants_it(ledger: TestLedger) -> None:
    with listening(ledger) as listener:
        listener.is_unwanted = True
        with pytest.raises(Cut):
            list(listener._pieces)


def test_streams_are_counted(ledger: TestLedger) -> None:
    """The app of tests has room for four; what ends gives its place back."""
    listeners = [Listener(ledger) for _ in range(4)]
    assert {one.status for one in listeners} == {200}
    assert_problem(call(ledger.app, "GET", "/ledger/stream"), 503)
    listeners[0].close()
    assert Listener(ledger).status == 200


def test_who_may_listen(ledger: TestLedger) -> None:
    browser = signed_in(ledger, Role.READ)
    assert_problem(call(ledger.app, "GET", "/ledger/stream"), 401)
    assert_problem(
        call(ledger.app, "GET", "/ledger/stream", **bearer(ledger.token(Role.WRITE))), 403
    )
    with listening(ledger, HTTP_COOKIE=f"jexevents_session={browser.cookie}") as listener:
        assert listener.status == 200
    answer = call(ledger.app, "HEAD", "/ledger/stream", **bearer(ledger.token(Role.READ)))
    assert (answer.status, answer.body) == (200, b"")


def test_one_look_serves_all(ledger: TestLedger) -> None:
    """Ten who listen ask PostgreSQL as often as one."""
    looks = []

    class Counted(EventWatch):
        def look(self):
            looks.append(threading.get_ident())
            return super().look()

    newest = Newest(Counted(ledger.database), look_seconds=60)
    places = [newest.begin(None)[0] for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda place: newest.wait(place, 0.01), places))
    assert len(looks) <= 1
