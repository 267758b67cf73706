"""A network drawn: its parts as panels, operations as boxes, what skips them as curves.

Colours are those of the page's CSS classes (see `svg.py`), for light and dark pages alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from modelwright.readers.network_boxes import Box, Drawing, boxes_of, members_of, shape_words, short
from modelwright.readers.network_layout import (
    FRAME,
    GAP,
    LETTER,
    ROUND,
    TALL,
    Link,
    Unit,
    units_of,
    width_of,
)

WIDE = 906.0  # of the picture: about the width of the page's text
PAD, HEAD, BETWEEN = 14.0, 30.0, 26.0  # inside a panel, its title, between rows
LEFT, LINES = 14.0, 16.0  # left of panels, and between lines of them: a thin line leads on there
INPUT = 84.0  # width of the pill that stands for the input
EDGE = 7.0  # from the left edge to the line that leads to the next row


def network_picture(drawing: Drawing, input_shape: Sequence[int]) -> str:
    """The network as SVG text, read from left to right and row by row; empty without operations.

    A panel is a part of the network by its operations' names (`stem`, `stage0`, `head`); in it
    boxes are operations, circles sums (+), products (×) and channels side by side (&). The bar in a
    box is its share of the weights. Blocks that are alike, one after the other, are drawn once. Of
    an ensemble each network is drawn, those of one shape once.
    """
    if not drawing:
        return ""
    page, members = _Page(), members_of(drawing)
    done: list[tuple[list[Box], list[int]]] = []
    for number, member in enumerate(members, 1):
        found = boxes_of(member, input_shape)
        like = next((numbers for known, numbers in done if known == found), None)
        if like is None:
            done.append((found, [number]))
        else:
            like.append(number)
    largest = max((box.weights for boxes, _ in done for box in boxes), default=0) or 1
    for boxes, numbers in done:
        title = ""
        if len(members) > 1:
            title = f"network{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))} of "
            title += f"{len(members)}{', of one shape' * (len(numbers) > 1)}"
        _draw_network(page, boxes, input_shape, largest, title)
    if len(members) > 1:
        page.body.append(_text(PAD, page.y + 16, f"answer: the mean of the shares of "
                               f"{len(members)} networks", "label strong"))  # fmt: skip
        page.y += 30
    weights = sum(int(step[4]) for step in drawing)
    title = f"the network, {len(drawing)} operations with {weights:,} weights"
    return _frame(page, title)


@dataclass
class _Page:
    """What is drawn so far, and where the next row begins. Lines lie under boxes."""

    y: float = 4.0
    wide: float = WIDE
    panels: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)


@dataclass
class _Panel:
    """A part of the network with its rows of units."""

    name: str
    rows: list[list[Unit]]

    @property
    def width(self) -> float:
        return max(sum(u.width for u in row) for row in self.rows) + 2 * PAD

    @property
    def top(self) -> float:
        return min(u.top for u in self.rows[0])

    @property
    def bottom(self) -> float:
        return max(u.bottom for u in self.rows[0])


def _panels(boxes: Sequence[Box]) -> list[_Panel]:
    """The parts of the network; units fill rows as words fill lines."""
    limit = WIDE - LEFT - 2 * PAD
    panels: list[_Panel] = []
    for unit in units_of(boxes, limit):
        name = unit.boxes[0].panel
        if not panels or panels[-1].name != name:
            panels.append(_Panel(name, [[]]))
        rows = panels[-1].rows
        if rows[-1] and sum(u.width for u in rows[-1]) + unit.width > limit:
            rows.append([])
        rows[-1].append(unit)
    return panels


def _draw_network(
    page: _Page, boxes: Sequence[Box], input_shape: Sequence[int], largest: int, title: str
) -> None:
    """One network, from its input on."""
    if title:
        page.body.append(_text(PAD, page.y + 14, title, "label strong"))
        page.y += 24
    lines = _lines(_panels(boxes))
    pen = _draw_input(page, lines[0], input_shape)  # where the line ends that is drawn so far
    for number, line in enumerate(lines):
        pen = _draw_line(page, line, LEFT if number else LEFT + INPUT + 10, pen, largest)


def _lines(panels: Sequence[_Panel]) -> list[list[_Panel]]:
    """Panels as they stand beside each other; one of several rows stands alone."""
    lines: list[list[_Panel]] = [[]]
    used = LEFT + INPUT + 10
    for panel in panels:
        alone = len(panel.rows) > 1 or (lines[-1] and len(lines[-1][-1].rows) > 1)
        if used + panel.width > WIDE or (alone and lines[-1]):
            lines.append([])
            used = LEFT
        lines[-1].append(panel)
        used += panel.width + 10
    return lines


def _draw_input(page: _Page, line: Sequence[_Panel], shape: Sequence[int]) -> tuple[float, float]:
    """The pill at the beginning; where its line leaves."""
    y = page.y + HEAD - min((p.top for p in line), default=-TALL / 2)
    page.body.append(
        f'<rect class="inverse faint" x="{LEFT}" y="{y - 19:.1f}" width="{INPUT}" height="38" '
        f'rx="19"/>'
    )
    page.body.append(_text(LEFT + INPUT / 2, y - 2, "input", "label strong", "middle"))
    page.body.append(_small(LEFT + INPUT / 2, y + 11, shape_words(shape), "middle"))
    if not line:
        page.y = y + TALL
    return LEFT + INPUT, y


def _draw_line(
    page: _Page, panels: Sequence[_Panel], x: float, pen: tuple[float, float], largest: int
) -> tuple[float, float]:
    """Panels beside each other; one of several rows is alone. The pen's new place."""
    if not panels:
        return pen
    top = bottom = page.y
    first = top + HEAD - min(p.top for p in panels)
    height = first - top + max(p.bottom for p in panels) + PAD
    for panel in panels:
        y, low = first, top + height
        for number, row in enumerate(panel.rows):
            gutter = top - LINES / 2 if not number else low - PAD + BETWEEN / 2 - 2
            if number:
                y = low + BETWEEN - PAD - min(u.top for u in row)
                low = y + max(u.bottom for u in row) + PAD
            start = (x + EDGE, gutter) if number else (EDGE, gutter)
            pen = _draw_row(page, row, (x + PAD, y), pen, start, largest)
        page.panels.append(
            f'<rect class="bar" fill-opacity="0.055" x="{x:.1f}" y="{top:.1f}" '
            f'width="{panel.width:.1f}" height="{low - top:.1f}" rx="10"/>'
        )
        _draw_title(page, panel, x, top)
        page.wide = max(page.wide, x + panel.width)
        bottom = max(bottom, low)
        x += panel.width + 10
    page.y = bottom + LINES
    return pen


def _draw_title(page: _Page, panel: _Panel, x: float, top: float) -> None:
    name = panel.name
    if name.startswith("stage") and name[5:].isdecimal():
        name = f"stage {int(name[5:]) + 1}"
    weights = sum(b.weights * u.repeats for row in panel.rows for u in row for b in u.boxes)
    page.body.append(_text(x + PAD, top + 18, name, "label strong", bold=True))
    told = f"{short(weights)} weights" if panel.width > 220 else short(weights)
    if weights:
        page.body.append(_small(x + panel.width - PAD, top + 18, told, "end"))


def _draw_row(
    page: _Page, row: Sequence[Unit], at: tuple[float, float], pen: tuple[float, float],
    gutter: tuple[float, float], largest: int,
) -> tuple[float, float]:  # fmt: skip
    """Units one after the other on one line, joined to what came before; where the line ends."""
    x, y = at
    page.lines.append(_joined(pen, at, gutter))
    for number, unit in enumerate(row):
        if number:
            page.lines.append(_line(f"M{pen[0]:.1f} {y:.1f}H{x:.1f}"))
        busy = _busy(unit)
        for link in unit.links:
            page.lines += [_line(d) for d in _link_paths(unit, link, x, y)]
        for place, box in enumerate(unit.boxes, 1):
            left, middle = x + unit.x[place], y + unit.y[place]
            page.body.append(_drawn(box, left, middle, largest, busy[place]))
        if unit.repeats > 1:
            _draw_repeats(page, unit, x, y)
        pen = (x + unit.x[-1] + width_of(unit.boxes[-1]), y)
        x += unit.width
    return pen


def _busy(unit: Unit) -> list[set[str]]:
    """From which sides lines come to each place: above, below."""
    out: list[set[str]] = [set() for _ in unit.y]
    for link in unit.links:
        height = unit.y[link.source] if link.level is None else link.level
        if height != unit.y[link.target]:
            out[link.target].add("below" if height > unit.y[link.target] else "above")
    return out


def _draw_repeats(page: _Page, unit: Unit, x: float, y: float) -> None:
    """A frame around a unit that stands for several, and how many."""
    left, top = x + 2, y + unit.top + FRAME[0] - 6
    page.lines.append(
        f'<rect class="quiet thin dashed" x="{left:.1f}" y="{top:.1f}" '
        f'width="{unit.width + 3:.1f}" height="{y + unit.bottom - top:.1f}" rx="8"/>'
    )
    words = f"{unit.repeats} times, one after the other"
    page.body.append(_small(left + unit.width, top - 5, words, "end"))


def _drawn(box: Box, left: float, y: float, largest: int, busy: set[str]) -> str:
    """One box or circle, with what a pointer over it is told."""
    told = f"{', '.join(box.names)}: {shape_words(box.shape)}, {box.weights:,} weights, "
    told += f"{box.macs:,} multiplications"
    inside = _circle(box, left, y, busy) if box.merge else _rectangle(box, left, y, largest)
    return f"<g><title>{escape(told)}</title>{inside}</g>"


def _circle(box: Box, left: float, y: float, busy: set[str]) -> str:
    """A merge; its words lie under it, or where no line comes from."""
    x, r = left + ROUND / 2, ROUND / 2
    if "below" not in busy:
        under = _small(x, y + r + 11, box.under, "middle")
    elif "above" not in busy:
        under = _small(x, y - r - 5, box.under, "middle")
    else:
        under = _small(x + 5, y + r + 11, box.under)
    return (
        f'<circle class="inverse ring" cx="{x:.1f}" '
        f'cy="{y:.1f}" r="{r}"/>{_text(x, y + 4.5, box.title, "label strong", "middle")}'
        f"{under if box.under else ''}"
    )


def _rectangle(box: Box, left: float, y: float, largest: int) -> str:
    top, right, wide = y - TALL / 2, left + width_of(box), width_of(box)
    out = [
        f'<rect class="inverse faint" x="{left:.1f}" y="{top:.1f}" width="{wide}" '
        f'height="{TALL}" rx="6"/>',
        _text(left + 9, top + (16 if box.under else 20), box.title, "label strong"),
    ]
    if box.under:
        out.append(_small(left + 9, top + 29, box.under, room=wide - 14))
    out.append(_small(left + 9, top + 43, shape_words(box.shape)))
    if box.weights:
        out.append(_small(right - 9, top + 43, short(box.weights), "end"))
        share = max(2.0, (wide - 18) * box.weights / largest)
        out.append(
            f'<rect class="bar" x="{left + 9:.1f}" y="{top + TALL - 4:.1f}" width="{share:.1f}" '
            f'height="2.5" rx="1"/>'
        )
    return "".join(out)


# -- lines ---------------------------------------------------------------------------------------


def _link_paths(unit: Unit, link: Link, x: float, y: float) -> list[str]:
    """The paths of a line within a unit whose entry is at (x, y)."""
    source = unit.boxes[link.source - 1] if link.source else None
    target = unit.boxes[link.target - 1]
    x0 = x + unit.x[link.source] + (width_of(source) if source else 0)
    y0, y1 = y + unit.y[link.source], y + unit.y[link.target]
    x1 = x + unit.x[link.target]
    if link.level is None or link.times > 1:
        bent = target.merge and y0 != y1
        half = x1 + ROUND / 2
        near = y1 + (ROUND / 2 if y0 > y1 else -ROUND / 2)
        if bent:
            direct = (
                f"M{x0:.1f} {y0:.1f}C{half:.1f} {y0:.1f} {half:.1f} {y0:.1f} {half:.1f} {near:.1f}"
            )
        elif y0 == y1:
            direct = f"M{x0:.1f} {y0:.1f}H{x1:.1f}"
        else:
            middle = (x0 + x1) / 2
            direct = (
                f"M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
            )
        if link.level is None:
            return [direct]
        return [direct, _around(target, x0, y0, x1, y1, y + link.level)]
    return [_around(target, x0, y0, x1, y1, y + link.level)]


def _around(target: Box, x0: float, y0: float, x1: float, y1: float, level: float) -> str:
    """Up or down to the height `level`, along it, and to the target: a circle from its rim."""
    away = f"M{x0:.1f} {y0:.1f}C{x0 + GAP * 0.7:.1f} {y0:.1f} {x0 + GAP * 0.3:.1f} {level:.1f} "
    away += f"{x0 + GAP:.1f} {level:.1f}"
    if level == y0:
        away = f"M{x0:.1f} {y0:.1f}"
    if not target.merge:
        return away + (
            f"H{x1 - GAP:.1f}C{x1 - GAP * 0.3:.1f} {level:.1f} {x1 - GAP * 0.7:.1f} {y1:.1f} "
            f"{x1:.1f} {y1:.1f}"
        )
    middle, rim = x1 + ROUND / 2, y1 + (ROUND / 2 if level > y1 else -ROUND / 2)
    return f"{away}H{middle - 14:.1f}Q{middle:.1f} {level:.1f} {middle:.1f} {rim:.1f}"


def _joined(pen: tuple[float, float], to: tuple[float, float], gutter: tuple[float, float]) -> str:
    """From the end of one panel or row to the beginning of the next, as a line of text goes on.

    `gutter` is the x at which it leads down, and the y at which it leads back.
    """
    (x0, y0), (x1, y1), (left, level) = pen, to, gutter
    if x1 >= x0 and y1 == y0:
        return _line(f"M{x0:.1f} {y0:.1f}H{x1:.1f}")
    right, r = x0 + 8, 7
    return _line(
        f"M{x0:.1f} {y0:.1f}H{right - r:.1f}Q{right:.1f} {y0:.1f} {right:.1f} {y0 + r:.1f}"
        f"V{level - r:.1f}Q{right:.1f} {level:.1f} {right - r:.1f} {level:.1f}"
        f"H{left + r:.1f}Q{left:.1f} {level:.1f} {left:.1f} {level + r:.1f}"
        f"V{y1 - r:.1f}Q{left:.1f} {y1:.1f} {left + r:.1f} {y1:.1f}H{x1:.1f}",
        "pale",
    )


def _line(path: str, kind: str = "thin") -> str:
    return f'<path class="quiet {kind}" d="{path}"/>'


def _text(
    x: float, y: float, words: str, kind: str = "label", anchor: str = "start", bold: bool = False
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    kind += " bold" if bold else ""
    return f'<text class="{kind}" {place}>{escape(words)}</text>'


def _small(x: float, y: float, words: str, anchor: str = "start", room: float | None = None) -> str:
    """Small words, pressed together where they would need more than their room."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    if room is not None and len(words) * LETTER > room:
        place += f' textLength="{room:.0f}" lengthAdjust="spacingAndGlyphs"'
    return f'<text class="label small" {place}>{escape(words)}</text>'


def _frame(page: _Page, title: str) -> str:
    """The whole picture; on a narrow screen it is scrolled, not shrunk until nobody can read it."""
    inside = "".join([*page.panels, *page.lines, *page.body])
    return (
        f'<svg width="100%" class="broad" viewBox="0 0 {page.wide:.0f} {page.y:.0f}" '
        f'role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{inside}</svg>'
    )
