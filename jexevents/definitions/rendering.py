"""What is run of a definition with some values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jexevents.definitions.definition import Definition
from jexevents.definitions.grammar import TemplateFault
from jexevents.definitions.variables import appended, told
from jexevents.errors import Invalid
from jexevents.faults import pointer
from jexevents.model import Fault

SCRIPTS = "scripts"


class Rendered(NamedTuple):
    """What to run: a ``command`` for ``sh -c``, or a ``script`` below ``scripts`` and its words.

    Neither is there where the definition has neither.
    """

    command: str | None = None
    script: str | None = None
    arguments: tuple[str, ...] = ()

    def argv(self, folder: Path) -> list[str] | None:
        """Give the script's words, its path in the folder first; None for no script."""
        if self.script is None:
            return None
        return [str(folder / SCRIPTS / self.script), *self.arguments]


def render(definition: Definition, values: Mapping[str, Any]) -> Rendered:
    """Put values (as ``read_values`` gives them) into a definition's command or script.

    Those that the template does not use are appended, in the order of the variables. Raises
    Invalid, whose pointers are names of variables, or ``/command`` and ``/script``.
    """
    template = definition.command or definition.script
    if template is None:
        return Rendered()
    left = [one for one in definition.variables if one.name not in template.used]
    words = list(appended(left, values))
    try:
        if definition.command is not None:
            return Rendered(command=definition.command.render(values, words))
        arguments = definition.script.render(values, words)
    except TemplateFault as exc:
        fault = _fault(definition, exc)
        raise Invalid(f"The job cannot be run with these values: {fault}.", [fault]) from exc
    return Rendered(script=definition.script.path, arguments=tuple(arguments))


def _fault(definition: Definition, exc: TemplateFault) -> Fault:
    for variable in definition.variables:
        if variable.name == exc.variable:
            expected = f"{told(variable)}; the job's template uses it"
            return Fault(pointer([variable.name]), expected, "nothing")
    return Fault("/command" if definition.command else "/script", exc.expected, exc.got)
