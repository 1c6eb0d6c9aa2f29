"""Definitions for tests: loaded of a text, and the example of the original's documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jexevents.definitions.building import definitions_of
from jexevents.definitions.definition import Definition, DefinitionsRefused, Problem
from jexevents.definitions.loading import load
from jexevents.definitions.rendering import Rendered, render
from jexevents.definitions.variables import read_values

# The original's documentation has this, with `...` indented, which is no YAML.
SEED = """\
---
- command: my_command {{ positional_var }} --some-opt {{ some_opt }}
  vars:
    - name: positional_var
      type: str
    - name: positional_var
      type: str
    - name: some_opt
      type: enum
      option: yes
      values: [ a, b, c ]
  schedule:
    - time:
      priority: '0'
      frequency: 3600
...
"""


def one(text: str, file: str = "job.yml") -> Definition:
    """Give the one definition in a text, which has no fault."""
    found = definitions_of(file, text.encode())
    assert found.problems == []
    (definition,) = found.definitions
    return definition


def wrong(text: str | bytes, file: str = "job.yml") -> list[Problem]:
    """Give what is wrong with a text."""
    return definitions_of(file, text if isinstance(text, bytes) else text.encode()).problems


def lines(text: str | bytes, file: str = "job.yml") -> list[tuple[int | None, str]]:
    """Give line and pointer of what is wrong with a text."""
    return [(problem.line, problem.fault.pointer) for problem in wrong(text, file)]


def refused(folder: Path, **options: Any) -> list[str]:
    """Give, as text, what is wrong with a folder."""
    with pytest.raises(DefinitionsRefused) as caught:
        load(folder, **options)
    return [str(problem) for problem in caught.value.problems]


def rendered(definition: Definition, **given: Any) -> Rendered:
    """Render a definition with values as they come in JSON."""
    return render(definition, read_values(definition.variables, given))
