"""Reads the environment: ``JEXEVENTS_`` and a key in upper case; with ``_FILE`` a secret's file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jexevents.config.contents import read_secret_file
from jexevents.config.faults import ConfigFault, Given, unknown
from jexevents.config.misfit import Misfit
from jexevents.config.option import PREFIX, Option
from jexevents.config.options import OPTIONS

PLACE = "environment"
CONFIG = PREFIX + "CONFIG"
# Where our own clients find a server, and with what (cli/server.py, cli/smrtlink.py).
CLIENT_URL = PREFIX + "SERVER"
CLIENT_TOKEN, CLIENT_SECRET = PREFIX + "TOKEN", PREFIX + "SMRTLINK_SECRET"
_OTHERS = (
    CONFIG,
    PREFIX + "CACHE",
    CLIENT_URL,
    CLIENT_TOKEN,
    CLIENT_TOKEN + "_FILE",
    CLIENT_SECRET,
    CLIENT_SECRET + "_FILE",
)
_TESTS = PREFIX + "TEST_"
_FILE = "_FILE"
_BY_NAME = {name.upper(): option for name, option in OPTIONS.items()}
_BY_VARIABLE = {option.variable: option for option in OPTIONS.values() if option.variable}


@dataclass(slots=True)
class Environment:
    """What the environment holds: values by key, faults, and warnings."""

    given: dict[str, Given] = field(default_factory=dict)
    faults: list[ConfigFault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def variables_of(environ: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Give the variables that say something of these options."""
    found = {variable: _find(variable)[0] for variable in environ if _is_ours(variable)}
    return {
        variable: environ[variable]
        for variable, option in found.items()
        if option is not None and option.name in names
    }


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Read all ``JEXEVENTS_`` variables, and those that have their names from a seed.

    What is wrong stands in ``faults``, nothing is raised.
    """
    result = Environment()
    for variable in sorted(environ):
        if _is_ours(variable):
            _take(variable, environ[variable], result)
    return result


def _is_ours(variable: str) -> bool:
    if variable in _BY_VARIABLE:
        return True
    is_for_others = variable in _OTHERS or variable.startswith(_TESTS)
    return variable.startswith(PREFIX) and not is_for_others


def _take(variable: str, text: str, result: Environment) -> None:
    option, is_file = _find(variable)
    if option is None:
        result.faults.append(unknown(PLACE, variable, _known_names()))
    elif option.name in result.given:
        other = result.given[option.name].key
        got = f"{other} as well"
        result.faults.append(
            ConfigFault(PLACE, variable, "one variable a key", got, "Unset one of them.")
        )
    elif is_file:
        _take_file(option, variable, Path(text), result)
    else:
        value = option.type.read_text(text)
        result.given[option.name] = Given(value, PLACE, variable, Path.cwd(), text)


def _take_file(option: Option, variable: str, path: Path, result: Environment) -> None:
    if not option.secret:
        expected = "the value itself in " + option.env_name
        fault = ConfigFault(
            PLACE, variable, expected, "the path of a file", "Only secrets have it."
        )
        result.faults.append(fault)
        return
    try:
        text, open_to_all = read_secret_file(path)
        value = option.type.read_text(text)
    except Misfit as exc:
        expected = "the path of a readable file"
        fault = ConfigFault(PLACE, variable, expected, str(exc), "Check path and permissions.")
        result.faults.append(fault)
        value, text, open_to_all = option.default, "", False
    if open_to_all:
        result.warnings.append(f"{variable}: all users may read the file; chmod o-r would help")
    result.given[option.name] = Given(value, PLACE, variable, Path.cwd(), text)


def _find(variable: str) -> tuple[Option | None, bool]:
    if variable in _BY_VARIABLE:
        return _BY_VARIABLE[variable], False
    name = variable.removeprefix(PREFIX)
    option = _BY_NAME.get(name.replace("_", ""))
    if option is not None:
        return option, False
    return _BY_NAME.get(name.removesuffix(_FILE).replace("_", "")), name.endswith(_FILE)


def _known_names() -> list[str]:
    names = [option.env_name for option in OPTIONS.values()]
    return names + [option.env_name + _FILE for option in OPTIONS.values() if option.secret]
