"""Progress is a bar on a terminal, and elsewhere a line every few seconds."""

from __future__ import annotations

import io

from jexevents.cli.progress import Meter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_every_few_seconds() -> None:
    now, said = [100.0], io.StringIO()
    with Meter("jobs verified", 900, said, clock=lambda: now[0]) as meter:
        for second in range(12):
            now[0] = 100.0 + second
            meter.advance(50)
            with meter.aside():
                pass
    assert said.getvalue().splitlines() == [
        "jobs verified: 300 of 900, 60 a second",
        "jobs verified: 550 of 900, 55 a second",
    ]


def test_a_bar_on_a_terminal() -> None:
    said = Terminal()
    with Meter("jobs verified", 900, said) as meter:
        meter.advance(450)
        with meter.aside():
            said.write("a difference\n")
        meter.advance(450)
    assert "450/900" in said.getvalue()
    assert "a difference\n" in said.getvalue()
