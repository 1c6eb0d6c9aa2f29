"""A look at the logs that ``jexevents monitor`` is to follow, and at where its position is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from jexevents.cli.folders import look_at
from jexevents.cli.words import Note, counted
from jexevents.config import Config
from jexevents.errors import ConfigError


def look_at_logs(config: Config) -> Iterator[str]:
    """Say line by line what there is.

    Raises ConfigError where no log is configured, one cannot be read by the user who asks, or the
    position cannot be kept.
    """
    if not config.event_log:
        raise ConfigError("There is no log to follow.", remedy="Set EventLog.")
    from jexevents.monitor.patterns import logs

    found = logs(config.event_log)
    there = [path for path in found if path.exists()]
    for path in there:
        if not os.access(path, os.R_OK, effective_ids=True):
            raise ConfigError(
                f"{path} cannot be read.",
                remedy="Let the user read it whom the monitor runs as, or correct EventLog.",
            )
    if there:
        yield f"{counted(len(there), 'log')} can be read"
    if not found:
        yield Note("no file is there yet that a pattern of EventLog names")
    for path in found:
        if path not in there:
            yield Note(f"{path} is not there yet")
    yield from look_at("PositionFile", str(Path(config.position_file).parent))
