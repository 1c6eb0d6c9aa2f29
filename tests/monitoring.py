"""A log that is written and rotated, and a monitor that follows it step by step and may be killed
at any of them. Files and position file are real; in place of the broker stands a list, so that a
test decides when it confirms."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from jexevents.eventlogs.occurrences import Occurrences
from jexevents.eventlogs.reading import LogReader
from jexevents.eventlogs.rotated import rotated
from jexevents.monitor.chain import Chain
from jexevents.monitor.gaps import MARK
from jexevents.monitor.outbox import Outbox
from jexevents.monitor.positions import PositionFile
from jexevents.observers import NOBODY
from jexevents.sources.condor.message import identity
from jexevents.sources.condor.split import Splitter

HEADER = (
    "008 (-01.-01.-01) {time} Global JobLog: ctime={ctime} id=0.7.{ctime}.1.{sequence}.9"
    " sequence={sequence} size={size} events={events} offset={offset} event_off=0"
    " max_rotation=8 creator_name=<>"
)


def clean(contents: Iterable[bytes]) -> set[bytes]:
    """Give the identities of a log's events, read at one go from the contents of its files."""
    counts = Occurrences()
    found = set()
    for content in contents:
        reader = LogReader(counts)
        for event in reader.feed(content) + reader.finish():
            if event.fault is None:
                found.add(identity("", event.raw, event.occurrence))
    return found


def whole_events(log: bytes) -> list[bytes]:
    """Cut a log where a writer would have finished an event, the blanks with what comes before."""
    splitter = Splitter()
    ends = [piece.end for piece in splitter.feed(log)]
    return [log[a:b] for a, b in pairwise([0, *ends[:-1], len(log)])] if ends else [log]


def cuts(data: bytes, rng: random.Random) -> list[bytes]:
    """Cut bytes at random places."""
    places = sorted(rng.sample(range(len(data)), min(len(data), rng.randint(1, 6))))
    return [data[a:b] for a, b in pairwise([0, *places, len(data)])]


def marker(number: int, second: int) -> bytes:
    """Give an event that no log has."""
    return b"001 (%d.000.000) 2026-01-01 00:00:%02d Job executing\n...\n" % (number, second)


class Broker:
    """Takes messages, and confirms those that ``confirm`` says."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.known = 0
        self.confirms_at_once = True

    def send(self, body: bytes, message_id: str | None = None) -> None:
        self.bodies.append(body)

    def confirmed(self) -> int:
        if self.confirms_at_once:
            self.known = len(self.bodies)
        return self.known

    def wait_confirmed(self, timeout: float | None = None, count: int | None = None) -> bool:
        return True

    def confirm(self, rng: random.Random) -> None:
        self.known = rng.randint(self.known, len(self.bodies))


class Monitor:
    """Follows one log, a step at a time; all that it ever sent stands in ``messages``."""

    def __init__(self, path: Path, position_file: Path, **options: Any) -> None:
        self.path = path
        self._position_file = position_file
        self._options = options
        self.messages: list[dict[str, Any]] = []
        self.now = 0.0
        self.start()

    def start(self) -> None:
        self.broker = Broker()
        self.positions = PositionFile(self._position_file)
        self.chain = Chain(self.path, *self.positions.load(self.path), **self._options)
        self.outbox = Outbox(self.broker, self.positions, None, NOBODY)

    def step(self) -> None:
        """Read a bit on, and hand it over; a gap waits for the confirms, as in the service."""
        self.now += 1.0
        for out in self.chain.step(self.now):
            if out.gap:
                self.broker.known = len(self.broker.bodies)
                self.note()
            self.outbox.send(self.path, out, self.outbox.body(out))

    def note(self) -> None:
        self.outbox.collect()
        assert self.outbox.note()

    def drain(self) -> None:
        """Read all there is, and have it confirmed and noted."""
        self.step()
        while self.chain.more:
            self.step()
        self.broker.known = len(self.broker.bodies)
        self.note()

    def kill(self, rng: random.Random) -> None:
        """End as kill -9 does; the broker got all that it confirmed, and some of the rest."""
        arrived = rng.randint(self.broker.confirmed(), len(self.broker.bodies))
        self._keep(arrived)
        self.chain.close()
        self.positions.close()

    def stop(self) -> None:
        self._keep(len(self.broker.bodies))
        self.chain.close()
        self.positions.close()

    def _keep(self, arrived: int) -> None:
        self.messages += [json.loads(body) for body in self.broker.bodies[:arrived]]

    @property
    def all_messages(self) -> list[dict[str, Any]]:
        return self.messages + [json.loads(body) for body in self.broker.bodies]


def events(messages: Iterable[dict[str, Any]]) -> set[bytes]:
    """Give the identities of what is an event in messages, without gaps."""
    found = set()
    for message in messages:
        raw = message["Event"].encode("utf-8", "surrogateescape")
        reader = LogReader(Occurrences())
        read = reader.feed(raw) + reader.finish()
        if MARK not in message["Event"] and [one.fault for one in read] == [None]:
            found.add(identity("", raw, message["Occurrence"]))
    return found


def gaps(messages: Iterable[dict[str, Any]]) -> list[str]:
    """Give the distinct texts that tell of gaps."""
    return sorted({one["Event"] for one in messages if MARK in one["Event"]})


class Site:
    """Writes a log in a folder, and rotates it as the several programs do."""

    def __init__(self, folder: Path, *, headers: bool = False, name: str = "EventLog") -> None:
        self.path = folder / name
        self.all: list[bytes] = []  # the contents of the files, also of those that are gone
        self._headers = headers
        self._ctime = 1_795_320_600
        self._sequence = 0
        self._offset = 0
        self.begin()

    @property
    def current(self) -> bytes:
        return self.all[-1]

    def begin(self) -> None:
        """Begin with a new file, or with what is left of one that was truncated."""
        self.path.touch()
        self.all.append(b"")
        if self._headers:
            self._sequence += 1
            self._ctime += 60
            self.write(self._header(0))

    def write(self, data: bytes) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(data)
        self.all[-1] += data

    def rename(self) -> None:
        """As HTCondor does: EventLog.1 is the newest; its header is written anew before."""
        self._rewrite_header()
        for old in rotated(self.path):
            number = int(old.path.suffix[1:])
            old.path.rename(old.path.with_suffix(f".{number + 1}"))
        self.path.rename(f"{self.path}.1")

    def copy_and_truncate(self) -> None:
        """As logrotate does with copytruncate."""
        for old in rotated(self.path):
            number = int(old.path.suffix[1:])
            old.path.rename(old.path.with_suffix(f".{number + 1}"))
        shutil.copyfile(self.path, f"{self.path}.1")
        os.truncate(self.path, 0)

    def remove(self) -> None:
        self.path.unlink()

    def _header(self, size: int) -> bytes:
        minutes, seconds = divmod(self._ctime - 1_795_320_600 + (7 if size else 0), 60)
        time = f"2026-11-22 {minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.440Z"
        text = HEADER.format(
            time=time,
            ctime=self._ctime,
            sequence=self._sequence,
            size=size,
            events=0,
            offset=self._offset,
        )
        return f"{text:<320}\n...\n".encode()

    def _rewrite_header(self) -> None:
        if not self._headers:
            return
        size = len(self.current)
        header = self._header(size)
        with self.path.open("r+b", buffering=0) as file:
            file.write(header)
        self.all[-1] = header + self.current[len(header) :]
        self._offset += size
