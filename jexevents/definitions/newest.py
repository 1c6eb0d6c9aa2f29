"""The newest commit of a repository, fetched and loaded as a daemon would, and left nowhere."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from jexevents.definitions.checkouts import remove
from jexevents.definitions.definition import DefinitionsRefused
from jexevents.definitions.repository import Repository, Source, Standing
from jexevents.errors import RepositoryUnavailable

_PREFIX = "jexevents-check-"


class Newest(NamedTuple):
    """What the newest commit defines: the number of its jobs, or why it cannot be in force."""

    commit: str
    jobs: int
    faults: tuple[str, ...] = ()


def load_newest(source: Source) -> Newest:
    """Fetch the newest commit into a temporary folder, and say what it defines.

    Nothing is left of it. Raises RepositoryUnavailable where it cannot be had, with the reason
    ``disk`` where there is no place for it here.
    """
    with _temporary() as folder, closing(Repository(source, folder, "check", shallow=True)) as one:
        return _told(one.refresh())


def _told(standing: Standing) -> Newest:
    fault = standing.fault
    if fault is None:
        return Newest(standing.fetched, len(standing.in_force.definitions))
    if isinstance(fault, DefinitionsRefused):
        return Newest(standing.fetched, 0, tuple(map(str, fault.problems)))
    if standing.fetched is None or fault.reason == "disk":
        raise fault
    return Newest(standing.fetched, 0, (str(fault),))


@contextmanager
def _temporary() -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    except OSError as exc:
        message = f"No temporary folder can be made: {exc}."
        raise RepositoryUnavailable(message, reason="disk") from exc
    try:
        yield folder
    finally:
        remove(folder)
