"""Makes of a delivery the request or the mail of its hook, and sends it; or starts a job by it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ssl import SSLContext
from typing import Any, Protocol
from urllib.parse import urlsplit

from jexevents.errors import Conflict, Invalid, JexError, Unavailable, Unknown
from jexevents.hooks import bodies, mail, signing
from jexevents.hooks.hook import STOP, Hook
from jexevents.hooks.network import Network
from jexevents.hooks.secrets import of_signatures, secrets_of
from jexevents.hooks.transport import Answer, Outgoing, Transport
from jexevents.hookwords import JOB, MAILTO
from jexevents.store.outbox import Delivery

# What becomes of a start is shown as the status that POST /jobs/NAME would answer.
_STARTED, _UNKNOWN, _CONFLICT, _INVALID, _AWAY = 202, 404, 409, 422, 503


class RunJob(Protocol):
    """Starts a job of the repository for a hook."""

    def __call__(self, name: str, event: Mapping[str, Any], *, key: str, by: str) -> str:
        """Start it with what ``bodies.words`` says of an event; give the id of the execution.

        With the same ``key`` it is started once, whenever it is asked for again. ``by`` says who
        asks. Raises Unknown where there is no such job, and Invalid where the event has not what it
        needs: both are so for good. Raises Conflict and Unavailable where it may be otherwise
        later.
        """


class Refused(JexError):
    """It will never be taken, however often it is tried; ``status`` is what would be answered."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Ways:
    """What is the same for all hooks: by which ways, and to whom not.

    ``mail_server`` is None where no mails are sent, ``public_url`` "" where it is not known,
    ``run_job`` None where this process starts no jobs.
    """

    tls: SSLContext
    public_url: str = ""
    forbidden: Sequence[Network] = ()
    mail_server: mail.Server | None = None
    run_job: RunJob | None = None


class Carrier:
    """Sends the deliveries of one hook, in one thread."""

    def __init__(self, hook: Hook, ways: Ways) -> None:
        self.hook = hook
        self._ways = ways
        self._transport = Transport(ways.forbidden, ways.tls)
        self._secrets = secrets_of(hook)

    def close(self) -> None:
        """Close the connections that were kept."""
        self._transport.close()

    def send(self, delivery: Delivery, at: datetime) -> Answer:
        """Try a delivery at ``at`` (now); its status is None where no answer came.

        Raises NothingToSay, Gone, Refused.
        """
        if self.hook.is_mail:
            return self._send_mail(delivery, at)
        if self.hook.is_job:
            return self._start_job(delivery)
        return self._transport.send(self.request(delivery, at), self.hook.timeout_seconds)

    def request(self, delivery: Delivery, at: datetime) -> Outgoing:
        """Give the request of a try at ``at``. Raises NothingToSay, Gone."""
        hook = self.hook
        if hook.format == STOP:
            method, url, body = "DELETE", _below(hook.url, bodies.stop_path(delivery)), None
            own = {}
        else:
            made = bodies.make(hook.format, delivery, self._ways.public_url)
            method, url, body = "POST", hook.url, made.content
            own = {"Content-Type": made.content_type}
        signed = signing.webhook_headers(delivery.message_id, at, body or b"", hook.secrets)
        if hook.hmac is not None:
            uid, secret = hook.hmac
            signed |= signing.smrtlink_headers(uid, secret, method, url, at)
        secrets = tuple(self._secrets | of_signatures(signed))
        return Outgoing(method, url, _merged(own, hook.headers, signed), body, secrets)

    def mail(self, delivery: Delivery) -> mail.Mail:
        """Give the mail of a delivery. Raises Gone."""
        return mail.Mail(
            delivery.message_id.replace("-", ""),
            receivers(self.hook.url),
            bodies.mail_subject(delivery),
            bodies.mail_text(delivery, self._ways.public_url),
        )

    def _send_mail(self, delivery: Delivery, at: datetime) -> Answer:
        server = self._ways.mail_server
        if server is None:
            return Answer(None, 0.0, "No mail server is configured (SMTPURI).")
        made = self.mail(delivery)
        return mail.send(made, server, self._ways.tls, at, self.hook.timeout_seconds)

    def _start_job(self, delivery: Delivery) -> Answer:
        """Start the job; the message's id sees to it that this is done once."""
        run = self._ways.run_job
        if run is None:
            return Answer(None, 0.0, "This process starts no jobs (JobsRepository).")
        event, began = bodies.words(delivery), time.monotonic()
        try:
            name, key = job_of(self.hook.url), delivery.message_id
            execution = run(name, event, key=key, by=f"hook {self.hook.name}")
        except Unknown as error:
            raise Refused(str(error), _UNKNOWN) from error
        except Invalid as error:
            raise Refused(str(error), _INVALID) from error
        except Conflict as error:
            return Answer(_CONFLICT, time.monotonic() - began, str(error))
        except Unavailable as error:
            return Answer(_AWAY, time.monotonic() - began, str(error))
        return Answer(_STARTED, time.monotonic() - began, text=f"execution {execution}")


def job_of(url: str) -> str:
    """Give the name of the job of a ``job:`` URL."""
    return url.removeprefix(JOB)


def receivers(url: str) -> tuple[str, ...]:
    """Give the addresses of a ``mailto:`` URL."""
    return tuple(url.removeprefix(MAILTO).split(","))


def _below(url: str, path: str) -> str:
    """Give the URL of a path below that of another, whose query stays behind it."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path.rstrip("/") + path).geturl()


def _merged(*parts: Mapping[str, str]) -> dict[str, str]:
    """Give the fields of all parts, of the same field in any case the last one."""
    fields = {name.lower(): (name, value) for part in parts for name, value in part.items()}
    return dict(fields.values())
