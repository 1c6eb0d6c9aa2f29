"""Loads the definitions of a folder: all of them, or none and what is wrong.

Whatever is in the folder, nothing outside of it is read: files are opened where they truly are,
symbolic links followed, and that must be below ``top``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jexevents.definitions import scalars
from jexevents.definitions.building import definitions_of
from jexevents.definitions.definition import (
    Definition,
    Definitions,
    DefinitionsRefused,
    Problem,
)
from jexevents.definitions.filetext import ENDINGS, stem
from jexevents.definitions.located import Lines, line_of
from jexevents.definitions.rendering import SCRIPTS
from jexevents.faults import fit, pointer
from jexevents.hookwords import JOB
from jexevents.model import Fault

MAX_FILES = 10_000
MAX_DEFINITIONS = 20_000
MAX_FILE_BYTES = 1024 * 1024
MAX_PROBLEMS = 200
BIN = "bin"

_INSIDE = "a file in the repository"
_ASTRAY = "a link that leads out of it, or nowhere"


def load(
    folder: Path,
    top: Path | None = None,
    names: Iterable[str] | None = None,
    most: int = MAX_PROBLEMS,
) -> Definitions:
    """Give the definitions of a folder.

    ``top`` is the top of the checkout, the folder itself by default; ``names`` are the files to
    look at, all definitions by default. Raises DefinitionsRefused with every problem; once there
    are more than ``most``, no more files are looked at.
    """
    loader = _Loader(folder, folder if top is None else top, most)
    for name in sorted(loader.names() if names is None else names):
        loader.load(name)
    loader.check_together(whole=names is None)
    if loader.problems:
        raise DefinitionsRefused(loader.problems)
    return Definitions(loader.found)


class _Loader:
    def __init__(self, folder: Path, top: Path, most: int) -> None:
        self._folder = folder
        self._top = Path(os.path.realpath(top))
        self._most = most
        # Of all definitions, those with faults among them: the first of each name.
        self._all: list[Definition] = []
        self._first: dict[str, Definition] = {}
        # Where values stand in a file, of those that are looked at once more.
        self._lines: dict[str, Lines] = {}
        # What jobs may be called in files that cannot be read.
        self._names: set[str] = set()
        self.found: dict[str, Definition] = {}
        self.problems: list[Problem] = []

    def names(self) -> list[str]:
        """Give the names of the files that define jobs; hidden ones do not."""
        try:
            entries = sorted(os.listdir(self._folder))
        except OSError as error:
            self._wrong(".", f"a folder that can be read ({error.strerror})", "none")
            return []
        names = [name for name in entries if name.endswith(ENDINGS) and not name.startswith(".")]
        if len(names) > MAX_FILES:
            self._wrong(".", f"at most {MAX_FILES} files that define jobs", f"{len(names)}")
            return []
        return names

    def load(self, name: str) -> None:
        """Take the definitions of a file."""
        if self._is_full():
            return
        body = self._body(name)
        if body is None:
            self._names.add(stem(_shown(name)).replace("_", "-"))
            return
        read = definitions_of(_shown(name), body)
        self.problems += read.problems
        self._lines[_shown(name)] = read.lines
        self._names |= read.names
        for one in sorted([*read.definitions, *read.faulty], key=lambda one: one.line or 0):
            self._look_at(one)
        for one in read.definitions:
            self.found.setdefault(one.name, one)
        if not any(_starts(one) for one in (*read.definitions, *read.faulty)):
            del self._lines[_shown(name)]

    def _look_at(self, one: Definition) -> None:
        """Look at what concerns the folder, be there other faults or not."""
        if one.script is not None:
            self._check_script(one, one.script.path)
        self._all.append(one)
        other = self._first.setdefault(one.name, one)
        if other is not one and one.name:
            got = f"{one.name}, as in {other.file}:{other.line}"
            place = "/name" if one.document.get("name") else ""
            self._wrong(one.file, "a name that no other job has", got, one, place)
        elif len(self._all) == MAX_DEFINITIONS + 1:
            self._wrong(one.file, f"at most {MAX_DEFINITIONS} jobs", "more", one)

    def check_together(self, *, whole: bool) -> None:
        """Look at what concerns the definitions as a whole, if this is the whole."""
        place = self._real(self._folder / BIN)
        if place is None and os.path.lexists(self._folder / BIN):
            self._wrong(BIN, "a folder in the repository", "a link out of it")
        if whole and not self.problems and not self.found:
            kinds = ", ".join(f"*{ending}" for ending in ENDINGS)
            self._wrong(".", f"at least one job, in a file {kinds}", "none")
        if self._is_full():
            # The other files were not looked at.
            self._wrong(".", f"at most {self._most} faults", "more, which are told after these")
        elif whole:
            self._check_hooks()

    def _check_hooks(self) -> None:
        """Look whether the jobs are there that hooks start; those with faults are, too."""
        names = self._first.keys() | self._names
        for one in self._all:
            for status, urls in one.hooks.items():
                for url in urls:
                    if url.startswith(JOB) and url[len(JOB) :] not in names:
                        expected = f"{JOB} and the name of a job of the repository"
                        self._wrong(one.file, expected, fit(url), one, _hook_at(one, status, url))

    def _is_full(self) -> bool:
        return len(self.problems) > self._most

    def _check_script(self, one: Definition, path: str) -> None:
        scripts = self._folder / SCRIPTS
        parts = Path(path).parts
        if os.path.isabs(path) or ".." in parts or "\0" in path:
            expected = f"a path below {SCRIPTS}, without .."
            self._wrong(one.file, expected, fit(path), one, "/script")
            return
        place = self._real(scripts / path)
        if place is None:
            what = _ASTRAY if os.path.lexists(scripts / path) else "which is not there"
            got = f"{fit(path)}, {what}"
            self._wrong(one.file, f"{_INSIDE}, below {SCRIPTS}", got, one, "/script")
            return
        mode = os.stat(place).st_mode
        if not stat.S_ISREG(mode):
            self._wrong(one.file, "a script that is a file", fit(path), one, "/script")
        elif not mode & 0o111:
            expected = "a script that is executable (git update-index --chmod=+x)"
            self._wrong(one.file, expected, f"{fit(path)}, which is not", one, "/script")

    def _body(self, name: str) -> bytes | None:
        place = self._real(self._folder / name)
        if place is None:
            self._wrong(name, _INSIDE, _ASTRAY)
            return None
        try:
            # Not to wait for who writes to a pipe; what it is, is looked at once it is open.
            with open(os.open(place, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    self._wrong(name, "a file", "something else")
                    return None
                body = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            self._wrong(name, "a file that can be read", error.strerror or "none")
            return None
        if len(body) > MAX_FILE_BYTES:
            self._wrong(name, f"a file of at most {MAX_FILE_BYTES} bytes", "a longer one")
            return None
        return body

    def _real(self, path: Path) -> Path | None:
        """Give where a path truly leads, None for nowhere and for outside of the checkout."""
        try:
            place = Path(os.path.realpath(path, strict=True))
        except (OSError, ValueError):
            return None
        return place if place.is_relative_to(self._top) else None

    def _wrong(
        self, file: str, expected: str, got: str, one: Definition | None = None, place: str = ""
    ) -> None:
        if one is None:
            self.problems.append(Problem(_shown(file), None, Fault(place, expected, got)))
            return
        fault = Fault(one.place + place, expected, got)
        line = line_of(self._lines.get(file, {}), fault.pointer) or one.line
        self.problems.append(Problem(file, line, fault, one.name if one.place else ""))


def _shown(name: str) -> str:
    """Give the name of a file as text: git's are bytes."""
    return os.fsencode(name).decode("utf-8", "replace")


def _starts(one: Definition) -> bool:
    """Whether a hook of a definition starts a job."""
    return any(url.startswith(JOB) for urls in one.hooks.values() for url in urls)


def _hook_at(one: Definition, status: str, url: str) -> str:
    """Give the place of a URL among the hooks of a definition."""
    given = one.document["hooks"][status]
    place: list[str | int] = ["hooks", status]
    if isinstance(given, list):
        place.append(next(at for at, each in enumerate(given) if _is(each, url)))
    return pointer(place)


def _is(each: Any, url: str) -> bool:
    return isinstance(each, str) and scalars.normal(each) == url
