"""What is said of webhooks by their configuration and by those that send: words and defaults."""

from __future__ import annotations

# The forms of bodies that can be configured.
CLOUDEVENTS, JEX, SMRTLINK, OVERSEER = "cloudevents", "jex", "smrtlink", "overseer"
FORMATS = (CLOUDEVENTS, JEX, SMRTLINK, OVERSEER)

# What patterns for kinds see of an event that comes from no system of ours.
NO_KIND = "cloudevent"

# How the URL of a hook begins that sends mails.
MAILTO = "mailto:"

# How long one try may take, and how long after the first one a delivery is tried again.
TIMEOUT_SECONDS = 20.0
TRY_SECONDS = 86400.0


def given_id(message_id: str) -> str:
    """Give the id of a message, a UUID, as receivers know it."""
    return f"msg_{message_id.replace('-', '')}"
