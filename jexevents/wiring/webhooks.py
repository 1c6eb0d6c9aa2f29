"""The webhooks: which there are, who sends for them, by which ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from jexevents.config import Config
from jexevents.config.hook_members import EVENT_HOOK, JEX_HOOK
from jexevents.config.hooks import HookOptions
from jexevents.hooks.carrier import RunJob, Ways
from jexevents.hooks.errands import PATTERN
from jexevents.hooks.hook import STOP, Hmac, Hook, Hooks
from jexevents.hooks.mail import server_of
from jexevents.hooks.service import HookSenders
from jexevents.hooks.transport import tls_context
from jexevents.hookwords import JEX
from jexevents.model import Kind
from jexevents.observers import NOBODY, HookObserver
from jexevents.redaction import shown_url
from jexevents.store.database import Database
from jexevents.store.definition_hooks import DefinitionHooks
from jexevents.store.outbox import Outbox

_CONDOR = (Kind.CONDOR.value,)


def hooks(config: Config) -> Hooks:
    """Give the hooks: those that are configured, and those that EventURL and JEXURL stand for."""
    older = []
    if config.event_url:
        older.append(Hook(EVENT_HOOK, config.event_url, kinds=_CONDOR, states=("*",), format=JEX))
    if config.jex_url:
        older.append(
            Hook(JEX_HOOK, config.jex_url, kinds=_CONDOR, events=("JOB_HELD",), format=STOP)
        )
    return Hooks([*map(_hook, config.hooks), *older])


def _hook(given: HookOptions) -> Hook:
    members = {one.name: getattr(given, one.name) for one in fields(HookOptions)}
    del members["secret_file"]
    members["hmac"] = given.hmac and Hmac(*given.hmac)
    return Hook(**members)


def hook_senders(
    config: Config,
    database: Database,
    observer: HookObserver = NOBODY,
    require_store: Callable[[], None] = lambda: None,
    run_job: RunJob | None = None,
) -> HookSenders:
    """Give what sends for the hooks, those of job definitions too; ``database`` is its own pool.

    ``require_store`` raises StoreUnavailable while this process may not work, ``run_job`` starts
    jobs for hooks with ``job:`` URLs. Raises ConfigError where HookCAFile cannot be used.
    """
    return HookSenders(
        Outbox(database),
        hooks(config),
        hook_ways(config, run_job),
        threads=config.hook_threads,
        by=config.node_name,
        retry_max_seconds=config.hook_retry_max_seconds,
        observer=observer,
        require_store=require_store,
        of_definitions=DefinitionHooks(database),
        pattern=_pattern(config),
    )


def hook_of_definition(config: Config, name: str, url: str) -> Hook:
    """Give the hook of job definitions of this name, which leads to ``url``."""
    return replace(_pattern(config), name=name, url=url)


def _pattern(config: Config) -> Hook:
    """Give what all hooks of job definitions are like."""
    return replace(PATTERN, secrets=config.job_hook_secret)


def hook_ways(config: Config, run_job: RunJob | None = None) -> Ways:
    """Give by which ways webhooks are sent, and to whom not. Raises ConfigError."""
    server = server_of(config.smtp_uri, config.mail_from) if config.smtp_uri else None
    return Ways(
        tls_context(config.hook_ca_file),
        config.public_url or "",
        config.hook_forbidden_networks,
        server,
        run_job,
    )


def shown_hooks(config: Config) -> list[dict[str, Any]]:
    """Give all hooks by the members of their configuration, without what is secret."""
    older = [hook for hook in hooks(config) if hook.name in (EVENT_HOOK, JEX_HOOK)]
    return [*config.redacted()["Hooks"], *map(_shown_older, older)]


def _shown_older(older: Hook) -> dict[str, Any]:
    return {
        "Name": older.name,
        "URL": shown_url(older.url),
        "Kinds": list(older.kinds),
        "Events": list(older.events),
        "States": list(older.states),
        "Format": older.format,
        "TimeoutSeconds": older.timeout_seconds,
        "TryForSeconds": older.try_seconds,
        "Disabled": older.disabled,
    }
