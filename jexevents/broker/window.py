"""The messages that a publisher has under way: what was sent, what the broker has taken over.

Pure: who sends, and when, is decided in ``stream``. Numbers of messages count from the first one
that was ever added; tags are those of one channel, and count from 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Entry:
    """A message under way. ``taken`` says that the broker has it, though it may not have one of
    those before it; ``returned`` that it told of no queue for it."""

    number: int
    body: bytes
    message_id: str | None = None
    taken: bool = False
    returned: bool = False


class Window:
    """At most ``most`` messages, and ``most_bytes`` of bodies unless a single one has more.

    ``confirmed`` counts the messages that the broker has taken over, up to the first one that it
    has not.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        # All that are not counted as confirmed, in their order.
        self._entries: deque[Entry] = deque()
        # Of those, the ones that wait to be sent, and to be sent again.
        self._unsent: deque[Entry] = deque()
        self._refused: list[Entry] = []
        # Those that were sent over this channel and not answered, by tag, in the order of tags.
        self._sent: dict[int, Entry] = {}
        self._last_tag = 0
        self.confirmed = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def added(self) -> int:
        """How many messages there were so far."""
        return self.confirmed + len(self._entries)

    @property
    def bytes(self) -> int:
        """The bytes of the bodies under way."""
        return self._bytes

    @property
    def on_the_wire(self) -> int:
        """How many were sent over this channel and not answered yet."""
        return len(self._sent)

    @property
    def waits(self) -> bool:
        """Whether a message waits to be sent."""
        return bool(self._unsent)

    @property
    def refused(self) -> int:
        """How many the broker did not take, and are to be sent again."""
        return len(self._refused)

    def has_room(self, size: int) -> bool:
        """Whether a body of so many bytes may be added."""
        if not self._entries:
            return True
        return len(self._entries) < self._most and self._bytes + size <= self._most_bytes

    @property
    def roomy_at(self) -> int:
        """How many have to be confirmed for a good part of the window to be free."""
        if len(self._entries) < self._most:
            return self.confirmed + 1
        return self.confirmed + max(1, len(self._entries) // 4)

    def add(self, body: bytes, message_id: str | None = None) -> None:
        """Add a message behind the others."""
        entry = Entry(self.added, body, message_id)
        self._entries.append(entry)
        self._unsent.append(entry)
        self._bytes += len(body)

    def to_send(self, most: int | None = None) -> Iterator[Entry]:
        """Give the messages to send now, one by one, each with the next tag of the channel;
        so many at most may be on the wire then."""
        while self._unsent and (most is None or len(self._sent) < most):
            entry = self._unsent.popleft()
            self._last_tag += 1
            self._sent[self._last_tag] = entry
            yield entry

    def ack(self, tag: int, *, multiple: bool) -> int:
        """Note that the broker has answered for a tag, or for all up to it: it has taken them,
        but for those that it returned before. Give how many it has taken."""
        answered = self._pop(tag, multiple=multiple)
        taken = [entry for entry in answered if not entry.returned]
        for entry in taken:
            entry.taken = True
        self._refuse(entry for entry in answered if entry.returned)
        self._count()
        return len(taken)

    def nack(self, tag: int, *, multiple: bool) -> None:
        """Note that the broker did not take a message, or all that are left up to it."""
        self._refuse(self._pop(tag, multiple=multiple))

    def give_back(self, body: bytes, message_id: str | None) -> None:
        """Note that the broker found no queue for a message; its answer comes behind that.

        The broker does not say which one. Of two that are the same, both are meant sooner or
        later, for they go the same way.
        """
        for entry in self._sent.values():
            if not entry.returned and entry.body == body and entry.message_id == message_id:
                entry.returned = True
                return

    def again(self) -> None:
        """Have those that were refused sent again, before all others that wait."""
        self._unsent.extendleft(sorted(self._refused, key=_number, reverse=True))
        self._refused.clear()

    def new_channel(self) -> None:
        """Have all sent again that the broker has not taken: what was on the wire is lost."""
        self._sent.clear()
        self._refused.clear()
        self._last_tag = 0
        self._unsent = deque(entry for entry in self._entries if not entry.taken)

    def _pop(self, tag: int, *, multiple: bool) -> list[Entry]:
        if not multiple:
            entry = self._sent.pop(tag, None)
            return [] if entry is None else [entry]
        # A tag of 0 stands for all.
        tags = []
        for sent in self._sent:
            if tag and sent > tag:
                break
            tags.append(sent)
        return [self._sent.pop(sent) for sent in tags]

    def _refuse(self, entries: Iterator[Entry] | list[Entry]) -> None:
        for entry in entries:
            entry.returned = False
            self._refused.append(entry)

    def _count(self) -> None:
        entries = self._entries
        while entries and entries[0].taken:
            self._bytes -= len(entries.popleft().body)
            self.confirmed += 1


def _number(entry: Entry) -> int:
    return entry.number
