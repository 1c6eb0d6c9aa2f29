"""Reads the command line and calls the command; turns errors into exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from jexevents import __version__, config, logs
from jexevents.cli import (
    audit_log,
    check,
    completion,
    definitions,
    hooks,
    importing,
    jobs,
    migrate,
    monitor,
    nonce,
    outputs,
    prune,
    rejects,
    run,
    smrtlink,
    tail,
    token,
    verify,
    workers,
)
from jexevents.config import Config
from jexevents.errors import BrokerMismatch, ConfigError, JexError, SchemaVersionError, Unavailable
from jexevents.exits import Exit

_DESCRIPTION = "The ledger of jobs: HTCondor's job events off RabbitMQ into PostgreSQL, and HTTP."
_EPILOGUE = """\
Without a command the daemon runs in the foreground and logs JSON lines to the standard output.
TERM, INT and QUIT end it gracefully, a second one at once; HUP rereads the tokens, and fetches the
repository of jobs.
Exit codes: 0 stopped, 64 usage, 65 not all is as it should be or could be done (verify, prune,
rejects, hooks, definitions, smrtlink, import, audit-log, jobs, show, tail, run, output, signal),
66 a file to import is not there, 69 a server is missing (commands), 70 a thread died, 78
configuration or schema. run ends with its job's own.
Every option of the configuration: jexevents --help-config, docs/configuration.md.
"""


# How commands that have actions call them.
_ACTION = "ACTION"


class _Parser(argparse.ArgumentParser):
    """An argument parser whose faults end with the exit code for usage."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        if message.endswith(f": {_ACTION}"):
            message += f" ({' or '.join(self._actions_by_name())})"
        self.exit(Exit.USAGE, f"{self.prog}: {message}\n")

    def _actions_by_name(self) -> list[str]:
        """Give the names of the actions that a command has."""
        return [name for one in self._actions if one.metavar == _ACTION for name in one.choices]


class _HelpConfig(argparse.Action):
    """Prints every option of the configuration and ends."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_arguments: object) -> NoReturn:
        print(config.help_text())
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (sys.argv without the program) name; give its code."""
    try:
        parser = build_parser()
        completion.offer(parser)
        options = parser.parse_args(arguments)
        return int(options.run(options, _configuration(options)))
    except BrokenPipeError:
        # Who reads our output has seen enough, as with "| head".
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except KeyboardInterrupt:
        return 128 + 2
    except JexError as error:
        print(f"jexevents: {error}", file=sys.stderr)
        return _code(error)


def build_parser() -> argparse.ArgumentParser:
    """Give the parser of the command line."""
    parser = _Parser(
        prog="jexevents",
        description=_DESCRIPTION,
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"jexevents {__version__}")
    parser.add_argument("--help-config", action=_HelpConfig, help="print every option and end")
    _add_config(parser, default=None)
    parser.set_defaults(run=_run_daemon, configured=True)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    for command in (
        migrate, check, token, nonce, hooks, rejects, verify, prune, definitions, smrtlink,
        workers, monitor, importing, audit_log, jobs, tail, run, outputs, completion,
    ):  # fmt: skip
        for added in command.add_to(commands):
            # Given before the command or behind it; suppressed, so that it is not set twice.
            _add_config(added, default=argparse.SUPPRESS)
    return parser


def _add_config(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        "--config",
        metavar="PATH",
        type=Path,
        default=default,
        help="the configuration file (default: what JEXEVENTS_CONFIG names)",
    )


def _configuration(options: argparse.Namespace) -> Config | None:
    """Give the configuration, None to a command that reads for itself what it needs of it."""
    if not options.configured:
        return None
    return config.load(options.config, os.environ)


def _run_daemon(options: argparse.Namespace, configuration: Config) -> int:
    if options.config is None and not any(name.startswith("JEXEVENTS_") for name in os.environ):
        print(
            "jexevents: no configuration is named. Run: jexevents --config PATH "
            "(etc/jexevents.json is a sample), or jexevents --help",
            file=sys.stderr,
        )
        return Exit.USAGE
    # The daemon alone needs RabbitMQ's and HTTP's libraries; the other commands start faster.
    from jexevents import daemon

    logs.configure(configuration.log_level)
    return daemon.run(configuration)


def _code(error: JexError) -> Exit:
    if isinstance(error, ConfigError | SchemaVersionError | BrokerMismatch):
        return Exit.CONFIG
    if isinstance(error, Unavailable):
        return Exit.UNAVAILABLE
    return Exit.SOFTWARE
