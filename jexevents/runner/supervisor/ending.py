"""How an execution ends, in words: the reason, the event that closes it, and its cause. Pure."""

from __future__ import annotations

from jexevents.runner.supervisor.quick import SIGNALS

# What this program did to end the job; a later one of them takes the place of an earlier.
_ASKED = ("terminated", "killed", "time-out")


class Ending:
    """What is known of the end of the first process, gathered as it comes."""

    def __init__(self) -> None:
        self.asked = ""
        # What they said who asked for the end; the last who said anything.
        self.why = ""
        self.exit_code: int | None = None
        self.signal: int | None = None
        self.refusal = ""

    def ask(self, reason: str) -> None:
        """Note what was done to end it: terminated, killed or time-out."""
        if not self.asked or _ASKED.index(reason) > _ASKED.index(self.asked):
            self.asked = reason

    def status(self, status: int) -> None:
        """Take the status that waitpid gave."""
        if status & 0x7F:
            self.signal = status & 0x7F
        else:
            self.exit_code = status >> 8

    @property
    def reason(self) -> str:
        """One of: exit, signal, time-out, terminated, killed, start failed."""
        if self.refusal:
            return self.asked or "start failed"
        return self.asked or ("exit" if self.signal is None else "signal")

    @property
    def event(self) -> str:
        """Give the name of the event that closes the execution."""
        if self.reason == "time-out":
            return "time-out"
        return "complete" if self.reason == "exit" and self.exit_code == 0 else "fail"

    def cause(self, timeout_seconds: float | None) -> str:
        """Say it to a person."""
        how = f"exit {self.exit_code}" if self.signal is None else _signal_name(self.signal)
        if self.reason == "start failed":
            return self.refusal
        if self.reason == "time-out":
            return f"it had run for {timeout_seconds:g} s; {how}"
        return f"{self.why.rstrip('.')}; {how}" if self.asked and self.why else how


def _signal_name(number: int) -> str:
    for name in dir(SIGNALS):
        if name.startswith("SIG") and name[3] != "_" and getattr(SIGNALS, name) == number:
            return f"signal {number} ({name})"
    return f"signal {number}"
