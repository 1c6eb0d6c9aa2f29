"""A browser, a daemon that runs jobs, and visitors who are told of what went wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jexevents.errors import JexError
from tests.acceptance.conftest import shared_jobs
from tests.acceptance.jobs import Jobs
from tests.acceptance.support import make_token
from tests.browser import programs
from tests.support import missing

__all__ = ["shared_jobs"]

JOBS = {
    "greet.yml": "description: Greets somebody.\ncommand: echo hello {{ who }}\n"
    "vars: [{name: who, default: you}]\n",
    "grow.yml": "command: |\n"
    "  for n in $(seq 1 100000); do echo line $n; echo trouble $n >&2; sleep 0.2; done\n",
    "again.yml": "command: |\n"
    "  echo try $JEXEVENTS_ATTEMPT; printf open\n"
    "  until test -e {{ gate }}; do sleep 0.1; done; test $JEXEVENTS_ATTEMPT = 3\n"
    "vars: [{name: gate}]\nretries: {count: 2, backoff: 0.1}\n",
    "fail.yml": "command: echo it is broken >&2; exit 3\n",
}


@dataclass(frozen=True)
class Place:
    """A daemon with jobs, and tokens for it."""

    jobs: Jobs
    reader: str
    runner: str
    admin: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.jobs.daemon.port}"


@pytest.fixture(scope="module")
def place(shared_jobs: Callable[..., Jobs]) -> Place:
    """The daemon that the tests of a module visit."""
    jobs = shared_jobs(JOBS)
    reader = make_token(jobs.daemon.config, "read")[1]
    return Place(jobs, reader, jobs.token, jobs.admin)


@pytest.fixture(scope="session")
def axe(package_cache: Path) -> str:
    """The script of axe-core."""
    try:
        return programs.axe(package_cache)
    except JexError as exc:
        missing("axe-core", exc)


@pytest.fixture(scope="session")
def browser(package_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Debian's chromium, driven by Playwright."""
    try:
        found = programs.chromium(package_cache)
        from playwright.sync_api import sync_playwright
    except (JexError, ImportError) as exc:
        missing("chromium", exc)
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, **found.environment, "HOME": str(home),
                   "XDG_CACHE_HOME": str(home)}  # fmt: skip
    # Its sandbox needs what neither root nor a container has; the pages are our own.
    options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=found.program, args=options, env=environment
        )
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any, place: Place) -> Iterator[Callable[..., Any]]:
    """Make a visitor of the place with a browser of its own; nothing may be complained about."""
    from tests.browser.visitor import Visitor

    visitors: list[Visitor] = []

    def one(**options: Any) -> Visitor:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        visitors.append(Visitor(context.new_page(), place.address))
        return visitors[-1]

    yield one
    for visitor in visitors:
        visitor.page.context.close()
    assert [complaint for one in visitors for complaint in one.complaints] == []
