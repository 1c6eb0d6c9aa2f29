"""The forms by which tasks are registered and run; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jexevents import strictjson
from jexevents.errors import Invalid, Malformed
from jexevents.faults import pointer
from jexevents.model import Fault
from jexevents.sidecar.dashboard.forms import Form
from jexevents.sidecar.dashboard.inputs import CHOICE, LINES, TEXT, Input

_TIMES = "times"
# What is mostly asked for, and what stands behind "More".
_FIRST = ("command", _TIMES, "environment")
_LABELS = {
    "max_output": "Largest output",
    "workdir": "Working folder",
    "cpus": "CPUs",
    "labels": "Labels of the worker",
    "environment": "Environment",
}
_HINTS = {
    "command": "words, as a shell splits them; the image's own where it is empty",
    _TIMES: "how many runs there are",
    "environment": "NAME=VALUE, one a line; what is secret belongs into secrets, not here",
    "entrypoint": "what the words are given to; the image's own where it is empty",
    "secrets": "names of configured secrets (JobSecrets)",
    "workdir": "an absolute path in the container",
    "mounts": 'folders of the worker, in JSON: [{"source": "/srv/data", "target": "/data"}]',
    "memory": "at most: bytes, or a text like 512m",
    "cpus": "how many processors' time at most",
    "user": "a user, or USER:GROUP",
    "network": "one of TaskNetworks; the first where it is empty",
    "timeout": "after how many seconds it is ended",
    "retries": 'how often it is tried again when it fails; or JSON: {"count": 3, "backoff": 10}',
    "priority": "those with a larger one go first; 0 where it is empty",
    "labels": "which it must have to run it",
    "max_output": "how much is kept: bytes, or a text like 10M",
}
_IN_LINES = ("command", "environment", "mounts")
_LISTS = ("labels", "secrets")
_NUMBERS = (_TIMES, "cpus", "timeout", "priority")


def run_inputs(form: Form | None = None) -> tuple[list[Input], list[Input]]:
    """Give the fields to run a task: those that are mostly used, and the others."""
    found = {name: _input(name, form) for name in _HINTS}
    others = [one for name, one in found.items() if name not in _FIRST]
    return [found[name] for name in _FIRST], others


def _input(name: str, form: Form | None) -> Input:
    value = "1" if name == _TIMES else ""
    if form is not None and name in form.fields:
        value = form.fields[name][-1]
    return Input(
        name,
        _LABELS.get(name, name.capitalize()),
        pointer([name]),
        LINES if name in _IN_LINES else TEXT,
        value,
        _HINTS[name],
        mode="decimal" if name in _NUMBERS else None,
    )


def run_document(form: Form) -> dict[str, Any]:
    """Give what a form asks for, as the schema ``task_operation`` has it, without what is empty.

    Raises Invalid for what is no JSON where that is meant.
    """
    given = {name: texts[-1].strip() for name, texts in form.fields.items()}
    document: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, text in given.items():
        if not text:
            continue
        if name in _LISTS:
            document[name] = re.split(r"[\s,]+", text)
        elif text[0] in "{[" and name in ("environment", "mounts", "retries"):
            try:
                document[name] = strictjson.loads(text.encode("utf-8"))
            except Malformed as error:
                faults.append(Fault(pointer([name]), "JSON", str(error)))
        elif name == "environment":
            document[name] = [line for line in text.split("\n") if line.strip()]
        else:
            document[name] = text
    if faults:
        raise Invalid(f"The task cannot be run so: {faults[0]}.", faults)
    return document


def registration_inputs(form: Form | None = None) -> list[Input]:
    """Give the fields to register a task."""
    given = {} if form is None else {name: texts[-1] for name, texts in form.fields.items()}
    return [
        Input("repository", "Image", "/repository", TEXT, given.get("repository", ""),
              "a name with host, tag or digest, as docker's tools take it", required=True),
        Input("name", "Name", "/name", TEXT, given.get("name", ""),
              "unique among tasks; the image where it is empty"),
        Input("pull", "Pull", "/pull", CHOICE, given.get("pull", "missing"),
              choices=(("missing", "where the worker does not have it"),
                       ("always", "at each import"))),
    ]  # fmt: skip


def registration_document(form: Form) -> Mapping[str, Any]:
    """Give what a form asks for, as the schema ``task_registration`` has it."""
    given = {name: texts[-1].strip() for name, texts in form.fields.items()}
    return {name: text for name, text in given.items() if text or name == "repository"}
