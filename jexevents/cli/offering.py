"""The words that a daemon knows and a shell completes: names of jobs, their variables, executions.

A daemon that is away, slow, or does not know the caller has nothing completed, and says nothing.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from jexevents.cli.naming import FORMS, job_path
from jexevents.cli.server import token_of, url_of
from jexevents.client.following import query_of
from jexevents.errors import JexError
from jexevents.model import Kind, Phase

if TYPE_CHECKING:
    from jexevents.client.poster import Poster

# A person waits at the prompt: who has no answer by now is given none.
_LONGEST_SECONDS = 2
_NEWEST = 50
Offer = Callable[..., list[str]]


def add_id(parser: argparse.ArgumentParser, *phases: Phase) -> None:
    """Add the argument that names a job; a shell is offered executions in these phases, or all."""
    action = parser.add_argument("id", metavar="ID", help=FORMS)
    action.completer = of_executions(*phases)  # type: ignore[attr-defined]


def of_jobs(**given: Any) -> list[str]:
    """Give the names of the jobs that are defined."""

    def offered(poster: Poster, _options: argparse.Namespace) -> Iterable[str]:
        found = poster.ask("GET", "/jobs").document
        # Where it is refused, the answer is a problem.
        return [job["name"] for job in found] if isinstance(found, list) else []

    return _offered(given, offered)


def of_values(**given: Any) -> list[str]:
    """Give the variables of the job that is named, and what each can be where that is a choice."""

    def offered(poster: Poster, options: argparse.Namespace) -> Iterable[str]:
        job = poster.get(job_path(options.job))
        for variable in job["definition"].get("vars") or ():
            values = variable.get("values") or ("",)
            yield from (f"{variable['name']}={value}" for value in values)

    return _offered(given, offered)


def of_executions(*phases: Phase) -> Offer:
    """Give what gives the newest executions as JOB/ID, those in these phases alone if any."""

    def offered(poster: Poster, _options: argparse.Namespace) -> Iterable[str]:
        for phase in phases or (None,):
            asked = {"kind": Kind.COMMAND.value, "limit": _NEWEST, "phase": phase and phase.value}
            for job in poster.get(f"/ledger/jobs{query_of(asked)}")["items"]:
                yield f"{job['source']}/{job['key']}"

    return lambda **given: _offered(given, offered)


def _offered(
    given: dict[str, Any], offered: Callable[[Poster, argparse.Namespace], Iterable[str]]
) -> list[str]:
    """Give what begins with what is typed; ``given`` is what argcomplete tells."""
    from jexevents.client.poster import Poster

    options, prefix = given["parsed_args"], given["prefix"]
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(_LONGEST_SECONDS)
    try:
        with Poster(url_of(options), token_of(options), 0.0, _hush) as poster:
            return [word for word in offered(poster, options) if word.startswith(prefix)]
    except (JexError, OSError, LookupError, TypeError):
        return []
    finally:
        signal.alarm(0)


def _too_late(*_signal: object) -> None:
    raise TimeoutError


def _hush(_text: str) -> None:
    """Say nothing between the words at a prompt."""
