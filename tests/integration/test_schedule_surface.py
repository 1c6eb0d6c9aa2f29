"""When a job is due and what became of that, over HTTP and in the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from jexevents.cli import main
from jexevents.exits import Exit
from jexevents.model import Role
from jexevents.sidecar.app import App, build_app
from jexevents.sidecar.auth import Gate
from jexevents.sidecar.routes import Route
from jexevents.sidecar.schedules import ScheduleSurface
from jexevents.sidecar.tokens import Tokens
from jexevents.store.prune import Prune
from jexevents.store.tokens import Tokens as StoredTokens
from tests.integration.web import assert_problem, bearer, call
from tests.scheduling import Daemon, Place, commit

START = datetime(2026, 3, 28, 23, 45, tzinfo=timezone.utc)
NIGHTLY = 'command: "true"\nschedule: {frequency: "30 2 * * *", timezone: Europe/Berlin}\n'
HOURLY = 'command: "true"\nschedule: {frequency: "0 * * * *"}\n'
QUARTERLY = 'command: "true"\nschedule:\n- frequency: "0 * * * *"\n- frequency: "30 * * * *"\n'

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    made = Place(database, START)
    yield made
    made.database.close()


@pytest.fixture
def daemon(place: Place) -> Daemon:
    made = place.daemon(commit("c1", nightly=NIGHTLY, a=QUARTERLY, never='command: "true"\n'))
    made.look()
    return made


@pytest.fixture
def app(place: Place, daemon: Daemon) -> App:
    stored = StoredTokens(place.database)
    surface = ScheduleSurface(
        place.database,
        daemon.requests.definition,
        "https://jex.example.org",
        clock=lambda _connection: place.now,
    )
    other = Route(
        method="GET",
        path="/jobs/<job>/<execution>",
        role=Role.READ,
        handler=lambda _request: pytest.fail("an execution was asked for"),
        summary="An execution.",
    )
    tokens = Tokens(stored.in_force, cache_seconds=0, ask_again_seconds=0)
    return build_app([*surface.routes(), other], Gate(tokens), check_answers=True)


@pytest.fixture
def reader(place: Place) -> dict[str, str]:
    return bearer(StoredTokens(place.database).make("reader", [Role.READ]).secret)


def get(app: App, path: str, fields: dict[str, str]) -> Any:
    where, _, query = path.partition("?")
    answer = call(app, "GET", where, query=query, **fields)
    assert answer.status == 200, answer.body
    return answer.json()


def test_the_next_ten(app: App, reader: dict[str, str]) -> None:
    found = get(app, "/jobs/nightly/schedule", reader)
    (schedule,) = found["schedules"]
    assert (found["job"], found["active"], found["items"]) == ("nightly", True, [])
    assert schedule["first_seen"] == schedule["since"] == "2026-03-28T23:45:00Z"
    assert schedule["members"] == {"frequency": "30 2 * * *", "timezone": "Europe/Berlin"}
    assert len(schedule["upcoming"]) == 10
    assert schedule["upcoming"][:2] == [
        {
            "at": "2026-03-29T01:00:00Z",
            "by_clock": "2026-03-29 02:30:00 Europe/Berlin",
            "runs": True,
        },
        {
            "at": "2026-03-30T00:30:00Z",
            "by_clock": "2026-03-30 02:30:00 Europe/Berlin",
            "runs": True,
        },
    ]


def test_what_became_of_due_times_in_pages(
    place: Place, daemon: Daemon, app: App, reader: dict[str, str]
) -> None:
    for minutes in (15, 30, 90):
        place.later(minutes=minutes)
        daemon.look()
    page = get(app, "/jobs/a/schedule?limit=3", reader)
    assert [(one["at"][11:16], one["place"], one["outcome"]) for one in page["items"]] == [
        ("02:00", 0, "ran"),
        ("01:30", 1, "late"),
        ("01:00", 0, "missed"),
    ]
    ran = page["items"][0]
    (row,) = place.ask("select execution from due_times order by id desc limit 1")
    assert ran["execution"] * 1_000_000 == pytest.approx(row["execution"], abs=0.5)
    assert ran["metadata"] == f"https://jex.example.org/jobs/a/{ran['execution']!r}"
    assert ran["by_clock"] == "2026-03-29 02:00:00 UTC"
    assert ran["reason"].startswith("Began on time")
    rest = get(app, page["next"], reader)
    assert [one["at"][11:16] for one in rest["items"]] == ["00:30", "00:00"]
    assert rest["next"] is None


def test_what_is_paused_gone_or_unknown(
    place: Place, daemon: Daemon, app: App, reader: dict[str, str]
) -> None:
    place.ask("insert into definition_states values ('a', false, %(at)s, 'x')", at=place.now)
    assert get(app, "/jobs/a/schedule", reader)["active"] is False
    assert get(app, "/jobs/never/schedule", reader)["schedules"] == []
    assert_problem(call(app, "GET", "/jobs/none/schedule", **reader), 404)
    place.later(minutes=20)
    daemon.repository.put(commit("c2", nightly=NIGHTLY))
    daemon.look()
    found = get(app, "/jobs/a/schedule", reader)
    assert [one["gone_at"] for one in found["schedules"]] == ["2026-03-29T00:05:00Z"] * 2
    assert [one["upcoming"] for one in found["schedules"]] == [[], []]
    assert [one["outcome"] for one in found["items"]] == ["paused"]


def test_a_zone_that_is_not_known_here(place: Place, app: App, reader: dict[str, str]) -> None:
    place.ask("""update schedules set members = '{"timezone": "Mars/A"}' where definition = 'a'""")
    found = get(app, "/jobs/a/schedule", reader)
    assert found["schedules"][0]["upcoming"] == []
    assert "Mars/A" in found["schedules"][0]["fault"]


def test_prune_removes_what_is_old(place: Place, daemon: Daemon) -> None:
    for _ in range(4):
        place.later(days=1)
        daemon.look()
    prune = Prune(place.database, place.now + timedelta(days=1), lambda *_: True)
    count = prune.counts()["due times"]
    assert count > 90
    removed = sum(step.done for step in prune.steps() if step.thing == "due times")
    assert (removed, prune.counts()["due times"]) == (count, 0)
    # The last two days stay: by these a daemon that starts knows what was decided.
    before = place.told()
    place.daemon(daemon.repository.standing.in_force).look()
    assert place.told() == before


# --- the terminal


@pytest.fixture
def config(tmp_path: Path, database: str) -> Path:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"DBURI": database}))
    return file


def shown(capsys: Capture, *arguments: object) -> list[dict[str, Any]]:
    capsys.readouterr()  # the logs of daemons
    assert main(["definitions", "next", "--json", *map(str, arguments)]) == Exit.OK
    return json.loads(capsys.readouterr().out)


def test_next_of_all_jobs(place: Place, daemon: Daemon, config: Path, capsys: Capture) -> None:
    place.later(minutes=15)
    daemon.look()
    rows = shown(capsys, "--config", config)
    assert sorted((row["job"], row["place"]) for row in rows) == [
        ("a", 0), ("a", 1), ("nightly", 0),
    ]  # fmt: skip
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    (first,) = [row for row in rows if row["job"] == "a" and row["place"] == 0]
    assert (first["last"]["at"], first["last"]["outcome"]) == ("2026-03-29T00:00:00Z", "ran")
    assert first["at"] > first["last"]["at"]
    assert len(shown(capsys, "--config", config, "--count", "3", "nightly")) == 3
    assert main(["definitions", "next", "--config", str(config)]) == Exit.OK
    table = capsys.readouterr().out
    assert "ran (2026-03-29T00:00:00Z)" in table
    assert repr(first["last"]["execution"]) in table


def test_next_of_a_job_that_is_not_there(daemon: Daemon, config: Path, capsys: Capture) -> None:
    assert main(["definitions", "next", "--config", str(config), "nightli"]) == Exit.USAGE
    assert "Did you mean nightly?" in capsys.readouterr().err


def test_next_of_a_folder(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JEXEVENTS_CONFIG", "/nowhere/at/all.json")
    (tmp_path / "a.yml").write_text(HOURLY)
    (tmp_path / "b.yml").write_text('schedule: {time: "2020-01-01"}\n')
    (tmp_path / "c.yml").write_text('command: "true"\n')
    rows = shown(capsys, "--path", tmp_path)
    assert [(row["job"], row["at"] is None, row["last"]) for row in rows] == [
        ("a", False, None), ("b", True, None),
    ]  # fmt: skip
    assert shown(capsys, "--path", tmp_path / "a.yml", "--count", "2")[1]["by_clock"].endswith(
        ":00:00 UTC"
    )
    assert main(["definitions", "next", "--path", str(tmp_path / "none")]) == Exit.USAGE
    (tmp_path / "d.yml").write_text("x: 1\n")
    assert main(["definitions", "next", "--path", str(tmp_path)]) == Exit.DATA
    assert "d.yml:1: /x" in capsys.readouterr().out


@pytest.mark.parametrize("count", ["0", "-1", "1001", "many"])
def test_how_many_is_a_number(count: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["definitions", "next", "--path", ".", f"--count={count}"])
    assert ended.value.code == Exit.USAGE
