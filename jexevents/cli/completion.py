"""``jexevents completion``: what a shell needs to complete our commands (PyPI argcomplete)."""

from __future__ import annotations

import argparse
import os
from typing import Any

from jexevents.exits import Exit

_SHELLS = ("bash", "zsh", "fish")
# The shell sets it when it asks for words.
_ASKED = "_ARGCOMPLETE"
_PROGRAM = "jexevents"


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; none of its parsers takes --config."""
    parser = commands.add_parser(
        "completion",
        help="print what a shell needs to complete commands and options",
        description="Prints a script for your shell. For bash: "
        "jexevents completion bash > $HOME/.local/share/bash-completion/completions/jexevents",
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell")
    parser.set_defaults(run=_run, configured=False)
    return []


def is_asked() -> bool:
    """Say whether it is a shell that asks for words."""
    return _ASKED in os.environ


def offer(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end, where it is that which asks."""
    if is_asked():
        import argcomplete

        argcomplete.autocomplete(parser)


def _run(options: argparse.Namespace, _config: None) -> Exit:
    import argcomplete

    print(argcomplete.shellcode([_PROGRAM], shell=options.shell))
    return Exit.OK
