"""Whether there is a container engine: asked by who has no need of what speaks to one."""

from __future__ import annotations

import os

from jexevents.config import Config

NO_ENGINE = "none"
_DEFAULT_SOCKET = "/var/run/docker.sock"


def has_engine(config: Config) -> bool:
    """Whether containers can be run here: an engine is configured, or docker's own tools would
    find one."""
    if config.container_engine:
        return config.container_engine != NO_ENGINE
    return bool(os.environ.get("DOCKER_HOST")) or os.access(_DEFAULT_SOCKET, os.W_OK)
