"""Where the trial keeps its things: the sample configuration and what is made beside it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jexevents.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Place:
    """The files of the trial, all below one folder (the repository, or where one runs it)."""

    config: Path
    var: Path
    cache: Path

    @classmethod
    def of(cls, folder: Path) -> Place:
        """Give the place in a checkout. Raises ConfigError where this is none."""
        config = folder / "etc" / "jexevents.json"
        if not config.is_file():
            raise ConfigError(
                f"There is no etc/jexevents.json in {folder}.",
                remedy="Run this in the folder that jexevents was cloned to.",
            )
        cache = Path(os.environ.get("JEXEVENTS_CACHE") or folder / ".cache")
        return cls(config, folder / "var", cache)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the folder for this process alone. Raises ConfigError where another has it."""
        self.var.mkdir(parents=True, exist_ok=True)
        with (self.var / "tryout.pid").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise ConfigError(
                    f"`make run` or `make watch-log` runs in {self.var.parent} already (process "
                    f"{file.read().strip()}).",
                    remedy="Stop it first, by Ctrl-C in its terminal.",
                ) from error
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    @property
    def token(self) -> Path:
        """The token, readable by its owner alone."""
        return self.var / "token"

    @property
    def node_secret(self) -> Path:
        """What the daemon and workers beside it sign their requests to each other with."""
        return self.var / "node-secret"

    @property
    def log(self) -> Path:
        """The daemon's log."""
        return self.var / "jexevents.log"

    @property
    def monitor_log(self) -> Path:
        """The monitor's log."""
        return self.var / "jexevents-monitor.log"

    @property
    def watched(self) -> Path:
        """The folder of a log of HTCondor that grows while one watches."""
        return self.var / "watched"

    @property
    def broker(self) -> Path:
        """What a privately started RabbitMQ keeps."""
        return self.var / "rabbitmq"
