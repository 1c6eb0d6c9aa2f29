"""What a definition runs, as templates: a command for the shell, or a script with its words.

In a command every value is quoted for the shell, so it must stand where quotation marks are marks
(``shell.py``). A script is started without a shell: a value is a word, or a part of one, and only
the template's own text is split at blanks, in which quotation marks keep words together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from jexevents.definitions import bounds
from jexevents.definitions.grammar import TemplateFault, raise_all
from jexevents.definitions.placing import check_places
from jexevents.definitions.sandbox import Template, Value
from jexevents.definitions.shell import Shell
from jexevents.definitions.words import (
    Unwritable,
    is_number,
    quoted,
    shell_word,
    word_of,
    words_of,
)
from jexevents.faults import shown

# All words of a script; the system has less room for them where the environment is large.
MAX_WORDS_BYTES = 1024 * 1024

_ENDS_WORD = (" ", "\t", "\n", ";", "&", "|", ")")
_END = "the end of a command, where a word can be appended"
_ALL_PLACES = "a value where a word can be, as it is put between quotation marks of its own"


def read(source: str) -> Template:
    """Read the template of a command or a script, wherever values stand in it.

    Raises TemplateFault.
    """
    return Template(source.rstrip("\n"))


class CommandTemplate:
    """A command; ``used`` are the variables in it, ``source`` is its text."""

    def __init__(
        self, source: str, kinds: Mapping[str, str], appended: Collection[str] = ()
    ) -> None:
        """Read and check it; ``kinds`` are the types of variables, where they are known.

        ``appended`` are the names of those whose values follow where the template does not use
        them. Raises TemplateFault.
        """
        self.source = source
        self._template = read(source)
        self.used = self._template.used
        end, faults = check_places(self._template, kinds)
        left = sorted(set(appended) - self.used)
        if left and not end.ends_in_command():
            got = (
                "another end, and variables to be appended, since the template does not use them: "
                f"{', '.join(left)}"
            )
            faults.append(TemplateFault(_END, got))
        raise_all(faults)

    def render(self, values: Mapping[str, Any], appended: Sequence[str] = ()) -> str:
        """Give the command with the values in it and the words behind it. Raises TemplateFault."""
        pieces = [piece for piece in self._template.pieces(values) if _is_value(piece) or piece]
        shell = Shell()
        parts: list[str] = []
        for piece, following in pairwise([*pieces, None]):
            text = _written(piece, following, shell) if _is_value(piece) else piece
            if not _is_value(piece):
                shell.feed(text)
            parts.append(text)
            _require_bytes(parts, bounds.MAX_TEXT)
        if appended and not shell.ends_in_command():
            raise TemplateFault(_END, "another, with these values")
        parts += [f" {shell_word(word)}" for word in appended]
        _require_bytes(parts, bounds.MAX_TEXT)
        return "".join(parts)


class ScriptTemplate:
    """A script; ``path`` is the one below ``scripts``, ``used`` are the variables in its words."""

    def __init__(self, source: str) -> None:
        """Read and check it. Raises TemplateFault."""
        self.source = source
        self._template = Template(source.strip())
        self.used = self._template.used
        self.path = self._path()

    def _path(self) -> str:
        body = self._template.tree.body
        outputs = [child for node in body[:1] for child in getattr(node, "nodes", ())]
        head = getattr(outputs[0], "data", "") if outputs else ""
        words = _Words()
        words.feed(head)
        whole = len(words.found) > 0 or (len(body) == 1 and len(outputs) == 1)
        if not (whole and (first := [*words.found, words.current or ""][0])):
            raise TemplateFault("a path first, without values in it", shown(self.source))
        return first

    def render(self, values: Mapping[str, Any], appended: Sequence[str] = ()) -> list[str]:
        """Give the words behind the path. Raises TemplateFault."""
        words = _Words()
        for piece in self._template.pieces(values):
            if not _is_value(piece):
                words.feed(piece)
            elif piece.raw:
                words.feed(piece.content)
            else:
                words.put(_words(piece))
            _require_bytes(words.found, MAX_WORDS_BYTES)
        found = [*words.end(), *appended]
        _require_bytes(found, MAX_WORDS_BYTES)
        for word in found:
            _require_bytes((word,), bounds.MAX_TEXT)
        return found[1:]


class _Words:
    """Splits texts at blanks, but between quotation marks; values are not split."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.current: str | None = None
        self._mark = ""

    def feed(self, text: str) -> None:
        """Take a text of the template."""
        for char in text:
            if char == self._mark:
                self._mark = ""
            elif self._mark:
                self.current = (self.current or "") + char
            elif char in "'\"":
                self._mark, self.current = char, self.current or ""
            elif char.isspace():
                self._flush()
            elif char == "\\":
                expected = "words without backslashes: a script is run without a shell"
                raise TemplateFault(expected, "a backslash")
            else:
                self.current = (self.current or "") + char

    def put(self, words: Sequence[str]) -> None:
        """Take a value: of several words the first and the last join what they touch."""
        if self._mark:
            words = [" ".join(words)]
        for index, word in enumerate(words):
            if index:
                self._flush()
            self.current = (self.current or "") + word

    def end(self) -> list[str]:
        """Give all words. Raises TemplateFault for a quotation mark that stays open."""
        if self._mark:
            raise TemplateFault("a closing quotation mark", f"none for {self._mark}")
        self._flush()
        return self.found

    def _flush(self) -> None:
        if self.current is not None:
            self.found.append(self.current)
        self.current = None


def _is_value(piece: str | None) -> bool:
    return isinstance(piece, Value)


def _words(piece: Value) -> list[str]:
    try:
        return words_of(piece.content)
    except Unwritable as exc:
        raise TemplateFault(exc.expected, exc.got) from exc


def _written(piece: Value, following: str | None, shell: Shell) -> str:
    """Give a value as it stands in the command, and move the shell behind it."""
    if piece.raw:
        shell.feed(piece.content)
        return piece.content
    place = shell.refusal()
    if not place:
        return _quoted(_words(piece), following, shell)
    if not (is_number(piece.content) and shell.takes_numbers()):
        raise TemplateFault(_ALL_PLACES, f"one {place}")
    number = word_of(piece.content)
    if shell.is_arithmetic() and number.startswith("-"):
        number = f"({number})"
    shell.feed(number)
    return number


def _quoted(words: list[str], following: str | None, shell: Shell) -> str:
    ends = following is None or (not _is_value(following) and following.startswith(_ENDS_WORD))
    write = shell_word if ends and shell.is_argument() else quoted
    if words:
        shell.put()
    return " ".join(map(write, words))


def _require_bytes(texts: Iterable[str], limit: int) -> None:
    size = sum(len(text.encode("utf-8")) for text in texts)
    if size > limit:
        expected = f"a command, or a word of it, of at most {limit} bytes: the system takes no more"
        raise TemplateFault(expected, f"{size} or more")
