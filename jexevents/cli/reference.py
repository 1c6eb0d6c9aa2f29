"""All commands with all their arguments, as a manual page and for docs/cli.md.

Made from the parsers alone, so that neither says what is not so; `make reference` writes both.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jexevents import __version__

MANUAL, DOCUMENT = "man/jexevents.1", "docs/cli.md"
HEADING = "## Reference\n"
_NO_HELP = (argparse.SUPPRESS, None)
_ESCAPES = str.maketrans({"\\": "\\e", "-": "\\-"})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: how it is written, and what it is for."""

    form: str
    help: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or one action of one: its words, what it does, what it takes."""

    words: str
    help: str
    description: str
    arguments: tuple[Argument, ...]
    options: tuple[Argument, ...]
    is_group: bool

    @property
    def usage(self) -> str:
        """How it is written."""
        names = [one.form for one in self.arguments]
        return " ".join([self.words, *(["[OPTION ...]"] if self.options else []), *names])


def commands(parser: argparse.ArgumentParser) -> Iterator[Command]:
    """Give the program itself, then each command, its actions behind it."""
    yield from _commands(parser, parser.prog, "")


def _commands(parser: argparse.ArgumentParser, words: str, help_text: str) -> Iterator[Command]:
    group = _group(parser)
    yield Command(
        words=words,
        help=help_text,
        description=parser.description or "",
        arguments=tuple(_positionals(parser)),
        options=tuple(_options(parser, is_top=not help_text)),
        is_group=group is not None,
    )
    if group is not None:
        helps = {one.dest: one.help or "" for one in group._choices_actions}
        for name, child in group.choices.items():
            yield from _commands(child, f"{words} {name}", helps.get(name, ""))


def _group(parser: argparse.ArgumentParser) -> argparse._SubParsersAction | None:
    found = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return found[0] if found else None


def _positionals(parser: argparse.ArgumentParser) -> Iterator[Argument]:
    for action in parser._get_positional_actions():
        if not isinstance(action, argparse._SubParsersAction):
            yield Argument(_positional(action), _help(action))


def _positional(action: argparse.Action) -> str:
    name = _value(action)
    if action.nargs in ("*", "+"):
        return f"[{name} ...]" if action.nargs == "*" else f"{name} ..."
    return f"[{name}]" if action.nargs == "?" else name


def _options(parser: argparse.ArgumentParser, *, is_top: bool) -> Iterator[Argument]:
    for action in parser._get_optional_actions():
        if action.help in _NO_HELP or (isinstance(action, argparse._HelpAction) and not is_top):
            continue
        names = ", ".join(action.option_strings)
        takes = action.nargs != 0
        yield Argument(f"{names} {_value(action)}" if takes else names, _help(action))


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper()


def _help(action: argparse.Action) -> str:
    return "" if action.help in _NO_HELP else " ".join(str(action.help).split()).replace("%%", "%")


# --- docs/cli.md


def markdown(parser: argparse.ArgumentParser) -> str:
    """Give the reference for docs/cli.md: a heading and tables for each command."""
    return "\n".join(line for command in commands(parser) for line in _told(command))


def _told(command: Command) -> Iterator[str]:
    yield f"### {command.words}\n"
    yield f"{_sentence(command.description or command.help)}\n"
    if not command.is_group or command.arguments:
        yield f"    {command.usage}\n"
    rows = [*command.arguments, *command.options]
    if rows:
        yield "| Argument | |\n|---|---|"
        yield from (f"| `{_cell(one.form)}` | {_cell(one.help)} |" for one in rows)
        yield ""


def reference_in(document: str, parser: argparse.ArgumentParser) -> str:
    """Give docs/cli.md with what stands behind its last heading made anew."""
    kept, heading, _ = document.partition(HEADING)
    return f"{kept}{heading}\n{markdown(parser).rstrip()}\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if not text or text.endswith(".") else f"{text[:1].upper()}{text[1:]}."


# --- the manual page


def manual(parser: argparse.ArgumentParser) -> str:
    """Give the manual page, section 1, in the macros of man(7)."""
    return "\n".join(_manual(parser)) + "\n"


def _manual(parser: argparse.ArgumentParser) -> Iterator[str]:
    program, *others = commands(parser)
    yield f'.TH JEXEVENTS 1 "" "jexevents {__version__}" "User Commands"'
    yield ".SH NAME"
    yield f"jexevents {_roff('-')} {_roff('the ledger of jobs')}"
    yield ".SH SYNOPSIS"
    yield f".B jexevents\n[{_roff('--config')} {_roff('PATH')}] [COMMAND ...]"
    yield ".SH DESCRIPTION"
    yield _roff(program.description)
    for paragraph in _paragraphs(parser.epilog or ""):
        yield f".PP\n{_roff(paragraph)}"
    yield ".SH OPTIONS"
    yield from _entries(program.options)
    yield ".SH COMMANDS"
    for command in others:
        yield f".SS {_roff(command.usage)}"
        yield _roff(_sentence(command.description or command.help))
        yield from _entries([*command.arguments, *command.options])
    yield ".SH ENVIRONMENT"
    yield from _entries(_VARIABLES)
    yield ".SH SEE ALSO"
    yield _roff("docs/cli.md and docs/configuration.md, which come with the source.")


_VARIABLES = (
    Argument("JEXEVENTS_CONFIG", "The configuration file."),
    Argument("JEXEVENTS_SERVER", "The server that commands ask."),
    Argument("JEXEVENTS_TOKEN, JEXEVENTS_TOKEN_FILE", "The token, or the file that holds it."),
    Argument("NO_COLOR", "Where it is set, nothing is coloured."),
)


def _entries(arguments: Iterable[Argument]) -> Iterator[str]:
    for one in arguments:
        yield f".TP\n.B {_roff(one.form)}\n{_roff(one.help)}"


def _paragraphs(text: str) -> list[str]:
    """Give each line of an epilogue that ends a sentence as the end of a paragraph."""
    return [" ".join(part.split()) for part in re.split(r"(?<=\.)\n", text) if part.strip()]


def _roff(text: str) -> str:
    escaped = text.translate(_ESCAPES)
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def main(root: Path) -> None:
    """Write both files anew in a checkout."""
    from jexevents.cli.main import build_parser

    parser = build_parser()
    (root / MANUAL).write_text(manual(parser), encoding="utf-8")
    document = root / DOCUMENT
    document.write_text(
        reference_in(document.read_text(encoding="utf-8"), parser), encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path.cwd())
