"""Whether those who speak of a job may: by its own token, or by an administrator's."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from jexevents.errors import Forbidden
from jexevents.model import Event, Proof, Right, Secret
from jexevents.store.database import Connection
from jexevents.store.literals import array
from jexevents.store.queries import QUERIES

# The hash of no token at all.
_NOTHING = hashlib.sha256(b"").digest()


def prove(connection: Connection, events: Sequence[Event]) -> Sequence[Event | Forbidden]:
    """Put in the place of each event's secret what it proves.

    Where that is nothing, the event gives place to a Forbidden, which says the same of a job
    that is not there and of a token that is not its.
    """
    asking = [event for event in events if type(event.proof) is Secret]
    if not asking:
        return events
    keys = array({event.job.key for event in asking})
    rows = QUERIES.pipeline_jobs.job_tokens(connection, keys=keys)
    tokens = {key: bytes(sha256) for key, sha256 in rows if sha256 is not None}
    secrets = array({event.proof.sha256 for event in asking})
    rows = QUERIES.tokens.administrators(connection, sha256s=secrets)
    administrators = {bytes(sha256): name for sha256, name in rows}
    return [
        _proven(event, tokens, administrators) if type(event.proof) is Secret else event
        for event in events
    ]


def _proven(
    event: Event, tokens: dict[str, bytes], administrators: dict[bytes, str]
) -> Event | Forbidden:
    secret = event.proof
    if secret.sha256 == _NOTHING:
        return Forbidden("No token came with it: that of the job, or an administrator's.")
    known = event.job.key in tokens
    # A job that is not there is compared with something, too, so that it takes as long.
    own = hmac.compare_digest(tokens.get(event.job.key, bytes(32)), secret.sha256)
    if not known or not (own or secret.sha256 in administrators):
        return Forbidden()
    name = secret.of_admin or (None if own else administrators[secret.sha256])
    right = Right.JOB_TOKEN if name is None else Right.ADMINISTRATOR
    return event._replace(proof=Proof(right, name))
