"""The arguments by which commands choose rejects, and what they make of them."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone

from jexevents import rfc3339
from jexevents.cli.durations import duration
from jexevents.errors import Unacceptable
from jexevents.model import Reason
from jexevents.store.reject_list import Choice

_FILTERS = ("reason", "origin", "since", "until", "tried_before")


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add the filters; together they choose what meets all of them."""
    parser.add_argument(
        "--reason", choices=[reason.value for reason in Reason], help="rejected for this reason"
    )
    parser.add_argument("--origin", help="come in by this door, like amqp:jexevents")
    for name, help_text in (
        ("--since", "first come at or after this time: RFC 3339, or 12h for 12 hours ago"),
        ("--until", "first come before this time"),
        ("--tried-before", "not tried again at or after this time"),
    ):
        parser.add_argument(name, type=moment, metavar="TIME", help=help_text)


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the filters, numbers and --all; one of them must be given."""
    parser.add_argument("ids", nargs="*", type=number, metavar="ID", help="these rejects")
    parser.add_argument("--all", action="store_true", help="all rejects")
    add_filters(parser)


def filtered(options: argparse.Namespace) -> Choice:
    """Give what the filters choose."""
    return Choice(**{name: getattr(options, name) for name in _FILTERS})


def chosen(options: argparse.Namespace) -> Choice | None:
    """Give what was chosen; None unless that was exactly one of numbers, filters and --all."""
    filters = any(getattr(options, name) is not None for name in _FILTERS)
    if [bool(options.ids), filters, options.all].count(True) != 1:
        return None
    if options.ids:
        return Choice(ids=tuple(sorted(set(options.ids))))
    return filtered(options)


def number(text: str) -> int:
    """Read the number of a reject; raises argparse's error for others."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"expected the number of a reject, got {text!r}")
    return int(text)


def moment(text: str) -> datetime:
    """Read an RFC 3339 time, or a duration before now; raises argparse's error for others."""
    try:
        return rfc3339.parse(text).at
    except Unacceptable:
        pass
    try:
        return datetime.now(timezone.utc) - duration(text)
    except argparse.ArgumentTypeError as error:
        expected = "a time like 2026-01-02T15:04:05Z, or 12h for 12 hours ago"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}") from error
