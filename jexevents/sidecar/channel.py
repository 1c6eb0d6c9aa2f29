"""waitress, taught: errors in one shape, bounds on time, and answers that arrive."""

from __future__ import annotations

import socket
import time
import uuid

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask

from jexevents.faults import fit
from jexevents.sidecar import problems
from jexevents.sidecar.problems import Problem
from jexevents.sidecar.responses import encode

LINGER_SECONDS = 2.0


class Parser(HTTPRequestParser):
    """waitress's parser, which lets some ValueErrors through (an IPv6 target without its ``]``)."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read start line and fields. Raises ParsingError for all that is wrong with them."""
        try:
            super().parse_header(header_plus)
        except ValueError as exc:
            raise ParsingError("The request target or a length cannot be read") from exc


class ProblemTask(ErrorTask):
    """Answers what waitress itself refuses, as a problem like all others."""

    def execute(self) -> None:
        """Write the answer and have the connection closed behind it."""
        error = self.request.error
        request_id = uuid.uuid4().hex
        body = encode(problems.document(self._problem(), request_id))
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [
            ("Content-Type", problems.CONTENT_TYPE),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Request-Id", request_id),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)

    def _problem(self) -> Problem:
        error = self.request.error
        if error.code == 413:
            # waitress reads on to twice what the routes take, and would name that as the bound.
            return problems.too_large(self.channel.adj.max_request_body_size // 2)
        return Problem(error.code, f"{error.reason}: {fit(str(error.body), 200)}.")


class Channel(HTTPChannel):
    """One connection; waitress's, with bounds on time and an end that lets answers arrive."""

    parser_class = Parser
    error_task_class = ProblemTask
    head_began: float | None = None
    lingers_until: float | None = None

    @property
    def working(self) -> bool:
        """Whether a request is being answered, or an answer waits to be sent."""
        return bool(self.requests or self.total_outbufs_len)

    def overdue(self, now: float, seconds: float) -> bool:
        """Tell whether the peer keeps the connection without getting on.

        A client that sends the head of a request bit by bit for longer than ``seconds``, or
        reads nothing of its answer for as long, or has stopped sending after a refusal.
        """
        if self.lingers_until is not None:
            return now > self.lingers_until
        if self.total_outbufs_len and self.last_activity < now - seconds:
            return True
        return self.head_began is not None and self.head_began < now - seconds

    def received(self, data: bytes) -> bool:
        """Take bytes, noting since when the head of a request is incomplete."""
        taken = super().received(data)
        incomplete = self.request is not None and not self.request.headers_finished
        began = self.head_began if self.head_began is not None else time.time()
        self.head_began = began if incomplete else None
        return taken

    def send_continue(self) -> None:
        """Ask for the body, unless the head alone was refused (waitress would ask all the same)."""
        if self.request.error is None:
            super().send_continue()

    def readable(self) -> bool:
        """Read requests, and after a refusal what is still being sent."""
        return self.lingers_until is not None or super().readable()

    def writable(self) -> bool:
        """Write what there is to write; nothing any more after the end was sent."""
        return self.lingers_until is None and super().writable()

    def handle_write(self) -> None:
        """Send; at the end close our side first.

        Closing a socket with unread bytes resets it, and the reset may overtake the answer: a
        client that is sending a body too large would never see the 413.
        """
        if self.close_when_flushed and not self.total_outbufs_len and self._half_close():
            return
        super().handle_write()

    def handle_read(self) -> None:
        """Read; after our end throw away what comes until the peer's."""
        if self.lingers_until is None:
            super().handle_read()
        elif not self._drained():
            self.handle_close()

    def _half_close(self) -> bool:
        if self.will_close or self.lingers_until is not None:
            return False
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        self.lingers_until = time.time() + LINGER_SECONDS
        return True

    def _drained(self) -> bool:
        try:
            return bool(self.recv(self.adj.recv_bytes))
        except OSError:
            return False


class Listener(TcpWSGIServer):
    """One listening socket; waitress's server without its loop."""

    channel_class = Channel

    def channels(self) -> list[Channel]:
        """Give the connections that came in here."""
        return list(self.active_channels.values())

    def maintenance(self, now: float) -> None:
        """Close connections that are idle or do not get on; waitress calls it now and then."""
        super().maintenance(now)
        for channel in self.channels():
            if channel.overdue(now, self.adj.channel_timeout):
                channel.handle_close()
