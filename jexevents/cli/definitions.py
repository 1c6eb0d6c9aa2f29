"""``jexevents definitions``: what a repository of job definitions says, and what is wrong with it.

``check`` needs no configuration and no server, so that the repository's own CI can run it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from jexevents.cli.duetimes import add_next_to
from jexevents.cli.words import counted
from jexevents.exits import Exit

# So many faults are told at once.
_MOST = 10_000


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser("definitions", help="look at definitions of jobs")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="say what is wrong with definitions, without a server")
    check.add_argument(
        "path",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="the folder that has them, or one file (default: the current folder)",
    )
    check.add_argument(
        "--top",
        type=Path,
        metavar="PATH",
        help="the top of the repository, where PATH is a folder in it",
    )
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.set_defaults(run=_check, configured=False)
    return [check, add_next_to(actions)]


def _check(options: argparse.Namespace, _config: None) -> Exit:
    """Say what is wrong, a line a fault: OK without any, else DATA."""
    # The other commands do without the libraries of templates and YAML, and start faster.
    from jexevents.definitions.definition import DefinitionsRefused
    from jexevents.definitions.loading import load

    path: Path = options.path
    if not path.exists():
        print(f"jexevents: {path}: there is no such file or folder", file=sys.stderr)
        return Exit.USAGE
    is_file = not path.is_dir()
    folder, names = (path.parent, [path.name]) if is_file else (path, None)
    try:
        jobs, problems = list(load(folder, options.top, names, _MOST)), ()
    except DefinitionsRefused as refused:
        jobs, problems = [], refused.problems
    if options.json:
        document = {"jobs": jobs, "problems": [one.as_json() for one in problems]}
        print(json.dumps(document, ensure_ascii=False))
    else:
        for problem in problems:
            print(problem)
        print(_told(len(jobs), len(problems)), file=sys.stderr)
    return Exit.DATA if problems else Exit.OK


def _told(jobs: int, problems: int) -> str:
    if problems:
        return f"{counted(problems, 'problem')}."
    return f"{counted(jobs, 'job')}, and nothing is wrong."
