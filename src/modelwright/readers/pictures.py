"""Pictures of explanations: partial dependence with its spread, and learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from modelwright.readers.svg import ticks

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 282, 196, 58, 44, 26
STYLES = ("accent", "quiet", "warn", "accent dashed", "quiet dashed")


def dependence_picture(facts: Mapping[str, Any]) -> str:
    """One column's partial dependence (`models.dependence.Dependence` as plain data) as SVG.

    Numbers become a line with its band, categories dots with bars.
    """
    curves, low, high = facts["curves"], facts["low"], facts["high"]
    ends = [v for curve in curves for v in curve] + (list(low) + list(high))
    bottom, top = _padded(min(ends), max(ends))
    category = facts["kind"] == "category"
    n = len(facts["values"])
    xs = [float(i) for i in range(n)] if category else [float(v) for v in facts["values"]]
    x = _axis(xs[0] - 0.5 * category, xs[-1] + 0.5 * category, LEFT, WIDTH - 10)
    y = _axis(bottom, top, HEIGHT - BOTTOM, TOP)
    body = [_text(LEFT, 15, facts["column"][:30], kind="label strong")]
    body += _grid_y(bottom, top, y)
    body += _names_x(facts, xs, x)
    if category:
        for i in range(n):
            body.append(
                f'<path class="quiet" d="M{x(xs[i]):.1f} {y(low[i]):.1f}V{y(high[i]):.1f}"/>'
            )
            body.append(_dot(x(xs[i]), y(curves[0][i])))
    else:
        edge = [f"{x(a):.1f} {y(b):.1f}" for a, b in zip(xs, high, strict=True)]
        back = [f"{x(a):.1f} {y(b):.1f}" for a, b in zip(xs, low, strict=True)][::-1]
        body.append(f'<path class="bar" fill-opacity="0.15" d="M{"L".join(edge + back)}Z"/>')
        for curve, style in zip(curves, STYLES, strict=False):
            points = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in zip(xs, curve, strict=True))
            body.append(f'<path class="{style}" fill="none" d="M{points}"/>')
    label = _label(facts["labels"])
    body.append(_text(WIDTH - 10, HEIGHT - 4, label, "end"))
    return _frame(WIDTH, HEIGHT, f"partial dependence on {facts['column']}", body)


def _label(labels: Sequence[str]) -> str:
    if list(labels) == [""]:
        return "predicted value"
    if len(labels) == 1:
        return f"share of {labels[0]!r}"[:34]
    return f"shares of {', '.join(labels)}"[:34]


def curve_picture(facts: Mapping[str, Any]) -> str:
    """Scores at growing numbers of rows, and the power law through them up to twice the rows."""
    rows, scores, curve = facts["rows"], facts["scores"], facts.get("curve")
    last = 2 * facts["n_rows"]
    sign = facts["sign"]
    line: list[tuple[float, float]] = []
    if curve:
        start = math.log(rows[0])
        for i in range(41):
            n = math.exp(start + (math.log(last) - start) * i / 40)
            line.append((n, sign * (curve["floor"] + curve["scale"] * n ** -curve["exponent"])))
    ends = [*scores, *(v for _, v in line)]
    bottom, top = _padded(min(ends), max(ends))
    x = _axis(math.log(rows[0]), math.log(last), LEFT + 12, 620)
    y = _axis(bottom, top, 220 - 34, 12)
    body = _grid_y(bottom, top, y, 628)
    for n in [*rows, last]:
        body.append(_text(x(math.log(n)), 220 - 14, f"{n:,}", "middle"))
    if line:
        points = "L".join(f"{x(math.log(n)):.1f} {y(v):.1f}" for n, v in line)
        body.append(f'<path class="accent dashed" d="M{points}"/>')
    body += [_dot(x(math.log(n)), y(v)) for n, v in zip(rows, scores, strict=True)]
    return _frame(640, 220, "learning curve", body)


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    return low - pad, high + pad


def _axis(low: float, high: float, start: float, stop: float) -> Any:
    factor = (stop - start) / ((high - low) or 1.0)
    return lambda value: start + (value - low) * factor


def _grid_y(bottom: float, top: float, y: Any, right: float = WIDTH - 10) -> list[str]:
    body = []
    for tick in ticks(bottom, top, 4):
        body.append(f'<path class="faint" d="M{LEFT} {y(tick):.1f}H{right}"/>')
        body.append(_text(LEFT - 5, y(tick) + 4, f"{tick:,.6g}", "end"))
    return body


def _names_x(facts: Mapping[str, Any], xs: Sequence[float], x: Any) -> list[str]:
    base = HEIGHT - BOTTOM + 15
    if facts["kind"] == "category":
        space = (WIDTH - LEFT) / max(1, len(xs))
        size = max(1, int(space / 7.4))
        step = max(1, math.ceil(3 * 6.5 / space))
        return [
            _text(x(value), base, str(name)[:size] if step == 1 else str(name)[:4], "middle")
            for i, (value, name) in enumerate(zip(xs, facts["values"], strict=True))
            if i % step == 0
        ]
    if facts["kind"] == "date":
        ends = [(xs[0], "start"), (xs[-1], "end")]
        return [_text(x(v), base, _day(v), anchor) for v, anchor in ends]
    found = ticks(xs[0], xs[-1], 4)
    return [_text(x(tick), base, f"{tick:,.6g}", "middle") for tick in found]


def _day(seconds: float) -> str:
    from datetime import UTC, datetime, timedelta

    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).date().isoformat()
    except OverflowError:
        return f"{seconds:.4g}"


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "label") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(words)}</text>'


def _dot(x: float, y: float) -> str:
    return f'<circle class="solid" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'


def _frame(width: int, height: int, title: str, body: Sequence[str]) -> str:
    return (
        f'<svg width="{width}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(body)}</svg>'
    )
