"""Runs the console examples of a document as written, and compares what they print.

A fenced block marked ``console`` is run, one marked ``sh`` is not. In a console block a line
that begins with ``$ `` is a command, which goes on behind a backslash, through a here document
and up to a closing quotation mark; the lines below are what it prints. All but white space is
compared. A line of three dots stands for any text. What is new at each run is compared by its
form: ids that the document shows for the first time in an answer (and which are then known), those
of executions among them, times of the year in which it was written, request ids, commits, numbers
of events, ages, tokens.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HERE = re.compile(r"<<'?(\w+)'?")
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_EXECUTION = r"(?<![0-9.])1[0-9]{9}\.[0-9]{1,6}(?![0-9])"
_TOLD = re.compile(f"{_UUID}|{_EXECUTION}")
_ELLIPSIS = "\0"
# Some commands wait for a hundred containers, which takes long on a machine that is busy.
_COMMAND_SECONDS = 300.0
_ASKS = re.compile(r"curl (?!.*\s-[Xd]\b)", re.DOTALL)
# How a thing looks in the document, and what may stand in its place.
_LOOSE = (
    (re.compile(rf"(?P<uuid>{_UUID})"), None),
    (re.compile(rf"(?P<execution>{_EXECUTION})"), None),
    (re.compile(r"2026-[0-9:.T-]+Z"), r"20[0-9:.T-]+Z"),
    (re.compile(r"\b[0-9a-f]{32}\b"), r"[0-9a-f]{32}"),
    (re.compile(r"\b[0-9a-f]{40}\b"), r"[0-9a-f]{40}"),
    (re.compile(r"\bjex_[\w-]{43}"), r"jex_[\w-]{43}"),
    (re.compile(r'(?P<name>"(?:seq|seconds|run_seconds)":)[0-9.]+'), r"[0-9.]+"),
)


@dataclass(frozen=True)
class Example:
    """One command of a document and what it says that the command prints."""

    line: int
    command: str
    output: str


def examples(document: str) -> Iterator[Example]:
    """Give the commands of all console blocks, in their order."""
    for block in _BLOCK.finditer(document):
        first = document.count("\n", 0, block.start()) + 2
        yield from _examples_of(block[1].splitlines(), first)


def _examples_of(lines: list[str], first: int) -> Iterator[Example]:
    index = 0
    while index < len(lines):
        start = index
        assert lines[index].startswith("$ "), f"line {first + index}: expected a command"
        index = _end_of_command(lines, index)
        output = index
        while index < len(lines) and not lines[index].startswith("$ "):
            index += 1
        command = "\n".join(lines[start:output]).removeprefix("$ ")
        yield Example(first + start, command, "\n".join(lines[output:index]))


def _end_of_command(lines: list[str], index: int) -> int:
    start = index
    while lines[index].endswith("\\") or "".join(lines[start : index + 1]).count("'") % 2:
        index += 1
    if here := _HERE.search(lines[index]):
        index = lines.index(here[1], index)
    return index + 1


class Shell:
    """One bash for all examples, so that what one of them sets is there for the next."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def run(self, command: str) -> str:
        """Run a command; give what it printed, on either output, and its exit code if not 0."""
        mark = secrets.token_hex(8)
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null; echo {mark}$?\n")
        self._bash.stdin.flush()
        lines = []
        watchdog = threading.Timer(_COMMAND_SECONDS, self._bash.kill)
        watchdog.start()
        for line in self._bash.stdout:
            text, found, code = line.rstrip("\n").partition(mark)
            lines.append(text)
            if found:
                watchdog.cancel()
                return "\n".join([*lines, *([f"exit code {code}"] if code != "0" else [])])
        raise AssertionError(f"bash ended at: {command}")

    def close(self) -> None:
        """End it."""
        self._bash.stdin.close()
        self._bash.wait(10)
        self._bash.stdout.close()


@dataclass
class Reader:
    """Somebody who follows a document: knows the ids that the answers so far have shown."""

    shell: Shell
    replacements: Mapping[str, str] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)

    def follow(self, example: Example, patience_seconds: float = 5.0) -> None:
        """Run an example and compare; one that only asks is run again while it differs.

        An event that was published is in the ledger a moment later, not at once.
        """
        for told in _TOLD.findall(example.command):
            self._ids.setdefault(told, told)
        command = self._replaced(example.command)
        pause, deadline = threading.Event(), time.monotonic() + patience_seconds
        while True:
            printed = self.shell.run(command)
            if match := re.fullmatch(self._pattern(example.output), _dense(printed)):
                self._ids |= {_name_back(name): told for name, told in match.groupdict().items()}
                return
            if not _ASKS.match(command) or time.monotonic() > deadline:
                break
            pause.wait(0.1)
        raise AssertionError(
            f"line {example.line}: $ {example.command}\n--- as documented\n{example.output}\n"
            f"--- as printed\n{printed}"
        )

    def _replaced(self, text: str) -> str:
        for old, new in self.replacements.items():
            text = text.replace(old, new)
        return _TOLD.sub(lambda found: self._ids.get(found[0], found[0]), text)

    def _pattern(self, output: str) -> str:
        """Give the pattern for what is printed, white space left out on both sides."""
        lines = [_ELLIPSIS if line.strip() == "..." else line for line in output.splitlines()]
        text = _dense("\n".join(lines))
        for old, new in self.replacements.items():
            text = text.replace(old, new)
        seen: set[str] = set()
        return "".join(self._piece(piece, seen) for piece in _pieces(text))

    def _piece(self, piece: tuple[str, str | None], seen: set[str]) -> str:
        text, loose = piece
        if text == _ELLIPSIS:
            return "(?s:.*)"
        if loose is not None:
            return loose
        if not _TOLD.fullmatch(text):
            return re.escape(text)
        if text in self._ids:
            return re.escape(self._ids[text])
        if text in seen:
            return f"(?P={_name_of(text)})"
        seen.add(text)
        form = _UUID if "-" in text else r"[0-9]{10}\.[0-9]{1,6}"
        return f"(?P<{_name_of(text)}>{form})"


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Cut a text into (text, None) to be taken as it is and (text, pattern)."""
    whole = re.compile("|".join(f"(?:{form.pattern})" for form, _ in _LOOSE) + f"|{_ELLIPSIS}")
    last = 0
    for found in whole.finditer(text):
        yield text[last : found.start()], None
        yield from _loose(found)
        last = found.end()
    yield text[last:], None


def _loose(found: re.Match[str]) -> Iterator[tuple[str, str | None]]:
    for form, pattern in _LOOSE:
        if match := form.fullmatch(found[0]):
            if named := match.groupdict().get("name"):
                yield named, None
            yield found[0], pattern
            return
    yield found[0], None


def _name_of(told: str) -> str:
    return "id_" + told.replace("-", "_").replace(".", "__")


def _name_back(name: str) -> str:
    return name.removeprefix("id_").replace("__", ".").replace("_", "-")


def _dense(text: str) -> str:
    return re.sub(r"\s+", "", text)
