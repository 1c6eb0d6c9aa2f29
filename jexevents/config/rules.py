"""Rules over more than one option."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jexevents.config.faults import DEFAULT, ConfigFault, Given
from jexevents.hookwords import MAILTO, OVERSEER

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold: ``blames`` are the keys to name, ``remedy`` what to do when it does not.

    Where one of them ``is_secret``, only which of them are given is told.
    """

    blames: tuple[str, ...]
    expected: str
    holds: Callable[[Values], bool]
    remedy: str
    is_secret: bool = False


def _is_quorum(values: Values) -> bool:
    return values["QueueArguments"].get("x-queue-type") in ("quorum", "stream")


def _sends_mail(values: Values) -> bool:
    return any(hook.url.startswith(MAILTO) and not hook.disabled for hook in values["Hooks"])


_RULES = (
    Rule(
        ("SMTPURI", "MailFrom"),
        "both, for a hook has a mailto: URL",
        lambda values: not _sends_mail(values) or bool(values["SMTPURI"] and values["MailFrom"]),
        "Name the mail server and the address that mails come from, or disable the hook.",
        is_secret=True,
    ),
    Rule(
        ("PrefetchCount", "BatchSize"),
        "PrefetchCount at least BatchSize",
        lambda values: values["PrefetchCount"] >= values["BatchSize"],
        "Raise the first or lower the second, or no batch could ever be full.",
    ),
    Rule(
        ("QueueDurable", "QueueAutodelete", "QueueExclusive"),
        "true, false, false for a queue of the type quorum or stream",
        lambda values: (
            not _is_quorum(values)
            or (values["QueueDurable"], values["QueueAutodelete"], values["QueueExclusive"])
            == (True, False, False)
        ),
        "Change them or the x-queue-type of QueueArguments; RabbitMQ refuses other ones.",
    ),
)


def broken_rules(values: Values, given: Mapping[str, Given]) -> Iterator[ConfigFault]:
    """Give a fault for each rule that the values break; all of ``values`` are of their types."""
    for rule in _RULES:
        if not rule.holds(values):
            got = ", ".join(_told(values[name], rule) for name in rule.blames)
            places = {given[name].place: None for name in rule.blames if name in given}
            key = ", ".join(given[name].key if name in given else name for name in rule.blames)
            where = " and ".join(places) or DEFAULT
            yield ConfigFault(where, key, rule.expected, got, rule.remedy)


def unwise(values: Values) -> Iterator[str]:
    """Say what is allowed, and hardly what was meant."""
    if values["PublicURL"]:
        return
    if values["JobsRepository"]:
        yield (
            "the webhooks of job definitions have the URL of the execution; without PublicURL that "
            "is a path alone. Set PublicURL."
        )
    for hook in values["Hooks"]:
        if hook.format == OVERSEER and not hook.disabled:
            yield (
                f"the hook {hook.name} sends documents of Overseer, which have a URL of the job; "
                "without PublicURL that is a path alone. Set PublicURL."
            )


def _told(value: Any, rule: Rule) -> str:
    if rule.is_secret:
        return "one that is given" if value else "none"
    return str(value)
