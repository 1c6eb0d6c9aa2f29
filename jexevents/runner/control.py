"""Requests to the supervisor of a running execution."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jexevents.errors import ExecutionEnded, RequestRefused, StorageFull, SupervisorAway
from jexevents.faults import in_words
from jexevents.runner.supervisor.layout import CONTROL

_REMEDY = "Ask for the state of the execution: it may have ended."


def ask(folder: Path, request: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Ask the supervisor that holds ``folder``; gives its answer's members.

    Raises SupervisorAway where none answers within ``timeout`` seconds, ExecutionEnded where the
    job has ended, StorageFull where an event cannot be kept, RequestRefused for anything else.
    """
    with _translated(folder), _connected(folder, timeout) as connection:
        answer = _answer(connection, request, buffering=-1)
    return _accepted(answer)


def connect(folder: Path, request: dict[str, Any], timeout: float) -> socket.socket:
    """Ask for something that comes over the same connection, and give that. It stands behind the
    answer, and does not block any more. Raises what ``ask`` raises."""
    with _translated(folder):
        connection = _connected(folder, timeout)
    try:
        with _translated(folder):
            # Byte by byte: what comes after the answer's line must stay in the socket.
            answer = _answer(connection, request, buffering=0)
        _accepted(answer)
    except BaseException:
        connection.close()
        raise
    connection.setblocking(False)
    return connection


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as exc:
        raise SupervisorAway(
            f"The supervisor of {folder.name} does not answer: {in_words(exc)}.", remedy=_REMEDY
        ) from exc


def _answer(connection: socket.socket, request: dict[str, Any], buffering: int) -> dict[str, Any]:
    connection.sendall(json.dumps(request).encode() + b"\n")
    with connection.makefile("rb", buffering=buffering) as answers:
        return json.loads(answers.readline())


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


def _accepted(answer: dict[str, Any]) -> dict[str, Any]:
    if answer["ok"]:
        return answer
    kinds = {"ended": ExecutionEnded, "no-room": StorageFull}
    raise kinds.get(answer["fault"], RequestRefused)(answer["error"])
