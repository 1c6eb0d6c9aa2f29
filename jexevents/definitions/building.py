"""From what a file says to definitions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from jexevents.definitions import filetext
from jexevents.definitions.command import CommandTemplate, ScriptTemplate, read
from jexevents.definitions.definition import Definition, Problem
from jexevents.definitions.grammar import TemplateFault
from jexevents.definitions.kinds import Misfit
from jexevents.definitions.located import (
    Lines,
    Located,
    NotReadable,
    line_of,
)
from jexevents.definitions.members import Reader
from jexevents.definitions.naming import job_name
from jexevents.definitions.variables import Variable
from jexevents.definitions.wrongs import NO_MEMBER, Wrongs
from jexevents.faults import kind, pointer, shown
from jexevents.model import Fault
from jexevents.redaction import MASK
from jexevents.validation import SCHEMAS

SCHEMA = "job_definition"

_T = TypeVar("_T", CommandTemplate, ScriptTemplate)


class FileRead(NamedTuple):
    """What a file says.

    ``definitions`` are those without a fault. Of the others ``faulty`` has what is known: the name
    ("" where that is not), the script and the hooks. ``names`` are those that its jobs may have
    where it cannot be read as a whole. ``lines`` says on which line each value stands.
    """

    definitions: list[Definition]
    faulty: list[Definition]
    problems: list[Problem]
    names: frozenset[str] = frozenset()
    lines: Lines = MappingProxyType({})


def definitions_of(file: str, body: bytes) -> FileRead:
    """Give the definitions in a file, and all that is wrong with it.

    ``file`` is its path from the definitions' folder.
    """
    try:
        document, lines, faults = filetext.read(file, body)
    except NotReadable as exc:
        problems = [Problem(file, one.line, one.fault) for one in exc.located]
        return FileRead([], [], problems, filetext.names_in(file, body))
    if isinstance(document, list):
        entries = [(("" if len(document) == 1 else None), i, e) for i, e in enumerate(document)]
    else:
        entries = [("", None, document)]
    problems = [Problem(file, one.line, one.fault, _job_at(document, one)) for one in faults]
    read = FileRead([], [], problems, lines=lines)
    unread = [one.fault for one in faults if filetext.value_at(document, one.fault.pointer) is None]
    for alone, index, entry in entries:
        base = pointer(() if index is None else (index,))
        inner = [_inside(fault, base) for fault in unread if _is_inside(fault, base)]
        is_wrong = any(_is_inside(one.fault, base) for one in faults)
        builder = _Builder(file, entry, line_of(lines, base), base, inner)
        definition = builder.built(filetext.stem(file) if alone is not None else None)
        for fault in builder.faults:
            whole = replace(fault, pointer=base + fault.pointer)
            located = Located(line_of(lines, whole.pointer), whole)
            read.problems.append(Problem(file, *located, _job_at(document, located)))
        if definition is not None:
            (read.faulty if builder.faults or is_wrong else read.definitions).append(definition)
    read.problems.sort(key=lambda problem: problem.line or 0)
    return read


def _is_inside(fault: Fault, base: str) -> bool:
    return f"{fault.pointer}/".startswith(f"{base}/")


def _inside(fault: Fault, base: str) -> Fault:
    return replace(fault, pointer=fault.pointer[len(base) :])


def _job_at(document: Any, located: Located) -> str:
    """Give the name that a job of several has where a fault is, "" for none."""
    step = located.fault.pointer.split("/")[1:2]
    entry = filetext.value_at(document, f"/{step[0]}") if step else None
    is_named = isinstance(document, list) and isinstance(entry, dict)
    name = entry.get("name") if is_named else None
    return name if isinstance(name, str) else ""


class _Builder:
    """Makes one definition of one entry; ``unread`` are faults by which values of it are null."""

    def __init__(
        self, file: str, entry: Any, line: int | None, place: str, unread: Sequence[Fault]
    ) -> None:
        self._file = file
        self._line = line
        self._place = place
        self._entry: Mapping[str, Any] = entry if isinstance(entry, dict) else {}
        self._is_read = isinstance(entry, dict)
        self.faults: list[Fault] = []
        places = {fault.pointer for fault in unread}
        found: list[Fault] = []
        if self._is_read:
            # All of them: what is not known to be wrong is looked at.
            checked = SCHEMAS.check(SCHEMA, entry, most=None)
            found = [
                fault
                for fault in checked
                if fault.pointer not in places or fault.expected == NO_MEMBER
            ]
            self._is_read = all(fault.pointer for fault in found)
            self.faults += [_named(_hinted(fault), entry) for fault in found]
        elif "" not in places:
            expected = "a mapping that defines a job, or a list of such"
            self.faults.append(Fault("", expected, kind(entry)))
        self._wrongs = Wrongs([*found, *unread])

    def built(self, stem: str | None) -> Definition | None:
        """Give the definition, which is as it should be where there are no faults; None where
        nothing is known of it.

        ``stem`` is that of the file, None among several.
        """
        if not self._is_read:
            return None
        sound = {name: value for name, value in self._entry.items() if not self._wrongs.at((name,))}
        reader = Reader(self._entry, self._wrongs)
        name = self._name(sound, stem)
        variables = reader.variables()
        definition = Definition(
            name=name,
            file=self._file,
            line=self._line,
            document=self._entry,
            place=self._place,
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
            **self._templates(sound, variables, reader),
        )
        self.faults += reader.faults
        self.faults += _never_run(definition)
        return definition

    def _name(self, sound: Mapping[str, Any], stem: str | None) -> str:
        given, is_wrong = sound.get("name"), self._wrongs.at(("name",))
        if given is None and stem is None:
            if not is_wrong:
                expected = "a name: the file has several jobs"
                self.faults.append(Fault("/name", expected, "nothing"))
            return ""
        if given is None and is_wrong:
            return ""
        try:
            return job_name(stem if given is None else given)
        except Misfit as misfit:
            if given is not None:
                self.faults.append(Fault("/name", misfit.expected, shown(given)))
            else:
                got = f"{shown(stem)}, the file's name without its ending; give the job a `name`"
                self.faults.append(Fault("", misfit.expected, got))
            return ""

    def _templates(
        self, sound: Mapping[str, Any], variables: tuple[Variable, ...], reader: Reader
    ) -> dict[str, Any]:
        texts = {one: sound[one] for one in ("command", "script") if (sound.get(one) or "").strip()}
        if len(texts) == 2:
            self.faults.append(Fault("/script", "a command or a script", "both"))
        names = [variable.name for variable in variables]
        kinds = {one.name: one.type for one in variables if one.name not in reader.untyped}
        makers: dict[str, Callable[[str], CommandTemplate | ScriptTemplate]] = {
            "command": lambda text: CommandTemplate(text, kinds, names),
            "script": ScriptTemplate,
        }
        known = names if reader.names_known and not self._means_vars() else None
        return {
            member: self._template(member, text, makers[member], known)
            for member, text in texts.items()
        }

    def _means_vars(self) -> bool:
        """Whether a member that is not known may be meant for the variables."""
        if "vars" in self._entry or not self._wrongs.has_strange(()):
            return False
        return any(one.startswith("var") or _near(one, ("vars",)) for one in self._entry)

    def _template(
        self, member: str, text: str, make: Callable[[str], _T], known: Collection[str] | None
    ) -> _T | None:
        """Make a template; ``known`` are the names of the variables, None where some are not."""
        template, used = None, frozenset()
        try:
            template = make(text)
            used = template.used
        except TemplateFault as exc:
            for fault in (exc, *exc.others):
                several = "\n" in text.strip() and fault.line is not None
                place = f" (line {fault.line} of the {member})" if several else ""
                self.faults.append(Fault(f"/{member}", fault.expected, fault.got + place))
            used = _used_in(text)
        for name in sorted(used - set(known)) if known is not None else ():
            expected = "names of variables of the job, or such as the template sets before"
            self.faults.append(Fault(f"/{member}", expected, f"`{name}`{_near(name, known)}"))
        return template


def _used_in(text: str) -> frozenset[str]:
    """Give the names that a template takes values for, which has a fault; none if unreadable."""
    try:
        return read(text).used
    except TemplateFault:
        return frozenset()


def _never_run(definition: Definition) -> list[Fault]:
    """Give the fault of a schedule that begins no run, since nobody is there to give a value."""
    needed = [one.name for one in definition.variables if one.required]
    if not (definition.schedules and needed):
        return []
    expected = "a job that needs no value where it has a schedule, for a schedule gives none"
    return [Fault("/schedule", expected, f"one that requires {', '.join(needed)}")]


def _hinted(fault: Fault) -> Fault:
    """Name the member that was meant, where one is unknown and near to another."""
    if fault.expected != NO_MEMBER:
        return fault
    steps = fault.pointer.split("/")[1:]
    hint = _near(steps[-1], _members_at(steps[:-1]))
    return replace(fault, expected=NO_MEMBER + hint)


def _named(fault: Fault, entry: Mapping[str, Any]) -> Fault:
    """Show what stands where names of secrets do: a name is none."""
    if fault.pointer.split("/")[1:2] != ["secrets"]:
        return fault
    got = shown(filetext.value_at(entry, fault.pointer))
    return replace(fault, got=got) if MASK in fault.got else fault


def _near(name: str, known: Collection[str]) -> str:
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
