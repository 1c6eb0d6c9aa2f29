"""What there is, is in the documents: options, routes, commands, exit codes, schemas, events."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from jexevents.config import environment
from jexevents.config.options import OPTIONS
from jexevents.exits import Exit
from jexevents.lifecycle import command, condor, pipeline, smrtlink
from jexevents.model import INSERTED, Kind, Phase, Reason, Role
from jexevents.schemafiles import with_folder
from jexevents.sidecar import diagram, health, metrics, schemas
from jexevents.sidecar.apidocs.surface import ApiDocs
from jexevents.sidecar.cloudevents import CloudEventSurface
from jexevents.sidecar.dashboard.definitions import DefinitionPages
from jexevents.sidecar.dashboard.job import JobPage
from jexevents.sidecar.dashboard.jobs import JobPages
from jexevents.sidecar.dashboard.overview import Overview
from jexevents.sidecar.dashboard.rejects import RejectPages
from jexevents.sidecar.dashboard.results import ResultPages
from jexevents.sidecar.dashboard.schedules import SchedulePages
from jexevents.sidecar.dashboard.signing import Signing
from jexevents.sidecar.dashboard.site import MENU, NOTICES, Site
from jexevents.sidecar.dashboard.surface import Dashboard
from jexevents.sidecar.dashboard.tasks import TaskPages
from jexevents.sidecar.dashboard.uploads import UploadPages
from jexevents.sidecar.dashboard.webhooks import WebhookPages
from jexevents.sidecar.dashboard.workers import WorkerPages
from jexevents.sidecar.hooks import HookSurface
from jexevents.sidecar.jex import Jex
from jexevents.sidecar.jobs import JobSurface
from jexevents.sidecar.ledger import LedgerSurface
from jexevents.sidecar.ledgerstream import LedgerStream
from jexevents.sidecar.nonces import NonceSurface
from jexevents.sidecar.outputs import OutputSurface
from jexevents.sidecar.pipelinejobs import PipelineSurface
from jexevents.sidecar.rejects import RejectSurface
from jexevents.sidecar.results import ResultSurface
from jexevents.sidecar.routes import Route, all_statuses
from jexevents.sidecar.schedules import ScheduleSurface
from jexevents.sidecar.smrtlink import SmrtLinkSurface
from jexevents.sidecar.taskbodies import PARAMETERS
from jexevents.sidecar.tasks import TaskSurface
from jexevents.sidecar.uploads import UploadSurface
from jexevents.sidecar.workers import WorkerSurface
from jexevents.sources.condor.events import EVENT_TYPES, FIRST_EXECUTE_POINT, event_type
from jexevents.sources.smrtlink.types import is_name
from jexevents.store.rows import StoredEvent
from jexevents.store.tasks import STATUSES as TASK_STATUSES
from jexevents.tasks import parameters as task_parameters
from jexevents.tasks.status import STATUSES, WORDS
from jexevents.validation import SCHEMAS
from tests.docs.console import examples
from tests.support import ROOT

README = (ROOT / "README.md").read_text("utf-8")
HTTP = (ROOT / "docs/http.md").read_text("utf-8")
CONDOR = (ROOT / "docs/condor.md").read_text("utf-8")
REJECTS = (ROOT / "docs/rejects.md").read_text("utf-8")
TASKS = (ROOT / "docs/tasks.md").read_text("utf-8")
EXECUTIONS = (ROOT / "docs/executions.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs/operations.md").read_text("utf-8")
DASHBOARD = (ROOT / "docs/dashboard.md").read_text("utf-8")
DEFINITIONS = (ROOT / "docs/definitions.md").read_text("utf-8")
CONFIGURATION = (ROOT / "docs/configuration.md").read_text("utf-8")

# The tables alone; no handler is called.
NOTHING: Any = None
ROUTES = [
    *health.routes(NOTHING),
    *Jex(NOTHING, NOTHING, "", NOTHING).routes(),
    *LedgerSurface(NOTHING).routes(),
    *LedgerStream(NOTHING).routes(),
    *CloudEventSurface(NOTHING, 1, NOTHING).routes(),
    *PipelineSurface(NOTHING, NOTHING, "", "", 1, NOTHING).routes(),
    *SmrtLinkSurface(NOTHING, "", NOTHING).routes(),
    *UploadSurface(NOTHING, NOTHING, 1, NOTHING).routes(),
    *NonceSurface(NOTHING, NOTHING).routes(),
    *JobSurface(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, "").routes(),
    *ScheduleSurface(NOTHING, NOTHING, "").routes(),
    *OutputSurface(NOTHING, NOTHING, NOTHING, "").routes(),
    *HookSurface(NOTHING, NOTHING, NOTHING).routes(),
    *TaskSurface(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, "").routes(),
    *ResultSurface(NOTHING, NOTHING, NOTHING, NOTHING, "").routes(),
    *WorkerSurface(NOTHING).routes(),
    *RejectSurface(NOTHING).routes(),
    *schemas.routes(NOTHING),
    *metrics.routes(NOTHING),
]
SITE = Site()
PAGES = Dashboard(
    SITE,
    [
        Overview(SITE, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING),
        JobPages(SITE, NOTHING),
        JobPage(SITE, NOTHING, NOTHING, NOTHING, NOTHING),
        DefinitionPages(SITE, NOTHING, NOTHING, NOTHING),
        SchedulePages(SITE, NOTHING),
        TaskPages(SITE, NOTHING, NOTHING, NOTHING, NOTHING),
        ResultPages(SITE, NOTHING, NOTHING, NOTHING),
        WorkerPages(SITE, NOTHING),
        WebhookPages(SITE, NOTHING),
        RejectPages(SITE, NOTHING, NOTHING),
        UploadPages(SITE, NOTHING),
        Signing(SITE, NOTHING, NOTHING, 1),
    ],
).routes()
ROUTES += ApiDocs([*ROUTES, *PAGES], SCHEMAS).routes()


def rows(document: str) -> Iterator[list[str]]:
    """Give the cells of each row of each table, without the heads' lines of dashes."""
    for line in document.splitlines():
        if line.startswith("| ") and not set(line) <= set("|- "):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]


def section(document: str, heading: str) -> str:
    """Give what stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", document, re.M | re.S)
    assert found, f"there is no heading {heading!r}"
    return found[1]


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name: str) -> None:
    assert f"| `{name}` |" in CONFIGURATION


@pytest.mark.parametrize("name", [*environment._OTHERS, f"{environment._TESTS}..."])
def test_variables_that_are_no_options(name: str) -> None:
    told = section(CONFIGURATION, "The environment")
    assert any(f"`{name}`" in row[0] for row in rows(told))


def test_options_of_the_readme_exist_and_have_their_defaults() -> None:
    named = 0
    for names, default, _ in rows(section(README, "Configuration")):
        for name, told in zip(names.split(", "), default.split(", "), strict=False):
            if name == "Key":
                continue
            option = OPTIONS[name.strip("`")]
            named += 1
            if told.startswith("`"):
                assert told.strip("`") == str(option.default)
    assert named >= 10


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_routes(route: Route) -> None:
    name = f"{route.method} {route.path}"
    role = "none" if route.role is None else f"`{route.role.value}`"
    assert [row[1] for row in rows(HTTP) if row[0] == f"`{name}`"] == [role]
    told = section(HTTP, name.replace("<", "\\<"))
    for schema in filter(None, (route.request, *route.answers)):
        assert f"`{schema}`" in told.replace("\n", " ")
    for parameter in route.in_query:
        assert f"`{parameter.name}`" in told
    for status in route.statuses:
        assert str(status) in told


@pytest.mark.parametrize("route", PAGES, ids=lambda route: f"{route.method} {route.path}")
def test_pages(route: Route) -> None:
    name = f"`{route.method} {route.path}`"
    role = "none" if route.role is None else f"`{route.role.value}`"
    assert [row[1] for row in rows(DASHBOARD) if row[0] == name] == [role]
    assert route.page is not None


def test_no_page_is_told_that_is_not_there() -> None:
    told = {row[0].strip("`") for row in rows(DASHBOARD) if re.match(r"`[A-Z]+ /", row[0])}
    assert told == {f"{route.method} {route.path}" for route in PAGES}
    assert {path for _, path in MENU} <= {route.path for route in PAGES}
    assert all(re.fullmatch("[a-z-]+", word) for word in NOTICES)


def test_no_route_is_told_that_is_not_there() -> None:
    told = {row[0].strip("`") for row in rows(HTTP) if re.match(r"`[A-Z]+ /", row[0])}
    assert told == {f"{route.method} {route.path}" for route in ROUTES}


def test_statuses_of_errors() -> None:
    told = {int(row[0]) for row in rows(section(HTTP, "Errors")) if row[0].isdigit()}
    answered = {status for route in ROUTES for status in all_statuses(route) if status >= 400}
    assert told == answered | {405}


def test_every_route_is_shown_by_an_example() -> None:
    texts = (README, EXECUTIONS, TASKS)
    commands = [example.command for text in texts for example in examples(text)]
    calls = set(re.findall(r"localhost:8080(/[^\s'\"?]+)", "\n".join(commands)))
    calls = {call.rstrip("/") for call in calls}
    shown = {route.path: _like(route.path, calls) for route in ROUTES}
    assert all(shown.values()), [path for path, found in shown.items() if not found]
    assert calls == set().union(*shown.values())


def _like(path: str, calls: set[str]) -> set[str]:
    """Give the calls of a route, not those that are some other route to the letter."""
    literal = {route.path for route in ROUTES} - {path}
    pattern = re.sub(r"<\w+>", "[^/]+", path)
    return {call for call in calls - literal if re.fullmatch(pattern, call)}


@pytest.mark.parametrize("name", SCHEMAS.names())
def test_schemas(name: str) -> None:
    assert f"`{name}`" in HTTP + CONDOR + DEFINITIONS


@pytest.mark.parametrize("name", SCHEMAS.document("job_insertion")["properties"])
def test_fields_of_an_insertion(name: str) -> None:
    told = section(HTTP, "POST /jobs")
    row = next(row for row in rows(told) if f"`{name}`" in row[0])
    required = name in SCHEMAS.document("job_insertion")["required"]
    assert ("required" in row[2]) == required


@pytest.mark.parametrize("name", SCHEMAS.document("condor_message")["properties"])
def test_members_of_a_message(name: str) -> None:
    assert any(f"`{name}`" in row[0] for row in rows(section(CONDOR, "Messages")))


def commands(parser: argparse.ArgumentParser, path: str = "") -> Iterator[str]:
    """Give every command with its path, those that have actions by their actions."""
    below = [action for action in parser._actions if hasattr(action.choices, "items")]
    if not below and path:
        yield path.strip()
    for action in below:
        for name, child in action.choices.items():
            yield from commands(child, f"{path} {name}")


def parser() -> argparse.ArgumentParser:
    return import_module("jexevents.cli.main").build_parser()


@pytest.mark.parametrize("command", list(commands(parser())))
def test_commands(command: str) -> None:
    assert f"`jexevents {command}`" in README


def test_options_of_the_command_line() -> None:
    told = " ".join(row[0] + row[1] for row in rows(section(README, "Install it")))
    for action in parser()._actions:
        for name in action.option_strings:
            assert not name.startswith("--") or name in told, name


def test_options_of_making_a_token() -> None:
    (told,) = [row[1] for row in rows(README) if row[0] == "`jexevents token make`"]
    (tokens,) = [one.choices["token"] for one in parser()._actions if hasattr(one.choices, "items")]
    (actions,) = [one.choices for one in tokens._actions if hasattr(one.choices, "items")]
    named = {name for action in actions["make"]._actions for name in action.option_strings}
    assert set(re.findall(r"`(--\w+)`", told)) == named - {"-h", "--help", "--config"}


def test_commands_that_end_with_65() -> None:
    (told,) = [row[2] for row in rows(section(README, "Signals and exit codes")) if row[0] == "65"]
    named = re.search(r"65 [^(]*\(([^)]*)\)", parser().epilog)[1]
    assert {word.strip() for word in named.split(",")} == set(re.findall(r"`([\w-]+)`", told))


def test_roles() -> None:
    told = [row[0].strip("`") for row in rows(section(README, "Credentials"))]
    assert told == ["Role", *(role.value for role in Role)]


def test_kinds_of_jobs() -> None:
    (told,) = [row[1] for row in rows(section(HTTP, "GET /ledger/jobs")) if row[0] == "`kind`"]
    assert set(re.findall(r"`(\w+)`", told)) == {kind.value for kind in Kind}


def test_exit_codes() -> None:
    told = {row[0]: row[1] for row in rows(section(README, "Signals and exit codes"))}
    for code in Exit:
        assert told[str(int(code))] == code.name


@pytest.mark.parametrize("word", [*Role, *Phase], ids=str)
def test_words(word: Role | Phase) -> None:
    assert f"`{word.value}`" in HTTP


def test_reasons_of_rejects_in_their_order() -> None:
    told = [row[0].strip("`") for row in rows(section(REJECTS, "Reasons"))]
    assert told == ["Reason", *(reason.value for reason in Reason)]
    assert SCHEMAS.document("ledger_reject")["properties"]["reason"]["enum"] == told[1:]


def test_actions_and_filters_of_rejects() -> None:
    told = section(REJECTS, "The command")
    for action in parser()._actions:
        if hasattr(action.choices, "items"):
            actions = action.choices["rejects"]._actions
    for name, child in next(one for one in actions if one.choices).choices.items():
        assert f"| `{name}` |" in told
        for option in child._actions:
            named = [one for one in option.option_strings if one.startswith("--")]
            assert not named or named[0] == "--help" or f"`{named[0]}`" in told, named


def status_after(name: str, **data: object) -> tuple[str, bool, bool]:
    """Give status, held and closed after a job's only event."""
    at = datetime(2026, 3, 1, tzinfo=timezone.utc)
    state = condor.fold([StoredEvent(name, at, None, None, bytes(32), data, None)])
    return state.state, state.held, state.closed


@pytest.mark.parametrize("number", [n for n in EVENT_TYPES if n < FIRST_EXECUTE_POINT])
def test_events_of_jobs(number: int) -> None:
    (row,) = [row for row in rows(CONDOR) if row[0] == f"{number:03d}"]
    assert row[1] == event_type(number).name
    assert_told(row[2], row[1])


def assert_told(told: str, name: str) -> None:
    """Assert that the text says what the fold does.

    A job whose only event changes nothing is Submitted; so is one after some that do.
    """
    state, held, closed = status_after(name)
    if told.startswith("unchanged"):
        assert (state, held, closed) == ("Submitted", False, False)
        assert name not in _changing()
    else:
        assert name in _changing()
        assert state in told
        assert held == ("held" in told)
        assert closed == ("close" in told)


def _changing() -> set[str]:
    return set(condor._STATUS)


def test_events_of_execute_points() -> None:
    (row,) = [row for row in rows(CONDOR) if row[0].startswith("100 to ")]
    numbers = [number for number in EVENT_TYPES if number >= FIRST_EXECUTE_POINT]
    assert row[0] == f"{numbers[0]} to {numbers[-1]}"
    assert row[1].split(", ") == [event_type(number).name for number in numbers]


def test_the_status_table_of_the_readme() -> None:
    told: set[str] = set()
    for event, status in rows(section(README, "The status of a job")):
        for number, name in re.findall(r"`(\d{3})` (\w+)", event):
            assert event_type(int(number)).name == name
            told.add(name)
            assert_told(status, name)
    assert told >= _changing()
    assert f"`{INSERTED}`" in README


def test_a_normal_end_is_completed() -> None:
    ended = status_after("JOB_TERMINATED", TerminatedNormally=True, ReturnValue=0)
    assert ended == ("Completed", False, True)


def test_states_of_executions() -> None:
    told = {row[0].strip("`"): row[1].strip("`") for row in rows(section(EXECUTIONS, "States"))}
    assert told.pop("State") == "Phase"
    assert told == {state: phase.value for state, phase in command.PHASES.items()}


def test_events_of_executions() -> None:
    told = {row[0]: row[2] for row in rows(section(EXECUTIONS, "Events"))}
    named = {name for cell in told for name in re.findall(r"`([\w-]+)`", cell)}
    ours = {command.REQUESTED, command.CLAIMED, command.RETRIED, command.CANCEL, command.LOSE}
    assert named == {*ours, *command.AUTOMATIC, *command.SIGNALS}
    for name in command._RULES:
        (after,) = [row[1] for row in told.items() if f"`{name}`" in row[0]]
        story = {command.STOP: [command.START], command.CONTINUE: [command.START, command.STOP]}
        events = [_of_execution(one, at) for at, one in enumerate([*story.get(name, ()), name])]
        assert f"`{command.fold(events).state}`" in after, name


def _of_execution(name: str, sequence: int) -> StoredEvent:
    at = datetime(2026, 3, 1, tzinfo=timezone.utc)
    data = {"auto": True, "signal": name, "attempt": 1, "sequence": sequence}
    return StoredEvent(name, at, None, None, bytes(32), data, None)


@pytest.mark.parametrize("name", command.REFUSED_NAMES)
def test_names_that_no_event_has(name: str) -> None:
    assert f"`{name}`" in section(EXECUTIONS, "Events")


def test_variables_of_a_job() -> None:
    code = "".join((ROOT / f"jexevents/runner/{path}.py").read_text("utf-8")
                   for path in ("commands", "supervisor/start", "supervisor/quick"))  # fmt: skip
    told = section(EXECUTIONS, "What a job finds")
    for name in set(re.findall(r'"(JEXEVENTS_[A-Z]+|PATH|HOME|USER|LOGNAME|SHELL|LANG)"', code)):
        assert f"`{name}`" in told, name


def test_what_the_log_says_of_jobs() -> None:
    files = [ROOT / "jexevents/broker/wake.py"]
    files += [*ROOT.glob("jexevents/runner/**/*.py"), *ROOT.glob("jexevents/executions/*.py")]
    files += ROOT.glob("jexevents/tasks/*.py")
    code = "".join(file.read_text("utf-8") for file in files)
    events = set(re.findall(r'log\.(?:info|warning|error|exception)\(\s*"(\w+)"', code))
    assert len(events) > 20
    told = " ".join(row[0] for row in rows(section(OPERATIONS, "Jobs")))
    assert [event for event in sorted(events) if f"`{event}`" not in told] == []


def test_statuses_of_tasks_and_results() -> None:
    told = [row[0].strip("`") for row in rows(section(TASKS, "Tasks"))]
    assert told == ["Status", *TASK_STATUSES]
    head, *results = rows(section(TASKS, "Results"))
    split = results.index(["State", "Status"])
    assert head == ["Status", "When"]
    assert {row[0].strip("`") for row in results[:split]} == set(WORDS)
    states = {
        state: row[1].strip("`")
        for row in results[split + 1 :]
        for state in re.findall(r"`([\w-]+)`", row[0])
    }
    assert states == STATUSES


def test_parameters_of_runs() -> None:
    told = [row[0].strip("`") for row in rows(section(TASKS, "Parameters"))]
    assert set(told[1:]) == {"times", *PARAMETERS}
    known = set(SCHEMAS.document("task_operation")["properties"])
    assert known == {"times", "operation", "task_id", *PARAMETERS}
    assert task_parameters.MAX_BYTES == 64 << 10
    assert task_parameters.MAX_BYTES_OF_ALL == 64 << 20
    assert "have 64 KiB at most, and 64 MiB in all" in TASKS


LEDGER = (ROOT / "docs/ledger.md").read_text("utf-8")


def test_kinds_and_phases_of_the_ledger() -> None:
    told = [row[0].strip("`") for row in rows(section(LEDGER, "Jobs"))]
    assert set(told) - {"Kind", "Phase"} == {one.value for one in [*Kind, *Phase]}


@pytest.mark.parametrize("state", condor.PHASES)
def test_states_of_condor(state: str) -> None:
    assert state in section(README, "The status of a job")


PIPELINES = (ROOT / "docs/pipelinejobs.md").read_text("utf-8")


def test_edges_of_pipelinejobs() -> None:
    told = {
        row[0].strip("`"): row[1:]
        for row in rows(section(PIPELINES, "The state machine"))
        if row[0].strip("`") in pipeline.EDGES
    }
    assert set(told) == set(pipeline.EDGES)
    for name, (sources, target) in told.items():
        found = pipeline.STATES if sources == "every state" else sources.split(", ")
        edges = {source: source if target == "the same" else target for source in found}
        assert edges == pipeline.EDGES[name]


def test_statuses_of_agave_and_tapis() -> None:
    told = {
        status: row[1].strip("`")
        for row in rows(section(PIPELINES, "Statuses of Agave and Tapis"))
        for status in row[0].split(", ")
    }
    assert told.pop("any other") == pipeline.UNKNOWN_STATUS
    assert told.pop("Status") == "Event"
    assert told == pipeline.STATUSES


def test_the_picture_of_the_state_machine_is_the_one_that_is_served() -> None:
    assert (ROOT / "docs/pipelinejobs.svg").read_text("utf-8") == diagram.draw()


SMRTLINK = (ROOT / "docs/smrtlink.md").read_text("utf-8")


def test_states_of_smrtlink() -> None:
    told = {
        state.strip("`"): row[1:]
        for row in rows(section(SMRTLINK, "Jobs"))
        for state in row[0].split(", ")
    }
    assert told.pop("State") == ["Phase", ""]
    assert set(told) == set(smrtlink.STATES)
    for state, (phase, closes) in told.items():
        event = StoredEvent(
            smrtlink.CHANGE[0],
            datetime(2026, 3, 1, tzinfo=timezone.utc),
            None,
            None,
            bytes(32),
            {"message": {"jobId": 1, "jobTypeId": "a", "state": state}},
            None,
        )
        found = smrtlink.fold([event])
        assert found.closed == bool(closes)
        assert phase in (f"`{found.phase.value}`", "as it was")


def test_types_of_smrtlink() -> None:
    told = section(SMRTLINK, "Types")
    for name in SCHEMAS.names():
        folder, _, rest = name.rpartition("/")
        assert not folder or f"`{rest.removesuffix('.1')}`" in told, name


def test_the_example_of_a_schema_is_one(tmp_path: Path) -> None:
    told = section(SMRTLINK, "Types")
    name = re.search(r"in that folder `([\w.]+\.json)`", told)[1]
    (tmp_path / name).write_text(re.search(r"^```json\n(.*?)^```$", told, re.M | re.S)[1])
    (added,) = with_folder(SCHEMAS, tmp_path, "smrtlink", is_name).added
    assert f"{added}.json" == name


@pytest.mark.parametrize("name", SCHEMAS.document("smrtlink_event")["properties"])
def test_members_of_a_system_event(name: str) -> None:
    assert any(f"`{name}`" in " ".join(row) for row in rows(section(SMRTLINK, "Events")))


def test_variables_of_seeds() -> None:
    told = [row[0].strip("`") for row in rows(section(SMRTLINK, "The variables of the original"))]
    named = {option.variable for option in OPTIONS.values()} - {""}
    assert set(told) - {"Variable"} == named
    assert all(f"`{name}`" in CONFIGURATION for name in named)
