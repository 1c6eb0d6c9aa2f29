"""waitress, taught: errors in one shape, bounds on time, answers that arrive, fewer wake-ups.

In waitress the loop reads every request, wakes a thread to answer it, and is woken by that thread
to look at the connection again. Each of these hands the interpreter over, which costs more than
most answers do. Here the thread that has answered looks for the next request itself, a moment.
"""

from __future__ import annotations

import select
import socket
import threading
import time
import uuid
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask

from jexevents.faults import fit
from jexevents.sidecar import problems
from jexevents.sidecar.problems import Problem
from jexevents.sidecar.responses import encode
from jexevents.sidecar.routes import ErrorMembers
from jexevents.sidecar.spool import Body, NoRoom
from jexevents.sidecar.streams import UNWANTED, Head
from jexevents.uploads.folder import is_full

LINGER_SECONDS = 2.0
# How long a thread that has answered waits for the next request of the same connection.
KEEP_MILLISECONDS = 2


class Parser(HTTPRequestParser):
    """waitress's parser, which lets some ValueErrors through (an IPv6 target without its ``]``).

    ``began`` is the time of the request's first byte.
    """

    def __init__(self, adj: Adjustments) -> None:
        super().__init__(adj)
        self.began = time.time()

    def parse_header(self, header_plus: bytes) -> None:
        """Read start line and fields. Raises ParsingError for all that is wrong with them."""
        try:
            super().parse_header(header_plus)
        except ValueError as exc:
            raise ParsingError("The request target or a length cannot be read") from exc
        if self.body_rcv is not None:
            self.body_rcv.buf = Body(self.adj.inbuf_overflow, getattr(self.adj, "spool", None))

    def received(self, data: bytes) -> int:
        """Take bytes of the request; where the disk is full, 507 is the answer."""
        try:
            return super().received(data)
        except OSError as exc:
            if not is_full(exc):
                raise
            self.error = NoRoom("there is no room left for a body")
            self.completed = True
            return len(data)


class AnswerTask(WSGITask):
    """One answer of the app; its head is sent along with the beginning of its body."""

    def get_environment(self) -> dict[str, Any]:
        """Give the environ of WSGI, and what says whether the answer is wanted still."""
        environ = super().get_environment()
        environ[UNWANTED] = self.channel.is_unwanted
        return environ

    def write(self, data: bytes) -> None:
        """Send a piece of the body, after the head if that was not sent yet."""
        if isinstance(data, Head):
            data = b""
        self.channel.holds_back = bool(data) and not self.wrote_header
        super().write(data)
        self.channel.send_held()


class ProblemTask(ErrorTask):
    """Answers what waitress itself refuses, as a problem like all others."""

    def execute(self) -> None:
        """Write the answer and have the connection closed behind it."""
        error = self.request.error
        request_id = uuid.uuid4().hex
        body = encode(problems.document(self._problem(), request_id, self._members()))
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

    def _members(self) -> ErrorMembers | None:
        """Give what makes further members of errors on the path that was asked for."""
        return self._told("error_members")

    def _told(self, what: str) -> Any:
        """Ask the app for something of the path that was asked for; None where it knows nothing."""
        of_path = getattr(self.channel.server.application, what, None)
        path = getattr(self.request, "path", None)
        return None if of_path is None or path is None else of_path(path)

    def _problem(self) -> Problem:
        error = self.request.error
        if error.code == 413:
            # waitress reads on to twice what the routes take, and would name that as the bound.
            bound = self.channel.adj.max_request_body_size // 2
            return self._told("too_large") or problems.too_large(bound)
        return Problem(error.code, f"{error.reason}: {fit(str(error.body), 200)}.")


class Channel(HTTPChannel):
    """One connection; waitress's, with bounds on time and an end that lets answers arrive.

    ``is_kept`` while a thread answers its requests, or waits for the next: the loop does not read.
    While it ``holds_back``, what is written next waits for what is written after it.
    """

    parser_class = Parser
    task_class = AnswerTask
    error_task_class = ProblemTask
    holds_back = False
    held = b""
    lingers_until: float | None = None
    is_kept = False

    @property
    def working(self) -> bool:
        """Whether a request is being answered, or an answer waits to be sent."""
        return bool(self.is_kept or self.requests or self.total_outbufs_len)

    def is_unwanted(self) -> bool:
        """Whether nobody waits for the answer any more, or the server is about to end.

        Who has sent his last byte is taken for gone: clients of HTTP keep their side open.
        """
        connection = self.socket
        if not (self.connected and self.server.accepting) or connection is None:
            return True
        looks = select.poll()
        try:
            looks.register(connection, select.POLLRDHUP)
            return bool(looks.poll(0))
        except (OSError, ValueError):
            return True

    def service(self) -> None:
        """Answer the request that waits, and those that come at once behind it."""
        server, keeping = self.server, self.server.keeping
        self.is_kept, keeping.channel = True, self
        try:
            while True:
                keeping.again = False
                super().service()
                if not (keeping.again or self._next_comes()) or server.is_busy():
                    break
        finally:
            again = keeping.again
            keeping.channel, keeping.again = None, False
            self.is_kept = False
            if again:
                server.add_task(self)
            # Who is not connected was closed by the loop, which at its end closes its pipe, too.
            if self.connected:
                server.pull_trigger()

    def _next_comes(self) -> bool:
        """Read what comes within a moment, if nobody else waits; whether it made a request."""
        connection = self.socket
        at_rest = connection is not None and not (
            self.will_close or self.close_when_flushed or self.total_outbufs_len
        )
        while at_rest and not self.server.is_busy() and (data := self._read_soon(connection)):
            self.last_activity = time.time()
            try:
                self.received(data)
            except Exception:
                self.will_close = True
                raise
            if self.request is None:
                break
        return self.server.keeping.again

    def _read_soon(self, connection: socket.socket) -> bytes:
        """Read, but close nothing where there is no more to come: only the loop may.

        It may be about to look at this socket, and would take the next one that gets its number
        for it.
        """
        comes = select.poll()
        try:
            comes.register(connection, select.POLLIN)
            return connection.recv(self.adj.recv_bytes) if comes.poll(KEEP_MILLISECONDS) else b""
        except (OSError, ValueError):
            return b""

    def write_soon(self, data: Any) -> int:
        """Send bytes, or a buffer; gives how many."""
        if self.holds_back:
            self.held, self.holds_back = data, False
            return len(data)
        if self.held:
            data, self.held = self.held + data, b""
        return super().write_soon(data)

    def send_held(self) -> None:
        """Send what was held back, if nothing was written after it."""
        self.holds_back = False
        if self.held:
            self.write_soon(b"")

    def overdue(self, now: float, seconds: float) -> bool:
        """Tell whether the peer keeps the connection without getting on.

        A client that sends the head of a request bit by bit for longer than ``seconds``, or
        reads nothing of its answer for as long, or has stopped sending after a refusal.
        """
        if self.lingers_until is not None:
            return now > self.lingers_until
        if self.total_outbufs_len and self.last_activity < now - seconds:
            return True
        request = self.request
        incomplete = request is not None and not request.headers_finished
        return incomplete and request.began < now - seconds

    def send_continue(self) -> None:
        """Ask for the body, unless the head alone was refused (waitress would ask all the same)."""
        if self.request.error is None:
            super().send_continue()

    def _flush_some(self, do_close: bool = True) -> bool:
        # waitress's loop does without the lock where no request is under way. A thread that keeps
        # the connection may write all the same.
        with self.outbuf_lock:
            return super()._flush_some(do_close)

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send what can be sent now; who keeps the connection leaves closing to the loop."""
        return super().send(data, do_close and self.server.keeping.channel is not self)

    def readable(self) -> bool:
        """Read requests, and after a refusal what is still being sent."""
        return not self.is_kept and (self.lingers_until is not None or super().readable())

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


class _Keeping(threading.local):
    """The connection that the asking thread keeps, and whether a request of it waits."""

    channel: Channel | None = None
    again: bool = False


class Listener(TcpWSGIServer):
    """One listening socket; waitress's server without its loop."""

    channel_class = Channel

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.keeping = _Keeping()
        super().__init__(*arguments, **options)

    def add_task(self, channel: Channel) -> None:
        """Have a connection's request answered: by the thread that keeps it, else by a free one."""
        if self.keeping.channel is channel:
            self.keeping.again = True
        else:
            super().add_task(channel)

    def pull_trigger(self) -> None:
        """Wake the loop, but not for a connection that is kept and has nothing to be sent."""
        channel = self.keeping.channel
        if channel is None or channel.requests or channel.total_outbufs_len:
            super().pull_trigger()

    def is_busy(self) -> bool:
        """Whether a thread must not wait: other connections need one, or it is the end."""
        return bool(self.task_dispatcher.queue) or not self.accepting

    def channels(self) -> list[Channel]:
        """Give the connections that came in here."""
        return list(self.active_channels.values())

    def maintenance(self, now: float) -> None:
        """Close connections that are idle or do not get on; waitress calls it now and then."""
        super().maintenance(now)
        for channel in self.channels():
            if channel.overdue(now, self.adj.channel_timeout):
                channel.handle_close()
