"""Reads the command line and calls the command; turns errors into exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from jexevents import __version__, config, logs
from jexevents.cli import completion
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


# The modules of this package that have the commands, in the order of the help.
_MODULES: Mapping[str, tuple[str, ...]] = {
    "migrate": ("migrate",),
    "check": ("check",),
    "token": ("token",),
    "nonce": ("nonce",),
    "hooks": ("hooks",),
    "rejects": ("rejects",),
    "verify": ("verify",),
    "prune": ("prune",),
    "definitions": ("definitions",),
    "smrtlink": ("smrtlink",),
    "workers": ("worker", "workers"),
    "monitor": ("monitor",),
    "importing": ("import",),
    "audit_log": ("audit-log",),
    "jobs": ("jobs", "show"),
    "tail": ("tail",),
    "run": ("run",),
    "outputs": ("output", "signal"),
    "completion": ("completion",),
}
_CONFIG, _VERSION, _HELP_CONFIG = "--config", "--version", "--help-config"
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
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        parser = build_parser(_needed(given))
        completion.offer(parser)
        options = parser.parse_args(given)
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


def _needed(given: Sequence[str]) -> Iterable[str]:
    """Give the modules that a command line needs. The others are not loaded, which is most of what
    a start costs; for help, for completion and for what is wrong all are."""
    rest = list(given)
    while rest and rest[0].partition("=")[0] == _CONFIG:
        del rest[: 1 if "=" in rest[0] else 2]
    if completion.is_asked():
        return _MODULES
    if not rest or rest[0] in (_VERSION, _HELP_CONFIG):
        return ()
    return [module for module, commands in _MODULES.items() if rest[0] in commands] or _MODULES


def build_parser(modules: Iterable[str] = tuple(_MODULES)) -> argparse.ArgumentParser:
    """Give the parser of the command line, with the commands of these modules of the package."""
    parser = _Parser(
        prog="jexevents",
        description=_DESCRIPTION,
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(_VERSION, action="version", version=f"jexevents {__version__}")
    parser.add_argument(_HELP_CONFIG, action=_HelpConfig, help="print every option and end")
    _add_config(parser, default=None)
    parser.set_defaults(run=_run_daemon, configured=True)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    for module in modules:
        for added in import_module(f"jexevents.cli.{module}").add_to(commands):
            # Given before the command or behind it; suppressed, so that it is not set twice.
            _add_config(added, default=argparse.SUPPRESS)
    return parser


def _add_config(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        _CONFIG,
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
