"""Charts of a search for networks: learning curves, and size against score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from modelwright.readers.network_boxes import short
from modelwright.readers.svg import ticks

WIDE, TALL, LEFT, RIGHT, TOP, BOTTOM = 640.0, 270.0, 62.0, 624.0, 14.0, 226.0
SHOWN = 0.25  # share of the worst final scores that may fall out of the picture
Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Dot:
    """A trial in the chart of size against score; `front` when no other is smaller and better."""

    name: str
    size: float
    score: float
    front: bool = False
    winner: bool = False


@dataclass(frozen=True)
class _Axes:
    low_x: float
    high_x: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return (
            LEFT + 8 + (value - self.low_x) / (self.high_x - self.low_x or 1) * (RIGHT - LEFT - 8)
        )

    def y(self, value: float) -> float:
        return BOTTOM - (value - self.low) / (self.high - self.low or 1) * (BOTTOM - TOP)


def curves_picture(curves: Sequence[tuple[str, Curve]], metric: str, unit: str = "epochs") -> str:
    """Validation scores (larger is better) by `unit` of training; the first, the winner, on top.

    The scale follows the better three quarters of the final scores and how the winner got there:
    worse stretches are below the picture. Empty where no curve has two points.
    """
    drawn = [(name, sorted(points)) for name, points in curves if len(points) > 1]
    if not drawn:
        return ""
    finals = sorted((points[-1][1] for _, points in drawn), reverse=True)
    best = drawn[0][1]
    low = min(finals[int((len(finals) - 1) * (1 - SHOWN))], best[len(best) // 4][1])
    high = max(y for _, points in drawn for _, y in points)
    pad = (high - low) * 0.07 or abs(high) * 0.02 or 1.0
    axes = _Axes(0.0, max(p[-1][0] for _, p in drawn), low - pad, high + pad)
    body = _grid_y(axes)
    for tick in ticks(0.0, axes.high_x, 6):
        body.append(_text(axes.x(tick), BOTTOM + 16, f"{tick:g}", "middle"))
    body.append(_text((LEFT + RIGHT) / 2, TALL - 6, unit, "middle"))
    for number, (name, points) in reversed(list(enumerate(drawn))):
        path = _clipped([(axes.x(a), axes.y(b)) for a, b in points])
        kind = "accent" if number == 0 else "quiet pale"
        title = f"<title>{escape(name)}: {points[-1][1]:.4g} at {points[-1][0]:g} {unit}</title>"
        body.append(f'<path class="{kind}" d="{path}">{title}</path>')
        end = (axes.x(points[-1][0]), axes.y(points[-1][1]))
        if end[1] <= BOTTOM:
            dot, r = ("solid", 4) if number == 0 else ("dot", 2.5)
            body.append(f'<circle class="{dot}" cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="{r}"/>')
    return _frame(f"{metric} on validation examples while training, {len(drawn)} trials", body)


def _clipped(points: Sequence[tuple[float, float]]) -> str:
    """A path through the points, cut where it leaves the picture at the bottom."""
    out: list[str] = []
    pen: tuple[float, float] | None = None
    for (x0, y0), (x1, y1) in pairwise(points):
        if y0 > BOTTOM and y1 > BOTTOM:
            continue
        start, stop = (x0, y0), (x1, y1)
        if max(y0, y1) > BOTTOM:
            cut = (x0 + (x1 - x0) * (BOTTOM - y0) / (y1 - y0), BOTTOM)
            start, stop = (cut, stop) if y0 > BOTTOM else (start, cut)
        if pen != start:
            out.append(f"M{start[0]:.1f} {start[1]:.1f}")
        out.append(f"L{stop[0]:.1f} {stop[1]:.1f}")
        pen = stop
    return "".join(out)


def pareto_front(sizes: Sequence[float], losses: Sequence[float]) -> list[bool]:
    """For each whether no other is at most as large and better, or smaller and as good.

    >>> pareto_front([10, 20, 30], [0.3, 0.4, 0.1])
    [True, False, True]
    """
    least: dict[float, float] = {}
    for size, loss in zip(sizes, losses, strict=True):
        least[size] = min(loss, least.get(size, math.inf))
    ahead: dict[float, bool] = {}
    below = math.inf
    for size in sorted(least):  # the best of each size, unless a smaller one is as good
        ahead[size] = least[size] < below
        below = min(below, least[size])
    return [ahead[size] and loss == least[size] for size, loss in zip(sizes, losses, strict=True)]


def size_picture(dots: Sequence[Dot], metric: str, maximise: bool) -> str:
    """Each trial by its number of weights (a logarithmic axis) and its score; the front as a line.

    Empty with fewer than two trials of a known size. The worst quarter of the scores may lie
    outside, unless it is on the front.
    """
    known = [d for d in dots if d.size >= 1 and math.isfinite(d.score)]
    if len(known) < 2:
        return ""
    ordered = sorted((d.score for d in known), reverse=maximise)
    kept = ordered[: max(2, math.ceil(len(ordered) * (1 - SHOWN)))]
    ends = kept + [d.score for d in known if d.front or d.winner]
    pad = (max(ends) - min(ends)) * 0.1 or abs(ends[0]) * 0.02 or 1.0
    logs = [math.log10(d.size) for d in known]
    axes = _Axes(min(logs) - 0.06, max(logs) + 0.06, min(ends) - pad, max(ends) + pad)
    body = _grid_y(axes)
    for tick in _decades(axes.low_x, axes.high_x):
        x = axes.x(math.log10(tick))
        body.append(f'<path class="faint" d="M{x:.1f} {TOP}V{BOTTOM}"/>')
        body.append(_text(x, BOTTOM + 16, short(tick), "middle"))
    body.append(_text((LEFT + RIGHT) / 2, TALL - 6, "weights", "middle"))
    body.append(_front_line(known, axes))
    for dot in sorted(known, key=lambda d: (d.winner, d.front)):
        if axes.low <= dot.score <= axes.high:
            body.append(_dot(dot, axes, metric))
    return _frame(f"{metric} by number of weights, {len(known)} trials", body)


def _front_line(dots: Sequence[Dot], axes: _Axes) -> str:
    """Steps from the smallest to the best: what each size could reach."""
    front = sorted({(d.size, d.score) for d in dots if d.front})
    path = ""
    for size, score in front:
        x, y = axes.x(math.log10(size)), axes.y(score)
        path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
    return f'<path class="accent thin dashed" d="{path}H{RIGHT}"/>' if path else ""


def _dot(dot: Dot, axes: _Axes, metric: str) -> str:
    x, y = axes.x(math.log10(dot.size)), axes.y(dot.score)
    kind, r = ("solid", 6) if dot.winner else ("solid", 3.5) if dot.front else ("dot", 3)
    told = f"{dot.name}: {metric} {dot.score:.4g}, {dot.size:,.0f} weights"
    out = (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{r}"><title>{escape(told)}</title>'
        f"</circle>"
    )
    if dot.winner:
        out += f'<circle class="accent thin" cx="{x:.1f}" cy="{y:.1f}" r="10"/>'
    return out


def _decades(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... between two powers of ten; only whole powers where there are many."""
    steps = (1, 2, 5) if high - low < 2.2 else (1, 3) if high - low < 3.5 else (1,)
    found = [s * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for s in steps]
    return [value for value in found if low <= math.log10(value) <= high]


def _grid_y(axes: _Axes) -> list[str]:
    body = []
    for tick in ticks(axes.low, axes.high):
        y = axes.y(tick)
        body.append(f'<path class="faint" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        body.append(_text(LEFT - 6, y + 4, f"{tick:.6g}", "end"))
    return body


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="label" {place}>{escape(words)}</text>'


def _frame(title: str, body: Sequence[str]) -> str:
    return (
        f'<svg width="100%" viewBox="0 0 {WIDE:.0f} {TALL:.0f}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(body)}</svg>'
    )
