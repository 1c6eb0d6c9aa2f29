"""Where in a shell command one is: what quoting needs to know.

A value that was quoted for the shell is one word only where quotation marks are marks: not between
others, not in a comment, not in a here document, not behind a backslash. ``Shell`` goes over the
text of a command, character by character, as POSIX's shell reads it (2.2 to 2.7 of its chapter
"Shell Command Language", and what bash adds), and says of each place whether a value may stand
there. Where shells differ, or where it would have to understand the grammar, it says no.
"""

from __future__ import annotations

import re
from copy import copy

_RESERVED = frozenset((
    "!", "{", "}", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for",
    "function", "if", "in", "select", "then", "time", "until", "while", "[[", "]]",
))  # fmt: skip
_CLAUSES = ("case", "for", "function", "select")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_PARAMETERS = "$#?*@!-"
_PLAIN = ("top", "sub", "paren")
_QUOTED = "\0"  # stands in a word for what was quoted in it

_PLACES = {
    "double": "between double quotation marks",
    "single": "between single quotation marks",
    "ticks": "between backquotes",
    "comment": "in a comment",
    "heredoc": "in a here document",
    "brace": "in ${...}",
    "sums": "in arithmetic",
}


class Shell:
    """A place in a command; ``feed`` goes on, ``refusal`` and ``is_argument`` say what it is."""

    def __init__(self) -> None:
        self._stack = ["top"]
        self._lost = ""
        self._escaped = False
        self._dollar = False
        self._opened = ""  # "sub" or "paren" directly behind its parenthesis
        self._last = ""  # the character before, if it was an operator's
        self._word: str | None = None
        self._has_command = False
        self._file_follows = False
        self._in_clause = (
            False  # behind `case`, `for`: the words up to the next operator are theirs
        )
        self._outer: list[tuple[str | None, bool, bool, bool]] = []  # of the words around $(...)
        self._less = 0
        self._mark: str | None = None  # the end mark of a here document while it is read
        self._mark_quote = ""
        self._marks: list[str] = []
        self._line = ""

    def fork(self) -> Shell:
        """Give a copy that goes its own way."""
        other = copy(self)
        other._stack = list(self._stack)
        other._marks = list(self._marks)
        other._outer = list(self._outer)
        return other

    def nesting(self) -> tuple[object, ...]:
        """Give what must be the same wherever two ways through a template meet."""
        marks = (self._mark, self._mark_quote, tuple(self._marks))
        return (tuple(self._stack), self._lost, self._escaped, self._dollar, marks)

    def refusal(self) -> str:
        """Say why no quoted value may stand here, as the place that it is; "" if one may."""
        if self._lost:
            return self._lost
        if self._escaped:
            return "behind a backslash"
        if self._dollar:
            return "behind a $"
        if self._mark is not None or self._less == 2:
            return "as the end mark of a here document"
        return _PLACES.get(self._stack[-1], "")

    def takes_numbers(self) -> bool:
        """Tell whether a number, which needs no quoting, may stand here all the same."""
        if not self.refusal():
            return True
        sure = not (self._lost or self._escaped or self._dollar or self._mark is not None)
        return sure and self._less != 2 and self._stack[-1] not in ("top", "sub", "paren", "brace")

    def is_arithmetic(self) -> bool:
        """Tell whether this is within ``$((...))``."""
        return self._stack[-1] == "sums"

    def is_argument(self) -> bool:
        """Tell whether a new word would begin here that is an argument of a command."""
        return not self.refusal() and self._word is None and self._has_command

    def ends_in_command(self) -> bool:
        """Tell whether a word that is appended here is an argument of the last command."""
        after = self.fork()
        after.feed(" ")
        if after._stack != ["top"] or after._marks or after._file_follows:
            return False
        return after.is_argument()

    def put(self) -> None:
        """Go on behind a quoted value."""
        self._begin()
        self._settle()

    def feed(self, text: str) -> None:
        """Go on behind a text of the command."""
        for character in text:
            self._take(character)

    # --- one character, by where it stands

    def _take(self, char: str) -> None:
        place = self._stack[-1]
        if place == "heredoc":
            self._in_heredoc(char)
        elif place == "single":
            self._pop_at(char, "'")
        elif place == "comment":
            if char == "\n":
                self._stack.pop()
                self._plain(char)
        elif self._escaped:
            self._escaped = False
            if self._mark is not None:
                self._mark += char
            elif place in _PLAIN and char != "\n":
                self._add(_QUOTED)
        elif char == "\\":
            self._settle()
            self._escaped = True
            if place in _PLAIN and self._mark is None:
                self._end_of_less(char)
        elif place == "ticks":
            self._pop_at(char, "`")
        elif self._dollar and self._behind_dollar(char, place):
            pass
        elif place in _PLAIN:
            self._plain(char)
        else:
            self._nested(char, place)

    def _pop_at(self, char: str, end: str) -> None:
        if char == end:
            self._stack.pop()

    def _behind_dollar(self, char: str, place: str) -> bool:
        """Take what belongs to a ``$``; False for what is read as if there were none."""
        self._dollar = False
        if char == "(":
            self._stack.append("sub")
            self._settle()
            self._opened = "sub"
            self._leave_word()
            return True
        if char == "{":
            self._stack.append("brace")
            return True
        if char == "'" and place in _PLAIN:
            self._lost = "behind $'...', which shells read differently"
        return char in _PARAMETERS

    def _nested(self, char: str, place: str) -> None:
        """Take a character between double quotes, in ``${...}`` or in arithmetic."""
        if char == "$":
            self._dollar = True
        elif char == "`":
            self._stack.append("ticks")
        elif place == "double":
            self._pop_at(char, '"')
        elif place == "sums":
            self._in_sums(char)
        elif char == "}":
            self._stack.pop()
        elif char in "'\"":
            if "double" in self._stack:
                self._lost = 'behind quotation marks in "${...}", which shells read differently'
            self._stack.append("single" if char == "'" else "double")

    def _in_sums(self, char: str) -> None:
        if char == "(":
            self._stack.append("sums")
        elif char == ")":
            self._stack.pop()
        elif char in "'\"":
            self._lost = "behind quotation marks in arithmetic"

    def _in_heredoc(self, char: str) -> None:
        if char != "\n":
            self._line += char
            return
        mark = self._marks[0]
        line = self._line.lstrip("\t") if mark.startswith("-") else self._line
        if self._line.endswith("\\"):
            self._lost = "behind a line of a here document that ends in a backslash"
        self._line = ""
        if line == mark[1:]:
            self._marks.pop(0)
            if not self._marks:
                self._stack.pop()

    # --- outside of quotation marks

    def _plain(self, char: str) -> None:
        if self._mark is None and self._less == 2:
            self._end_of_less(char)
        if self._mark is not None and self._in_mark(char):
            return
        last, opened = self._last, self._opened
        self._settle()
        if char in "'\"`":
            self._add(_QUOTED)
            self._stack.append({"'": "single", '"': "double", "`": "ticks"}[char])
        elif char == "$":
            self._add(_QUOTED)
            self._dollar = True
        elif char == "#" and self._word is None:
            self._stack.append("comment")
        elif char in " \t":
            self._end_word()
        elif char in "\n;&|":
            self._operator(char, last)
        elif char in "()":
            self._parenthesis(char, opened)
        elif char in "<>":
            self._redirection(char, last)
        else:
            self._add(char)

    def _operator(self, char: str, last: str) -> None:
        self._end_word()
        if char in "&|" and last in ("<", ">"):
            return  # of <&, >& and >|
        self._begin_command()
        if char == "\n" and self._marks:
            self._stack.append("heredoc")

    def _parenthesis(self, char: str, opened: str) -> None:
        if char == "(":
            self._end_word()
            if opened:
                self._stack[-1] = "sums"
            if opened == "sub":
                self._back_to_word()
            else:
                self._begin_command()
            self._stack.append("sums" if opened else "paren")
            self._opened = "" if opened else "paren"
            return
        self._end_word()
        place = self._stack[-1]
        if place in ("sub", "paren"):
            self._stack.pop()
        if place == "sub":
            self._back_to_word()
        else:
            self._begin_command()

    def _redirection(self, char: str, last: str) -> None:
        if self._word is not None and self._word.isdigit():
            self._word = None  # the number of a file
        self._end_word()
        self._file_follows = True
        self._last = char
        self._less = 2 if char == "<" and last == "<" else 0

    def _end_of_less(self, char: str) -> None:
        """Behind ``<<``: another ``<`` makes it a here string, all else begins the end mark."""
        if self._less != 2:
            return
        self._less = 0
        if char == "<":
            self._last = ""
        else:
            self._mark = "-" if char == "-" else " "

    def _in_mark(self, char: str) -> bool:
        """Take a character of the end mark of a here document; False for what ends it."""
        text = self._mark[1:]
        if self._mark_quote:
            if char == self._mark_quote:
                self._mark_quote = ""
            else:
                self._mark += char
            return True
        if char == "-" and self._mark == "-" and self._last == "<":
            self._last = ""
            return True
        if char in " \t" and not text:
            return True
        if char in "'\"":
            self._mark_quote = char
            return True
        if char in " \t\n;&|()<>":
            self._marks.append(self._mark)
            self._mark = None
            self._file_follows = False
            return False
        self._mark += char
        return True

    # --- words

    def _begin(self) -> None:
        self._word = (self._word or "") + _QUOTED

    def _add(self, char: str) -> None:
        self._word = (self._word or "") + char

    def _settle(self) -> None:
        self._last = self._opened = ""

    def _begin_command(self) -> None:
        self._has_command = self._file_follows = self._in_clause = False

    def _leave_word(self) -> None:
        """Begin a command of its own within a word."""
        self._outer.append((self._word, self._has_command, self._file_follows, self._in_clause))
        self._word = None
        self._begin_command()

    def _back_to_word(self) -> None:
        """Go on in the word that a ``$(...)`` stands in."""
        word, self._has_command, self._file_follows, self._in_clause = self._outer.pop()
        self._word = (word or "") + _QUOTED

    def _end_word(self) -> None:
        word, self._word = self._word, None
        if word is None:
            return
        if word == "case" and "sub" in self._stack:
            # The parentheses of its patterns are not told from the one that ends the $(...).
            self._lost = "behind `case` in $(...)"
        if self._file_follows:
            self._file_follows = False
        elif self._has_command or self._in_clause or _ASSIGNMENT.match(word):
            return
        elif word in _RESERVED:
            self._in_clause = word in _CLAUSES
        else:
            self._has_command = True
