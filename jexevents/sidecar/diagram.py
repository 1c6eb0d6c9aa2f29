"""The state machine of PipelineJobs as a picture (SVG), and the way of one job through it.

States have fixed places; the edges come from the lifecycle's own table. Events that leave a job
where it is stand in its state. Colours follow the reader's preference for light or dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from jexevents.lifecycle import pipeline
from jexevents.lifecycle.pipeline import EDGES, Step

_WIDTH, _HEIGHT = 1240, 620
_BOX_WIDTH, _BOX_HEIGHT = 146, 58
# Where the middles of the states are: the usual way from left to right, what can go wrong below.
_PLACES: Mapping[str, tuple[int, int]] = {
    pipeline.CREATED: (110, 210),
    pipeline.RUNNING: (360, 210),
    pipeline.FINISHED: (610, 210),
    pipeline.VALIDATING: (860, 210),
    pipeline.VALIDATED: (1110, 210),
    pipeline.FINALIZED: (1130, 400),
    pipeline.INDEXING: (610, 66),
    pipeline.FAILED: (360, 400),
    pipeline.REJECTED: (870, 400),
    pipeline.RETIRED: (700, 555),
    pipeline.RESET: (110, 400),
}
# How far an edge bends away from the straight line, to the right of its direction if positive.
_BENDS: Mapping[tuple[str, str], float] = {
    (pipeline.FINISHED, pipeline.INDEXING): 26,
    (pipeline.INDEXING, pipeline.FINISHED): 26,
    (pipeline.VALIDATED, pipeline.VALIDATING): -46,
    (pipeline.VALIDATING, pipeline.VALIDATED): -40,
    (pipeline.INDEXING, pipeline.FAILED): 10,
    (pipeline.VALIDATING, pipeline.FAILED): -24,
    (pipeline.VALIDATED, pipeline.RETIRED): -66,
    (pipeline.VALIDATING, pipeline.RETIRED): 20,
    (pipeline.FINISHED, pipeline.RETIRED): 14,
}
# Where nothing is said: of two edges that are opposite each is on its own side, and the way back to
# RESET is straight.
_PAIRS = frozenset(pair for targets in EDGES.values() for pair in targets.items())
_OPPOSITE_BEND = 22
_RESET_BENDS: Mapping[str, float] = {
    pipeline.INDEXING: 120,
    pipeline.REJECTED: 60,
    pipeline.FINALIZED: 60,
    pipeline.RETIRED: -30,
}
# How far along an edge its label stands, where the middle is in the way of another edge.
_LABELS: Mapping[tuple[str, str], float] = {(pipeline.VALIDATING, pipeline.FAILED): 0.35}
# What is steeper has its label beside it, or two opposite ones would have theirs in one place.
_STEEP = 3

_STYLE = """
:root { color-scheme: light dark; }
.ground { fill: #ffffff; }
text { font-family: system-ui, sans-serif; fill: #1d2733; text-anchor: middle; }
.name { font-size: 15px; font-weight: 600; }
.stay { font-size: 11px; fill: #4d5b6a; }
.label { font-size: 12px; fill: #4d5b6a; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
.note { font-size: 12px; fill: #4d5b6a; }
.state { fill: #eef2f6; stroke: #7b8a99; stroke-width: 1.5; }
.edge { fill: none; stroke: #9aa7b4; stroke-width: 1.5; }
.head { fill: #9aa7b4; }
.seen .state { fill: #dbeafe; stroke: #1d4ed8; stroke-width: 2; }
.now .state { fill: #1d4ed8; stroke: #1d4ed8; }
.now text { fill: #ffffff; }
.way.edge { stroke: #1d4ed8; stroke-width: 3; }
.way.head { fill: #1d4ed8; }
.implied.edge { stroke-dasharray: 7 5; }
.way.label { fill: #1d4ed8; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #14191f; }
  text { fill: #e6ebf0; }
  .stay, .label, .note { fill: #a7b4c1; }
  .label { stroke: #14191f; }
  .state { fill: #222b35; stroke: #66768a; }
  .edge { stroke: #66768a; }
  .head { fill: #66768a; }
  .seen .state { fill: #1c3054; stroke: #7eb0ff; }
  .now .state { fill: #7eb0ff; stroke: #7eb0ff; }
  .now text { fill: #10151b; }
  .way.edge { stroke: #7eb0ff; }
  .way.head { fill: #7eb0ff; }
  .way.label { fill: #7eb0ff; }
}
"""


class _Edge(NamedTuple):
    """An edge between two states: its events, and what a job did with it, if there is a job."""

    before: str
    after: str
    names: tuple[str, ...]
    numbers: tuple[int, ...] = ()
    implied: bool = False


def draw(steps: Sequence[Step] = (), state: str | None = None) -> str:
    """Give the picture as SVG: of the machine, or with ``steps`` and ``state`` of one job in it.

    The moves of the job are numbered in their order; implied ones are broken lines.
    """
    seen = {place for step in steps if step.moved for place in (step.before, step.after)}
    edges = _edges(steps)
    title = "The states of a PipelineJob" if state is None else f"A PipelineJob that is {state}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(_described(steps))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}"/>',
        *(_drawn(edge) for edge in sorted(edges, key=lambda edge: bool(edge.numbers))),
        *(_state(name, name in seen, name == state) for name in pipeline.STATES),
        f'<text class="note" x="110" y="{_PLACES[pipeline.RESET][1] + 50}">'
        "reset: from every state</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _edges(steps: Iterable[Step]) -> list[_Edge]:
    names: dict[tuple[str, str], list[str]] = {}
    for name, before, after in _leading_on():
        names.setdefault((before, after), []).append(name)
    numbers: dict[tuple[str, str], list[int]] = {}
    implied: dict[tuple[str, str], bool] = {}
    moves = [step for step in steps if step.moved and step.before != step.after]
    for number, step in enumerate(moves, 1):
        pair = (step.before, step.after)
        names.setdefault(pair, [step.name])
        numbers.setdefault(pair, []).append(number)
        implied[pair] = implied.get(pair, True) and step.implied
    return [
        _Edge(*pair, tuple(told), tuple(numbers.get(pair, ())), implied.get(pair, False))
        for pair, told in names.items()
    ]


def _leading_on() -> Iterator[tuple[str, str, str]]:
    """Give event, state before and after of all edges to another state, save those to RESET."""
    for name, targets in EDGES.items():
        for before, after in targets.items():
            if after not in (before, pipeline.RESET):
                yield name, before, after


def _drawn(edge: _Edge) -> str:
    start, bow, end = _curve(edge)
    way = " way" if edge.numbers else ""
    dashed = " implied" if edge.implied else ""
    x, y = _along(start, bow, end, _LABELS.get((edge.before, edge.after), 0.5))
    # On a level line the text stands above it, or a short line would be hidden.
    lift = 9 if abs(start[1] - end[1]) < 1 and abs(bow[1] - end[1]) < 1 else -4
    aside = (x > (start[0] + end[0]) / 2) - (x < (start[0] + end[0]) / 2)
    if abs(start[1] - end[1]) < _STEEP * abs(start[0] - end[0]):
        aside = 0
    anchor = {-1: ' style="text-anchor: end"', 0: "", 1: ' style="text-anchor: start"'}[aside]
    label = " / ".join(edge.names)
    if edge.numbers:
        label = f"{_listed(edge.numbers)}: {label}"
    return (
        f'<path class="edge{way}{dashed}" d="M{_xy(start)} Q{_xy(bow)} {_xy(end)}"/>'
        f'<path class="head{way}" d="{_arrow_head(bow, end)}"/>'
        f'<text class="label{way}" x="{x + 5 * aside:.1f}" y="{y - lift:.1f}"{anchor}>'
        f"{escape(label)}</text>"
    )


def _listed(numbers: Sequence[int]) -> str:
    """Say which moves went along an edge; of many the first and the last."""
    if len(numbers) > 2:
        return f"{numbers[0]} … {numbers[-1]}"
    return ", ".join(map(str, numbers))


def _curve(edge: _Edge) -> tuple[tuple[float, float], ...]:
    """Give start, control point and end, the ends on the borders of the two boxes."""
    (x1, y1), (x2, y2) = _PLACES[edge.before], _PLACES[edge.after]
    if edge.after == pipeline.RESET:
        bend = _RESET_BENDS.get(edge.before, 0)
    else:
        usual = _OPPOSITE_BEND if (edge.after, edge.before) in _PAIRS else 0
        bend = _BENDS.get((edge.before, edge.after), usual)
    length = math.hypot(x2 - x1, y2 - y1)
    bow = (
        (x1 + x2) / 2 - (y2 - y1) / length * bend * 2,
        (y1 + y2) / 2 + (x2 - x1) / length * bend * 2,
    )
    return _border((x1, y1), bow), bow, _border((x2, y2), bow)


def _border(middle: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Give where the line from the middle of a box leaves it."""
    dx, dy = towards[0] - middle[0], towards[1] - middle[1]
    scale = min(
        (_BOX_WIDTH / 2 + 3) / abs(dx) if dx else math.inf,
        (_BOX_HEIGHT / 2 + 3) / abs(dy) if dy else math.inf,
    )
    return middle[0] + dx * scale, middle[1] + dy * scale


def _along(
    start: tuple[float, float], bow: tuple[float, float], end: tuple[float, float], part: float
) -> tuple[float, float]:
    """Give a point of a quadratic curve."""
    rest = 1 - part
    weights = rest * rest, 2 * rest * part, part * part
    return tuple(
        sum(weight * point[axis] for weight, point in zip(weights, (start, bow, end), strict=True))
        for axis in (0, 1)
    )


def _arrow_head(bow: tuple[float, float], end: tuple[float, float]) -> str:
    angle = math.atan2(end[1] - bow[1], end[0] - bow[0])
    corners = [
        (end[0] - 11 * math.cos(angle + turn), end[1] - 11 * math.sin(angle + turn))
        for turn in (-0.42, 0.42)
    ]
    return f"M{_xy(end)} L{_xy(corners[0])} L{_xy(corners[1])} Z"


def _xy(point: tuple[float, float]) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _state(name: str, seen: bool, now: bool) -> str:
    x, y = _PLACES[name]
    stays = [event for event, targets in EDGES.items() if targets.get(name) == name]
    told = ", ".join(event for event in stays if event != "reset")
    kind = "now" if now else "seen" if seen else "other"
    lift = -4 if told else 5
    lines = f'<text class="name" x="{x}" y="{y + lift}">{name}</text>'
    if told:
        lines += f'<text class="stay" x="{x}" y="{y + 15}">{escape(told)}</text>'
    corner = f'x="{x - _BOX_WIDTH / 2:.0f}" y="{y - _BOX_HEIGHT / 2:.0f}"'
    box = f'<rect class="state" {corner} width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="9"/>'
    return f'<g class="{kind}">{box}{lines}</g>'


def _described(steps: Sequence[Step]) -> str:
    """Say in words what is drawn, for those who do not see it."""
    if not steps:
        return "; ".join(
            f"{name} leads to {after} from {before}" for name, before, after in _leading_on()
        )
    return "; ".join(
        f"{step.name}{' (implied)' if step.implied else ''}: {step.before} to {step.after}"
        for step in steps
        if step.moved
    )
