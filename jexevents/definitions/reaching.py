"""A look whether the repository of definitions can be had; makes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jexevents.definitions.git import Git, GitFailed, GitMissing
from jexevents.definitions.repository import Source
from jexevents.errors import ConfigError, RepositoryUnavailable
from jexevents.redaction import redact_uri

OLDEST_GIT = (2, 30)
_SECONDS = 30.0
_VERSION = re.compile(r"([0-9]+)\.([0-9]+)")


def look(source: Source) -> Iterator[str]:
    """Say which git there is, and which commit the repository has.

    Raises ConfigError where git is missing or too old, or the repository has no such branch;
    RepositoryUnavailable where it does not answer.
    """
    git = Git(Path("/"))
    yield f"git {_version(git)}"
    yield f"{redact_uri(source.url)} has commit {_commit(git, source)}"


def _version(git: Git) -> str:
    try:
        told = git.run("version", seconds=_SECONDS).decode("utf-8", "replace").strip()
    except GitMissing as error:
        raise ConfigError(
            "There is no git program.",
            remedy="Install git, {}.{} or newer.".format(*OLDEST_GIT),
        ) from error
    except GitFailed as error:
        raise ConfigError(f"git cannot be used: {error}") from error
    found = _VERSION.search(told)
    if found is None or tuple(map(int, found.groups())) < OLDEST_GIT:
        raise ConfigError(
            f"This is {told}.", remedy="Install git {}.{} or newer.".format(*OLDEST_GIT)
        )
    return told.removeprefix("git version ")


def _commit(git: Git, source: Source) -> str:
    given = source.branch or "HEAD"
    name = given if given == "HEAD" or given.startswith("refs/") else f"refs/heads/{given}"
    where = redact_uri(source.url)
    try:
        listed = git.run("ls-remote", "--", source.url, name, seconds=_SECONDS, reaches=True)
    except GitFailed as error:
        raise RepositoryUnavailable(
            f"{where}: {error.complaint}",
            reason="away",
            remedy="See to JobsRepository, and to the credentials that git has for it.",
        ) from error
    commit = listed.split(b"\t", 1)[0].decode("ascii", "replace")
    if not commit:
        what = f"branch {source.branch}" if source.branch else "commit"
        raise ConfigError(f"{where} has no {what}.", remedy="Correct JobsBranch, or push one.")
    return commit
