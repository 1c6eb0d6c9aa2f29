"""The exit codes of every command, by name (sysexits.h; the design's section Processes)."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a process ended. supervisord restarts the daemon on those that it does not expect."""

    OK = 0
    USAGE = 64
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    CONFIG = 78
