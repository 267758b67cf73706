"""Small pictures as SVG text: the search's progress, intervals side by side, bars, a matrix.

Colours come from the page's CSS classes (`ink`, `faint`, `accent`, `warn`), so that a picture is
readable on a light and on a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 260, 64, 34, 14


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about `wanted` of them.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / wanted
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(s * size for s in (1, 2, 5, 10) if s * size >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _scale(low: float, high: float, start: float, stop: float) -> tuple[float, float]:
    span = (high - low) or 1.0
    factor = (stop - start) / span
    return factor, start - low * factor


def _frame(width: int, height: int, title: str, body: Sequence[str]) -> str:
    size = 'width="100%"' if width == WIDTH else f'width="{width}"'
    return (
        f'<svg {size} viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "label") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(words)}</text>'


def _grid(low: float, high: float, k: float, o: float) -> list[str]:
    """Faint lines across at the ticks of the y axis, each with its number."""
    body = []
    for tick in ticks(low, high):
        y = tick * k + o
        body.append(f'<path class="faint" d="M{LEFT} {y:.1f}H{WIDTH - 12}"/>')
        body.append(_text(LEFT - 6, y + 4, f"{tick:.6g}", "end"))
    return body


def _reach(scores: Sequence[float], maximise: bool, baseline: float | None) -> tuple[float, float]:
    """The ends of the scale: the best nine tenths of the scores, and the baseline when near."""
    ordered = sorted(scores, reverse=maximise)
    best, worst = ordered[0], ordered[max(0, math.ceil(len(ordered) * 0.9) - 1)]
    ends = [best, worst]
    near = 2 * abs(best - worst)
    if baseline is not None and abs(baseline - worst) <= max(near, 1e-12):
        ends.append(baseline)
    low, high = min(ends), max(ends)
    pad = (high - low) * 0.12 or abs(high) * 0.01 or 1.0
    return low - pad, high + pad


def beyond(scores: Sequence[float], maximise: bool, baseline: float | None) -> str:
    """`below` or `above` when the baseline is too far away for the picture, else the empty string.

    >>> beyond([0.91, 0.92, 0.93], True, 0.5)
    'below'
    """
    if baseline is None or not scores:
        return ""
    low, high = _reach(scores, maximise, baseline)
    return "below" if baseline < low else "above" if baseline > high else ""


def progress_picture(
    scores: Sequence[float], maximise: bool, metric: str, baseline: float | None
) -> str:
    """Each good trial as a dot in the order it was judged, and the best so far as a line.

    The worst tenth of the scores, and a baseline that is far from all of them (`beyond`), may fall
    out of the picture: the scale follows the rest.
    """
    if not scores:
        return ""
    low, high = _reach(scores, maximise, baseline)
    kx, ox = _scale(0, max(1, len(scores) - 1), LEFT + 8, WIDTH - 20)
    ky, oy = _scale(low, high, HEIGHT - BOTTOM, TOP)
    body = _grid(low, high, ky, oy)
    if baseline is not None and low <= baseline <= high:
        y = baseline * ky + oy
        body.append(f'<path class="warn dashed" d="M{LEFT} {y:.1f}H{WIDTH - 12}"/>')
        body.append(_text(WIDTH - 14, y - 5, f"trivial baseline {baseline:.4g}", "end"))
    line: list[str] = []
    leader = scores[0]
    for i, score in enumerate(scores):
        leader = max(leader, score) if maximise else min(leader, score)
        x, y = i * kx + ox, leader * ky + oy
        line.append(f"M{x:.1f} {y:.1f}" if not line else f"H{x:.1f}V{y:.1f}")
        if low <= score <= high:
            body.append(f'<circle class="dot" cx="{x:.1f}" cy="{score * ky + oy:.1f}" r="3"/>')
    body.append(f'<path class="accent line" d="{"".join(line)}"/>')
    words = f"{len(scores)} trials in the order they were judged"
    body.append(_text((LEFT + WIDTH) / 2, HEIGHT - 8, words, "middle"))
    return _frame(WIDTH, HEIGHT, f"{metric} of each trial and the best so far", body)


def intervals_picture(
    rows: Sequence[tuple[str, float, float, float]], metric: str, zero: bool = False
) -> str:
    """Named estimates with their intervals, the best on top: `(name, low, estimate, high)`.

    A dashed line leads down from the first, or with `zero` from nothing at all, against which the
    eye compares the others.
    """
    finite = [row for row in rows if all(math.isfinite(v) for v in row[1:])]
    if not finite:
        return ""
    ends = [v for row in finite for v in row[1:]] + [0.0] * zero
    low, high = min(ends), max(ends)
    pad = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    left, height = 170, 34 + 26 * len(finite)
    k, o = _scale(low - pad, high + pad, left, WIDTH - 16)
    body = []
    for tick in ticks(low - pad, high + pad):
        x = tick * k + o
        body.append(f'<path class="faint" d="M{x:.1f} 6V{height - 24}"/>')
        body.append(_text(x, height - 8, f"{tick:.6g}", "middle"))
    x = (0.0 if zero else finite[0][2]) * k + o
    body.append(f'<path class="warn dashed" d="M{x:.1f} 6V{height - 24}"/>')
    for i, (name, a, centre, b) in enumerate(finite):
        y = 20 + 26 * i
        line, dot = ("accent", "solid") if i == 0 and not zero else ("quiet", "grey")
        body.append(
            _text(left - 10, y + 4, name, "end", "label strong" if i == 0 and not zero else "label")
        )
        body.append(f'<path class="{line}" d="M{a * k + o:.1f} {y}H{b * k + o:.1f}"/>')
        body.append(f'<circle class="{dot}" cx="{centre * k + o:.1f}" cy="{y}" r="4.5"/>')
    return _frame(WIDTH, height, f"{metric} with 95 % intervals", body)


def bars_picture(rows: Sequence[tuple[str, float]], title: str) -> str:
    """Named bars from zero, longest scale first as given; negative values go to the left."""
    if not rows:
        return ""
    low, high = min(0.0, *(v for _, v in rows)), max(0.0, *(v for _, v in rows))
    left, height = 210, 12 + 22 * len(rows)
    k, o = _scale(low, high, left, WIDTH - 70)
    body = []
    for i, (name, value) in enumerate(rows):
        y = 8 + 22 * i
        start, stop = sorted((o, value * k + o))
        body.append(_text(left - 8, y + 12, name[:30], "end"))
        body.append(
            f'<rect class="bar" x="{start:.1f}" y="{y}" width="{stop - start:.1f}" height="15"/>'
        )
        body.append(_text(stop + 5, y + 12, f"{value:.4g}"))
    return _frame(WIDTH, height, title, body)


def line_picture(
    points: Sequence[tuple[float, float]], across: str, title: str, mark: float | None = None
) -> str:
    """A line through `(share, value)` points from left to right, shares from 0 to 1 in per cent.

    `mark` is a share that a dashed line stands at.
    """
    if len(points) < 2:
        return ""
    values = [v for _, v in points]
    pad = (max(values) - min(values)) * 0.08 or 1.0
    low, high = max(0.0, min(values) - pad), max(values) + pad
    kx, ox = _scale(0, 1, LEFT + 8, WIDTH - 20)
    ky, oy = _scale(low, high, HEIGHT - BOTTOM, TOP)
    body = _grid(low, high, ky, oy)
    for tick in ticks(0, 1):
        body.append(_text(tick * kx + ox, HEIGHT - BOTTOM + 14, f"{tick:.0%}", "middle"))
    if mark is not None:
        x = mark * kx + ox
        body.append(f'<path class="warn dashed" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
    line = "L".join(f"{x * kx + ox:.1f} {y * ky + oy:.1f}" for x, y in points)
    body.append(f'<path class="accent line" d="M{line}"/>')
    body.append(_text((LEFT + WIDTH) / 2, HEIGHT - 4, across, "middle"))
    return _frame(WIDTH, HEIGHT, title, body)


def matrix_picture(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """A confusion matrix: true labels down, predicted across; the shade is the row's share."""
    n, size, left, top = len(labels), 54, 120, 36
    if n == 0 or n > 12:
        return ""
    body = [_text(left + n * size / 2, 12, "predicted", "middle")]
    for i, label in enumerate(labels):
        body.append(_text(left + i * size + size / 2, top - 6, label[:8], "middle"))
        body.append(_text(left - 8, top + i * size + size / 2 + 4, label[:14], "end"))
        total = sum(counts[i]) or 1
        for j, count in enumerate(counts[i]):
            x, y = left + j * size, top + i * size
            share = count / total
            body.append(
                f'<rect class="cell" x="{x}" y="{y}" width="{size - 2}" height="{size - 2}" '
                f'fill-opacity="{0.08 + 0.8 * share:.2f}"/>'
            )
            tone = "label inverse" if share > 0.5 else "label strong"
            body.append(_text(x + size / 2 - 1, y + size / 2 + 4, str(count), "middle", tone))
    return _frame(left + n * size + 8, top + n * size + 8, "confusion matrix", body)


def forecast_picture(
    history: Sequence[float],
    came: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    times: Sequence[tuple[int, str]],
    title: str,
) -> str:
    """What was known, then the forecast with its bands and what came; gaps (NaN) are left open.

    `lines` are `prediction`, `low` and `high` (80 %), `lowest` and `highest` (95 %); `times` are
    places from the first value of the history on, with the words under them.
    """
    prediction = lines["prediction"]
    every = [v for v in (*history, *came, *prediction, *lines["low"], *lines["high"]) if v == v]
    if not every or not prediction:
        return ""
    # The outer band may leave the picture: a forecast is not to be a flat line below it.
    reach = max(every) - min(every)
    every += [max(v, min(every) - reach / 2) for v in lines["lowest"]]
    every += [min(v, max(every) + reach / 2) for v in lines["highest"]]
    low, high = min(every), max(every)
    pad = (high - low) * 0.05 or 1.0
    n, top = len(history), TOP + 18
    kx, ox = _scale(0, max(1, n + len(prediction) - 1), LEFT + 4, WIDTH - 14)
    ky, oy = _scale(low - pad, high + pad, HEIGHT - BOTTOM, top)
    body = _grid(low - pad, high + pad, ky, oy)
    for place, words in times:
        body.append(_text(place * kx + ox, HEIGHT - BOTTOM + 16, words, "middle"))
    start = (n - 0.5) * kx + ox
    body.append(f'<path class="faint dashed" d="M{start:.1f} {top}V{HEIGHT - BOTTOM}"/>')
    for below, above in (("lowest", "highest"), ("low", "high")):
        floor = [max(v, low - pad) for v in lines[below]]
        ceiling = [min(v, high + pad) for v in lines[above]]
        edge = [*enumerate(ceiling, n), *reversed(list(enumerate(floor, n)))]
        points = "L".join(f"{i * kx + ox:.1f} {v * ky + oy:.1f}" for i, v in edge)
        body.append(f'<path class="band" d="M{points}Z"/>')
    body.append(_path([*history, *came], 0, kx, ox, ky, oy, "quiet thin"))
    body.append(_path(prediction, n, kx, ox, ky, oy, "accent line"))
    known = "history, and what came" if came else "history"
    kinds = [("quiet", known), ("accent", "forecast"), ("band wide", "80 % and 95 % of the values")]
    return _frame(WIDTH, HEIGHT, title, [*body, *_legend(kinds)])


def _legend(kinds: Sequence[tuple[str, str]]) -> list[str]:
    """Short pieces of lines with their names, one after the other along the top."""
    body, x = [], LEFT + 4.0
    for kind, words in kinds:
        if kind == "band wide":
            body.append(f'<rect class="band" x="{x:.0f}" y="6" width="20" height="10"/>')
        else:
            body.append(f'<path class="{kind}" d="M{x:.0f} 11H{x + 20:.0f}"/>')
        body.append(_text(x + 26, 15, words))
        x += 44 + 6.6 * len(words)
    return body


def steps_picture(
    mine: Sequence[float], other: Sequence[float] | None, across: str, names: tuple[str, str]
) -> str:
    """A line of one value per step from the left, and a dashed one beside it; both are named."""
    every = [v for v in (*mine, *(other or ())) if math.isfinite(v)]
    if len(mine) < 2 or not every:
        return ""
    high = max(every) * 1.08
    kx, ox = _scale(1, len(mine), LEFT + 4, WIDTH - 14)
    ky, oy = _scale(0.0, high, HEIGHT - BOTTOM, TOP + 18)
    body = _grid(0.0, high, ky, oy)
    for tick in ticks(1, len(mine)):
        body.append(_text(tick * kx + ox, HEIGHT - BOTTOM + 14, f"{tick:g}", "middle"))
    kinds = [("accent", names[0])]
    if other is not None:
        body.append(_path(other, 1, kx, ox, ky, oy, "warn dashed"))
        kinds.append(("warn dashed", names[1]))
    body.append(_path(mine, 1, kx, ox, ky, oy, "accent line"))
    body.append(_text((LEFT + WIDTH) / 2, HEIGHT - 4, across, "middle"))
    return _frame(WIDTH, HEIGHT, across, [*body, *_legend(kinds)])


def _path(
    values: Sequence[float], start: int, kx: float, ox: float, ky: float, oy: float, kind: str
) -> str:
    """A line through values from place `start` on, open where they are NaN."""
    line, down = [], False
    for i, v in enumerate(values, start):
        if math.isfinite(v):
            line.append(f"{'L' if down else 'M'}{i * kx + ox:.1f} {v * ky + oy:.1f}")
        down = math.isfinite(v)
    return f'<path class="{kind}" fill="none" d="{"".join(line)}"/>'
