"""Config, the value; and ``load``, which makes it of a file and the environment."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

from jexevents.config.environment import CONFIG, read_environment, variables_of
from jexevents.config.faults import DEFAULT, ConfigFault, Given, misfit, misfits
from jexevents.config.faults import unknown as unknown_name
from jexevents.config.file import ConfigFile, read_json_file
from jexevents.config.misfit import Misfit, Misfits
from jexevents.config.option import Derived, Option
from jexevents.config.options import ATTRIBUTES, OPTIONS
from jexevents.config.rules import broken_rules, unwise
from jexevents.config.types import resolve_zone
from jexevents.errors import ConfigError
from jexevents.redaction import redact

# Everybody knows it, and RabbitMQ lets it in from loopback only.
_PUBLIC_KNOWLEDGE = "amqp://guest:guest@"


class Config:
    """The options of one process, as attributes in snake case: ``config.amqp_uri``.

    It never changes; two with the same options are equal. ``path`` is the file it came from
    or None, ``warnings`` says what is allowed but unwise. Objects (``queue_arguments``) come
    as a new dict each time, ready for pika. Its ``repr`` has no passwords.
    """

    __slots__ = ("_values", "path", "warnings")

    path: Path | None
    warnings: tuple[str, ...]

    def __init__(
        self, values: Mapping[str, Any], warnings: tuple[str, ...] = (), path: Path | None = None
    ) -> None:
        """Take values that were read and checked; use ``load`` or ``from_mapping``."""
        object.__setattr__(self, "_values", dict(values))
        object.__setattr__(self, "warnings", warnings)
        object.__setattr__(self, "path", path)

    def __getattr__(self, name: str) -> Any:
        option = ATTRIBUTES.get(name)
        if option is None:
            near = difflib.get_close_matches(name, ATTRIBUTES, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise AttributeError(f"the configuration has no option {name}{hint}")
        value = self._values[option.name]
        return copy.deepcopy(value) if isinstance(value, dict) else value

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a configuration does not change; {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *ATTRIBUTES]

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a process that we start have the same."""
        return Config, (self._values, self.warnings, self.path)

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, Config) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.amqp_uri, self.db_uri, self.queue_name, self.node_name))

    def __repr__(self) -> str:
        return f"Config({self.redacted()!r})"

    @property
    def log_zone(self) -> tzinfo:
        """The time zone that LogTimeZone names."""
        return resolve_zone(self.log_time_zone)

    def replaced(self, values: Mapping[str, Any], typed: Mapping[str, str]) -> Config:
        """Give the same with other values for some options, by their keys, as a file has them.

        ``typed`` says by which words of the command line they were given, if by any. Raises
        ConfigError with every fault.
        """
        found, faults = dict(self._values), []
        for name, value in values.items():
            given = Given(value, "command line", typed.get(name, name), Path.cwd())
            try:
                found[name] = _read(OPTIONS[name], given)
            except Misfit as exc:
                faults.append(misfit(OPTIONS[name], given, str(exc)))
        if faults:
            raise _error(faults)
        return Config(found, self.warnings, self.path)

    def redacted(self) -> dict[str, Any]:
        """Give all options by their keys as JSON values, without passwords: for logs and dumps."""
        return {name: option.show(self._values[name]) for name, option in OPTIONS.items()}


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file, if one is named, and the ``JEXEVENTS_`` variables over it.

    Without ``path`` the file is the one that ``JEXEVENTS_CONFIG`` names, if it does. Raises
    ConfigError with every fault there is, not the first only.
    """
    if path is None and environ.get(CONFIG):
        path = Path(environ[CONFIG])
    file = read_json_file(Path(path)) if path is not None else None
    environment = read_environment(environ)
    given, faults = _given_by_file(file) if file else ({}, [])
    return _build(
        {**given, **environment.given},
        faults + environment.faults,
        _file_warnings(file, given) + environment.warnings,
        file.path if file else None,
    )


def load_some(path: Path | None, environ: Mapping[str, str], *names: str) -> dict[str, Any]:
    """Read some options alone, by their names; all others may be missing, wrong or secret.

    Raises ConfigError as ``load`` does.
    """
    if path is None and environ.get(CONFIG):
        path = Path(environ[CONFIG])
    file = read_json_file(Path(path)) if path is not None else None
    faults = list(file.faults) if file else []
    given = _given_by_file(file)[0] if file else {}
    environment = read_environment(variables_of(environ, names))
    given |= environment.given
    faults += environment.faults
    values = {}
    for name in names:
        source = given.get(name) or _default(OPTIONS[name], file.path if file else None)
        try:
            values[name] = _read(OPTIONS[name], source)
        except Misfit as exc:
            faults.append(misfit(OPTIONS[name], source, str(exc)))
    if faults:
        raise _error(faults)
    return values


def from_mapping(mapping: Mapping[str, Any], folder: Path | None = None) -> Config:
    """Make a configuration of keys and JSON values, as if a file in ``folder`` held them.

    Environment and files are not looked at. Raises ConfigError with every fault.
    """
    given, faults = _given("mapping", mapping, folder or Path.cwd())
    return _build(given, faults, [], None)


def _given(
    place: str, pairs: Mapping[str, Any], folder: Path
) -> tuple[dict[str, Given], list[ConfigFault]]:
    known = {key: Given(pairs[key], place, key, folder) for key in pairs if key in OPTIONS}
    return known, [unknown_name(place, key, OPTIONS) for key in pairs if key not in OPTIONS]


def _given_by_file(file: ConfigFile) -> tuple[dict[str, Given], list[ConfigFault]]:
    given, faults = _given(str(file.path), file.pairs, file.path.absolute().parent)
    return given, file.faults + faults


def _build(
    given: dict[str, Given], faults: list[ConfigFault], warnings: list[str], path: Path | None
) -> Config:
    values = {}
    for name, option in OPTIONS.items():
        source = given.get(name) or _default(option, path)
        try:
            values[name] = _read(option, source)
        except Misfits as exc:
            faults += misfits(source, exc.wrongs)
        except Misfit as exc:
            faults.append(misfit(option, source, str(exc)))
    # A rule over several options says nothing where one of them could not be read.
    if len(values) == len(OPTIONS):
        _derive(values)
        faults.extend(broken_rules(values, given))
    if faults:
        raise _error(faults)
    told = [*warnings, *_no_effect(values, given), *unwise(values)]
    return Config(values, tuple(told), path)


def _default(option: Option, path: Path | None) -> Given:
    folder = path.absolute().parent if path else Path.cwd()
    return Given(copy.deepcopy(option.default), DEFAULT, option.name, folder)


def _read(option: Option, given: Given) -> Any:
    if isinstance(given.value, Derived):
        return given.value
    _check_storable(given.value)
    return option.type.resolve(option.type.read(given.value), given.folder)


def _check_storable(value: Any) -> None:
    """Refuse what JSON text can hold and UTF-8, AMQP and PostgreSQL cannot."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as exc:
        raise Misfit("text in UTF-8, finite numbers, moderate nesting") from exc


def _derive(values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Derived):
            values[name] = OPTIONS[name].type.read(value.compute(values))


def _error(faults: list[ConfigFault]) -> ConfigError:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    lines = "\n".join(f"  {fault}" for fault in faults)
    return ConfigError(f"The configuration cannot be used, {count}:\n{lines}", faults)


def _no_effect(values: Mapping[str, Any], given: Mapping[str, Given]) -> Iterator[str]:
    for name in given:
        option = OPTIONS[name]
        if not option.effect and values[name] != option.default:
            yield f"{given[name].key} is accepted, but has no effect: {option.help}"


def _file_warnings(file: ConfigFile | None, given: Mapping[str, Given]) -> list[str]:
    if file is None or not file.open_to_all or not any(map(_has_password, given.items())):
        return []
    return [f"{file.path} holds a password and all users may read it; chmod o-r would help"]


def _has_password(item: tuple[str, Given]) -> bool:
    option, value = OPTIONS[item[0]], item[1].value
    if isinstance(value, list):
        return option.secret and redact(value) != value
    if not isinstance(value, str) or value.startswith(_PUBLIC_KNOWLEDGE):
        return False
    return option.show(value) != value
