"""What is due runs once, whatever daemons and clocks do, and every due time has its outcome."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from jexevents.runner.scheduler import look
from jexevents.store import schedules as store
from tests.scheduling import Place, commit

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
HOURLY = 'command: "true"\nschedule: {frequency: "0 * * * *"}\n'


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)


def hourly(**members: str) -> str:
    rest = "".join(f", {name}: {value}" for name, value in members.items())
    return f'command: "true"\nschedule: {{frequency: "0 * * * *"{rest}}}\n'


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    made = Place(database, NOON - timedelta(minutes=30))
    yield made
    made.database.close()


def test_what_is_due_runs_on_time(place: Place) -> None:
    daemon = place.daemon(commit("c1", nightly=HOURLY))
    assert daemon.look() == 5.0
    place.at(NOON - timedelta(seconds=2))
    assert daemon.look() == 2.0
    place.later(seconds=2)
    daemon.look()
    daemon.look()
    assert place.told() == [("03-02 12:00", "ran")]
    (row,) = place.ask(
        "select d.execution = x.execution as same, j.submitter, e.data->'schedule' as said"
        " from due_times d join executions x using (execution) join jobs j on j.id = x.job_id"
        " join events e on e.job_id = j.id"
    )
    assert row == {
        "same": True,
        "submitter": "schedule",
        "said": {
            "due_at": "2026-03-02T12:00:00Z",
            "due": "2026-03-02T12:00:00 UTC",
            "place": 0,
            "outcome": "ran",
        },
    }


def test_an_empty_time_is_when_it_was_first_seen_and_stays_so(place: Place) -> None:
    daemon = place.daemon(commit("c1", a='command: "true"\nschedule: {frequency: 3600}\n'))
    daemon.look()
    assert place.told() == [("03-02 11:30", "ran")]
    place.later(minutes=10)
    daemon.repository.put(commit("c2", a='command: "true"\nschedule: {frequency: 7200}\n'))
    daemon.look()
    place.later(hours=2)
    daemon.look()
    assert place.told() == [("03-02 11:30", "ran"), ("03-02 13:30", "late")]


def test_a_single_run_that_was_over_is_told_and_does_not_run(place: Place) -> None:
    daemon = place.daemon(commit("c1", a='command: x\nschedule: {time: "2026-03-01T00:00:00Z"}\n'))
    daemon.look()
    assert place.told() == [("03-01 00:00", "missed")]
    # Nor does it after an edit that gives it another time which is over.
    place.later(hours=2)
    daemon.repository.put(commit("c2", a='command: x\nschedule: {time: "2026-03-02T12:00:00Z"}\n'))
    daemon.look()
    assert place.told() == [("03-01 00:00", "missed"), ("03-02 12:00", "missed")]
    assert place.executions() == []


def test_a_single_run_without_a_time_is_not_run_again_by_an_edit(place: Place) -> None:
    daemon = place.daemon(commit("c1", a="command: x\nschedule: {frequency: 3600}\n"))
    daemon.look()
    place.ask("delete from due_times")  # pruned
    place.later(minutes=1)
    daemon.repository.put(commit("c2", a="command: x\nschedule: {misfire: run-once}\n"))
    daemon.look()
    assert place.told() == []


@pytest.mark.parametrize(
    ("misfire", "told"),
    [
        ("run-once", ["missed"] * 167 + ["late"]),
        ("skip", ["missed"] * 168),
        ("run-all", ["missed"] * 144 + ["late"] * 24),
    ],
)
def test_a_week_without_a_daemon(place: Place, misfire: str, told: list[str]) -> None:
    defined = commit("c1", a=hourly(misfire=misfire))
    place.daemon(defined).look()
    place.later(days=7)
    # A day of them is made up for by run-all: its window.
    place.daemon(defined).look()
    assert [outcome for _, outcome in place.told()] == told
    assert len(place.executions()) == told.count("late")
    assert "Nobody looked from 2026-03-02T11:30:00Z to 2026-03-09T11:30:00Z" in place.reasons()[0]


def test_more_than_can_be_told_one_by_one(place: Place) -> None:
    defined = commit("c1", a="command: x\nschedule: {frequency: 60}\n")
    place.daemon(defined).look()
    place.later(days=30)
    place.daemon(defined).look()
    rows = place.ask("select outcome, after, due_at, execution from due_times order by id")
    assert 1500 < len(rows) <= 3002
    assert rows[1]["after"] == NOON - timedelta(minutes=30)
    assert [row["outcome"] for row in rows[1:]] == ["missed"] * (len(rows) - 2) + ["ran"]
    assert timedelta() < rows[2]["due_at"] - rows[1]["due_at"] <= timedelta(seconds=60)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
def test_a_daemon_that_starts_again_runs_nothing_twice(place: Place, zone: str) -> None:
    """It looks a day further back where the rules of a zone decide."""
    defined = commit("c1", a=hourly(timezone=zone, misfire="run-all"))
    daemon = place.daemon(defined)
    daemon.look()
    for _ in range(5):
        place.later(hours=1)
        daemon.look()
    before = place.told()
    assert [outcome for _, outcome in before] == ["late"] * 5
    place.later(seconds=1)
    place.daemon(defined).look()
    assert place.told() == before


def test_what_newer_rules_of_a_zone_have_moved_is_found(place: Place) -> None:
    """A daemon that starts with them finds what is due before the last look by them."""
    defined = commit("c1", a=hourly(timezone="Europe/Berlin"))
    daemon = place.daemon(defined)
    daemon.look()
    place.later(hours=2)
    daemon.look()
    assert [outcome for _, outcome in place.told()] == ["missed", "late"]
    # As if the older rules had had 13:00 at another instant, which has not come.
    place.ask("delete from due_times where identity like %(one)s", one="2026-03-02T14:00%%")
    place.later(seconds=1)
    place.daemon(defined).look()
    assert place.told()[-1] == ("03-02 13:00", "late")


def test_what_was_told_is_not_told_again_among_many(place: Place) -> None:
    """A start that looks further back finds more than is told one by one, part of it decided."""
    text = 'command: x\nschedule: {frequency: "* * * * *", timezone: Europe/Berlin}\n'
    defined = commit("c1", a=text)
    daemon = place.daemon(defined)
    daemon.look()
    place.later(days=1)
    daemon.look()
    decided = place.now
    place.later(hours=40)
    place.daemon(defined).look()
    (span,) = place.ask("select after, due_at from due_times where after is not null")
    assert span["after"] == decided
    assert span["due_at"] > decided


def test_the_night_that_skips_an_hour(place: Place) -> None:
    place.at(utc(2026, 3, 29, 0, 50))
    text = 'command: x\nschedule: {frequency: "*/30 2 * * *", timezone: Europe/Berlin}\n'
    nightly = 'command: x\nschedule: {frequency: "30 2 * * *", timezone: Europe/Berlin}\n'
    daemon = place.daemon(commit("c1", often=text, nightly=nightly))
    daemon.look()
    place.at(utc(2026, 3, 29, 1, 0))
    daemon.look()
    assert place.told("often") == [("03-29 01:00", "skipped-hour")] * 2
    assert place.told("nightly") == [("03-29 01:00", "ran")]


def test_the_night_that_repeats_an_hour(place: Place) -> None:
    place.at(utc(2026, 10, 24, 23, 50))
    text = 'command: x\nschedule: {frequency: "30 * * * *", timezone: Europe/Berlin}\n'
    nightly = 'command: x\nschedule: {frequency: "30 2 * * *", timezone: Europe/Berlin}\n'
    daemon = place.daemon(commit("c1", often=text, nightly=nightly))
    daemon.look()
    for hour in (0, 1):
        place.at(utc(2026, 10, 25, hour, 30))
        daemon.look()
    assert place.told("often") == [("10-25 00:30", "ran"), ("10-25 01:30", "ran")]
    assert place.told("nightly") == [("10-25 00:30", "ran")]


def test_off_the_active_list(place: Place) -> None:
    daemon = place.daemon(commit("c1", a=HOURLY))
    daemon.look()
    place.ask("insert into definition_states values ('a', false, %(at)s, 'ann')", at=place.now)
    place.at(NOON)
    daemon.look()
    assert place.told() == [("03-02 12:00", "paused")]
    assert place.reasons() == ["The job is off the active list."]
    # Put back while no daemon was there: what was due before was due while it was off.
    place.ask(
        "update definition_states set active = true, changed_at = %(at)s",
        at=NOON + timedelta(minutes=90),
    )
    place.at(NOON + timedelta(hours=2))
    daemon.look()
    assert place.told()[1:] == [("03-02 13:00", "paused"), ("03-02 14:00", "ran")]


def test_one_at_a_time(place: Place) -> None:
    text = HOURLY + "concurrency: forbid\n"
    daemon = place.daemon(commit("c1", a=text, b=HOURLY))
    daemon.look()
    for _ in range(2):
        place.at(place.now.replace(minute=0) + timedelta(hours=1))
        daemon.look()
    assert place.told("a") == [("03-02 12:00", "ran"), ("03-02 13:00", "still-running")]
    assert place.told("b") == [("03-02 12:00", "ran"), ("03-02 13:00", "ran")]
    (row,) = place.ask("select reason from due_times where outcome = 'still-running'")
    (first,) = place.ask("select key from jobs where source = 'a'")
    assert row["reason"].startswith(f"Execution {first['key']} is not at its end")
    place.end_all()
    place.later(hours=1)
    daemon.look()
    assert place.told("a")[-1] == ("03-02 14:00", "ran")


def test_two_schedules_of_a_job_that_forbids_a_second_run(place: Place) -> None:
    text = (
        "command: x\nconcurrency: forbid\nschedule:\n"
        '- {frequency: "0 * * * *", priority: 1}\n- {frequency: "0 12 * * *", priority: 2}\n'
    )
    daemon = place.daemon(commit("c1", a=text))
    daemon.look()
    place.at(NOON)
    daemon.look()
    rows = place.ask(
        "select place, outcome from due_times d join schedules s on s.id = d.schedule_id"
        " order by place"
    )
    assert [(row["place"], row["outcome"]) for row in rows] == [(0, "still-running"), (1, "ran")]
    assert any(one.startswith("The run that was due at 2026-03-02T12") for one in place.reasons())


def test_a_request_that_comes_between(place: Place) -> None:
    """Somebody starts the job between the look and the write: that one is told, others run."""
    daemon = place.daemon(commit("c1", a=HOURLY + "concurrency: forbid\n", b=HOURLY))
    daemon.look()
    place.at(NOON)
    request = daemon.requests.request

    def raced(asked, also=lambda *_: None):
        if len(asked) > 1:
            request([type(asked[0])("a", by="ann")])
        return request(asked, also)

    daemon.requests.request = raced
    daemon.look()
    assert place.told("a") == [("03-02 12:00", "still-running")]
    assert place.told("b") == [("03-02 12:00", "ran")]
    assert sorted(place.executions()) == ["a", "b"]


def test_the_larger_priority_runs_first(place: Place) -> None:
    jobs = {name: hourly(priority=n) for name, n in (("a", "1"), ("b", "3"), ("c", "2"))}
    daemon = place.daemon(commit("c1", **jobs))
    daemon.look()
    place.at(NOON)
    daemon.look()
    assert place.executions() == ["b", "c", "a"]


def test_the_larger_priority_runs_first_among_more_than_one_transaction_takes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "SCHEDULES_AT_ONCE", 1)
    jobs = {name: hourly(priority=n) for name, n in (("a", "1"), ("b", "3"), ("c", "2"))}
    daemon = place.daemon(commit("c1", **jobs))
    daemon.look()
    # An edit of the priority alone has effect, too.
    jobs["c"] = hourly(priority="4")
    daemon.repository.put(commit("c2", **jobs))
    daemon.look()
    place.at(NOON)
    daemon.look()
    assert place.executions() == ["c", "b", "a"]


def test_a_job_that_lacks_values_is_told_and_others_run(place: Place) -> None:
    lacking = "command: echo {{ x }}\nvars: [{name: x}]\nschedule: {frequency: '0 * * * *'}\n"
    daemon = place.daemon(commit("c1", a=lacking, b=HOURLY))
    daemon.look()
    place.at(NOON)
    daemon.look()
    assert place.told("a") == [("03-02 12:00", "missed")]
    assert place.told("b") == [("03-02 12:00", "ran")]
    (row,) = place.ask("select reason from due_times where outcome = 'missed'")
    assert row["reason"].startswith("It could not run: ")
    assert "x" in row["reason"]


def test_a_schedule_that_breaks_keeps_no_other_from_running(place: Place) -> None:
    daemon = place.daemon(commit("c1", a=HOURLY, b=HOURLY))
    daemon.look()
    request = daemon.requests.request

    def broken(asked, also):
        if any(one.name == "a" for one in asked):
            raise RuntimeError("as a bug would")
        return request(asked, also)

    daemon.requests.request = broken
    place.at(NOON)
    daemon.look()
    assert place.told() == [("03-02 12:00", "ran")]
    assert place.executions() == ["b"]
    # It is tried again a minute later, and nothing of it is lost.
    daemon.requests.request = request
    place.later(seconds=30)
    daemon.look()
    assert place.told("a") == []
    place.later(seconds=30)
    daemon.look()
    assert place.told("a") == [("03-02 12:00", "ran")]


def test_a_schedule_that_cannot_be_read_here_waits_for_who_can(place: Place) -> None:
    defined = commit("c1", a=hourly(timezone="Europe/Berlin"), b=HOURLY)
    place.daemon(defined).look()
    # As on a machine that does not have this zone.
    place.ask("""update schedules set members = '{"frequency": "0 * * * *", "timezone": "Mars/A"}'
        where definition = 'a'""")
    place.at(NOON)
    place.daemon(defined).look()
    assert (place.told("a"), place.told("b")) == ([], [("03-02 12:00", "ran")])
    place.ask("""update schedules set members = '{"frequency": "0 * * * *",
        "timezone": "Europe/Berlin"}' where definition = 'a'""")
    place.later(hours=1)
    place.daemon(defined).look()
    assert place.told("a") == [("03-02 12:00", "missed"), ("03-02 13:00", "ran")]


def test_an_edit_holds_from_when_it_came_into_force(place: Place) -> None:
    daemon = place.daemon(commit("c1", a=HOURLY))
    daemon.look()
    place.at(NOON)
    daemon.look()
    place.later(minutes=20)
    daemon.repository.put(commit("c2", a=HOURLY.replace("0 * *", "10,40 * *")))
    daemon.look()
    place.later(minutes=20)
    daemon.look()
    assert place.told() == [("03-02 12:00", "ran"), ("03-02 12:40", "ran")]


def test_what_was_due_before_an_edit_is_decided_by_what_was_in_force(place: Place) -> None:
    daemon = place.daemon(commit("c1", a=HOURLY, b=HOURLY))
    daemon.look()
    place.at(NOON + timedelta(seconds=1))
    daemon.repository.put(commit("c2", a=HOURLY.replace("0 *", "30 *")))
    daemon.look()
    assert place.told("a") == [("03-02 12:00", "ran")]
    assert place.told("b") == [("03-02 12:00", "missed")]
    assert "No job of this name is defined any more." in place.reasons()


def test_an_edit_of_other_members_makes_no_other_due_times(place: Place) -> None:
    daemon = place.daemon(commit("c1", a=HOURLY))
    daemon.look()
    place.at(NOON)
    daemon.look()
    place.later(hours=3)
    daemon.repository.put(commit("c2", a=hourly(misfire="skip")))
    # The members of now are put in force after what was due is decided by those of before.
    daemon.look()
    assert [outcome for _, outcome in place.told()] == ["ran", "missed", "missed", "ran"]
    (row,) = place.ask("select members, first_seen, since from schedules")
    assert row["members"] == {"frequency": "0 * * * *", "misfire": "skip"}
    assert row["first_seen"] == row["since"] == NOON - timedelta(minutes=30)


def test_a_definition_that_goes_and_comes_back(place: Place) -> None:
    both, one = commit("c1", a=HOURLY, b=HOURLY), commit("c2", b=HOURLY)
    daemon = place.daemon(both)
    daemon.look()
    place.at(NOON)
    daemon.look()
    place.later(minutes=10)
    daemon.repository.put(one)
    daemon.look()
    place.later(hours=2)
    daemon.look()
    daemon.repository.put(both)
    daemon.look()
    place.later(hours=1)
    daemon.look()
    assert place.told("a") == [("03-02 12:00", "ran"), ("03-02 15:00", "late")]
    (row,) = place.ask("select first_seen, gone_at from schedules where definition = 'a'")
    assert row == {"first_seen": NOON - timedelta(minutes=30), "gone_at": None}


# --- clocks


def test_a_clock_that_is_set_back_runs_nothing_twice(place: Place) -> None:
    daemon = place.daemon(commit("c1", a=HOURLY))
    daemon.look()
    for hour in (12, 13):
        place.at(NOON.replace(hour=hour))
        daemon.look()
    place.at(NOON - timedelta(minutes=30))
    for _ in range(6):
        daemon.look()
        place.later(minutes=30)
    assert (
        place.told() == [(f"03-02 {hour}:00", "ran") for hour in (12, 13, 14)][: len(place.told())]
    )
    assert place.executions() == ["a"] * len(place.told())
    place.at(NOON.replace(hour=14))
    daemon.look()
    assert place.told()[-1] == ("03-02 14:00", "ran")
    assert len(place.told()) == 3


def test_a_clock_that_was_years_ahead_for_a_moment(place: Place) -> None:
    """What it made of times that had not come, and did not run, is decided when they come."""
    daily = 'command: "true"\nschedule: {frequency: "0 0 * * *"}\n'
    daemon = place.daemon(commit("c1", a=HOURLY, b=daily))
    daemon.look()
    place.later(days=1000)
    daemon.look()
    assert len(place.executions()) == 2
    place.at(NOON)
    daemon.look()
    place.later(hours=1)
    daemon.look()
    place.at(utc(2026, 3, 3))
    daemon.look()
    assert place.told("a")[-3:] != []
    ran = place.ask(
        "select s.definition, d.due_at, d.outcome from due_times d"
        " join schedules s on s.id = d.schedule_id where d.due_at < '2026-04-01'"
        " and d.outcome in ('ran', 'late') order by 1, 2"
    )
    told = [(row["definition"], row["due_at"].strftime("%d %H:%M")) for row in ran]
    assert ("b", "03 00:00") in told
    assert ("a", "02 13:00") in told
    assert ("a", "03 00:00") in told


def test_a_clock_that_is_set_forward_is_an_absence(place: Place) -> None:
    daemon = place.daemon(commit("c1", a=hourly(misfire="skip"), b=HOURLY))
    daemon.look()
    place.later(hours=3)
    daemon.look()
    assert [outcome for _, outcome in place.told("a")] == ["missed"] * 3
    assert [outcome for _, outcome in place.told("b")] == ["missed", "missed", "late"]


# --- which commit


def test_a_daemon_with_another_commit_leaves_it_to_the_others(place: Place) -> None:
    old, new = place.daemon(commit("c1", a=HOURLY)), place.daemon(commit("c2", b=HOURLY))
    place.ask("update runner_state set commit = 'c2'")
    place.at(NOON - timedelta(seconds=20))
    new.look()
    place.at(NOON)
    assert old.look() == 1.0
    assert place.told() == []
    new.look()
    assert place.executions() == ["b"]
    # Nobody has looked for a minute: it goes by what it has.
    place.later(seconds=61)
    old.look()
    assert [
        (row["definition"])
        for row in place.ask("select definition from schedules where gone_at is null")
    ] == ["a"]


def test_what_was_decided_long_ago_is_removed_but_the_last(place: Place) -> None:
    daemon = place.daemon(
        commit("c1", a=HOURLY, b='command: x\nschedule: {frequency: "0 12 2 3 *"}\n')
    )
    daemon.look()
    for _ in range(5):
        place.later(days=1)
        daemon.look()
    assert len(place.told()) == 121
    assert daemon.looks.drop_old(timedelta(days=90), 10) == 0
    place.later(days=89)
    assert daemon.looks.drop_old(timedelta(days=90), 10) == 10
    while daemon.looks.drop_old(timedelta(days=90), 10):
        pass
    # The one run of last year is known still.
    assert place.told("b") == [("03-02 12:00", "late")]
    with place.database.look() as connection:
        (last,) = [one for one in store.with_last(connection) if one.row.definition == "b"]
    assert (last.outcome, last.active) == ("late", True)
