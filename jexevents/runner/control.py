"""Requests to the supervisor of a running execution."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from jexevents.errors import ExecutionEnded, RequestRefused, StorageFull, SupervisorAway
from jexevents.runner.supervisor.layout import CONTROL

_REMEDY = "Ask for the state of the execution: it may have ended."


def ask(folder: Path, request: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Ask the supervisor that holds ``folder``; gives its answer's members.

    Raises SupervisorAway where none answers within ``timeout`` seconds, ExecutionEnded where the
    job has ended, StorageFull where an event cannot be kept, RequestRefused for anything else.
    """
    line = json.dumps(request).encode() + b"\n"
    try:
        with _connected(folder, timeout) as connection:
            connection.sendall(line)
            with connection.makefile("rb") as answers:
                said = answers.readline()
        answer = json.loads(said)
    except (OSError, ValueError) as exc:
        raise SupervisorAway(
            f"The supervisor of {folder.name} does not answer: {exc}.", remedy=_REMEDY
        ) from exc
    if answer["ok"]:
        return answer
    raise _refusal(answer)


def _connected(folder: Path, timeout: float) -> socket.socket:
    """Connect by way of the folder's descriptor: its path may be longer than an address can be."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(f"/proc/self/fd/{descriptor}/{CONTROL}")
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(descriptor)
    return connection


def _refusal(answer: dict[str, Any]) -> Exception:
    kinds = {"ended": ExecutionEnded, "no-room": StorageFull}
    return kinds.get(answer["fault"], RequestRefused)(answer["error"])
