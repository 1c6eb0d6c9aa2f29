"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import pika
import psycopg2

import jexevents
from bench.children.talk import ROOT
from bench.servers import Servers


def describe(servers: Servers) -> dict[str, str]:
    """Give the machine and all versions, in the order in which they are shown."""
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "machine": f"{_cpu_model()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "jexevents": f"{jexevents.__version__}{_revision()}",
        "Python": platform.python_version(),
        "pika": pika.__version__,
        "psycopg2": psycopg2.__version__.partition(" ")[0],
        "PostgreSQL": servers.postgres_version,
        "RabbitMQ": servers.amqp_version,
    }


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def _revision() -> str:
    """Give the commit that is checked out, marked where jexevents/ differs from it."""
    with suppress(OSError):
        found = _git("rev-parse", "--short", "HEAD")
        if found.returncode == 0:
            changed = _git("status", "--porcelain", "jexevents").stdout.strip()
            return f" ({found.stdout.strip()}{', changed' if changed else ''})"
    return ""


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
