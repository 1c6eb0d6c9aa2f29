"""The figures as tables: for the terminal, as Markdown between two marks of a document, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from bench.drawing import draw
from bench.errors import BenchFailed
from bench.figures import Goal, Rate, Result
from bench.sizes import Sizes

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_PROCESSES = ("consumer", "postgresql", "rabbitmq")
_RATE_HEAD = (
    "Measured",
    "Events/s",
    "Least to greatest",
    "Of 1",
    "CPU: consumer",
    "PostgreSQL",
    "RabbitMQ",
    "Others",
)
_GOAL_HEAD = ("Measured", "Figure", "Goal", "Met")
# What others may have of the machine: the system itself does something now and then.
_PEACE = 0.05
T = TypeVar("T")
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Report:
    """All of one run; ``earlier`` is the JSON of another one, to the figures of which it adds.

    What both have measured is told by this one alone.
    """

    machine: Mapping[str, str]
    sizes: Sizes
    results: Mapping[str, Result]
    earlier: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rates(self) -> list[Rate]:
        """The rates of all measurements."""
        return [*self._earlier_rates(), *self._own_rates()]

    @property
    def goals(self) -> list[Goal]:
        """The figures of all measurements that stand beside a goal."""
        own = [goal for result in self.results.values() for goal in result.goals]
        told = {goal.what for goal in own}
        earlier = [_of(Goal, goal) for goal in self.earlier.get("goals", ())]
        return [*(goal for goal in earlier if goal.what not in told), *own]

    def _own_rates(self) -> list[Rate]:
        return [rate for result in self.results.values() for rate in result.rates]

    def _earlier_rates(self) -> list[Rate]:
        told = {rate.what for rate in self._own_rates()}
        earlier = [_of(Rate, rate) for rate in self.earlier.get("rates", ())]
        return [rate for rate in earlier if rate.what not in told]

    def print(self, console: Console) -> None:
        """Print both tables."""
        for head, rows in self._tables():
            table = Table(*head)
            for row in rows:
                table.add_row(*row)
            console.print(table)
        for line in self._told():
            console.print(line)

    def markdown(self, picture: str) -> str:
        """Give what stands between the marks."""
        parts = [_markdown(head, rows) for head, rows in self._tables()]
        image = f"![Events a second, and each figure beside its goal]({picture})"
        return "\n\n".join([image, *parts, *self._told()])

    def _told(self) -> list[str]:
        """Say on what and with what sizes it was measured, and whether it was in peace."""
        sizes = {name.replace("_", " "): f"{size:,}" for name, size in asdict(self.sizes).items()}
        short = "" if self.sizes == Sizes() else "A run with other sizes than `make bench` has. "
        told = [f"{_listed(self.machine)}.", f"{short}Sizes: {_listed(sizes)}."]
        if self.earlier:
            told[0] = f"{', '.join(self.results)}: {told[0]}"
            told.append(f"All else: {_listed(self.earlier['machine'])}.")
        if (share := self._strangers) > _PEACE:
            told.append(f"The machine was busy: other processes had up to {share:.0%} of it.")
        return told

    def write(self, document: Path, raw: Path) -> None:
        """Write the tables into the document, the picture beside it, and the figures as JSON.

        Raises BenchFailed if the document lacks the marks; one that is missing is made.
        """
        picture = document.with_suffix(".svg")
        text = document.read_text("utf-8") if document.exists() else f"{BEGIN}\n{END}\n"
        text = between_marks(text, self.markdown(picture.name))
        for path in (document, raw):
            path.parent.mkdir(parents=True, exist_ok=True)
        document.write_text(text, "utf-8")
        picture.write_text(draw(self.rates, self.goals), "utf-8")
        raw.write_text(json.dumps(self._raw(), indent=1) + "\n", "utf-8")

    def _tables(self) -> Iterable[tuple[Sequence[str], Rows]]:
        if self.rates:
            # A ratio counts within one run.
            earlier = [_rate_row(rate, self._earlier_ceiling) for rate in self._earlier_rates()]
            own = [_rate_row(rate, self._ceiling) for rate in self._own_rates()]
            yield _RATE_HEAD, [*earlier, *own]
        if self.goals:
            yield _GOAL_HEAD, [_goal_row(goal) for goal in self.goals]

    @property
    def _ceiling(self) -> float | None:
        ingest = self.results.get("ingest")
        return ingest.rates[0].median if ingest else None

    @property
    def _earlier_ceiling(self) -> float | None:
        rates = self.earlier.get("rates")
        return _of(Rate, rates[0]).median if rates else None

    @property
    def _strangers(self) -> float:
        measured = [*self._own_rates(), *self.results.values()]
        return max((each.strangers for each in measured), default=0.0)

    def _raw(self) -> dict:
        return {
            "machine": dict(self.earlier.get("machine", self.machine)),
            "sizes": asdict(self.sizes),
            "goals": [{**asdict(goal), "met": goal.met} for goal in self.goals],
            "rates": [asdict(rate) for rate in self.rates],
            "raw": {
                **self.earlier.get("raw", {}),
                **{name: result.raw for name, result in self.results.items()},
            },
        }


def _of(kind: type[T], told: Mapping[str, Any]) -> T:
    """Make a value again of what JSON has of it."""
    known = {each.name: told[each.name] for each in fields(kind) if each.name in told}
    return kind(**known)


def between_marks(text: str, inside: str) -> str:
    """Replace what stands between the marks. Raises BenchFailed if they are not there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BenchFailed(f"the document has no marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{inside}\n\n{END}{after}"


def number(value: float) -> str:
    """Write a figure with as many digits as it is worth: 12,345, 17.3, 0.613."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _rate_row(rate: Rate, ceiling: float | None) -> list[str]:
    several = len(rate.values) > 1
    spread = f"{number(min(rate.values))} to {number(max(rate.values))}" if several else ""
    costs = [number(rate.cpu[name]) if name in rate.cpu else "" for name in _PROCESSES]
    share = number(rate.median / ceiling) if ceiling else ""
    return [rate.what, number(rate.median), spread, share, *costs, f"{rate.strangers:.0%}"]


def _goal_row(goal: Goal) -> list[str]:
    unit = f" {goal.unit}" if goal.unit else ""
    if goal.goal is None:
        return [goal.what, number(goal.value) + unit, "", ""]
    bound = "at least" if goal.best == "max" else "at most"
    aim = f"{bound} {goal.goal:,g}{unit}"
    return [goal.what, number(goal.value) + unit, aim, "yes" if goal.met else "no"]


def _markdown(head: Sequence[str], rows: Rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _listed(machine: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in machine.items())
