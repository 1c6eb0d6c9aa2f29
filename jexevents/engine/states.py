"""What an engine says of a container, read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jexevents import rfc3339
from jexevents.errors import Malformed

_NEVER = "0001-01-01"
_ENDED = frozenset({"exited", "dead"})


@dataclass(frozen=True, slots=True)
class State:
    """A container as it was when the engine was asked.

    ``status`` is the engine's word: created, running, paused, restarting, removing, exited,
    dead. ``exit_code`` says something only where it ``ended``, or where ``error``, the engine's
    words on why it could not be started, is not empty. Times are aware, None for never.
    ``image_id`` is the id of its image, ``image`` the name by which that was asked for.
    """

    id: str
    name: str
    status: str
    exit_code: int
    oom_killed: bool
    error: str
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime | None
    pid: int
    image_id: str
    image: str
    labels: Mapping[str, str]
    paused: bool

    @property
    def ended(self) -> bool:
        """Whether it ran and runs no more."""
        return self.status in _ENDED

    @property
    def never_ran(self) -> bool:
        """Whether it was made, and could not be started or was not yet."""
        return self.status == "created"


@dataclass(frozen=True, slots=True)
class Listed:
    """A container as lists show it."""

    id: str
    name: str
    status: str
    image_id: str
    labels: Mapping[str, str]


def state(said: Mapping[str, Any]) -> State:
    """Read what the engine says when it is asked for one container."""
    now, config = said.get("State") or {}, said.get("Config") or {}
    return State(
        id=said["Id"],
        name=str(said.get("Name") or "").removeprefix("/"),
        status=now.get("Status") or "",
        exit_code=now.get("ExitCode") or 0,
        oom_killed=bool(now.get("OOMKilled")),
        error=now.get("Error") or "",
        started_at=_time(now.get("StartedAt")),
        finished_at=_time(now.get("FinishedAt")),
        created_at=_time(said.get("Created")),
        pid=now.get("Pid") or 0,
        image_id=said.get("Image") or "",
        image=config.get("Image") or "",
        labels=dict(config.get("Labels") or {}),
        paused=bool(now.get("Paused")),
    )


def listed(said: Mapping[str, Any]) -> Listed:
    """Read one entry of the engine's list of containers."""
    names = said.get("Names") or [""]
    return Listed(
        id=said["Id"],
        name=str(names[0]).removeprefix("/"),
        status=said.get("State") or "",
        image_id=said.get("ImageID") or "",
        labels=dict(said.get("Labels") or {}),
    )


def _time(text: object) -> datetime | None:
    if not isinstance(text, str) or text.startswith(_NEVER):
        return None
    try:
        return rfc3339.parse(text).at
    except Malformed:
        return None
