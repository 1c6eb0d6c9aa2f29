"""What is said of webhooks by their configuration and by those that send: words and defaults."""

from __future__ import annotations

import hashlib
import re

from jexevents.redaction import shown_url

# The forms of bodies that can be configured.
CLOUDEVENTS, JEX, SMRTLINK, OVERSEER = "cloudevents", "jex", "smrtlink", "overseer"
FORMATS = (CLOUDEVENTS, JEX, SMRTLINK, OVERSEER)

# What patterns for kinds see of an event that comes from no system of ours.
NO_KIND = "cloudevent"

# How the URL of a hook begins that sends mails, and that of one that starts a job.
MAILTO, JOB = "mailto:", "job:"

# How the hooks of job definitions are called: the name is made of the URL, one a URL. It is long
# enough that nobody finds another URL with the same name.
_OF_DEFINITION = re.compile(r"job-[0-9a-f]{20}")
OF_DEFINITION_FORM = "job- and 20 digits of 0-9 and a-f"
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$&'*+/=^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_MOST_ADDRESSES = 50

# How long one try may take, and how long after the first one a delivery is tried again.
TIMEOUT_SECONDS = 20.0
TRY_SECONDS = 86400.0


def given_id(message_id: str) -> str:
    """Give the id of a message, a UUID, as receivers know it."""
    return f"msg_{message_id.replace('-', '')}"


def name_of_url(url: str) -> str:
    """Give the name of the hook of job definitions that leads to a URL.

    The URL itself may be secret, and the name is shown everywhere.
    """
    return f"job-{hashlib.sha256(url.encode('utf-8', 'surrogatepass')).hexdigest()[:20]}"


def is_of_definition(name: str) -> bool:
    """Whether a hook of this name is one of job definitions."""
    return _OF_DEFINITION.fullmatch(name) is not None


def is_address(text: str) -> bool:
    """Whether a text is an address of mail: only what no server would take for anything else."""
    return _ADDRESS.fullmatch(text) is not None


def are_addresses(text: str) -> bool:
    """Whether a text is addresses of mail, with commas in between, as ``mailto:`` takes them."""
    addresses = text.split(",")
    return len(addresses) <= _MOST_ADDRESSES and all(map(is_address, addresses))


def shown_options(url: str) -> dict[str, str]:
    """Give what may be shown of a hook of job definitions, as members of a configuration."""
    return {"URL": shown_url(url), "Format": OVERSEER}
