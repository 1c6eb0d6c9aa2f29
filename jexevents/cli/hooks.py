"""``jexevents hooks``: list the webhooks, try one, send again."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from jexevents import wiring
from jexevents.cli.choosing import number
from jexevents.cli.credentials import opened
from jexevents.cli.painting import print_rows
from jexevents.cli.readable import safe
from jexevents.cli.words import counted
from jexevents.config import Config
from jexevents.errors import Conflict
from jexevents.exits import Exit
from jexevents.hooks.carrier import Carrier, job_of
from jexevents.hooks.example import example
from jexevents.hooks.hook import Hook
from jexevents.hooks.transport import Answer, Outgoing
from jexevents.hookwords import is_of_definition, shown_options
from jexevents.redaction import MASK, shown_url
from jexevents.rfc3339 import plain
from jexevents.store.definition_hooks import DefinitionHooks
from jexevents.store.outbox import Count, Outbox

_LAYOUT = "\n\t"


def add_to(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; give the parsers that take --config."""
    parser = commands.add_parser("hooks", help="list webhooks, try one, send again")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="list the webhooks and how they stand")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=_list)
    tried = actions.add_parser("test", help="send an event that is made up, show the answer")
    tried.set_defaults(run=_test)
    enabled = actions.add_parser("enable", help="send again to a receiver that answered 410")
    enabled.set_defaults(run=_enable)
    again = actions.add_parser("redeliver", help="send deliveries again, whatever became of them")
    again.set_defaults(run=_redeliver)
    for one in (tried, enabled, again):
        one.add_argument("name", metavar="NAME", help="the webhook's name")
    again.add_argument("ids", nargs="*", type=number, metavar="ID", help="these deliveries")
    again.add_argument("--dead", action="store_true", help="all that were given up")
    return [listed, tried, enabled, again]


def _list(options: argparse.Namespace, config: Config) -> Exit:
    with opened(config, Outbox) as outbox:
        counts = {count.hook: count for count in outbox.counts()}
    configured = {shown["Name"]: shown for shown in wiring.shown_hooks(config)}
    names = [*configured, *sorted(set(counts) - set(configured))]
    rows = [_row(name, configured.get(name), counts.get(name)) for name in names]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print_rows(
            ("name", "URL", "format", "pending", "delivered", "dead", "state"), map(_cells, rows)
        )
    return Exit.OK


def _row(name: str, shown: Mapping[str, Any] | None, count: Count | None) -> dict[str, Any]:
    if shown is None and count and count.url is not None:
        shown = shown_options(count.url)
    return {
        "name": name,
        "options": shown,
        "pending": count.pending if count else 0,
        "delivered": count.delivered if count else 0,
        "dead": count.dead if count else 0,
        "oldest_pending_at": plain(count.oldest_pending_at) if count else None,
        "refused_by_receiver_at": plain(count.disabled_at) if count else None,
        "reason": count.reason if count else None,
    }


def _cells(row: Mapping[str, Any]) -> list[str]:
    options = row["options"] or {}
    numbers = [str(row[name]) for name in ("pending", "delivered", "dead")]
    return [row["name"], options.get("URL", ""), options.get("Format", ""), *numbers, _state(row)]


def _state(row: Mapping[str, Any]) -> str:
    if row["options"] is None:
        return "not configured"
    if row["options"].get("Disabled"):
        return "disabled"
    if row["refused_by_receiver_at"]:
        return f"refused by its receiver {row['refused_by_receiver_at']}: {row['reason']}"
    waits = row["oldest_pending_at"]
    return f"waits since {waits}" if waits else ""


def _test(options: argparse.Namespace, config: Config) -> Exit:
    hook = _hook(options.name, config)
    if hook is None:
        return _unknown(options.name, config)
    if hook.is_job:
        job = job_of(hook.url)
        print(f"jexevents: {hook.name} starts the job {job}, which a daemon does.", file=sys.stderr)
        print(f"Try the job by itself: POST /jobs/{job}", file=sys.stderr)
        return Exit.USAGE
    carrier = Carrier(hook, wiring.hook_ways(config))
    now = datetime.now(timezone.utc)
    made = example(hook, str(uuid.uuid4()), now)
    if hook.is_mail:
        mail = carrier.mail(made)
        _print([f"To: {', '.join(mail.to)}", f"Subject: {mail.subject}", "", mail.text])
    else:
        _print(_request(carrier.request(made, now), hook))
    answer = carrier.send(made, now)
    _print(_answered(answer))
    if answer.accepted:
        return Exit.OK
    return Exit.UNAVAILABLE if answer.status is None else Exit.DATA


def _hook(name: str, config: Config) -> Hook | None:
    """Give the hook of that name; only for those of job definitions the database is asked."""
    if not is_of_definition(name):
        return wiring.hooks(config).get(name)
    with opened(config, DefinitionHooks) as known:
        url = known.url(name)
    return None if url is None else wiring.hook_of_definition(config, name, url)


def _request(outgoing: Outgoing, hook: Hook) -> Iterator[str]:
    """Show a request; what the configuration has of headers stays as secret as it is there."""
    yield f"{outgoing.method} {shown_url(outgoing.url)}"
    secret = {*hook.headers, "Authentication"}
    for name, value in outgoing.headers.items():
        yield f"{name}: {MASK if name in secret else value}"
    if outgoing.body is not None:
        yield ""
        yield outgoing.body.decode("utf-8")
    yield ""


def _answered(answer: Answer) -> Iterator[str]:
    if answer.status is not None:
        yield f"Answered {answer.status} in {answer.seconds:.3f} s."
        yield from (f"{name}: {value}" for name, value in answer.headers.items())
        if answer.text:
            yield ""
            yield answer.text
    if answer.error:
        yield answer.error


def _print(lines: Any) -> None:
    for line in lines:
        text = safe(line, _LAYOUT)
        print(text.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))


def _enable(options: argparse.Namespace, config: Config) -> Exit:
    with opened(config, Outbox) as outbox:
        if outbox.enable(options.name):
            print(f"The hook {options.name} is sent for again. What was given up is sent by:")
            print(f"jexevents hooks redeliver {options.name} --dead")
            return Exit.OK
    print(f"jexevents: no hook {options.name} is refused by its receiver.", file=sys.stderr)
    return Exit.USAGE


def _redeliver(options: argparse.Namespace, config: Config) -> Exit:
    if bool(options.ids) == options.dead:
        print("jexevents: name deliveries by their numbers, or --dead.", file=sys.stderr)
        return Exit.USAGE
    with opened(config, Outbox) as outbox:
        hook = wiring.hooks(config).get(options.name)
        if hook is None and not outbox.find(options.name, limit=1):
            return _unknown(options.name, config)
        needs_event = hook is None or hook.needs_event
        if options.dead:
            try:
                done, refused = outbox.redeliver_dead(options.name, needs_event=needs_event), 0
            except Conflict as error:
                print(f"jexevents: {error}", file=sys.stderr)
                return Exit.USAGE
        else:
            asked = dict.fromkeys(options.ids)
            done = sum(_redelivered(outbox, options.name, one, needs_event) for one in asked)
            refused = len(asked) - done
    print(f"{counted(done, 'delivery', 'deliveries')} of {options.name} will be sent again.")
    return Exit.DATA if refused else Exit.OK


def _redelivered(outbox: Outbox, name: str, delivery: int, needs_event: bool) -> bool:
    try:
        if outbox.redeliver(name, delivery, needs_event=needs_event):
            return True
        print(f"jexevents: {name} has no delivery {delivery}.", file=sys.stderr)
    except Conflict as error:
        print(f"jexevents: {delivery}: {error}", file=sys.stderr)
    return False


def _unknown(name: str, config: Config) -> Exit:
    known = [hook.name for hook in wiring.hooks(config)]
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        remedy = f"Did you mean {near[0]}?"
    else:
        remedy = f"There are: {', '.join(known)}." if known else "None is configured."
    print(f"jexevents: there is no hook {name}. {remedy}", file=sys.stderr)
    return Exit.USAGE
