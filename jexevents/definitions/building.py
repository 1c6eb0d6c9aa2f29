"""From what a file says to definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from jexevents.definitions.command import CommandTemplate, ScriptTemplate
from jexevents.definitions.definition import Definition, Problem
from jexevents.definitions.grammar import TemplateFault
from jexevents.definitions.kinds import Misfit
from jexevents.definitions.located import (
    Lines,
    Located,
    NotReadable,
    json_lines,
    line_of,
)
from jexevents.definitions.members import Reader
from jexevents.definitions.naming import job_name
from jexevents.definitions.variables import Variable
from jexevents.definitions.yamltext import loads as yaml_loads
from jexevents.errors import Malformed
from jexevents.faults import kind, pointer, shown
from jexevents.model import Fault
from jexevents.strictjson import loads as json_loads
from jexevents.validation import SCHEMAS

SCHEMA = "job_definition"
ENDINGS = (".yml", ".yaml", ".json")

_NO_MEMBER = "no such member"
_T = TypeVar("_T", CommandTemplate, ScriptTemplate)


def definitions_of(file: str, body: bytes) -> tuple[list[Definition], list[Problem]]:
    """Give the definitions in a file, and all that is wrong with it.

    ``file`` is its path from the definitions' folder. Those that have a fault are not among them.
    """
    try:
        document, lines, faults = _read(file, body)
    except NotReadable as exc:
        return [], [Problem(file, one.line, one.fault) for one in exc.located]
    if isinstance(document, list):
        entries = [(("" if len(document) == 1 else None), i, e) for i, e in enumerate(document)]
    else:
        entries = [("", None, document)]
    found: list[Definition] = []
    problems = [Problem(file, one.line, one.fault) for one in faults]
    for alone, index, entry in entries:
        base = () if index is None else (index,)
        builder = _Builder(file, entry, line_of(lines, pointer(base)))
        definition = builder.built(_stem(file) if alone is not None else None)
        for fault in builder.faults:
            whole = pointer(base) + fault.pointer
            placed = Fault(whole, fault.expected, fault.got)
            problems.append(Problem(file, line_of(lines, whole), placed))
        if definition is not None:
            found.append(definition)
    return found, sorted(problems, key=lambda problem: problem.line or 0)


def _stem(file: str) -> str:
    name = file.rpartition("/")[2]
    return next(name.removesuffix(end) for end in ENDINGS if name.endswith(end))


def _read(file: str, body: bytes) -> tuple[Any, Lines, list[Located]]:
    try:
        text = body.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        line = body.count(b"\n", 0, exc.start) + 1
        got = f"byte 0x{body[exc.start]:02x}"
        raise NotReadable([Located(line, Fault("", "text in UTF-8", got))]) from exc
    if not file.endswith(".json"):
        return yaml_loads(text)
    try:
        return json_loads(body), json_lines(text), []
    except Malformed as exc:
        lines = _lines_of_faulty(text)
        located = [Located(_line_told(lines, one), one) for one in exc.faults]
        raise NotReadable(located) from exc


def _lines_of_faulty(text: str) -> Lines:
    try:
        return json_lines(text)
    except (IndexError, TypeError, ValueError):
        return {}


def _line_told(lines: Lines, fault: Fault) -> int | None:
    """Give the line that a fault of JSON names, or else the one of its pointer."""
    _, found, rest = fault.got.rpartition("line ")
    told = rest.partition(",")[0]
    if found and told.isdigit():
        return int(told)
    return line_of(lines, fault.pointer)


class _Builder:
    """Makes one definition of one entry."""

    def __init__(self, file: str, entry: Any, line: int | None) -> None:
        self._file = file
        self._line = line
        self._entry: Mapping[str, Any] = entry if isinstance(entry, dict) else {}
        self.faults: list[Fault] = []
        if not isinstance(entry, dict):
            expected = "a mapping that defines a job, or a list of such"
            self.faults.append(Fault("", expected, kind(entry)))
        else:
            self.faults += [_hinted(fault) for fault in SCHEMAS.check(SCHEMA, entry)]

    def built(self, stem: str | None) -> Definition | None:
        """Give the definition, None where there are faults; ``stem`` is None among several."""
        if self.faults and not self._entry:
            return None
        wrong = {fault.pointer.split("/")[1] for fault in self.faults if fault.pointer}
        sound = {name: value for name, value in self._entry.items() if name not in wrong}
        reader = Reader(sound)
        name = self._name(sound, stem, wrong)
        variables = reader.variables()
        definition = Definition(
            name=name,
            file=self._file,
            line=self._line,
            document=self._entry,
            description=sound.get("description") or "",
            variables=variables,
            schedules=reader.schedules(),
            timeout_seconds=reader.timeout_seconds(),
            hooks=reader.hooks(),
            env=reader.env(),
            secrets=reader.secrets(),
            user=sound.get("user"),
            concurrency=reader.concurrency(),
            retries=reader.retries(),
            priority=reader.priority(),
            workdir=reader.workdir(),
            max_output_bytes=reader.max_output_bytes(),
            **self._templates(sound, variables, known="vars" not in wrong),
        )
        self.faults += reader.faults
        self.faults += _never_run(definition)
        return None if self.faults else definition

    def _name(self, sound: Mapping[str, Any], stem: str | None, wrong: set[str]) -> str:
        given = sound.get("name")
        if given is None and stem is None:
            if "name" not in wrong:
                expected = "a name: the file has several jobs"
                self.faults.append(Fault("/name", expected, "nothing"))
            return ""
        try:
            return job_name(stem if given is None else given)
        except Misfit as misfit:
            if given is not None:
                self.faults.append(Fault("/name", misfit.expected, shown(given)))
            elif "name" not in wrong:
                got = f"{shown(stem)}, the file's name without its ending; give the job a `name`"
                self.faults.append(Fault("", misfit.expected, got))
            return ""

    def _templates(
        self, sound: Mapping[str, Any], variables: tuple[Variable, ...], known: bool
    ) -> dict[str, Any]:
        texts = {one: sound[one] for one in ("command", "script") if (sound.get(one) or "").strip()}
        if len(texts) == 2:
            self.faults.append(Fault("/script", "a command or a script", "both"))
        kinds = {variable.name: variable.type for variable in variables}
        found: dict[str, Any] = {}
        if "command" in texts:
            found["command"] = self._template(
                "command", lambda: _command(texts["command"], kinds), kinds if known else None
            )
        if "script" in texts:
            found["script"] = self._template(
                "script", lambda: ScriptTemplate(texts["script"]), kinds if known else None
            )
        return found

    def _template(
        self, member: str, make: Callable[[], _T], kinds: Mapping[str, str] | None
    ) -> _T | None:
        try:
            template = make()
        except TemplateFault as exc:
            several = "\n" in self._entry[member].strip() and exc.line is not None
            place = f" (line {exc.line} of the {member})" if several else ""
            self.faults.append(Fault(f"/{member}", exc.expected, exc.got + place))
            return None
        for name in sorted(template.used - kinds.keys()) if kinds is not None else ():
            expected = "names of variables of the job, or such as the template sets before"
            self.faults.append(Fault(f"/{member}", expected, f"`{name}`{_near(name, kinds)}"))
        return template


def _never_run(definition: Definition) -> list[Fault]:
    """Give the fault of a schedule that begins no run, since nobody is there to give a value."""
    needed = [one.name for one in definition.variables if one.required]
    if not (definition.schedules and needed):
        return []
    expected = "no schedule where a value is required: who runs by one gives none"
    return [Fault("/schedule", expected, f"one, and `required` at {', '.join(needed)}")]


def _command(text: str, kinds: Mapping[str, str]) -> CommandTemplate:
    """Make the template of a command; what it does not use is appended, which it must bear."""
    template = CommandTemplate(text, kinds, appends=False)
    if kinds.keys() - template.used:
        return CommandTemplate(text, kinds, appends=True)
    return template


def _hinted(fault: Fault) -> Fault:
    """Name the member that was meant, where one is unknown and near to another."""
    if fault.expected != _NO_MEMBER:
        return fault
    steps = fault.pointer.split("/")[1:]
    hint = _near(steps[-1], _members_at(steps[:-1]))
    return Fault(fault.pointer, _NO_MEMBER + hint, fault.got)


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, 1)
    return f" ({near[0]}?)" if near else ""


def _members_at(steps: list[str]) -> Mapping[str, Any]:
    """Give the members that the schema knows at a place."""
    schema = SCHEMAS.document(SCHEMA)
    for step in steps:
        inner = schema.get("items") if step.isdigit() else schema.get("properties", {}).get(step)
        if not isinstance(inner, dict):
            return {}
        schema = inner
    return schema.get("properties", {})
