"""The picture: rates as bars, and each figure as a multiple of its goal. Plain SVG."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from xml.sax.saxutils import escape

from bench.figures import Goal, Rate

_WIDTH, _LABELS, _BARS, _LINE = 960, 400, 440, 26
_MOST_SCORE = 3.0
_STYLE = """\
    .paper { fill: #ffffff; }
    .bar { fill: #34506e; }
    .met { fill: #3f7d4e; }
    .missed { fill: #b4532a; }
    .goal { stroke: #1a2430; stroke-width: 1.5; stroke-dasharray: 4 3; }
    text { fill: #1a2430; }
    .label { text-anchor: end; }
    .head { font-weight: 600; font-size: 16px; }
    .note { fill: #4a5869; font-size: 13px; }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #0f141a; }
      .bar { fill: #8fb3d9; }
      .met { fill: #7cc08c; }
      .missed { fill: #e58a5f; }
      .goal { stroke: #e6edf3; }
      text { fill: #e6edf3; }
      .note { fill: #a9b6c4; }
    }
"""


def draw(rates: Sequence[Rate], goals: Sequence[Goal]) -> str:
    """Give the picture as SVG, readable in light and in dark."""
    # A goal of zero errors has no length.
    scored = [goal for goal in goals if goal.score is not None and isfinite(goal.score)]
    parts, top = [], 30
    if rates:
        parts += _heading("Events a second", top)
        parts += _rates(rates, top + 14)
        top += 50 + _LINE * len(rates)
    if scored:
        parts += _heading("How many times as good as its goal", top)
        parts += _scores(scored, top + 14)
        top += 50 + _LINE * len(scored)
    return _page("\n".join(parts), top - 10, _told(rates, scored))


def _page(inside: str, height: int, told: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="14">\n'
        f"  <title>What was measured</title>\n  <desc>{escape(told)}</desc>\n"
        f"  <style>\n{_STYLE}  </style>\n"
        f'  <rect class="paper" width="{_WIDTH}" height="{height}"/>\n{inside}\n</svg>\n'
    )


def _heading(text: str, top: int) -> list[str]:
    return [f'  <text class="head" x="20" y="{top}">{escape(text)}</text>']


def _rates(rates: Sequence[Rate], top: int) -> list[str]:
    most = max(rate.median for rate in rates)
    return [
        part
        for line, rate in enumerate(rates)
        for part in _bar(
            top + line * _LINE, rate.what, rate.median / most, "bar", f"{rate.median:,.0f}"
        )
    ]


def _scores(goals: Sequence[Goal], top: int) -> list[str]:
    at = _LABELS + _BARS / _MOST_SCORE
    bottom = top + _LINE * len(goals)
    parts = [
        part
        for line, goal in enumerate(goals)
        for part in _bar(
            top + line * _LINE,
            goal.what,
            min(goal.score, _MOST_SCORE) / _MOST_SCORE,
            "met" if goal.met else "missed",
            f"{goal.score:.2f}",
        )
    ]
    return [*parts, f'  <line class="goal" x1="{at:g}" y1="{top}" x2="{at:g}" y2="{bottom}"/>']


def _bar(top: int, label: str, share: float, style: str, value: str) -> list[str]:
    width = max(1.0, share * _BARS)
    base = top + 17
    return [
        f'  <text class="label" x="{_LABELS - 10}" y="{base}">{escape(label)}</text>',
        f'  <rect class="{style}" x="{_LABELS}" y="{top + 4}" width="{width:.1f}" height="18"/>',
        f'  <text class="note" x="{_LABELS + width + 8:.1f}" y="{base}">{escape(value)}</text>',
    ]


def _told(rates: Sequence[Rate], goals: Sequence[Goal]) -> str:
    """Say in words what the bars show."""
    said = [f"{rate.what}: {rate.median:,.0f} events a second" for rate in rates]
    said += [f"{goal.what}: {goal.score:.2f} times as good as its goal" for goal in goals]
    return "; ".join(said)
