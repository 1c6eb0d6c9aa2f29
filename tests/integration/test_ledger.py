"""Messages become rows: once and only once, whatever their order and company."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from jexevents.model import Outcome
from tests.ledger import (
    NOON,
    TestLedger,
    aborted,
    executing,
    held,
    message,
    named,
    open_ledger,
    released,
    submitted,
    terminated,
    text,
)

INVOCATION = "0d1c7a9e-5a0f-44e5-9cf1-1b0a7d3f5c11"
FACTS = ("state", "phase", "submitted_at", "started_at", "finished_at", "exit_code", "reason")

STORY = [
    message(submitted()),
    message(named(INVOCATION)),
    message(executing(second=5)),
    message(held(second=8)),
    message(released(second=9)),
    message(executing(second=11)),
    message(terminated(second=20)),
]


def facts(ledger: TestLedger, key: str = "222") -> dict:
    job = ledger.job(key)
    return {name: value for name, value in job.items() if name != "id"}


def test_a_story_ends_where_it_ends(ledger: TestLedger) -> None:
    assert ledger.send(*STORY) == [Outcome.ACCEPTED] * len(STORY)
    job = ledger.job("222")
    assert (job["state"], job["phase"], job["exit_code"]) == ("Completed", "COMPLETE", 0)
    assert (job["starts"], job["failure_count"], job["submitter"]) == (2, 1, "ann")
    assert job["finished_at"] == NOON + timedelta(seconds=20)
    assert job["invocation_id"] == INVOCATION
    assert [event["name"] for event in ledger.story("222")][:3] == [
        "SUBMIT",
        "JOB_AD_INFORMATION",
        "EXECUTE",
    ]


def test_the_same_again_is_stored_once(ledger: TestLedger) -> None:
    ledger.send(*STORY)
    before = facts(ledger)
    assert set(ledger.send(*STORY)) == {Outcome.DUPLICATE}
    assert ledger.send(STORY[0], STORY[0]) == [Outcome.DUPLICATE] * 2
    assert ledger.count("events") == len(STORY)
    assert facts(ledger) == before


def test_equal_messages_in_one_batch_are_one_event(ledger: TestLedger) -> None:
    assert ledger.send(STORY[0], STORY[0]) == [Outcome.ACCEPTED, Outcome.DUPLICATE]
    assert ledger.count("events") == 1


@pytest.mark.parametrize("seed", range(4))
def test_order_and_batches_do_not_matter(ledger: TestLedger, seed: int) -> None:
    draw = random.Random(seed)
    shuffled = draw.sample(STORY * 2, len(STORY) * 2)
    while shuffled:
        size = draw.randint(1, 4)
        ledger.send(*shuffled[:size])
        del shuffled[:size]
    assert ledger.count("events") == len(STORY)
    with_order = facts(ledger)
    # The same jobs again under another number, in order, in one batch.
    ledger.send(*(body.replace(b"(222.", b"(333.") for body in STORY))
    assert {**facts(ledger, "333"), "key": "222", "cluster": 222} == with_order


def test_several_writers_at_once_end_the_same(ledger: TestLedger, database: str) -> None:
    jobs = [f"{number}.000.000" for number in range(400, 420)]
    bodies = [
        message(make(job=job, second=second))
        for job in jobs
        for make, second in ((submitted, 0), (executing, 5), (terminated, 9))
    ]

    def write(seed: int) -> None:
        mine = random.Random(seed).sample(bodies, len(bodies))
        with open_ledger(database) as own:
            for start in range(0, len(mine), 7):
                own.send(*mine[start : start + 7])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert ledger.count("events") == len(bodies)
    assert {job["state"] for job in ledger.jobs()} == {"Completed"}


def test_a_log_orders_its_events_and_a_later_copy_may_say_so(ledger: TestLedger) -> None:
    # The clock of the submit host goes back an hour between the two.
    first = executing(second=3600)
    second = held(second=10)
    ledger.send(message(submitted(second=3500)), message(first), message(second))
    assert ledger.job("222")["state"] == "Running"
    ledger.send(
        message(second, Log="log", Offset=900),
        message(first, Log="log", Offset=500),
        message(submitted(second=3500), Log="log", Offset=0),
    )
    assert ledger.count("events") == 3
    assert ledger.job("222")["state"] == "Failed"


def test_identity_is_source_text_and_occurrence(ledger: TestLedger) -> None:
    size = text(6, "Image size of job updated: 44472", second=3)
    ledger.send(message(size), message(size, Occurrence=0), message(size, Hash="x"))
    assert ledger.count("events") == 1
    ledger.send(message(size, Occurrence=1), message(size, Source="submit-1"))
    assert ledger.count("events") == 3
    ledger.send(size.encode(), message(size.replace("\n", "\r\n")), size[:-5].encode() + b"...")
    assert ledger.count("events") == 3


def test_sources_do_not_share_jobs(ledger: TestLedger) -> None:
    ledger.send(message(submitted(), Source="a"), message(executing(second=1), Source="b"))
    ledger.send(message(submitted()), source="c")
    assert {job["key"]: job["state"] for job in ledger.jobs()} == {
        "a#222": "Submitted",
        "b#222": "Running",
        "c#222": "Submitted",
    }


def test_events_of_no_job_are_stored_without_one(ledger: TestLedger) -> None:
    header = "008 (-01.-01.-01) 2026-03-01 12:00:00 Global JobLog: ctime=1 id=0.1 sequence=1\n...\n"
    removed = "036 (4711.-01.-01) 2026-03-01 12:00:00 Cluster removed\n...\n"
    common = "047 (012.-1000.000) 2026-03-01 12:00:00 Common files event: X\n...\n"
    bodies = [message(one) for one in (header, removed, common)]
    assert ledger.send(*bodies, *bodies) == [Outcome.ACCEPTED] * 3 + [Outcome.DUPLICATE] * 3
    assert (ledger.count("events"), ledger.count("jobs")) == (3, 0)
    shown = ledger.get("/ledger/events", "name=GENERIC")["items"]
    assert [(event["name"], event["job_id"]) for event in shown] == [("GENERIC", None)]


@pytest.mark.parametrize("number", [48, 99, 200, 999])
def test_unknown_numbers_are_kept_and_change_nothing(ledger: TestLedger, number: int) -> None:
    ledger.send(message(submitted()), message(text(number, "Something new", second=4)))
    assert ledger.job("222")["state"] == "Submitted"
    assert [event["name"] for event in ledger.story("222")] == ["SUBMIT", f"EVENT_{number:03}"]


@pytest.mark.parametrize("number", [100, 113, 199])
def test_events_of_execute_points_have_no_job(ledger: TestLedger, number: int) -> None:
    ledger.send(message(text(number, "Slots, not jobs", job="001.002.000")))
    assert (ledger.count("events"), ledger.count("jobs")) == (1, 0)


def test_procs_are_jobs_of_their_own(ledger: TestLedger) -> None:
    ledger.send(message(submitted(job="222.003.000")), message(executing(job="222.000.000")))
    assert {job["key"]: job["state"] for job in ledger.jobs()} == {
        "222.3": "Submitted",
        "222": "Running",
    }


def test_closing_events_absorb_in_any_order(ledger: TestLedger) -> None:
    late = [message(aborted(second=30)), message(named(INVOCATION, second=31))]
    bodies = [message(submitted()), message(terminated(3, second=20)), *late]
    for number, order in enumerate(itertools.permutations(bodies), 500):
        job = f"({number}.".encode()
        for body in order:
            ledger.send(body.replace(b"(222.", job))
        row = ledger.job(str(number))
        assert (row["state"], row["exit_code"]) == ("Failed", 3), order
        assert row["finished_at"] == NOON + timedelta(seconds=20)


def test_years_that_are_missing_are_those_nearest_to_the_arrival(ledger: TestLedger) -> None:
    old = "000 (7.000.000) 12/31 23:59:59 Job submitted from host: <h>\n...\n"
    ledger.send(message(old), at=NOON.replace(month=1, day=1, hour=0))
    assert ledger.job("7")["submitted_at"].year == 2025


def test_the_repeated_hour_does_not_turn_a_story_round(database: str) -> None:
    # Berlin, 2025-10-26: at 03:00 the clock went back to 02:00.
    bodies = [
        message(f"{number:03} (9.000.000) 10/26 {clock} {rest}\n...\n")
        for number, clock, rest in (
            (0, "02:40:00", "Job submitted from host: <h>"),
            (1, "02:50:00", "Job executing on host: <h>"),
            (5, "02:10:00", "Job terminated.\n\t(1) Normal termination (return value 0)"),
        )
    ]
    with open_ledger(database, ZoneInfo("Europe/Berlin")) as ledger:
        ledger.send(*reversed(bodies), at=NOON)
        job = ledger.job("9")
        assert job["state"] == "Completed"
        assert job["submitted_at"] < job["started_at"] < job["finished_at"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "event"),
        (b" \n", "event"),
        (b"not an event", "header"),
        (b'{"Event": ', "JSON"),
        (b'{"Hash": "x"}', "Event"),
        (b'{"Event": 5}', "Event"),
        (b'["Event"]', "header"),
        (message(submitted()[:-5]), "..."),
        (message(submitted() + executing()), "one event"),
        (message(text(0, "x").replace("12:00:00", "25:00:00")), "date"),
        (message(submitted(), Offset=-1), "Offset"),
        (message(submitted(), Occurrence="1"), "Occurrence"),
        (message(submitted(), Source="a\nb"), "Source"),
        (b"\xff\xfe\x00\x01", "header"),
        (b"[" * 100_000, "header"),
        (b'{"a":' * 100_000, "nest"),
    ],
)
def test_a_bad_message_is_kept_with_its_reasons_and_blocks_no_other(
    ledger: TestLedger, body: bytes, reason: str
) -> None:
    outcomes = ledger.send(message(submitted()), body, message(executing(second=2)))
    assert outcomes == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]
    (reject,) = ledger.reading.rejects(limit=10)
    assert bytes(reject["body"]) == body
    said = " ".join(f"{fault['pointer']} {fault['expected']}" for fault in reject["reasons"])
    assert reason.lower() in said.lower(), said
    assert ledger.job("222")["state"] == "Running"


def test_a_claimed_hash_may_be_anything(ledger: TestLedger) -> None:
    odd = message(submitted()).replace(b"0" * 64, b"\\u0000\\ud800\\ufffd")
    raw = message(executing(second=1)).replace(b"0" * 64, b"\xff\xfe\x80")
    assert ledger.send(odd, raw) == [Outcome.ACCEPTED] * 2


def test_odd_bytes_in_an_event_are_kept_as_they_came(ledger: TestLedger) -> None:
    body = terminated(second=2).encode().replace(b"Job terminated.", b"Job \xe9 terminated.")
    assert ledger.send(message(submitted()), body) == [Outcome.ACCEPTED] * 2
    nul = message(held("a\0b", second=1))
    assert ledger.send(nul) == [Outcome.ACCEPTED]
    assert bytes(ledger.story("222")[1]["raw"]) == body
    assert ledger.story("222")[2]["data"]["HoldReason"] == "a\ufffdb"


def test_what_postgresql_refuses_is_rejected_alone(ledger: TestLedger) -> None:
    with ledger.database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("alter table events add check (name <> 'JOB_HELD')")
    outcomes = ledger.send(
        message(submitted()), message(held(second=1)), message(executing(second=2))
    )
    assert outcomes == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]
    assert ledger.job("222")["state"] == "Running"


def test_a_reject_is_cut_past_the_bound(ledger: TestLedger) -> None:
    ledger.send(b"x" * (3 << 20))
    (reject,) = ledger.reading.rejects(limit=1)
    assert (len(reject["body"]), reject["size"], reject["cut"]) == (1 << 20, 3 << 20, True)
