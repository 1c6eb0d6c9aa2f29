"""How commands call jobs: by the ledger's id, by a job and its execution, by a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jexevents.client.following import query_of
from jexevents.errors import JexError
from jexevents.model import Kind
from jexevents.validation import is_uuid

if TYPE_CHECKING:
    from jexevents.client.poster import Poster

FORMS = (
    "the id in the ledger, JOB/ID of an execution, RESULT/NUMBER of a task's run, or the key of a "
    "job, such as an HTCondor id"
)
_MOST_SHOWN = 10
_RUN_HERE = (Kind.COMMAND.value, Kind.CONTAINER.value)
Row = Mapping[str, Any]


class NotOne(JexError):
    """What was named is no job, or not only one."""


@dataclass(frozen=True, slots=True)
class Target:
    """What runs here: the path of its resource, and whether it is a run of a task."""

    path: str
    is_detail: bool
    name: str


def job_named(poster: Poster, text: str) -> Row:
    """Give the job of the ledger that a text names. Raises NotOne, Refused, ServerAway."""
    if is_uuid(text):
        return poster.get(f"/ledger/jobs/{text}")
    name, slash, own = text.rpartition("/")
    if slash and "." in own:
        filters: dict[str, Any] = {"kind": Kind.COMMAND.value, "source": name, "key": own}
    else:
        filters = {"key": text}
    found = poster.get(f"/ledger/jobs{query_of({**filters, 'limit': _MOST_SHOWN})}")["items"]
    if not found:
        raise NotOne(f"The ledger knows no job {text!r}.", remedy=f"Give {FORMS}.")
    if len(found) > 1:
        ids = ", ".join(f"{job['id']} ({job['kind']}, {job['source']})" for job in found)
        raise NotOne(f"{text!r} may be one of several: {ids}.", remedy="Give the id.")
    # The list has not all of it.
    return poster.get(f"/ledger/jobs/{found[0]['id']}")


def target_named(poster: Poster, text: str) -> Target:
    """Give what runs here and is named by a text. Raises NotOne, Refused, ServerAway."""
    name, slash, own = text.rpartition("/")
    if slash and "." in own and not is_uuid(text):
        return execution(name, own)
    if slash and name.isascii() and name.isdigit() and own.isascii() and own.isdigit():
        return _detail(name, own)
    job = job_named(poster, text)
    if job["kind"] == Kind.COMMAND.value:
        return execution(job["source"], job["key"])
    if job["kind"] == Kind.CONTAINER.value:
        return _detail(*job["key"].split("/", 1))
    kinds = " and ".join(_RUN_HERE)
    raise NotOne(
        f"{text!r} is a job of the kind {job['kind']}, which is not run from here.",
        remedy=f"Outputs and signals are for those of the kinds {kinds}.",
    )


def execution(job: str, own: str) -> Target:
    """Give an execution of a job by its id."""
    return Target(f"{job_path(job)}/{quote(own, safe='')}", False, f"{job}/{own}")


def job_path(job: str) -> str:
    """Give the path of the resource of a job that is defined."""
    return f"/jobs/{quote(job, safe='')}"


def _detail(result: str, number: str) -> Target:
    return Target(f"/result/{result}/detail/{number}", True, f"{result}/{number}")
