"""The folder of one execution, from the worker's side (docs/supervisor.md)."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from jexevents.disk import sync_folder
from jexevents.errors import FilesUnavailable
from jexevents.lifecycle.executionid import attempt_id
from jexevents.processes import ProcessId, alive, boot
from jexevents.runner import control, launching, remains
from jexevents.runner.spec import Spec
from jexevents.runner.supervisor.layout import EVENTS, LOCK, LOG, SPEC, STATE
from jexevents.runner.watch import Watch

REQUEST_SECONDS = 10.0
# The working folder of a job that has no other.
WORK = "work"
_UNREADABLE = "what its supervisor wrote down cannot be read"


class Held(str, Enum):
    """What stands of an execution's supervisor."""

    NEW = "new"
    """None has begun: the job has certainly not run."""
    ALIVE = "alive"
    ENDED = "ended"
    LOST = "lost"


@dataclass(frozen=True)
class Standing:
    """How an execution stands. ``reason`` says why it is lost; ``state`` is state.json, empty where
    there is none."""

    held: Held
    state: dict[str, Any]
    reason: str = ""


class RunFolder:
    """One execution's folder. All methods may be called from any thread and any process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, runs: Path, job_id: str, attempt: int) -> RunFolder:
        """Give the folder of an attempt below ``runs``, be it there or not."""
        return cls(runs / str(attempt_id(job_id, attempt)))

    @classmethod
    def create(cls, runs: Path, spec: Spec) -> RunFolder:
        """Make the folder of an execution below ``runs``, on the disk before this returns.

        Made already, it stays as it is. Raises FilesUnavailable.
        """
        path = runs / str(spec.id)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (path / SPEC).exists():
                text = json.dumps({**spec.masked(), "boot": boot()}, indent=1)
                _write_durably(path / SPEC, text)
                sync_folder(runs)
        except OSError as exc:
            raise _unusable(path, exc) from exc
        return cls(path)

    @classmethod
    def empty(cls, path: Path) -> RunFolder:
        """Make a folder for an execution that cannot be begun. Raises FilesUnavailable."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise _unusable(path, exc) from exc
        return cls(path)

    def start(
        self, spec: Spec, timeout: float = 30.0, ready: launching.Ready | None = None
    ) -> bool:
        """Start the supervisor, by the one that is ``ready`` if that is given; returns when the job
        runs, or it is decided that it cannot.

        False if there is, or has been, another supervisor: nothing was started now. Raises
        NotStarted where there is none now and the job has not run.
        """
        return launching.launch(self.path, spec, timeout, ready)

    def standing(self) -> Standing:
        """Say whether a supervisor lives, and what is known. A boot, pid and time of start decide
        beside the lock, never a pid alone."""
        # First who holds it: what was written before it was let go is read then.
        held = self._is_locked()
        try:
            state = self.state()
        except ValueError:
            # A loss of power may leave a file of nothing but zeros.
            return Standing(Held.ALIVE if held else Held.LOST, {}, _UNREADABLE)
        if state.get("phase") == "ended":
            return Standing(Held.ENDED, state)
        if held or _lives(state):
            return Standing(Held.ALIVE, state)
        if not state and self._boot() in ("", boot()):
            return Standing(Held.NEW, state)
        return Standing(Held.LOST, state, _loss(state))

    def state(self) -> dict[str, Any]:
        """Give state.json; empty where there is none yet. Raises ValueError where it is broken."""
        try:
            state = json.loads((self.path / STATE).read_bytes())
        except FileNotFoundError:
            return {}
        if not isinstance(state, dict):
            raise ValueError("state.json is no object")
        return state

    def live_state(self) -> dict[str, Any]:
        """Ask the supervisor for the state as it is now; raises SupervisorAway."""
        return self._ask({"state": True})["state"]

    def ping(self) -> None:
        """Make sure that the supervisor answers; raises SupervisorAway."""
        self._ask({"ping": True})

    def signal(self, name: str, cause: str = "", key: str = "") -> dict[str, Any] | None:
        """Send stop, continue, terminate or kill to the whole tree.

        Gives the event that this is; None where a full disk did not take it, though the signal was
        sent. The same ``key`` again sends nothing and gives the same event. Raises what ``ask`` of
        control.py raises.
        """
        return self._ask({"signal": name, "cause": cause, "key": key})["event"]

    def event(self, name: str, cause: str = "", key: str = "") -> dict[str, Any]:
        """Create an event and give it; raises what ``ask`` of control.py raises."""
        return self._ask({"event": name, "cause": cause, "key": key})["event"]

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Give the events with higher numbers than ``after``, in their order."""
        with suppress(FileNotFoundError):
            found = list(_whole_lines(self.path / EVENTS))
            unwritten = self._unwritten()
            have = {event["seq"] for event in found}
            found += [event for event in unwritten if event["seq"] not in have]
            return [event for event in found if event["seq"] > after]
        return []

    def watch(self, after: int = 0, seconds: float = REQUEST_SECONDS) -> Watch:
        """Hear of each event with a higher number than ``after`` as soon as it is on the disk, of
        those that are there at once; raises SupervisorAway where it does not answer in time."""
        return Watch(control.connect(self.path, {"watch": after}, seconds), after)

    def give_up(self, reason: str) -> bool:
        """See to it that no supervisor begins any more; False if one has.

        The state is ``ended`` then, with the reason ``given up``.
        """
        with self._locked() as mine:
            if not mine or (self.path / STATE).exists():
                return False
            state = {"version": 1, "id": self.path.name, "phase": "ended", "reason": "given up"}
            _write_durably(self.path / STATE, json.dumps({**state, "cause": reason}))
            return True

    def end_remains(self) -> int:
        """Kill what a lost supervisor's job left running, and remove its control group; gives how
        many processes there were. Does nothing while a supervisor lives in the folder; where that
        is gone, whoever ran in it is lost."""
        if not self.path.is_dir():
            return remains.end(self.path.name, None)
        standing = self.standing()
        if standing.held is not Held.LOST:
            return 0
        return remains.end(self.path.name, standing.state.get("cgroup"))

    def complaint(self) -> str:
        """Give what the supervisor said of its own troubles; empty if it had none."""
        with suppress(FileNotFoundError):
            return (self.path / LOG).read_text("utf-8", "replace").strip()
        return ""

    def remove_work(self) -> None:
        """Remove what the job left in its working folder."""
        _remove(self.path / WORK)

    def remove(self) -> None:
        """Remove the folder and all in it. Not for one that a supervisor holds."""
        _remove(self.path)

    def _unwritten(self) -> Iterable[dict[str, Any]]:
        with suppress(ValueError):
            return self.state().get("unwritten", ())
        return ()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return control.ask(self.path, request, REQUEST_SECONDS)

    def _boot(self) -> str:
        """Give during which run of this machine the folder was made; empty if it is not whole, and
        then nothing has been started in it."""
        try:
            return json.loads((self.path / SPEC).read_bytes())["boot"]
        except FileNotFoundError:
            return ""

    def _is_locked(self) -> bool:
        try:
            lock = os.open(self.path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that two who ask do not take each other for a supervisor.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _take(lock)
        finally:
            os.close(lock)


def _unusable(path: Path, exc: OSError) -> FilesUnavailable:
    return FilesUnavailable(
        f"The folder of an execution cannot be made: {path}: {exc.strerror}.",
        remedy="See to the disk, and to whom the folder above belongs.",
    )


def _remove(folder: Path) -> None:
    """Remove a folder with all in it, also what a job has closed against its owner."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.is_dir():
        return
    # Programs close folders that hold what must not change, as Go does with its modules.
    os.chmod(folder, 0o700)
    for inner, names, _ in os.walk(folder):
        for name in names:
            path = os.path.join(inner, name)
            if not os.path.islink(path):
                with suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(state: dict[str, Any]) -> bool:
    if not state:
        return False
    holder = state["supervisor"]
    return alive(ProcessId(holder["pid"], f"{state['boot']}:{holder['started']}"))


def _loss(state: dict[str, Any]) -> str:
    if not state:
        # state.json need not be on the disk yet when the job begins.
        return "the machine was restarted about the time when the job was to start"
    if state["boot"] != boot():
        return "the machine was restarted while the job ran"
    return "the supervisor of the job ended without a word: it was killed"


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            try:
                event = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                event = None
            if not isinstance(event, dict):
                return  # cut off, or never on the disk before the power went
            yield event


def _write_durably(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)
