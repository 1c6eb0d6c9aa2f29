"""The configuration: a JSON file, the environment over it, checked as a whole, then unchanging.

Options are read as attributes in snake case: ``AMQPURI`` is ``config.amqp_uri``,
``HTTPListenPort`` is ``config.http_listen_port``. See ``options.py`` for all of them.
"""

from jexevents.config.config import Config, from_mapping, load, load_some
from jexevents.config.docs import help_text, hook_members_table, markdown_table
from jexevents.config.environment import variables_of
from jexevents.config.faults import ConfigFault
from jexevents.config.option import Option
from jexevents.config.options import OPTIONS
from jexevents.config.uris import ListenAddress
from jexevents.redaction import redact_text, redact_uri

__all__ = [
    "OPTIONS",
    "Config",
    "ConfigFault",
    "ListenAddress",
    "Option",
    "from_mapping",
    "help_text",
    "hook_members_table",
    "load",
    "load_some",
    "markdown_table",
    "redact_text",
    "redact_uri",
    "variables_of",
]
